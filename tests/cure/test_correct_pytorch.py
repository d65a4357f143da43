"""The correction behind modules: outputs of every shape, nothing of the original touched, refusals in one line."""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from flatfield.cure.calibration import CalibrationError
from flatfield.cure.examples import Examples, unheard
from flatfield.cure.pytorch.correct import correct
from flatfield.cure.pytorch.corrected import Corrected
from flatfield.cure_report import CurePlan
from flatfield.probe.unhonoured import NoGridError

PLAN = CurePlan("test", "correct")


@dataclass
class Sample:
    sample: Tensor
    name: str = "kept"


class Doubling(nn.Module):
    """A transposed convolution with a strong grid and a way to return it."""

    def __init__(self, dims: int = 2, shape: str = "tensor") -> None:
        super().__init__()
        layer = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[dims]
        self.up = layer(2, 2, 2, stride=2)
        self.shape = shape
        with torch.no_grad():
            self.up.weight.normal_(0.0, 0.1, generator=torch.Generator().manual_seed(0))
            for channel in range(2):
                self.up.weight[channel, channel] += 1.0
            self.up.bias.copy_(torch.tensor([0.1, -0.1]))

    def forward(self, x: Tensor) -> Any:
        y = self.up(x)
        shapes = {
            "tensor": lambda: y,
            "tuple": lambda: (x.mean(), y, "text"),
            "dict": lambda: OrderedDict(small=x, large=y),
            "dataclass": lambda: Sample(y),
            "last": lambda: y.movedim(1, -1),
        }
        return shapes[self.shape]()


def image(result: Any) -> Tensor:
    if isinstance(result, tuple):
        return result[1]
    if isinstance(result, dict):
        return result["large"]
    return result.sample if isinstance(result, Sample) else result


