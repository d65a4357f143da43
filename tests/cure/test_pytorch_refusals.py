"""What can't be changed in a module is left as it is, and the plan says why."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flatfield.cure import cure
from flatfield.cure.examples import Examples, unheard
from flatfield.cure.planning import plan
from flatfield.cure.pytorch import METHODS
from flatfield.cure.pytorch.found import grounded
from flatfield.cure_report import CurePlan, How
from flatfield.readers.pytorch import read_module

X = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))


class Functional(nn.Module):
    """A convolution that is no module, and one that is, so that something can be done."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(2, 2, 3, 3))
        self.up = nn.ConvTranspose2d(2, 2, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(F.conv_transpose2d(x, self.kernel, stride=2))


class Modulated(nn.Module):
    """The weight that convolves is worked out from the parameter, as in StyleGAN2."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 2, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.weight / self.weight.norm(), stride=2)


class Tied(nn.Module):
    """Two modules with one weight; `alike` says whether they do the same with it."""

    def __init__(self, alike: bool) -> None:
        super().__init__()
        self.first = nn.ConvTranspose2d(2, 2, 4, 2, 1)
        self.second = nn.ConvTranspose2d(2, 2, 4, 2, 1) if alike else nn.Conv2d(2, 2, 4, 2, 1)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.first(self.second(x))


class Twice(nn.Module):
    """One module that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(2, 2, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(F.relu(self.up(x)))


class OtherOrder(nn.Module):
    """A pixel shuffle whose phases are slowest (TensorFlow's depth to space), channels fastest."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 12, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        n, _, h, w = y.shape
        return y.view(n, 2, 2, 3, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, 3, 2 * h, 2 * w)


class Pooled(nn.Module):
    """Max pools that a blurred pool has no like for."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(2, 2, 3, padding=1), pool

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.conv(x))


def weight_norm() -> nn.Module:
    return nn.Sequential(torch.nn.utils.parametrizations.weight_norm(nn.ConvTranspose2d(2, 2, 3, 2)))


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return build().eval()


def planned(module: nn.Module, how: How) -> CurePlan:
    network = read_module(module, (X,))
    return grounded(plan(network, how), module, network)


@pytest.mark.parametrize(
    ("build", "how", "layer", "because"),
    [
        (Functional, "flatten", "conv_transpose2d", "called as a function: no module of its own holds it"),
        (Modulated, "flatten", "convolution", "computed: it is not its parameter `weight`"),
        (weight_norm, "flatten", "0", "parametrised already: take that off first"),
        (lambda: Tied(False), "flatten", "first", "its weight is also second.weight, which needs another change"),
        (lambda: Tied(True), "resize", "first", "two resize-convolutions would not share it"),
        (OtherOrder, "flatten", "conv", "shuffled in another order than PyTorch's"),
        (lambda: nn.Sequential(Modulated()), "resize", "0", "only PyTorch's own modules are replaced"),
        (lambda: Pooled(nn.MaxPool2d(3, 2, ceil_mode=True)), "blur", "pool", "ceil_mode, dilation or indices"),
        (lambda: Pooled(nn.MaxPool2d(2, 2, dilation=2)), "blur", "pool", "ceil_mode, dilation or indices"),
        (lambda: Pooled(nn.MaxPool2d(7, 7)), "blur", "pool", "leaves no room for the blur's border"),
    ],
)
def test_it_is_refused_with_the_reason(build: Callable[[], nn.Module], how: How, layer: str, because: str) -> None:
    found = planned(seeded(build), how)
    told = [refusal for refusal in found.refused if refusal.layer.endswith(layer) or layer in ("conv_transpose2d",)]
    assert any(because in refusal.because for refusal in told), found


def test_what_can_be_changed_beside_it_is() -> None:
    result = cure(seeded(Functional), X, how="flatten", examples=[X])
    assert [step.layer for step in result.report.plan.steps] == ["up"]
    assert len(result.report.plan.refused) == 1


def test_a_method_that_is_given_such_a_step_says_so() -> None:
    module = seeded(lambda: Tied(False))
    asked = plan(read_module(module, (X,)), "flatten")
    with pytest.raises(ValueError, match=r"flatten can't change first: its weight is also second\.weight"):
        METHODS["flatten"](asked, module, Examples([(X,)], "one"), unheard)


@pytest.mark.parametrize("how", ["flatten", "resize"])
def test_a_module_that_runs_twice_in_one_role_is_changed_once(how: How) -> None:
    result = cure(seeded(Twice), X, how=how, examples=[X], keep_constraint=False)
    assert result.report.after.probe is not None
    assert (result.report.after.probe.unevenness or 0.0) < 1e-5
    assert len(list(result.model.children())) == 1


def test_weights_tied_alike_are_flattened_together() -> None:
    module = cure(seeded(lambda: Tied(True)), X, how="flatten", examples=[X]).model
    assert torch.equal(module.first.weight, module.second.weight)
    shared = [p for name, p in module.named_parameters() if "weight" in name]
    assert len(shared) == 1


def test_a_root_that_is_the_layer_itself() -> None:
    layer = seeded(lambda: nn.ConvTranspose2d(2, 3, 3, 2))
    for how in ("flatten", "resize"):
        result = cure(layer, X, how=how, examples=[X], keep_constraint=False)  # type: ignore[arg-type]
        assert result.model(X).shape == layer(X).shape
        assert result.report.after.probe is not None
        assert (result.report.after.probe.unevenness or 0.0) < 1e-6


def test_a_module_held_twice_is_replaced_twice() -> None:
    pool = nn.MaxPool2d(2)
    module = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), pool, nn.Conv2d(1, 1, 3, padding=1), pool)
    cured = cure(module, torch.randn(1, 1, 16, 16), how="blur").model
    assert not any(isinstance(child, nn.MaxPool2d) for child in cured.modules())
    assert isinstance(module[3], nn.MaxPool2d)
