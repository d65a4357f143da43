"""Recovery: flat for good, and nearly as good as the original; resumable; it stops when it should."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from flatfield.cure import cure
from flatfield.cure.examples import Examples, unheard
from flatfield.cure.planning import plan
from flatfield.cure.pytorch.flatten import baked
from flatfield.cure.pytorch.grow import grown
from flatfield.cure.pytorch.imitation import lessons
from flatfield.cure.pytorch.recover import Schedule, recover, recovered
from flatfield.cure.pytorch.resuming import load_state, save_state
from flatfield.cure.pytorch.subject import ModuleSubject
from flatfield.cure_report import CurePlan
from flatfield.readers.pytorch import read_module

from .autoencoders import patches, quality, trained

SHORT = Schedule(steps=12, batch=4, warm=2, look=4)


def small() -> tuple[nn.Module, Examples, CurePlan]:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.ConvTranspose2d(6, 3, 3, 2, 1, 1), nn.Dropout(0.5)
    ).train()
    examples = Examples([(torch.randn(1, 3, 8, 8),) for _ in range(20)], "noise")
    return module, examples, plan(read_module(module, examples.batches[0]), "recover")


@pytest.mark.parametrize("upsampler", ["deconv-3", "deconv-4"])
def test_a_trained_autoencoder_is_flat_and_within_a_third_of_a_decibel(upsampler: str) -> None:
    """Twelve seconds of one core for both; 1,500 steps on larger networks are in docs/cure.md."""
    original = trained(upsampler)
    x = patches(1024)
    examples = Examples([(x[i : i + 16],) for i in range(0, len(x), 16)], "patches of photographs")
    asked = plan(read_module(original, (x[:1],)), "recover")
    found = recovered(asked, original, examples, schedule=Schedule(steps=200))
    plain = baked(found.module)
    assert quality(plain) > quality(original) - 0.3
    probe = ModuleSubject(plain, (x[:1],)).probe()
    before = ModuleSubject(original, (x[:1],)).probe()
    assert probe is not None
    assert before is not None
    assert (probe.unevenness or 0.0) < 1e-5
    assert (before.unevenness or 0.0) > 1e-2
    assert found.best.psnr > found.curve[0].psnr + 3


def test_it_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    """Interrupted after the first look and taken up again: the same weights, bit for bit, as without."""
    module, examples, asked = small()
    whole = recovered(asked, module, examples, schedule=SHORT)
    kept = replace(SHORT, checkpoint=tmp_path / "state.safetensors")

    def kill(what: str, done: int, total: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recovered(asked, module, examples, schedule=kept, progress=kill)
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]
    heard: list[int] = []
    again = recovered(asked, module, examples, schedule=kept, progress=lambda _, done, __: heard.append(done))
    assert heard[0] == 5
    assert again.curve == whole.curve
    ours, theirs = again.module.state_dict(), whole.module.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    module, examples, asked = small()
    path = tmp_path / "state.safetensors"
    recovered(asked, module, examples, schedule=replace(SHORT, checkpoint=path))
    with pytest.raises(ValueError, match="is the checkpoint of another run: move it away to start anew"):
        recovered(asked, module, examples, schedule=replace(SHORT, seed=1, checkpoint=path))
    with torch.no_grad():
        module[0].weight.add_(1.0)
    with pytest.raises(ValueError, match="is the checkpoint of another run"):
        recovered(asked, module, examples, schedule=replace(SHORT, checkpoint=path))
    path.write_bytes(b"\x80\x04 a pickle, say")
    with pytest.raises(ValueError, match="is no checkpoint of a recovery"):
        recovered(asked, module, examples, schedule=replace(SHORT, checkpoint=path))


def test_a_checkpoint_that_can_not_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.safetensors"
    save_state(path, {"w": torch.ones(2)}, {"step": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_state(path, {"w": torch.zeros(2)}, {"step": 2})
    monkeypatch.undo()
    assert load_state(path)[1] == {"step": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.safetensors"]


def test_it_stops_when_nothing_gets_better() -> None:
    module, examples, asked = small()
    found = recovered(asked, module, examples, schedule=replace(SHORT, steps=400, look=1, patience=3, rate=0.0))
    assert found.steps == 3
    assert found.best.step == 0


def test_a_rate_that_is_too_high_is_halved_until_it_is_not() -> None:
    module, examples, asked = small()
    found = recovered(asked, module, examples, schedule=replace(SHORT, steps=60, look=2, patience=60, rate=3.0))
    values = [look.psnr for look in found.curve]
    assert min(values) < values[0] - 3  # it ran away ...
    assert found.best.psnr >= values[0]  # ... and nothing was lost


def test_the_original_and_its_modes_stay() -> None:
    module, examples, asked = small()
    module[0].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = recovered(asked, module, examples, schedule=SHORT)
    assert all(torch.equal(module.state_dict()[name], value) for name, value in before.items())
    assert module.training
    assert found.module.training
    assert [p.requires_grad for p in found.module.parameters()].count(False) == 1
    assert all(p.grad is None for p in found.module.parameters())


def test_kernels_grow_to_a_multiple_of_the_stride() -> None:
    module, examples, asked = small()
    assert asked.steps[0].action == "kernel 3 -> 4, nearest flat weights, trained"
    found = recovered(asked, module, examples, schedule=replace(SHORT, steps=0))
    assert tuple(found.module[2].kernel_size) == (4, 4)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "extra"), [(3, 2, 1, 1), (3, 2, 0, 0), (5, 3, 2, 2), (1, 3, 0, 1)]
)
def test_a_grown_layer_computes_the_same(dims: int, kernel: int, stride: int, padding: int, extra: int) -> None:
    torch.manual_seed(0)
    build = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[dims]
    layer = build(4, 2, kernel, stride, padding, extra, groups=2)
    x = torch.randn(2, 4, *(4 + axis for axis in range(dims)))
    more = grown(layer, (-(-kernel // stride) * stride + stride,) * dims)
    assert more(x).shape == layer(x).shape
    assert torch.allclose(more(x), layer(x), atol=1e-5)


def test_batches_are_joined_only_where_the_module_takes_them() -> None:
    batches = [(torch.randn(1, 3, 8, 8),) for _ in range(20)]
    taught = lessons(nn.Conv2d(3, 2, 3), Examples(batches, "noise"), 8)
    assert [len(lesson.inputs[0]) for lesson in taught.training] == [8, 8, 2]
    assert len(taught.held_out) == 2

    class One(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert len(x) == 1
            return x.mean((2, 3)) - x.mean()

    class Mixing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x - x.mean()

    for module in (One(), Mixing()):
        assert len(lessons(module, Examples(batches, "noise"), 8).training) == 18


def test_the_way_by_name_says_what_it_did() -> None:
    module, examples, asked = small()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["flatfield.cure.pytorch.recover"], "Schedule", lambda: SHORT)
        _, notes = recover(asked, module, examples, unheard)
        report = cure(module, examples.batches[0], how="recover", examples=examples).report
    assert "dB when flattened" in notes[0]
    assert "held out from what the cure learnt from" in " ".join(report.notes)


def test_too_few_examples_are_refused() -> None:
    module, examples, asked = small()
    with pytest.raises(ValueError, match="1 batch of examples can't be learnt from and held out too"):
        recovered(asked, module, Examples(examples.batches[:1], "one"), schedule=SHORT)
