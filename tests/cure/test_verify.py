"""Verification is honest: an error planted in a method is caught before anything is written."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from flatfield.cure import CureError, cure
from flatfield.cure.examples import Examples, Progress
from flatfield.cure.natural import NaturalGrid, output_period
from flatfield.cure.pytorch import METHODS
from flatfield.cure.pytorch.subject import ModuleSubject
from flatfield.cure.verify import Difference, change, figures, verified
from flatfield.cure_report import CurePlan, How
from flatfield.targets import open_target

X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """Down, up with a grid, and a normalisation whose statistics are no weights."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 4, 3, 2, 1)
        self.norm = nn.BatchNorm2d(4)
        self.up = nn.ConvTranspose2d(4, 3, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.norm(self.down(x)).relu())


def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


def planted(spoil: Callable[[nn.Module], nn.Module | None]) -> Callable[..., tuple[nn.Module, tuple[str, ...]]]:
    """`flatten`, and then something that it must not do."""
    honest = METHODS["flatten"]

    def method(plan: CurePlan, module: nn.Module, examples: Examples, progress: Progress):  # type: ignore[no-untyped-def]
        cured, notes = honest(plan, module, examples, progress)
        with torch.no_grad():
            return spoil(cured) or cured, notes

    return method


class Cropped(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)[..., 1:]


class Doubled(Cropped):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner(x), self.inner(x)


def uneven_again(module: nn.Module) -> None:
    module.up.parametrizations.weight[0].projection.copy_(torch.eye(16))


def other_layer(module: nn.Module) -> None:
    module.down.weight[0, 0, 0, 0] += 1e-3


def statistics(module: nn.Module) -> None:
    module.norm.running_mean.add_(0.1)


def own_bias(module: nn.Module) -> None:
    module.up.bias.add_(0.1)


def lost(module: nn.Module) -> None:
    module.up.bias[0] = math.nan


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (Cropped, r"output 0 of the cured model is \(2, 3, 8, 7\), the original's is \(2, 3, 8, 8\)"),
        (Doubled, "the cured model has 2 outputs, the original 1"),
        (uneven_again, r"up should be flat now, but its unevenness is 0\.9"),
        (other_layer, "down.weight has changed, which the plan does not name"),
        (statistics, "norm.running_mean has changed, which the plan does not name"),
        (own_bias, "up.bias has changed, which the plan does not name"),
        (lost, "output 0 of the cured model holds NaN or infinity"),
    ],
)
def test_a_planted_error_is_caught(
    spoil: Callable[[nn.Module], nn.Module | None], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "flatten", planted(spoil))
    with pytest.raises(CureError, match=told):
        cure(net(), X, how="flatten", examples=[X])


def test_a_method_that_changes_the_original_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = METHODS["flatten"]

    def rude(plan: CurePlan, module: nn.Module, examples: Examples, progress: Progress):  # type: ignore[no-untyped-def]
        result = honest(plan, module, examples, progress)
        with torch.no_grad():
            module.down.weight.mul_(2)
        return result

    monkeypatch.setitem(METHODS, "flatten", rude)
    with pytest.raises(CureError, match="changed"):
        cure(net(), X, how="flatten", examples=[X])


def test_without_an_error_nothing_is_caught() -> None:
    assert cure(net(), X, how="flatten", examples=[X]).report.change is not None


@pytest.mark.parametrize("how", ["fuse", "unfuse"])
def test_a_change_that_should_be_exact_is_held_to_it(how: How) -> None:
    module = net()
    near, far = copy.deepcopy(module), copy.deepcopy(module)
    with torch.no_grad():
        near.up.weight.mul_(1 + 1e-6)
        far.up.weight.mul_(1 + 1e-4)
    before, plan, examples = ModuleSubject(module, (X,)), CurePlan("net", how), Examples([(X,)], "one")
    report = verified(plan, before, ModuleSubject(near, (X,)), examples)
    assert report.change is not None
    assert 0 < report.change.relative < 1e-5
    with pytest.raises(CureError, match=f"{how} should compute the same, but moved the outputs by"):
        verified(plan, before, ModuleSubject(far, (X,)), examples)


def test_output_change_by_hand() -> None:
    """Outputs 0, 3, 4 and 0, 3, 5: moved by 1 of 5 (rms over rms); range 4, rms 1/sqrt 3: 16.8 dB."""
    difference = Difference()
    difference.add(np.array([0.0, 3.0, 4.0]), np.array([0.0, 3.0, 5.0]))
    found = difference.change()
    assert (found.relative, found.largest) == (pytest.approx(0.2), 1.0)
    assert found.psnr == pytest.approx(20 * math.log10(4 * math.sqrt(3)))


def test_outputs_that_do_not_move_have_no_psnr() -> None:
    subject = ModuleSubject(net(), (X,))
    found = change(subject, ModuleSubject(net(), (X,)), Examples([(X,)], "one"))
    assert (found.relative, found.largest, found.psnr) == (0.0, 0.0, None)


def test_the_grid_in_natural_outputs_is_what_all_have_in_common() -> None:
    """A checkerboard of a tenth in noise of one.

    1024 tiles of 4 pictures leave 1/64 of the noise in each mean, of 12 means with 9 degrees of freedom: 0.0135, and
    below 0.025 but for one time in two thousand (chi-square of 9 over 30.9).
    """
    rng = np.random.default_rng(0)
    board = 0.1 * (-1.0) ** np.add.outer(np.arange(64), np.arange(64))
    noisy, clean = NaturalGrid((2, 2)), NaturalGrid((2, 2))
    for _ in range(4):
        noise = rng.normal(size=(1, 3, 64, 64))
        noisy.add(noise + board)
        clean.add(noise)
    assert noisy.rms == pytest.approx(0.1, abs=0.01)
    assert clean.rms is not None
    assert clean.rms < 0.025
    assert noisy.lattice()[0] == (2,)
    assert clean.lattice()[0] == ()


def test_a_tone_in_sounds_is_found() -> None:
    rng = np.random.default_rng(0)
    grid = NaturalGrid((4,))
    for _ in range(8):
        grid.add(rng.normal(size=(1, 1, 4096)) + 0.3 * np.cos(np.pi / 2 * np.arange(4096)))
    assert grid.rms == pytest.approx(0.3 / math.sqrt(2), rel=0.05)
    found, p_value = grid.lattice()
    assert found == (4,)
    assert p_value is not None
    assert p_value < 1e-3


def test_periods_that_can_not_be_looked_for() -> None:
    empty = NaturalGrid(())
    empty.add(np.zeros((1, 3, 8, 8)))
    small = NaturalGrid((16, 16))
    small.add(np.zeros((1, 3, 8, 8)))
    assert (empty.rms, small.rms, small.lattice()) == (None, None, ((), None))
    assert output_period(open_target("example:vocoder")) == (256,)


def test_figures_of_one_model() -> None:
    found = figures(ModuleSubject(net(), (X,)), Examples([(X,)], "one"), gradient=True)
    assert [layer.name for layer in found.layers] == ["up"]
    assert found.probe is not None
    assert found.probe.gradient is not None
    assert found.natural is not None
    assert found.multiply_adds == 2 * (4 * 4 * 4 * 3 * 9 + 4 * 4 * 4 * 3 * 16)
    assert found.milliseconds is None
