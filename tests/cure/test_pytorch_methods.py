"""Every way to cure, on every network that ships with flatfield: sizes stay, the original stays, the grid goes."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
import torch
from torch import nn

from flatfield.core import FLAT
from flatfield.cure import Cured, CureError, cure
from flatfield.cure.pytorch import METHODS
from flatfield.cure.pytorch.flatten import baked
from flatfield.cure.pytorch.subject import ModuleSubject
from flatfield.cure_report import How
from flatfield.examples import Example, load, names
from flatfield.nn import FlatConvTranspose2d, SubPixelConv2d

NOISE = 4
CURABLE: dict[How, tuple[str, ...]] = {
    "flatten": ("autoencoder", "deconv", "deconv-4", "deconv-5", "deconv-last", "deconv-last-two", "subpixel",
                "vocoder", "unet3d"),
    "resize": ("autoencoder", "deconv", "deconv-4", "deconv-5", "deconv-last", "deconv-last-two", "vocoder", "unet3d"),
    "icnr": ("subpixel",),
    "blur": ("autoencoder", "classifier", "unet3d"),
}  # fmt: skip
CASES = [(how, name) for how, known in CURABLE.items() for name in known]


def noise(example: Example) -> list[tuple[Any, ...]]:
    torch.manual_seed(1)
    return [tuple(torch.randn_like(x) for x in example.inputs) for _ in range(NOISE)]


@functools.cache
def cured(how: How, name: str) -> tuple[Example, Cured]:
    example = load(name)
    return example, cure(example.module, example.inputs, how=how, examples=noise(example), keep_constraint=False)


@pytest.mark.parametrize(("how", "name"), CASES)
def test_sizes_stay_and_the_original_is_untouched(how: How, name: str) -> None:
    state, modes = load(name).module.state_dict(), [part.training for part in load(name).module.modules()]
    example, result = cured(how, name)
    assert result.model is not example.module
    assert result.model(*example.inputs).shape == example.module(*example.inputs).shape
    now = example.module.state_dict()
    assert list(now) == list(state)
    assert all(torch.equal(now[key], value) for key, value in state.items())
    assert [part.training for part in example.module.modules()] == modes
    assert result.report.change is not None
    assert result.report.change.relative > 0


@pytest.mark.parametrize("name", CURABLE["flatten"])
def test_what_is_flattened_is_flat_at_the_output(name: str) -> None:
    """Below 1e-6 in double precision, so that it is the weights that are judged.

    In single precision the probe's own sums leave 4e-7 .. 1e-6 in the examples, and 3e-6 in the vocoder, whose output
    is small against what is added up for it.
    """
    example, result = cured("flatten", name)
    exact = copy.deepcopy(result.model).double()
    probe = ModuleSubject(exact, tuple(x.double() for x in example.inputs)).probe()
    assert probe is not None
    assert probe.unevenness is not None
    assert probe.unevenness < 1e-6
    before, after = result.report.before.probe, result.report.after.probe
    assert before is not None
    assert after is not None
    assert (before.unevenness or 0.0) > 0.3
    assert after.unevenness is not None
    assert after.unevenness < 1e-5


@pytest.mark.parametrize("name", [*CURABLE["resize"], "subpixel"])
def test_resize_and_icnr_are_flat_too(name: str) -> None:
    _, result = cured("icnr" if name == "subpixel" else "resize", name)
    assert result.report.after.probe is not None
    assert result.report.after.probe.unevenness is not None
    assert result.report.after.probe.unevenness < 1e-6


@pytest.mark.parametrize("name", ["autoencoder", "classifier"])
def test_blur_evens_the_gradient(name: str) -> None:
    _, result = cured("blur", name)
    before, after = result.report.before.probe, result.report.after.probe
    assert before is not None
    assert before.gradient is not None
    assert after is not None
    assert after.gradient is not None
    assert before.gradient.unevenness > 0.9
    assert after.gradient.unevenness < 0.25 * before.gradient.unevenness


@pytest.mark.parametrize(("how", "name"), [("flatten", "resize"), ("icnr", "deconv"), ("blur", "deconv")])
def test_nothing_to_do_is_said(how: How, name: str) -> None:
    example = load(name)
    with pytest.raises(ValueError, match=f"{how} changes nothing in DcganGenerator"):
        cure(example.module, example.inputs, how=how)


def test_every_example_is_flattened_or_has_no_grid() -> None:
    for name in set(names()) - set(CURABLE["flatten"]):
        example = load(name)
        probe = ModuleSubject(example.module, example.inputs).probe()
        assert probe is None or (probe.unevenness or 0.0) <= FLAT


def test_the_constraint_stays_on_for_training_unless_baked() -> None:
    example = load("deconv-last")
    module = cure(example.module, example.inputs, how="flatten", examples=noise(example)).model
    optimizer = torch.optim.SGD(module.parameters(), lr=10.0)
    module(*example.inputs).square().sum().backward()
    optimizer.step()
    probe = ModuleSubject(module, example.inputs).probe()
    assert probe is not None
    assert (probe.unevenness or 0.0) < 1e-5
    plain = baked(module)
    assert sorted(plain.state_dict()) == sorted(example.module.state_dict())
    assert torch.allclose(plain(*example.inputs), module(*example.inputs), atol=1e-5)
    assert "parametrizations" in "".join(module.state_dict())


def test_flatfields_own_layers_are_flattened_as_well() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(SubPixelConv2d(4, 3, 3, icnr=False), nn.ReLU(), nn.ConvTranspose2d(3, 2, 4, 2, 1)).eval()
    result = cure(module, torch.randn(1, 4, 6, 6), how="flatten")
    assert [step.layer for step in result.report.plan.steps] == ["0", "2"]
    flat = nn.Sequential(FlatConvTranspose2d(4, 3, 4, stride=2, padding=1))
    with pytest.raises(ValueError, match="no layer needs it"):
        cure(flat, torch.randn(1, 4, 6, 6), how="flatten")


def test_a_way_that_is_not_there_is_refused_by_name() -> None:
    example = load("deconv-last")
    with pytest.raises(ValueError, match="'fuze' is not to be had for this kind of model: take one of"):
        cure(example.module, example.inputs, how="fuze")  # type: ignore[arg-type]
    assert set(METHODS) >= {"flatten", "recover", "resize", "icnr", "blur"}
    assert issubclass(CureError, ValueError)
