"""Fuse for PyTorch modules: the same outputs in every way, state dicts that load both ways, the rest refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from flatfield.cure import CureError, Examples
from flatfield.cure.examples import unheard
from flatfield.cure.fusing import fuse as fuse_model
from flatfield.cure.pytorch import METHODS
from flatfield.cure.pytorch.fuse import FusedUpsampling, fuse, plan
from flatfield.nn import ResizeConv1d, ResizeConv2d, ResizeConv3d
from flatfield.readers.exported import load_exported

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
FUSED = {1: ResizeConv1d, 2: ResizeConv2d, 3: ResizeConv3d}
SMOOTH = {1: "linear", 2: "bilinear", 3: "trilinear"}


@pytest.fixture(params=["phases", "transposed"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Small shapes are quickest done plainly: the folded ways are forced, or nothing would be held to the truth."""
    monkeypatch.setenv("FLATFIELD_RESIZE_CONV", request.param)
    wanted: str = request.param
    return wanted


def fused_of(module: nn.Module, *inputs: torch.Tensor, **keywords: Any) -> nn.Module:
    todo = plan(module, inputs, keywords)
    assert todo.steps, todo.refused
    result, _ = fuse(todo, module, Examples([inputs], "noise", keywords), unheard)
    return result


def assert_same(module: nn.Module, other: nn.Module, *inputs: torch.Tensor) -> None:
    with torch.no_grad():
        old, new = module(*inputs), other(*inputs)
    assert new.shape == old.shape
    torch.testing.assert_close(new, old, rtol=0, atol=1e-5 * float(old.abs().max()))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[nn.Module, torch.Tensor]:
    dims = draw(st.integers(1, 3))
    scale = (*(float(draw(st.integers(1, 3))) for _ in range(dims - 1)), float(draw(st.integers(2, 3))))
    kernel = tuple(draw(st.integers(1, 4 if dims < 3 else 3)) for _ in range(dims))
    mode = draw(st.sampled_from(("nearest", SMOOTH[dims])))
    groups, bias = draw(st.sampled_from((1, 2))), draw(st.booleans())
    padding_mode = draw(st.sampled_from(("zeros", "reflect", "replicate")))
    padding = [min(draw(st.integers(0, 2)), k - 1) for k in kernel]
    torch.manual_seed(draw(st.integers(0, 99)))
    conv = CONV[dims](2, 4, kernel, padding=padding, padding_mode=padding_mode, groups=groups, bias=bias)
    module = nn.Sequential(nn.Tanh(), nn.Upsample(scale_factor=scale, mode=mode), conv, nn.Tanh())
    return module.train(draw(st.booleans())), torch.randn(2, 2, *(6,) * dims)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs())
def test_a_module_pair_computes_the_same_with_the_same_state(drawn: tuple[nn.Module, torch.Tensor]) -> None:
    module, x = drawn
    fused = fused_of(module, x)
    assert isinstance(fused[2], FUSED[x.dim() - 2])  # type: ignore[index]
    assert fused.training == module.training
    assert_same(module, fused, x)
    assert list(fused.state_dict()) == list(module.state_dict())
    other = torch.Generator().manual_seed(7)
    state = {name: torch.randn(t.shape, generator=other) for name, t in module.state_dict().items()}
    fused.load_state_dict(state)
    module.load_state_dict(fused.state_dict())
    assert_same(module, fused, x)


class Upsampling(nn.Module):
    """As diffusers and others do it: interpolation by a function call, then a convolution of one's own."""

    def __init__(self, padding: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=padding)
        self.channels = 3

    def forward(self, x: torch.Tensor, size: tuple[int, int] | None = None) -> torch.Tensor:
        up = F.interpolate(x, scale_factor=2.0) if size is None else F.interpolate(x, size)
        up = F.pad(up, (1, 1, 1, 1)) if not self.conv.padding[0] else up
        result: torch.Tensor = self.conv(up)
        return result


@pytest.mark.parametrize("padding", [0, 1])
def test_a_function_call_in_a_module_of_its_own(padding: int) -> None:
    module, x = nn.Sequential(Upsampling(padding), nn.ReLU(), Upsampling(padding)).eval(), torch.randn(1, 3, 5, 5)
    fused = fused_of(module, x)
    assert all(isinstance(fused[place], FusedUpsampling) for place in (0, 2))  # type: ignore[index]
    assert_same(module, fused, x)
    assert list(fused.state_dict()) == list(module.state_dict())
    fused.load_state_dict({name: tensor + 1 for name, tensor in module.state_dict().items()})
    with torch.no_grad():
        torch.testing.assert_close(fused[0](x, (7, 7)), fused[0]._plain[0](x, (7, 7)))  # type: ignore[index,union-attr]
        assert (fused[0](x) - module[0](x)).abs().max() > 0.1, "the original has its own parameters"  # type: ignore[index]
    assert fused[0].channels == 3  # type: ignore[index,union-attr]
    double = fused.double()
    assert double(x.double()).dtype == torch.float64
    assert double[0](x.double(), (7, 7)).dtype == torch.float64  # type: ignore[index]


def test_the_root_itself_can_be_the_module() -> None:
    module, x = Upsampling().eval(), torch.randn(1, 3, 5, 5)
    fused = fused_of(module, x)
    assert isinstance(fused, FusedUpsampling)
    assert_same(module, fused, x)
    assert module.conv.__class__ is nn.Conv2d


