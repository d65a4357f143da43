"""The lattice of a model's outputs as a torchmetrics metric, pooled over batches and ranks."""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from flatfield.measure.evidence import corrected
from flatfield.measure.harmonics import Harmonic, checked, harmonics
from flatfield.measure.lattice import MIXED, period_test, strengths
from flatfield.measure.lines import Lines, find_lines
from flatfield.measure.plan import REACH
from flatfield.measure.pool import Sums, pooled, sums_of
from flatfield.measure.strips import trimmed

WIDTH = 2 * REACH[1]


def as_pictures(array: NDArray[np.generic], periods: tuple[int, ...]) -> tuple[NDArray[np.generic], tuple[int, ...]]:
    """Shape (N, C, ...) into pictures (N, C, H, W) and the axes to search.

    A volume (N, C, D, H, W) becomes D pictures; a signal (N, C, L) is folded into rows a whole number of every period
    long, so that what repeats along it repeats along the rows, and only along the rows is searched.
    """
    if array.ndim == 4:
        return array, (-1, -2)
    if array.ndim == 5:
        n, c, d, h, w = array.shape
        return array.swapaxes(1, 2).reshape(n * d, c, h, w), (-1, -2)
    if array.ndim != 3:
        raise ValueError(f"shape {array.shape} can't be measured: give (N, C, L), (N, C, H, W) or (N, C, D, H, W)")
    whole = lcm(*periods)
    width = whole * max(round(np.sqrt(array.shape[-1] / 2) / whole), -(-64 // whole), 1)
    rows = array.shape[-1] // width
    if rows < 16:
        raise ValueError(f"{array.shape[-1]} samples are too few for periods {periods}: give {16 * width} or more")
    return array[..., : rows * width].reshape(*array.shape[:2], rows, width), (-1,)


class Checkerboard(Metric):
    """Pool the lattice of everything a model puts out: `update(outputs)` on (N, C, ...), `compute()`, `plot()`.

    `periods` in pixels; `channels`: how many the outputs have, 1 to 4; `scale`: grey levels in one unit of the outputs
    (127.5 for -1..1, 255 for 0..1, 1 for 0..255). `compute()` gives `p_value` (corrected for the periods),
    `strength` (rms in grey levels, all periods together), and `p_value_P`, `strength_P` for each period. Sums of
    sines and their neighbourhood are all that is kept, so batches and ranks add up to what one pass would give. Outputs
    must keep their size; ValueError otherwise. A numpy function underneath does the work.

    >>> board = Checkerboard(periods=(2, 4), channels=1, scale=1.0)
    >>> noise = torch.randn(16, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> board.update(noise + 0.5 * (-1.0) ** torch.arange(32))
    >>> result = board.compute()
    >>> round(float(result["strength_2"]), 2), float(result["p_value_2"]) < 1e-4, float(result["p_value_4"]) > 0.001
    (0.46, True, True)
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    sums: Tensor
    count: Tensor
    shape: Tensor

    def __init__(
        self, periods: Sequence[int] = (2, 4, 8), *, channels: int = 3, scale: float = 127.5, **options: Any
    ) -> None:
        super().__init__(**options)
        if not 1 <= channels <= MIXED:
            raise ValueError(f"channels={channels} can't be pooled: give 1 to {MIXED}")
        self.periods = checked(tuple(periods))
        self.channels, self.scale = channels, float(scale)
        self.harmonics = harmonics(self.periods)
        tests = len(self.harmonics)
        self.parts = {  # name: shape of one state; complex numbers as two
            "line": (tests, channels, 2),
            "around": (tests, channels, WIDTH, 2),
            "floor": (tests, channels, channels),
            "weight": (tests,),
            "detail": (1,),
            "pictures": (1,),
        }
        size = sum(int(np.prod(shape)) for shape in self.parts.values())
        self.add_state("sums", torch.zeros(size, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(tests, dtype=torch.int64), dist_reduce_fx="max")
        self.add_state("shape", torch.zeros(2, dtype=torch.int64), dist_reduce_fx="max")

    def update(self, outputs: Tensor) -> None:
        """Add outputs (N, C, ...) of the same size as before; ValueError when size or channels differ."""
        rounded = not outputs.is_floating_point()
        array, axes = as_pictures(outputs.detach().to("cpu", torch.float32).numpy(), self.periods)
        if array.shape[1] != self.channels:
            raise ValueError(
                f"outputs have {array.shape[1]} channels, not {self.channels}: pass channels={array.shape[1]}"
            )
        if not np.isfinite(array).all():
            raise ValueError("the outputs hold NaN or infinite values: there is no lattice to measure in them")
        size = torch.tensor(array.shape[2:], dtype=torch.int64)
        if bool((self.shape.cpu() != 0).any()) and not torch.equal(self.shape.cpu(), size):
            raise ValueError(f"outputs are {tuple(size.tolist())}, before they were {tuple(self.shape.tolist())}")
        lines = find_lines(array, self.periods, 1.0 if rounded else 0.0, axes=axes, apart=True)
        where = [self.harmonics.index(h) for h in lines.harmonics]
        self.sums += torch.from_numpy(self.flat(sums_of(lines), where)).to(self.sums.device)
        count = torch.zeros_like(self.count, device="cpu")
        count[where] = torch.from_numpy(lines.count)
        self.count, self.shape = count.to(self.count.device), size.to(self.shape.device)

    def flat(self, sums: Sums, where: list[int]) -> NDArray[np.float64]:
        """Lay sums out in one vector, every harmonic asked for at its place."""
        out = {name: np.zeros(shape) for name, shape in self.parts.items()}
        out["line"][where] = np.stack([sums.line.real, sums.line.imag], axis=-1)
        around = np.stack([sums.around.real, sums.around.imag], axis=-1)
        for row, place in enumerate(where):
            out["around"][place, :, : around.shape[2]] = around[row, :, :WIDTH]
        out["floor"][where], out["weight"][where] = sums.floor, sums.weight
        out["detail"][0], out["pictures"][0] = sums.detail, sums.pictures
        return np.concatenate([out[name].ravel() for name in self.parts])

    def lines(self) -> Lines:
        """Unfold the pooled sums into the `Lines` of one picture; ValueError before the first update."""
        count = self.count.cpu().numpy()
        where = np.flatnonzero(count)
        flat, state, at = self.sums.cpu().numpy(), {}, 0
        for name, shape in self.parts.items():
            state[name] = flat[at : at + int(np.prod(shape))].reshape(shape)
            at += int(np.prod(shape))
        if not where.size or state["pictures"][0] == 0:
            raise ValueError("nothing was measured yet: call update with outputs of 16 pixels a side or more first")
        line, around = (state[n][..., 0] + 1j * state[n][..., 1] for n in ("line", "around"))
        sums = Sums(
            line[where],
            around[where],
            state["floor"][where],
            state["weight"][where],
            float(state["detail"][0]),
            round(float(state["pictures"][0])),
        )
        which: tuple[Harmonic, ...] = tuple(self.harmonics[i] for i in where)
        real = np.array([h.along == 0.5 and h.across in (0.0, 0.5) for h in which], dtype=bool)
        height, width = self.shape.tolist()
        length = (trimmed(width) - 1, trimmed(height) - 1)
        return pooled(sums, (which, count[where], real, length))

    def compute(self) -> dict[str, Tensor]:
        """Test everything so far as one: p-values and strengths in grey levels, overall and by period."""
        lines = self.lines()
        p, strength = period_test(lines, self.periods), strengths(lines, self.periods) * self.scale
        out = {"p_value": corrected(p)[0], "strength": np.sqrt(np.nansum(strength**2))}
        for column, period in enumerate(self.periods):
            out[f"p_value_{period}"], out[f"strength_{period}"] = p[0, column], strength[0, column]
        return {name: torch.tensor(float(value), dtype=torch.float64) for name, value in out.items()}

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Draw the strength of each period in grey levels, red where p < 0.001; gives matplotlib's figure and axes."""
        import matplotlib.pyplot as plt  # noqa: PLC0415

        value = self.compute() if val is None else val
        figure, ax = plt.subplots() if ax is None else (ax.figure, ax)
        names = [str(p) for p in self.periods]
        sure = [float(value[f"p_value_{p}"]) < 0.001 for p in self.periods]
        bars = ax.bar(names, [float(value[f"strength_{p}"]) for p in self.periods], edgecolor="black")
        for bar, filled in zip(bars, sure, strict=True):
            bar.set_facecolor("tab:red" if filled else "white")
        ax.set_xlabel("period (pixels)")
        ax.set_ylabel("strength (grey levels rms)")
        ax.set_title(f"checkerboard, p = {float(value['p_value']):.2g}")
        return figure, ax
