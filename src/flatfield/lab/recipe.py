"""Recipe: how a network is trained, and what was found to keep it stable over seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Adam with a warm-up and a cosine to zero, gradients clipped, weights averaged for evaluation.

    `rate` is the highest learning rate, `warm` the share of the steps that it takes to rise to it, `clip` the largest
    gradient norm, `average` the decay of the exponential moving average of the weights (0: none), `betas` Adam's.
    The defaults are the auto-encoder's; docs/lab.md tells over which seeds they were tried.
    """

    steps: int
    batch: int = 32
    rate: float = 2e-3
    warm: float = 0.05
    clip: float = 1.0
    average: float = 0.99
    betas: tuple[float, float] = (0.9, 0.99)
    decay: bool = True

    def rate_at(self, step: int) -> float:
        """Give the learning rate of step 0, 1 ...; a function of the step alone, so that nothing of it need be saved.

        >>> recipe = Recipe(steps=105, rate=1.0)
        >>> [round(recipe.rate_at(step), 3) for step in (0, 4, 55, 105)]
        [0.2, 1.0, 0.5, 0.0]
        """
        warm = max(1, round(self.warm * self.steps))
        if step < warm:
            return self.rate * (step + 1) / warm
        if not self.decay:
            return self.rate
        return self.rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm)))

    def average_at(self, step: int) -> float:
        """Give the decay of the averaged weights at a step: short at first, so that the start is forgotten.

        >>> recipe = Recipe(steps=1000)
        >>> [round(recipe.average_at(step), 2) for step in (0, 8, 5000)]
        [0.1, 0.5, 0.99]
        """
        return min(self.average, (1 + step) / (10 + step))
