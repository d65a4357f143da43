"""Run an experiment: every cell that is not finished yet, one after another or several at a time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from lightning.fabric import Fabric

from flatfield.lab.datasets import photographs_of
from flatfield.lab.experiment import Bench, Cell, Experiment
from flatfield.lab.experiments import find_experiment
from flatfield.lab.hardware import Hardware
from flatfield.lab.photographs import Photographs
from flatfield.lab.runs import RunFolder
from flatfield.lab.scale import Scale
from flatfield.lab.train import Progress, silent


@dataclass(frozen=True)
class Settings:
    """Where and how large: the scale, the folder of runs, what `--data` names (None: scikit-image's), the machine."""

    scale: Scale
    runs: Path = Path("runs")
    data: str | None = None
    hardware: Hardware = field(default_factory=Hardware)

    def photographs(self) -> Photographs:
        """Load the pictures that are trained on."""
        return photographs_of(self.data)


CellDone = Callable[[int, int, str], None]


def unheard(done: int, total: int, cell: str) -> None:
    """Tell nobody."""


def run(
    experiment: Experiment,
    settings: Settings,
    *,
    jobs: int = 1,
    cells_done: CellDone = unheard,
    steps_done: Progress = silent,
) -> RunFolder:
    """Run the experiment, or go on with it, and return its folder.

    `cells_done(done, total, name)` hears of every cell when it begins (and once at the end), `steps_done` of the
    steps of a training where `jobs` is 1. Raises `ValueError` where the experiment can't run here, saying why, and for
    a folder that holds a run of another configuration.
    """
    missing = experiment.needs()
    if missing is not None:
        raise ValueError(f"{experiment.name} can't run here: {missing}")
    place = RunFolder(settings.runs / experiment.name)
    cells = experiment.cells(settings.scale)
    if jobs > 1:
        place.claim(experiment, settings.scale, settings.photographs().source)
        _in_parallel(experiment, settings, place, cells, jobs, cells_done)
    else:
        settings.hardware.one_thread()
        fabric = settings.hardware.fabric()
        _one_by_one(experiment, settings, place, fabric, cells_done, steps_done)
        if not fabric.is_global_zero:
            return place
    place.gather(cells)
    cells_done(len(cells), len(cells), "")
    return place


def _one_by_one(
    experiment: Experiment,
    settings: Settings,
    place: RunFolder,
    fabric: Fabric,
    cells_done: CellDone,
    steps_done: Progress,
) -> None:
    photographs = settings.photographs()
    if fabric.is_global_zero:
        place.claim(experiment, settings.scale, photographs.source)
    fabric.barrier()
    bench = Bench(photographs, settings.scale, fabric, place.path, steps_done)
    cells = experiment.cells(settings.scale)
    for i, cell in enumerate(cells):
        cells_done(i, len(cells), cell.name)
        if fabric.broadcast(place.finished(cell)):
            continue
        outcome = experiment.measure(cell, bench)
        if fabric.is_global_zero:
            place.save(cell, outcome)
        fabric.barrier()


def _in_parallel(
    experiment: Experiment, settings: Settings, place: RunFolder, cells: Sequence[Cell], jobs: int, cells_done: CellDone
) -> None:
    waiting = [cell for cell in cells if not place.finished(cell)]
    done = len(cells) - len(waiting)
    # spawned, not forked: PyTorch's threads don't survive a fork
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        started = [pool.submit(_one_cell, experiment.name, settings, cell) for cell in waiting]
        try:
            for future in as_completed(started):
                cells_done(done, len(cells), future.result())
                done += 1
        except BaseException:
            # a worker takes Ctrl-C for the failure of one network, and the next one from the queue
            for worker in multiprocessing.active_children():
                worker.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _one_cell(name: str, settings: Settings, cell: Cell) -> str:
    settings.hardware.one_thread()
    experiment = find_experiment(name)
    place = RunFolder(settings.runs / name)
    bench = Bench(settings.photographs(), settings.scale, settings.hardware.fabric(), place.path, silent)
    place.save(cell, experiment.measure(cell, bench))
    return cell.name
