"""Scale: how large an experiment is; the same definitions run in a test, on a CPU and on GPUs."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scale:
    """Sizes that all experiments share.

    `seeds` trained networks a variant (`many_seeds` where quality is compared), `starts` random initialisations a
    variant, `steps` and `batch` of a training, `width` of the networks, `patch` pixels a side, `held_out` patches that
    quality is measured on. `every` is the time in seconds between checkpoints.
    """

    name: str
    seeds: int
    many_seeds: int
    starts: int
    steps: int
    batch: int
    width: int
    patch: int
    held_out: int
    every: float = 20.0


SCALES: dict[str, Scale] = {
    "tiny": Scale("tiny", 1, 1, 2, 4, 4, 16, 32, 8),
    "cpu": Scale("cpu", 3, 5, 200, 600, 32, 64, 32, 112),
    "paper": Scale("paper", 5, 10, 1000, 30_000, 128, 256, 32, 112, 60.0),
}
"""`tiny` for tests, `cpu` (the default) for two cores and minutes, `paper` for a GPU."""


def scale_named(name: str, *, steps: int | None = None, seeds: int | None = None) -> Scale:
    """Find a scale, with other steps or seeds where given; `ValueError` for a name that the table lacks.

    >>> scale_named("cpu").seeds, scale_named("cpu", steps=1500).steps
    (3, 1500)
    """
    if name not in SCALES:
        raise ValueError(f"there is no scale {name!r}; take one of {', '.join(SCALES)}")
    scale = SCALES[name]
    if seeds is not None:
        scale = replace(scale, seeds=seeds, many_seeds=seeds)
    return scale if steps is None else replace(scale, steps=steps)


def options_of(scale: Scale) -> str:
    """Say the options of `flatfield lab run` that give this scale.

    >>> options_of(scale_named("cpu", steps=1500))
    '--scale cpu --steps 1500'
    """
    plain = scale_named(scale.name)
    options = [f"--scale {scale.name}"]
    options += [f"--steps {scale.steps}"] if scale.steps != plain.steps else []
    options += [f"--seeds {scale.seeds}"] if (scale.seeds, scale.many_seeds) != (plain.seeds, plain.many_seeds) else []
    return " ".join(options)
