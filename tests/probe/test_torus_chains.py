"""Random chains of layers on the torus are products of dense matrices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from hypothesis import HealthCheck, assume, given, settings
from torch import nn

from flatfield.probe.circular_pads import CircularPads
from flatfield.probe.plan import INPUT, Plan
from flatfield.probe.statistics import Statistics
from flatfield.probe.torus import Torus
from flatfield.probe.unhonoured import WindowTooSmallError

from .chains import chains


def on_torus(module: nn.Module, signal: torch.Tensor) -> tuple[torch.Tensor, tuple[int, ...], Torus]:
    torus = Torus(Plan(INPUT), Statistics(), [])
    torus.ledger.lenient = False  # a window that is too small is no case of this test
    torus.known[signal] = (0, 0, *signal.shape[2:])
    with torch.no_grad(), CircularPads(torus.known), torus:
        result = module(signal)
    return result, torus.known[result], torus


def wrapped(truth: npt.NDArray[np.float64], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """The window of `shape` on the plane that `truth` tiles."""
    for axis, n in enumerate(shape):
        truth = truth.take(np.arange(n) % truth.shape[axis], axis)
    return truth


@given(chains())
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_chain_is_the_product_of_its_matrices(
    chain: tuple[nn.Module, npt.NDArray[np.float64], tuple[int, ...], tuple[int, ...], int],
) -> None:
    module, matrix, start, end, channels = chain
    signal = torch.randn(1, 2, *start, dtype=torch.float64)
    try:
        result, periods, torus = on_torus(module, signal)
    except WindowTooSmallError:
        assume(False)
    truth = (matrix @ signal.numpy().ravel()).reshape(channels, *end)
    window = result[0].numpy()
    np.testing.assert_allclose(window, wrapped(truth, window.shape), atol=1e-10 * max(1, np.abs(truth).max()))
    assert not torus.ledger.entries
    assert all(n % p == 0 for n, p in zip(end, periods[2:], strict=True)), "the torus is a whole number of periods"
