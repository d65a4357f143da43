"""The probe backwards: what a flat gradient at the output becomes at the input.

The gradient of a strided convolution is a transposed convolution (design, section 3), so saliency maps and the
gradients of a discriminator have grids of their own. On a flat field every mask of a nonlinearity is flat, and a
flat gradient comes back exactly periodic; max pooling sends it where the maximum stands, which is measured over
random inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from flatfield.probe.backward import Backward
from flatfield.probe.first_pass import FirstPass
from flatfield.probe.gradient_grid import INPUTS, Leaf, exact, measured
from flatfield.probe.passage import Subject, subject
from flatfield.probe.unhonoured import NoGridError
from flatfield.readers.visit import map_tensors, tensors_in
from flatfield.report import GradientReport


def probe_gradient(
    module: nn.Module,
    inputs: Sequence[Any] | torch.Tensor,
    *,
    keywords: Mapping[str, Any] | None = None,
    random_inputs: int = INPUTS,
    seed: int = 0,
) -> GradientReport:
    """Send a flat gradient back through a module and say how uneven it arrives at the (first) input.

    Without max pooling one flat field decides it exactly. With it, or where a normalisation takes its statistics over
    positions, `random_inputs` inputs with the example's mean and deviation are run: the mean gradient over them, and
    its variance, each averaged phase by phase. What is left of the grid's rms when gradients are averaged over some
    shifts of the input within a period ("jitter") is measured too. Nothing of the module is changed. Padding is wrapped
    round; of a network that pads less than its layers reach, the period in the middle is taken. Raises `NoGridError`
    where the module has no input with positions or nothing strides, `ValueError` where no gradient arrives.

    >>> module = nn.Conv1d(1, 1, 3, stride=2, bias=False)
    >>> _ = nn.init.ones_(module.weight)
    >>> report = probe_gradient(module, torch.ones(1, 1, 8))
    >>> report.period, round(report.unevenness, 4)
    ((2,), 0.3162)
    """
    whole = subject(module, inputs, keywords)
    with whole.untouched:
        seen = whole.first_pass()
        tensor, leaf = _leaf(seen)
        if not seen.maxima and not seen.statistics.over_positions:
            return exact(leaf, lambda x: _gradient(whole, tensor, x))
        return measured(leaf, lambda x: _gradient(whole, tensor, x), random_inputs, seed)


def _leaf(seen: FirstPass) -> tuple[torch.Tensor, Leaf]:
    """The first input with positions; its period divides the steps that strides take along it."""
    if not seen.sources():
        raise NoGridError("the module has no input with positions")
    tensor, source = seen.sources()[0]
    if max(source.steps) == 1:
        raise NoGridError("no layer strides: a flat gradient stays flat")
    return tensor, Leaf(tensor.detach().to("cpu", torch.float64).numpy(), source.axes, source.steps)


def _gradient(whole: Subject, leaf: torch.Tensor, x: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """The gradient of the sum of all outputs at an input, on the torus that the input is."""
    put = torch.from_numpy(x).to(leaf).requires_grad_(True)
    mode = Backward()

    def fed(tensor: torch.Tensor) -> torch.Tensor:
        return put if tensor is leaf else tensor

    with whole.untouched, torch.enable_grad(), mode:
        inputs, keywords = map_tensors(whole.inputs, fed), map_tensors(dict(whole.keywords), fed)
        outputs = tensors_in(whole.module(*inputs, **keywords))
        result = next((t for t in outputs if t.requires_grad), None)
        if result is None:
            raise ValueError("no output has a gradient to the input: is the network run without gradients?")
        mode.returning = True
        (found,) = torch.autograd.grad(result.sum(), put)
    gradient: npt.NDArray[np.float64] = found.detach().to("cpu", torch.float64).numpy()
    return gradient
