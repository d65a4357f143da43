"""The plan: these layers, this way, because."""

from __future__ import annotations

import pytest

from flatfield.cure.planning import grown_kernel, plan
from flatfield.cure_report import CureReport, How
from flatfield.network import Layer, Network
from flatfield.targets import open_target


def layer(**changes: object) -> Layer:
    facts = {"name": "up", "operator": "ConvTranspose", "kernel": (3, 3), "stride": (2, 2), "input_size": (4, 4),
             "output_size": (9, 9), "dilation": (1, 1)}  # fmt: skip
    return Layer(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "how", "lines"),
    [
        ("deconv-last-two", "flatten", [("stages.1.0", "nearest flat weights", "unevenness 0.876"),
                                        ("stages.2.0", "nearest flat weights", "unevenness 0.891")]),
        ("deconv-last", "recover", [("stages.2.0", "kernel 3 -> 4, nearest flat weights, trained",
                                     "unevenness 0.891")]),
        ("deconv-last", "resize", [("stages.2.0", "nearest resize-convolution, least squares", "unevenness 0.891")]),
        ("deconv-last-two", "correct", [("output", "subtract the grid that its outputs have in common",
                                         "stages.2.0: unevenness 0.891, and 1 more draw too")]),
        ("resize", "correct", []),
        ("resize", "flatten", []),
    ],
)  # fmt: skip
def test_the_plans_of_examples(target: str, how: How, lines: list[tuple[str, str, str]]) -> None:
    found = plan(open_target(f"example:{target}"), how)
    assert [(step.layer, step.action, step.because) for step in found.steps] == lines
    assert CureReport.from_json(CureReport(found).to_json()).plan == found


def test_holes_and_what_no_weight_decides_are_refused() -> None:
    network = Network("net", (layer(name="holes", kernel=(1, 1)), layer(name="fold", operator="Fold")))
    assert {refusal.layer: refusal.because for refusal in plan(network, "flatten").refused} == {
        "holes": "kernel 1 leaves phases without a tap: only zero is flat",
        "fold": "no weight of one layer decides what its phases weigh",
    }


def test_blur_is_for_what_goes_down() -> None:
    network = Network("net", (
        layer(name="conv", operator="Conv"), layer(name="same", operator="Conv", stride=(1, 1)),
        layer(name="max", operator="Pool", mode="max"), layer(name="average", operator="Pool", mode="average"),
    ))  # fmt: skip
    assert [(step.layer, step.action) for step in plan(network, "blur").steps] == [
        ("conv", "blur in front"),
        ("max", "max at stride 1, then blur"),
    ]


def test_kernels_grow_only_where_more_taps_mean_more_freedom() -> None:
    assert grown_kernel(layer()) == (4, 4)
    assert grown_kernel(layer(kernel=(4, 5))) == (4, 6)
    assert grown_kernel(layer(dilation=(2, 2))) == (3, 3)
    assert grown_kernel(layer(operator="SubPixelConv")) == (3, 3)


def test_a_way_without_a_plan() -> None:
    with pytest.raises(ValueError, match="there is no plan for 'fuse'"):
        plan(Network("net", ()), "fuse")
