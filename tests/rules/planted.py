"""Planted networks: layers written down by hand, with weights whose answer is known, one behind the other."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from flatfield.network import Layer, Network, Operator, Weight
from flatfield.report import Finding
from flatfield.rules import examine, find_rule

Array = npt.NDArray[np.floating]


def held(array: Array) -> Weight:
    return Weight(array.shape, lambda: array)


def layer(name: str, operator: Operator, kernel: tuple[int, ...], stride: tuple[int, ...], **facts: Any) -> Layer:
    dims = len(stride)
    scale = stride if operator in ("ConvTranspose", "Resize", "SubPixelConv") else tuple(1 for _ in stride)
    usual = {
        "input_size": (8,) * dims,
        "output_size": tuple(8 * s for s in scale),
        "padding": ((0, 0),) * dims,
        "dilation": (1,) * dims,
        "output_padding": (0,) * dims,
    }
    return Layer(name=name, operator=operator, kernel=kernel, stride=stride, **{**usual, **facts})


def transposed(name: str, weight: Array, stride: int, **facts: Any) -> Layer:
    kernel = weight.shape[2:]
    return layer(name, "ConvTranspose", kernel, (stride,) * len(kernel), weight=held(weight), **facts)


def ones(name: str, kernel: tuple[int, ...], stride: int, **facts: Any) -> Layer:
    return transposed(name, np.ones((1, 1, *kernel)), stride, **facts)


def convolution(name: str, weight: Array, stride: int = 1, **facts: Any) -> Layer:
    kernel = weight.shape[2:]
    return layer(name, "Conv", kernel, (stride,) * len(kernel), weight=held(weight), **facts)


def resize(name: str, stride: tuple[int, ...], mode: str = "nearest") -> Layer:
    return layer(name, "Resize", stride, stride, mode=mode)


def sub_pixel(name: str, weight: Array, bias: Array | None = None, **facts: Any) -> Layer:
    kernel = weight.shape[2:]
    shuffle = (2,) * len(kernel)
    known = {"weight": held(weight), "bias": None if bias is None else held(bias)}
    return layer(name, "SubPixelConv", kernel, shuffle, **known, **facts)


def random(*shape: int) -> Array:
    return np.random.default_rng(math.prod(shape)).normal(size=shape)


def chain(*layers: Layer) -> Network:
    """The layers in a row: each reads the one before, the last is the output."""
    names = [one.name for one in layers]
    linked = [dataclasses.replace(one, inputs=(names[place - 1],) if place else ()) for place, one in enumerate(layers)]
    return Network("planted", tuple(linked), outputs=(names[-1],))


def found(network: Network, code: str) -> list[Finding]:
    return list(examine(network, [find_rule(code)]))


def only(network: Network, code: str) -> Finding:
    findings = found(network, code)
    assert len(findings) == 1, findings
    assert findings[0].code == code
    return findings[0]