@pytest.mark.parametrize("pad", [nn.ReflectionPad2d(1), nn.ReplicationPad2d(2), nn.ZeroPad2d(1)])
def test_padding_modules_in_between_are_taken_along(pad: nn.Module) -> None:
    module, x = nn.Sequential(nn.Upsample(scale_factor=2), pad, nn.Conv2d(3, 4, 3)), torch.randn(1, 3, 6, 6)
    fused = fused_of(module, x)
    assert [type(part) for part in fused] == [nn.Identity, nn.Identity, ResizeConv2d]  # type: ignore[union-attr]
    assert_same(module, fused, x)


def test_one_upsampling_before_several_convolutions() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.one, self.two = nn.Upsample(scale_factor=2), nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.two(self.up(self.one(self.up(x))))
            return result

    module, x = Shared().eval(), torch.randn(1, 3, 5, 5)
    fused = fused_of(module, x)
    assert isinstance(fused.up, nn.Identity)
    assert_same(module, fused, x)


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # PyTorch's own, when it puts a program together again
def test_an_exported_program_is_fused_too(tmp_path: Path) -> None:
    module, x = (
        nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 4, 3, padding=1)).eval(),
        torch.randn(1, 3, 6, 6),
    )
    with torch.no_grad():
        torch.export.save(torch.export.export(module, (x,)), tmp_path / "model.pt2")
    program, _, _ = load_exported(tmp_path / "model.pt2")
    fused = fused_of(program, x)
    assert_same(module, fused, x)
    assert sorted(fused.state_dict()) == sorted(module.state_dict())


class Calling(nn.Module):
    def __init__(self, conv: nn.Module, call: Any) -> None:
        super().__init__()
        self.conv, self.call, self.up = conv, call, nn.Upsample(scale_factor=2)

    def forward(self, x: torch.Tensor) -> Any:
        return self.call(self, x)


def _conv(**settings: Any) -> nn.Module:
    return nn.Conv2d(3, 3, 3, **settings)


REFUSED: list[tuple[Any, Any, str]] = [
    (_conv(), lambda m, x: m.conv(F.interpolate(x, (12, 12))), "to a size, not by a factor"),
    (_conv(), lambda m, x: m.conv(F.interpolate(x, scale_factor=1.5)), "by 1.5 x 1.5, not by whole numbers"),
    (_conv(), lambda m, x: m.conv(F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)), "corners"),
    (_conv(), lambda m, x: m.conv(torch.relu(m.up(x))), "goes to relu, not straight to a convolution"),
    (_conv(), lambda m, x: (m.conv(u := m.up(x)), u), "read by the outputs"),
    (_conv(stride=2), lambda m, x: m.conv(m.up(x)), "a stride or a dilation"),
    (_conv(), lambda m, x: torch.relu(m.conv(F.interpolate(x, scale_factor=2.0))), "also does relu"),
    (_conv(), lambda m, x: m.conv(F.pad(m.up(x), (1, 1, 1, 1))), "pads it by a function call"),
    (_conv(), lambda m, x: m.conv(m.up(x)) + m.conv(torch.relu(m.up(x))), "goes to relu"),
    (_conv(), lambda m, x: m.conv(m.up(x)) + m.conv(F.pad(x, (3, 3, 3, 3))), "conv runs elsewhere too"),
    (nn.utils.parametrizations.weight_norm(_conv()), lambda m, x: m.conv(m.up(x)), "the weight of conv is computed"),
]  # fmt: skip


@pytest.mark.parametrize(("conv", "call", "reason"), REFUSED, ids=[reason for _, _, reason in REFUSED])
def test_what_can_not_be_fused_is_left_with_the_reason(conv: nn.Module, call: Any, reason: str) -> None:
    todo = plan(Calling(conv, call), (torch.randn(1, 3, 6, 6),))
    assert todo.steps == ()
    assert any(reason in refusal.because for refusal in todo.refused), todo.refused


def test_a_hook_that_would_be_lost_is_refused() -> None:
    module = nn.Sequential(nn.Upsample(scale_factor=2), _conv())
    module[1].register_forward_hook(lambda *_: None)
    assert "has hooks" in plan(module, (torch.randn(1, 3, 6, 6),)).refused[0].because


def test_a_planted_error_is_caught_and_the_original_is_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    module, x = nn.Sequential(nn.Upsample(scale_factor=2), _conv()).eval(), torch.randn(1, 3, 6, 6)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}

    def wrong(*given: Any) -> tuple[nn.Module, tuple[str, ...]]:
        fused, notes = fuse(*given)
        with torch.no_grad():
            fused[1].weight[0, 0, 0, 0] += 0.01  # type: ignore[index,union-attr]
        return fused, notes

    monkeypatch.setitem(METHODS, "fuse", wrong)
    with pytest.raises(CureError, match="should compute the same"):
        fuse_model(module, x)
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert isinstance(module[0], nn.Upsample)


@pytest.fixture
def _peers() -> Iterator[None]:
    from benchmarks import peers

    try:
        with peers.importable():
            yield
    except peers.NotFetchedError as error:
        pytest.skip(f"diffusers could not be fetched: {error}")


@pytest.mark.usefixtures("_peers")
@pytest.mark.parametrize("name", ["AutoencoderKL", "UNet2DModel", "AutoencoderTiny"])
def test_published_architectures(name: str) -> None:
    from benchmarks.from_diffusers import ARCHITECTURES

    torch.manual_seed(0)
    module, keywords = next(entry for entry in ARCHITECTURES if entry.name == name).build()
    fused = fused_of(module.eval(), **keywords)
    with torch.no_grad():
        old, new = module(**keywords).sample, fused(**keywords).sample
    assert float((new - old).norm() / old.norm()) < 1e-5
    fused.load_state_dict(module.state_dict())
    module.load_state_dict(fused.state_dict())
