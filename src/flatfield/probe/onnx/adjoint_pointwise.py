"""Adjoints of ONNX operators that work on every position by itself: the gradient times the derivative."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from flatfield.probe.onnx.back import Arriving, Back, NoAdjointError, Rule

Derivative = Callable[[Back], str]


def _unary(derivative: Derivative) -> Rule:
    def rule(back: Back) -> Mapping[int, Arriving]:
        return back.to(0, back.add("Mul", back.gradient, derivative(back)), back.met(0))

    return rule


def _either(back: Back, condition: str, then: str, otherwise: str) -> str:
    return back.add("Where", condition, then, otherwise)


def _above(back: Back, level: float) -> str:
    return back.add("Greater", back.x(), back.number(level))


def _one(back: Back) -> str:
    return back.number(1.0)


def _attribute(back: Back, name: str, otherwise: float) -> float:
    return float(back.node.attributes.get(name, otherwise))


def _relu(back: Back) -> str:
    return _either(back, _above(back, 0.0), _one(back), back.number(0.0))


def _leaky(back: Back) -> str:
    return _either(back, _above(back, 0.0), _one(back), back.number(_attribute(back, "alpha", 0.01)))


def _prelu(back: Back) -> str:
    return _either(back, _above(back, 0.0), _one(back), back.x(1))


def _elu(back: Back) -> str:
    """alpha (e^x - 1) below 0: its slope is itself plus alpha."""
    below = back.add("Add", back.y, back.number(_attribute(back, "alpha", 1.0)))
    return _either(back, _above(back, 0.0), _one(back), below)


def _selu(back: Back) -> str:
    alpha, gamma = _attribute(back, "alpha", 1.6732632423543772), _attribute(back, "gamma", 1.0507009873554805)
    below = back.add("Add", back.y, back.number(alpha * gamma))
    return _either(back, _above(back, 0.0), back.number(gamma), below)


def _sigmoid(back: Back) -> str:
    return back.add("Mul", back.y, back.add("Sub", _one(back), back.y))


def _tanh(back: Back) -> str:
    return back.add("Sub", _one(back), back.add("Mul", back.y, back.y))


def _erf(back: Back) -> str:
    return back.add("Mul", back.number(2 / math.sqrt(math.pi)), _bell(back, 1.0))


def _bell(back: Back, width: float) -> str:
    """exp(-width x^2)."""
    return back.add("Exp", back.add("Mul", back.number(-width), back.add("Mul", back.x(), back.x())))


def _gelu(back: Back) -> str:
    """(1 + erf(x / sqrt 2)) / 2 + x exp(-x^2 / 2) / sqrt(2 pi)."""
    if back.node.attributes.get("approximate", b"none") != b"none":
        raise NoAdjointError("Gelu by tanh")
    erf = back.add("Erf", back.add("Mul", back.x(), back.number(1 / math.sqrt(2))))
    share = back.add("Mul", back.number(0.5), back.add("Add", _one(back), erf))
    bell = back.add("Mul", back.number(1 / math.sqrt(2 * math.pi)), back.add("Mul", back.x(), _bell(back, 0.5)))
    return back.add("Add", share, bell)


def _inside(back: Back, low: str, high: str) -> str:
    at_least = back.add("Not", back.add("Less", back.x(), low))
    at_most = back.add("Not", back.add("Greater", back.x(), high))
    return back.add("And", at_least, at_most)


def _clip(back: Back) -> str:
    ends = []
    for place, (name, otherwise) in enumerate((("min", -np.inf), ("max", np.inf)), start=1):
        given = back.node.input(place)
        ends.append(back.into.name(given) if given else back.number(_attribute(back, name, otherwise)))
    return _either(back, _inside(back, *ends), _one(back), back.number(0.0))


def _hard_sigmoid(back: Back) -> str:
    alpha, beta = _attribute(back, "alpha", 0.2), _attribute(back, "beta", 0.5)
    inside = _inside(back, back.number(-beta / alpha), back.number((1 - beta) / alpha))
    return _either(back, inside, back.number(alpha), back.number(0.0))


def _hard_swish(back: Back) -> str:
    """x min(max(x/6 + 1/2, 0), 1): its slope is x/3 + 1/2 between -3 and 3."""
    slope = back.add("Add", back.add("Mul", back.x(), back.number(1 / 3)), back.number(0.5))
    beyond = _either(back, _above(back, 0.0), _one(back), back.number(0.0))
    return _either(back, _inside(back, back.number(-3.0), back.number(3.0)), slope, beyond)


def _softplus(back: Back) -> str:
    return back.add("Sigmoid", back.x())


def _reciprocal(back: Back) -> str:
    return back.add("Neg", back.add("Mul", back.y, back.y))


def _sqrt(back: Back) -> str:
    return back.add("Div", back.number(0.5), back.y)


def _negative_sine(back: Back) -> str:
    return back.add("Neg", back.add("Sin", back.x()))


def power(back: Back) -> Mapping[int, Arriving]:
    """`Pow` with a fixed exponent."""
    exponent = back.node.numbers(1)
    if exponent is None or exponent.size != 1:
        raise NoAdjointError("Pow with an exponent that is no number in the file")
    p = float(exponent.reshape(-1)[0])
    slope = back.add("Mul", back.number(p), back.add("Pow", back.x(), back.number(p - 1)))
    return back.to(0, back.add("Mul", back.gradient, slope), back.met(0))


def summed(back: Back) -> Mapping[int, Arriving]:
    """`Add`, `Sum`."""
    found: dict[int, Arriving] = {}
    for place in range(len(back.node.proto.input)):
        if back.wants(place):
            found |= back.to_operand(place, back.gradient, back.periods)
    return found


def difference(back: Back) -> Mapping[int, Arriving]:
    """`Sub`."""
    first = back.to_operand(0, back.gradient, back.periods) if back.wants(0) else {}
    second = back.to_operand(1, back.add("Neg", back.gradient), back.periods) if back.wants(1) else {}
    return {**first, **second}


def product(back: Back) -> Mapping[int, Arriving]:
    """`Mul`."""
    found: dict[int, Arriving] = {}
    for place in (0, 1):
        if back.wants(place):
            other = back.add("Mul", back.gradient, back.x(1 - place))
            found |= back.to_operand(place, other, back.met(1 - place))
    return found


def quotient(back: Back) -> Mapping[int, Arriving]:
    """`Div`: by the divisor, and by -y over the divisor."""
    over = back.add("Div", back.gradient, back.x(1))
    first = back.to_operand(0, over, back.met(1)) if back.wants(0) else {}
    if not back.wants(1):
        return first
    below = back.add("Neg", back.add("Mul", over, back.y))
    return {**first, **back.to_operand(1, below, back.met(0, 1))}


def chosen(back: Back) -> Mapping[int, Arriving]:
    """`Where`: to the one that was taken."""
    zero, found = back.number(0.0), {}
    for place in (1, 2):
        if back.wants(place):
            ways = (back.gradient, zero) if place == 1 else (zero, back.gradient)
            found.update(back.to_operand(place, back.add("Where", back.x(0), *ways), back.met(0)))
    return found


def passed(back: Back) -> Mapping[int, Arriving]:
    """`Identity`, `Dropout`, `Cast` of one float to another."""
    return back.to(0, back.gradient, back.periods)


ADJOINTS: dict[str, Rule] = {
    **dict.fromkeys(("Identity", "Dropout", "Cast"), passed),
    **{name: _unary(derivative) for name, derivative in (
        ("Relu", _relu), ("LeakyRelu", _leaky), ("PRelu", _prelu), ("Elu", _elu), ("Selu", _selu),
        ("Sigmoid", _sigmoid), ("Tanh", _tanh), ("Erf", _erf), ("Gelu", _gelu), ("Clip", _clip),
        ("HardSigmoid", _hard_sigmoid), ("HardSwish", _hard_swish), ("Softplus", _softplus),
        ("Reciprocal", _reciprocal), ("Sqrt", _sqrt), ("Exp", lambda back: back.y),
        ("Log", lambda back: back.add("Reciprocal", back.x())), ("Neg", lambda back: back.number(-1.0)),
        ("Abs", lambda back: back.add("Sign", back.x())), ("Sin", lambda back: back.add("Cos", back.x())),
        ("Cos", _negative_sine),
    )},
    "Pow": power, "Add": summed, "Sum": summed, "Sub": difference, "Mul": product, "Div": quotient, "Where": chosen,
}  # fmt: skip
