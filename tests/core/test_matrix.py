"""The battery: every structured operator is held against its dense truth.

An operator joins by a strategy that draws a `Case`: itself, and what its matrix has to be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatfield.core import Convolution, Interpolation, SubPixelConvolution, Window, average_pool

from . import naive, peer
from .geometries import Draw, Geometry, geometries

Array = npt.NDArray[np.float64]
INTERPOLATE = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Structured(Protocol):
    def as_matrix(self, size: tuple[int, ...], **torus: bool) -> Array: ...


@dataclass(frozen=True)
class Case:
    """An operator, and the dense matrices that others find for it; on a torus its size may differ."""

    operator: Structured
    size: tuple[int, ...]
    truths: Mapping[str, Array]
    torus_size: tuple[int, ...] = ()
    torus_truths: Mapping[str, Array] = field(default_factory=dict)


@st.composite
def transposed_convolutions(draw: Draw) -> Case:
    geometry = draw(geometries().map(Geometry.with_output))
    layer = geometry.transposed()
    loops = {
        "inputs": geometry.size,
        "stride": geometry.stride,
        "before": geometry.before,
        "dilation": geometry.dilation,
        "groups": geometry.groups,
    }
    wrapped = tuple(n * s for n, s in zip(geometry.size, geometry.stride, strict=True))
    return Case(
        layer,
        geometry.size,
        {
            "loops": naive.transposed(layer.weight, outputs=layer.output_size(geometry.size), torus=False, **loops),
            "torch": peer.transposed(layer, geometry.size),
        },
        geometry.size,
        {"loops": naive.transposed(layer.weight, outputs=wrapped, torus=True, **loops)},
    )


@st.composite
def convolutions(draw: Draw) -> Case:
    geometry = draw(geometries().map(Geometry.with_room))
    layer = geometry.convolution()
    loops = {
        "stride": geometry.stride,
        "before": geometry.before,
        "dilation": geometry.dilation,
        "groups": geometry.groups,
    }
    outputs = layer.output_size(geometry.size)
    walked = tuple(n * s for n, s in zip(geometry.size, geometry.stride, strict=True))
    return Case(
        layer,
        geometry.size,
        {
            "loops": naive.convolution(layer.weight, inputs=geometry.size, outputs=outputs, torus=False, **loops),
            "torch": peer.convolution(layer, geometry.size),
        },
        walked,
        {"loops": naive.convolution(layer.weight, inputs=walked, outputs=geometry.size, torus=True, **loops)},
    )


@st.composite
def sub_pixel_convolutions(draw: Draw) -> Case:
    geometry = draw(geometries().map(Geometry.with_room))
    scale = geometry.stride
    weight = geometry.weight(geometry.outs * int(np.prod(scale)), geometry.ins)
    window = Window(geometry.dims, padding=geometry.padding, dilation=geometry.dilation)
    layer = SubPixelConvolution(weight, scale, window)
    convolution = Convolution(weight, window)
    columns = peer.convolution(convolution, geometry.size).T
    shape = (-1, *convolution.output_size(geometry.size))
    shuffled = np.stack([naive.shuffle(column.reshape(shape), scale).ravel() for column in columns], axis=1)
    return Case(
        layer,
        geometry.size,
        {"torch, then loops": shuffled, "transposed": layer.as_transposed().as_matrix(geometry.size)},
    )


@st.composite
def pixel_shuffles(draw: Draw) -> Case:
    """The one shuffle that PyTorch has: two axes, one factor."""
    from torch.nn import functional as F

    geometry = draw(geometries(dims=2).map(Geometry.with_room))
    scale = geometry.stride[0]
    weight = geometry.weight(geometry.outs * scale**2, geometry.ins)
    window = Window(2, padding=geometry.padding, dilation=geometry.dilation)
    convolve = peer.convolve(Convolution(weight, window))
    truth = peer.dense(lambda x: F.pixel_shuffle(convolve(x), scale), geometry.ins, geometry.size)
    return Case(SubPixelConvolution(weight, (scale, scale), window), geometry.size, {"torch": truth})


@st.composite
def interpolations(draw: Draw) -> Case:
    from torch.nn import functional as F

    geometry = draw(geometries())
    mode = draw(st.sampled_from(["nearest", "nearest-exact", "linear"] + ["cubic"] * (geometry.dims == 2)))
    peer_mode = {"linear": INTERPOLATE[geometry.dims], "cubic": "bicubic"}.get(mode, mode)
    outputs = [n * s for n, s in zip(geometry.size, geometry.stride, strict=True)]
    truth = peer.dense(lambda x: F.interpolate(x, size=outputs, mode=peer_mode), 1, geometry.size)
    return Case(Interpolation(geometry.stride, mode), geometry.size, {"torch": truth})


@st.composite
def average_pools(draw: Draw) -> Case:
    from torch.nn import functional as F

    geometry = draw(geometries())
    padding = [min(p, kernel // 2) for p, kernel in zip(geometry.before, geometry.kernel, strict=True)]
    # PyTorch wants room for the kernel without the padding
    size = tuple(n + k - 1 for n, k in zip(geometry.size, geometry.kernel, strict=True))
    stride = draw(st.sampled_from([geometry.stride, None]))
    pool = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[geometry.dims]
    truth = peer.dense(lambda x: pool(x, geometry.kernel, stride, padding), geometry.ins, size)
    layer = average_pool(geometry.kernel, stride=stride, padding=padding, channels=geometry.ins)
    return Case(layer, size, {"torch": truth})


@st.composite
def adjoints(draw: Draw) -> Case:
    """The gradient of a convolution, where the stride leaves no input over (it would be output padding)."""
    geometry = draw(geometries().map(Geometry.with_room))
    geometry = geometry.without_rest()
    layer = geometry.convolution()
    outputs = layer.output_size(geometry.size)
    walked = tuple(n * s for n, s in zip(geometry.size, geometry.stride, strict=True))
    return Case(
        layer.adjoint(),
        outputs,
        {"transpose": peer.convolution(layer, geometry.size).T},
        geometry.size,
        {"transpose": layer.as_matrix(walked, torus=True).T},
    )


ON_A_TORUS: list[Callable[[], st.SearchStrategy[Case]]] = [transposed_convolutions, convolutions, adjoints]
OPERATORS = [*ON_A_TORUS, sub_pixel_convolutions, pixel_shuffles, interpolations, average_pools]


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_matrix_is_the_dense_truth(operator: Callable[[], st.SearchStrategy[Case]], data: st.DataObject) -> None:
    case = data.draw(operator())
    matrix = case.operator.as_matrix(case.size)
    assert case.truths
    for name, truth in case.truths.items():
        np.testing.assert_allclose(matrix, truth, rtol=0, atol=1e-12, err_msg=name, strict=True)


@pytest.mark.parametrize("operator", ON_A_TORUS, ids=lambda operator: operator.__name__)
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_matrix_wraps_round_on_a_torus(operator: Callable[[], st.SearchStrategy[Case]], data: st.DataObject) -> None:
    case = data.draw(operator())
    matrix = case.operator.as_matrix(case.torus_size, torus=True)
    assert case.torus_truths
    for name, truth in case.torus_truths.items():
        np.testing.assert_allclose(matrix, truth, rtol=0, atol=1e-12, err_msg=name, strict=True)
