"""`flatfield.assert_flat`, its pytest fixture, and the watch during training."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

import flatfield
from flatfield.examples import load
from flatfield.probe.watch import Watch


def test_a_flat_network_passes_and_gives_its_report() -> None:
    example = load("resize")
    report = flatfield.assert_flat(example.module, example.inputs)
    assert report.unevenness == pytest.approx(0.0, abs=1e-6)


def test_the_message_names_the_guilty_layer_first() -> None:
    example = load("deconv-last-two")
    with pytest.raises(AssertionError) as caught:
        flatfield.assert_flat(example.module, example.inputs)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("the network draws a grid on a flat field: unevenness 0.")
    assert "allowed -60.0 dB" in lines[0]
    assert lines[0].endswith("period 4 x 4")
    assert lines[1].startswith("  guilty: stages.1.0 (ConvTranspose): 71.")
    assert lines[2].startswith("  then:   stages.2.0 (ConvTranspose): 28.")


def test_the_allowance_is_in_decibels() -> None:
    layer = nn.ConvTranspose1d(1, 1, 3, 2, bias=False)
    nn.init.ones_(layer.weight)  # -10.0 dB
    flatfield.assert_flat(layer, torch.ones(1, 1, 4), db=-9.9)
    with pytest.raises(AssertionError, match=r"\(-10.0 dB, allowed -10.1 dB\)"):
        flatfield.assert_flat(layer, torch.ones(1, 1, 4), db=-10.1)


def test_a_target_is_named_as_for_the_command(tmp_path: Path) -> None:
    example = load("deconv-last")
    path = tmp_path / "m.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(example.module, example.inputs), path)
    for target in ("example:deconv-last", path):
        with pytest.raises(AssertionError, match=r"guilty: stages.2.0 \(ConvTranspose\)"):
            flatfield.assert_flat(target)
    with pytest.raises(AssertionError, match="period 2 x 2"):
        flatfield.assert_flat(path, example.inputs[0])
    with pytest.raises(ValueError, match="no such file"):
        flatfield.assert_flat(tmp_path / "none.onnx")
    with pytest.raises(TypeError, match=r"a int is no nn\.Module"):
        flatfield.assert_flat(3, ())


def test_an_onnx_file_takes_arrays_tensors_and_nothing(tmp_path: Path) -> None:
    example = load("deconv-last")
    path = tmp_path / "m.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(example.module, example.inputs, path, dynamo=False, opset_version=17)
    array = example.inputs[0].numpy()
    told = set()
    for inputs in ([array], array, example.inputs[0], example.inputs):
        with pytest.raises(AssertionError, match=r"guilty: /stages/stages\.2") as caught:
            flatfield.assert_flat(path, inputs)
        told.add(str(caught.value))
    assert len(told) == 1
    with pytest.raises(AssertionError, match=r"guilty: /stages/stages\.2"):
        flatfield.assert_flat(str(path))


def run_pytest(folder: Path, test: str, ini: str = "") -> str:
    (folder / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    (folder / "test_mine.py").write_text(textwrap.dedent(test))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=folder).stdout


def test_the_fixture_is_there_for_other_projects(tmp_path: Path) -> None:
    test = """
    from torch import manual_seed, nn, ones

    def test_good(assert_flat):
        assert_flat(nn.Upsample(scale_factor=2), ones(1, 1, 4, 4))

    def test_bad(assert_flat):
        manual_seed(0)  # one draw in fifteen is flat to -20 dB all the same
        assert_flat(nn.Sequential(nn.ConvTranspose1d(1, 1, 3, stride=2)), ones(1, 1, 4))
    """
    said = run_pytest(tmp_path, test, "flatfield_db = -20")
    assert "1 failed, 1 passed" in said
    assert "guilty: 0 (ConvTranspose)" in said
    assert "allowed -20.0 dB" in said


def test_a_watch_stays_within_its_share() -> None:
    module = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ConvTranspose2d(4, 1, 3, 2, 1, 1))
    watch = Watch(torch.randn(1, 1, 8, 8), every=1, share=0.0)
    assert [watch.step(module) is not None for _ in range(5)] == [True, False, False, False, False]
    free = Watch(torch.randn(1, 1, 8, 8), every=3, share=float("inf"))
    tiles = [free.step(module) for _ in range(7)]
    assert [tile is not None for tile in tiles] == [True, False, False, True, False, False, True]
    assert all(tile.period == (2, 2) for tile in tiles if tile is not None)
    assert free.report(module).guilty is not None


def test_a_watch_leaves_training_as_it_is() -> None:
    def train(watch: Watch | None) -> list[torch.Tensor]:
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 1, 3, 2, 1, 1))
        optimiser = torch.optim.Adam(module.parameters())
        for _ in range(4):
            optimiser.zero_grad()
            (module(torch.randn(2, 1, 8, 8)) ** 2).mean().backward()
            optimiser.step()
            if watch is not None:
                watch.step(module)
        return [*module.state_dict().values()]

    alone, watched = train(None), train(Watch(torch.ones(1, 1, 8, 8), every=1, share=float("inf")))
    assert all(torch.equal(a, b) for a, b in zip(alone, watched, strict=True))


def test_the_callback_logs_while_lightning_trains(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lightning = pytest.importorskip("lightning.pytorch", reason="lightning is not installed")
        from flatfield.lightning import FlatFieldCallback

        class Painter(lightning.LightningModule):  # type: ignore[name-defined, misc]
            def __init__(self) -> None:
                super().__init__()
                self.net = nn.ConvTranspose2d(1, 1, 3, 2, 1, 1)

            def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
                return (self.net(batch) ** 2).mean()

            def configure_optimizers(self) -> torch.optim.Optimizer:
                return torch.optim.SGD(self.parameters(), lr=1e-3)

        logger = lightning.loggers.CSVLogger(tmp_path)
        trainer = lightning.Trainer(
            max_steps=4, logger=logger, callbacks=[FlatFieldCallback(torch.ones(1, 1, 4, 4), network="net", every=2,
            share=float("inf"))], accelerator="cpu", enable_progress_bar=False, enable_model_summary=False,
            enable_checkpointing=False, log_every_n_steps=1,
        )  # fmt: skip
        module = Painter()
        trainer.fit(module, torch.utils.data.DataLoader(torch.randn(8, 1, 4, 4), batch_size=1))
        logger.save()
    table = next(tmp_path.rglob("metrics.csv")).read_text().splitlines()
    column = table[0].split(",").index("flatfield/unevenness")
    logged = [line.split(",")[column] for line in table[1:] if line.split(",")[column]]
    assert len(logged) == 2
    assert all(0 < float(value) < 1 for value in logged)
    assert module.training
