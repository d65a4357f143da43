"""The example generators before any training: deconvolution is found with its periods, resize-convolution is clean.

A stage that doubles 4 x 4 is two steps of the doubling further from the output: the period of the first of three is 8,
a tile of the picture's own content at 32 x 32, and is not asked of one picture.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from flatfield.examples.generator import LATENT, DcganGenerator  # noqa: E402
from flatfield.measure import measure_lattice  # noqa: E402

SEEDS = 200
D, R = "deconv", "resize"


def found(stages: tuple[str, ...], kernel: int = 3) -> list[tuple[int, ...]]:
    pictures, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)  # networks this small only wait for more
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        with torch.no_grad():
            painted = DcganGenerator(stages, kernel).train()(torch.randn(16, LATENT))[:1]
        pictures.append(((painted.numpy() + 1) * 127.5).round().astype(np.uint8)[0])
    torch.set_num_threads(threads)
    return list(measure_lattice(np.stack(pictures)).found())


@pytest.mark.parametrize(
    ("stages", "kernel", "periods"),
    [((D, D, D), 3, {2, 4}), ((D, D, D), 4, {2, 4}), ((R, D, D), 3, {2, 4}), ((R, R, D), 3, {2})],
)
def test_deconvolution_is_found_with_its_periods(stages: tuple[str, ...], kernel: int, periods: set[int]) -> None:
    """Of 200 seeds at most 2% may miss a period, and at most 2% show one that no stage makes."""
    seen = found(stages, kernel)
    possible = periods | {2 ** (3 - i) for i, stage in enumerate(stages) if stage == D}
    assert np.mean([not periods <= set(s) for s in seen]) <= 0.02
    assert np.mean([not set(s) <= possible for s in seen]) <= 0.02


@pytest.mark.parametrize("stage", ["resize", "resize-bilinear"])
def test_resize_convolution_is_clean(stage: str) -> None:
    assert np.mean([bool(s) for s in found((stage,) * 3)]) <= 0.01
