"""The experiments: one file each, listed in the order of the article and of what came after it."""

from flatfield.lab.experiment import Experiment
from flatfield.lab.experiments.colour import COLOUR
from flatfield.lab.experiments.cured import CURED
from flatfield.lab.experiments.discriminator import DISCRIMINATOR
from flatfield.lab.experiments.gradients import GRADIENTS
from flatfield.lab.experiments.inclusion import INCLUSION
from flatfield.lab.experiments.learning import LEARNING
from flatfield.lab.experiments.sound import SOUND
from flatfield.lab.experiments.stacked import STACKED
from flatfield.lab.experiments.style import STYLE
from flatfield.lab.experiments.untrained import UNTRAINED
from flatfield.lab.experiments.upsamplers import UPSAMPLERS_COMPARED

EXPERIMENTS: tuple[Experiment, ...] = (
    INCLUSION,
    UNTRAINED,
    LEARNING,
    COLOUR,
    STACKED,
    DISCRIMINATOR,
    GRADIENTS,
    UPSAMPLERS_COMPARED,
    STYLE,
    SOUND,
    CURED,
)


def find_experiment(name: str) -> Experiment:
    """Find an experiment by name; `ValueError` lists those that there are.

    >>> find_experiment("colour").by
    ()
    """
    for experiment in EXPERIMENTS:
        if experiment.name == name:
            return experiment
    raise ValueError(f"there is no experiment {name!r}; take one of {', '.join(e.name for e in EXPERIMENTS)}")