def noise(count: int, *size: int, seed: int = 0) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    low = torch.randn(count, 2, *(n // 4 for n in size), generator=generator)
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(size)]
    smooth = nn.functional.interpolate(low, size=size, mode=mode)
    return Examples([(part,) for part in smooth.split(8)], "noise")


def grid(result: Tensor) -> float:
    """Rms of what outputs (n, channels, *space) have in common at each phase of period 2."""
    mean = result.double().mean(0)
    for axis in range(1, mean.dim()):
        mean = mean.unflatten(2 * axis - 1, (-1, 2))
    tile = mean.mean([1 + 2 * a for a in range(result.dim() - 2)])
    return float((tile - tile.flatten(1).mean(1).reshape(-1, *(1,) * (result.dim() - 2))).square().mean().sqrt())


@pytest.mark.parametrize("dims", [1, 2, 3])
@torch.no_grad()
def test_constant_tones_pictures_and_volumes(dims: int) -> None:
    size = {1: (128,), 2: (24, 24), 3: (12, 12, 12)}[dims]
    module = Doubling(dims)
    model, notes = correct(PLAN, module, noise(32, *size), unheard)
    assert "calibrated on 32 outputs for noise and" in notes[0]
    held = noise(32, *size, seed=1).batches
    before, after = (torch.cat([m(x) for (x,) in held]) for m in (module, model))
    # the bias of a colour of rms 1 leaves a grid of a tenth in each: the part that depends on the colour counts too
    flats = torch.linspace(-0.5, 0.5, 8).reshape(8, 1, *(1,) * dims).expand(8, 2, *size)
    uneven = [float(m(flats)[(..., *(slice(4, -4),) * dims)].flatten(2).std(2).mean()) for m in (module, model)]
    assert uneven[1] < 0.2 * uneven[0]
    assert grid(after) <= grid(before)


@pytest.mark.parametrize("shape", ["tensor", "tuple", "dict", "dataclass", "last"])
@torch.no_grad()
def test_outputs_keep_their_shape(shape: str) -> None:
    module = Doubling(shape=shape)
    before = copy.deepcopy(module.state_dict())
    model, _ = correct(PLAN, module, noise(32, 24, 24), unheard)
    assert isinstance(model, Corrected)
    x = noise(1, 23, 20, seed=2).batches[0][0]
    plain, found = module(x), model(x)
    assert type(found) is type(plain)
    assert image(found).shape == image(plain).shape
    assert not torch.equal(image(found), image(plain))
    if shape == "tuple":
        assert found[2] == "text"
        assert torch.equal(found[0], plain[0])
    if shape == "dict":
        assert torch.equal(found["small"], x)
        assert torch.equal(plain["large"], module.up(x))
    if shape == "dataclass":
        assert found.name == "kept"
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert {f"model.{name}" for name in before} < set(model.state_dict())
    twin = copy.deepcopy(model)
    twin.load_state_dict(model.state_dict())


def test_all_shapes_are_corrected_alike() -> None:
    x = noise(1, 24, 24, seed=2).batches[0][0]
    with torch.no_grad():
        found = [image(correct(PLAN, Doubling(shape=s), noise(32, 24, 24), unheard)[0](x)) for s in ("tensor", "tuple")]
        last = correct(PLAN, Doubling(shape="last"), noise(32, 24, 24), unheard)[0](x)
    assert torch.equal(found[0], found[1])
    torch.testing.assert_close(last.movedim(-1, 1), found[0])


@torch.no_grad()
def test_sound_without_an_axis_of_channels() -> None:
    class Mono(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up = nn.ConvTranspose1d(2, 1, 4, stride=4)

        def forward(self, x: Tensor) -> Tensor:
            sound: Tensor = self.up(x).squeeze(1)
            return sound

    module = Mono()
    with torch.no_grad():  # the grid follows the sound's own mean: the second input changes nothing
        module.up.weight.copy_(torch.tensor([[1.0, 0.8, 1.1, 0.9], [0.0] * 4])[:, None])
    model, _ = correct(PLAN, module, noise(32, 64), unheard)
    tone = torch.full((1, 2, 64), 0.3)
    assert model(tone).shape == (1, 256)
    assert float(model(tone).std()) < 0.2 * float(module(tone).std())


@torch.no_grad()
def test_a_network_without_a_grid_is_left_as_it_is() -> None:
    module = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2, 3, 3, padding=1))
    model, notes = correct(PLAN, module, noise(16, 24, 24), unheard)
    x = noise(1, 24, 24, seed=3).batches[0][0]
    assert torch.equal(model(x), module(x))
    assert notes[-1].endswith("the model is left as it is")


@pytest.mark.parametrize(("module", "examples", "message"), [
    (Doubling(), Examples([], "nothing"), "no example was given: give two or more"),
    (Doubling(), noise(1, 24, 24), "one example can't tell a grid"),
    (nn.ConvTranspose2d(2, 2, 16, stride=16, padding=(24, 24)), noise(8, 4, 4), "outputs of 16 x 16 show less"),
])  # fmt: skip
def test_what_tells_nothing_is_refused_in_one_line(module: nn.Module, examples: Examples, message: str) -> None:
    with pytest.raises(CalibrationError, match=message) as error:
        correct(PLAN, module, examples, unheard)
    assert "\n" not in str(error.value)


def test_outputs_that_are_not_finite_are_refused() -> None:
    module = Doubling()
    with torch.no_grad():
        module.up.weight[0, 0] = torch.nan
    with pytest.raises(CalibrationError, match="hold NaN or infinite values: mend the model first"):
        correct(PLAN, module, noise(8, 24, 24), unheard)


def test_a_classifier_has_nothing_to_correct() -> None:
    module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises((NoGridError, CalibrationError)):
        correct(PLAN, module, noise(8, 24, 24), unheard)


def test_progress_is_heard_to_its_end() -> None:
    heard: list[tuple[str, int, int]] = []
    correct(PLAN, Doubling(), noise(16, 24, 24), lambda *news: heard.append(news))
    assert heard[0] == ("running the examples", 0, 2)
    assert ("running the examples", 2, 2) in heard
    assert heard[-1] == ("fitting the correction", 1, 1)
