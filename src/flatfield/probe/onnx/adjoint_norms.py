"""Adjoints of ONNX normalisations, with the statistics that they take themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flatfield.probe.onnx.back import Arriving, Back, Rule

Mean = Callable[[str], str]


def batch(back: Back) -> Mapping[int, Arriving]:
    """`BatchNormalization` in a file: a factor a channel."""
    epsilon = back.number(float(back.node.attributes.get("epsilon", 1e-5)))
    factor = back.add("Div", back.x(1), back.add("Sqrt", back.add("Add", back.x(4), epsilon)))
    shaped = back.shaped(factor, (1, -1, *(1,) * (len(back.node.shape()) - 2)))
    return back.to(0, back.add("Mul", back.gradient, shaped), back.periods)


def _centred(back: Back, mean: Mean, arriving: str) -> str:
    """(g - mean g - z mean(g z)) / deviation, where z is x less its mean over its deviation."""
    left = back.add("Sub", back.x(), mean(back.x()))
    variance = mean(back.add("Mul", left, left))
    epsilon = back.number(float(back.node.attributes.get("epsilon", 1e-5)))
    deviation = back.add("Sqrt", back.add("Add", variance, epsilon))
    normal = back.add("Div", left, deviation)
    along = back.add("Mul", normal, mean(back.add("Mul", arriving, normal)))
    rest = back.add("Sub", back.add("Sub", arriving, mean(arriving)), along)
    return back.add("Div", rest, deviation)


def instance(back: Back) -> Mapping[int, Arriving]:
    """`InstanceNormalization`."""
    scale = back.shaped(back.x(1), (1, -1, *(1,) * (len(back.node.shape()) - 2)))
    arriving = back.add("Mul", back.gradient, scale)
    return back.to(0, _centred(back, lambda name: back.add("GlobalAveragePool", name), arriving), back.met(0))


def layer(back: Back) -> Mapping[int, Arriving]:
    """`LayerNormalization`."""
    shape = back.node.shape()
    axes = list(range(int(back.node.attributes.get("axis", -1)) % len(shape), len(shape)))
    arriving = back.add("Mul", back.gradient, back.x(1))
    return back.to(0, _centred(back, lambda name: back.averaged(name, axes, shape), arriving), back.met(0))


ADJOINTS: dict[str, Rule] = {
    "BatchNormalization": batch, "InstanceNormalization": instance, "LayerNormalization": layer,
}  # fmt: skip
