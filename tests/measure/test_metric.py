"""The torchmetrics metric: batches, ranks, shapes, a plot; and that nothing else needs PyTorch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchmetrics")

from flatfield.measure import Checkerboard, plant  # noqa: E402


def outputs(count: int = 24, size: int = 32) -> torch.Tensor:
    noise = np.random.default_rng(0).normal(0.1, 0.1, (count, 3, size, size))
    return torch.from_numpy(plant(noise, 2, 0.01, kind="additive")).float()


def values(metric: Checkerboard) -> dict[str, float]:
    return {name: float(value) for name, value in metric.compute().items()}


def test_it_finds_and_measures() -> None:
    metric = Checkerboard()
    metric.update(outputs())
    told = values(metric)
    assert told["p_value"] < 1e-6
    assert told["strength_2"] == pytest.approx(0.01 * 127.5, rel=0.2)
    assert told["p_value_4"] > 0.001


def test_batches_are_one() -> None:
    one, many = Checkerboard(), Checkerboard()
    one.update(outputs())
    for batch in outputs().split(5):
        many.update(batch)
    for name, value in values(one).items():
        assert values(many)[name] == pytest.approx(value, rel=1e-4, abs=1e-12), name


def test_reset_and_forward() -> None:
    metric = Checkerboard()
    assert float(metric(outputs())["p_value"]) < 1e-6
    metric.reset()
    with pytest.warns(UserWarning, match="before the"), pytest.raises(ValueError, match="nothing was measured yet"):
        metric.compute()


RANK = """
import sys, json, numpy as np, torch, torch.distributed as dist
sys.path.insert(0, {here!r})
from test_metric import outputs, values
from flatfield.measure import Checkerboard
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="tcp://127.0.0.1:{port}", rank=rank, world_size=2)
metric = Checkerboard()
for batch in outputs().split(6)[rank::2]:
    metric.update(batch)
told = values(metric)
if rank == 0:
    print(json.dumps(told))
dist.destroy_process_group()
"""


def test_two_gloo_processes_are_one() -> None:
    import json

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = RANK.format(here=str(Path(__file__).parent), port=port)
    ranks = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, str(rank)], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    told = json.loads(next(iter([rank.communicate(timeout=120)[0] for rank in ranks])))
    one = Checkerboard()
    for batch in outputs().split(6):
        one.update(batch)
    for name, value in values(one).items():
        assert told[name] == pytest.approx(value, rel=1e-6, abs=1e-12), name


def test_volumes_and_signals() -> None:
    volume = Checkerboard(channels=1, scale=1.0)
    volume.update(
        torch.from_numpy(
            plant(np.random.default_rng(1).normal(0, 1, (2, 1, 8, 32, 32)), 2, 0.5, kind="additive")
        ).float()
    )
    assert values(volume)["p_value_2"] < 1e-6
    signal = Checkerboard(channels=1, scale=1.0)
    hum = 0.3 * torch.cos(torch.pi / 2 * torch.arange(8192))
    signal.update(torch.randn(4, 1, 8192, generator=torch.Generator().manual_seed(0)) + hum)
    assert values(signal)["p_value_4"] < 1e-6
    assert values(signal)["p_value_2"] > 0.001


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (torch.zeros(2, 1, 32, 32), "1 channels, not 3: pass channels=1"),
        (torch.full((2, 3, 32, 32), torch.nan), "NaN or infinite"),
        (torch.zeros(2, 3, 48, 48), "before they were"),
        (torch.zeros(2, 3), "can't be measured: give"),
        (torch.zeros(2, 3, 100), "100 samples are too few"),
    ],
)
def test_what_does_not_fit_is_refused(wrong: torch.Tensor, told: str) -> None:
    metric = Checkerboard()
    metric.update(outputs(2))
    with pytest.raises(ValueError, match=told):
        metric.update(wrong)


def test_the_plot_shows_every_period() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    metric = Checkerboard()
    metric.update(outputs())
    figure, axes = metric.plot()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "4", "8"]
    assert axes.patches[0].get_facecolor() != axes.patches[1].get_facecolor()
    matplotlib.pyplot.close(figure)


@pytest.mark.parametrize(("code", "loaded"), [("0", False), ("flatfield.measure.Checkerboard", True)])
def test_measuring_loads_no_framework(code: str, loaded: bool) -> None:
    """And the test can fail: asking for the metric does load PyTorch."""
    program = (
        f"import flatfield.measure, sys; {code}; print(sorted(set(sys.modules) & {{'torch', 'ray', 'PIL', 'polars'}}))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )
    assert ("torch" in done.stdout) is loaded
    assert "ray" not in done.stdout
