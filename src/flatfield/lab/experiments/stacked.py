"""Periods compound, and a last layer of stride 1 damps those that divide its size."""

from __future__ import annotations

import re

import polars as pl
import torch
from torch import Tensor, nn

from flatfield.examples.seed import seeded
from flatfield.lab.draw import seed_of
from flatfield.lab.experiment import Bench, Cell, Column, Experiment, Outcome, Row, Verdict
from flatfield.lab.flat_response import FlatResponse, flat_response
from flatfield.lab.models.decoder import Decoder
from flatfield.lab.scale import Scale
from flatfield.lab.statistics import Interval, mean_interval, paired_difference
from flatfield.lab.table import values

BOTH = ("deconv-3", "deconv-4")
DEPTHS = ("depth-1", "depth-2", "depth-3", "depth-4")
LAST = ("last-2", "last-3", "last-4", "last-5", "last-8")
BOXES = ("box-2", "box-3", "box-4")
WIDTH, FLATS = 32, 8
PRESENT = 0.01
"""Relative rms from which on a period counts as there."""
SHARE = 4
"""One in so many of a scale's starts: there are 24 variants, and their means are settled after 50."""


def cells(scale: Scale) -> tuple[Cell, ...]:
    """One cell a variant, 3/2 and 4/2: random stacks are drawn in a moment."""
    return tuple(Cell(up, v, 0) for up in BOTH for v in (*DEPTHS, *LAST, *BOXES))


class Stack(nn.Module):
    """`depth` doublings and, with `last`, a convolution of stride 1 and that size behind them, learnable or a box.

    >>> tuple(Stack("deconv-3", 2, last=3)(torch.zeros(1, 32, 4, 4)).shape)
    (1, 3, 16, 16)
    """

    def __init__(self, upsampler: str, depth: int, last: int = 0, box: bool = False) -> None:
        super().__init__()
        behind = 3 if box or not last else 16
        self.decoder = Decoder((upsampler,) * depth, WIDTH, outputs=behind)
        self.last: nn.Module = nn.Identity()
        if box:
            smooth = nn.Conv2d(3, 3, last, groups=3, bias=False)
            nn.init.constant_(smooth.weight, 1 / last**2)
            self.last = nn.Sequential(_border(last), smooth)
        elif last:
            self.last = nn.Sequential(nn.LeakyReLU(0.2), _border(last), nn.Conv2d(behind, 3, last))

    def forward(self, features: Tensor) -> Tensor:
        """Double, then smooth."""
        painted: Tensor = self.last(self.decoder(features))
        return painted


def _border(kernel: int) -> nn.ZeroPad2d:
    """Pad so that a kernel of any size, even ones too, keeps the size of a picture."""
    return nn.ZeroPad2d(((kernel - 1) // 2, kernel // 2) * 2)


def stack_of(upsampler: str, variant: str) -> tuple[Stack, int]:
    """Build the stack of a variant, and say how deep it is.

    >>> stack_of("deconv-3", "box-2")[1]
    3
    """
    found = re.fullmatch(r"(depth|last|box)-(\d)", variant)
    if found is None:
        raise ValueError(f"there is no stack {variant!r}; take depth-N, last-N or box-N")
    kind, number = found[1], int(found[2])
    depth = number if kind == "depth" else 3
    return Stack(upsampler, depth, 0 if kind == "depth" else number, kind == "box"), depth


def measure(cell: Cell, bench: Bench) -> Outcome:
    """Draw random stacks and split their answer to flat features by period."""
    rows: list[Row] = []
    starts = max(2, bench.scale.starts // SHARE)
    for start in range(starts):
        with seeded(seed_of(start, "stack")):
            stack, depth = stack_of(cell.family, cell.variant)
            features = torch.randn(FLATS, WIDTH).abs().double()
        rows.append({"start": start, **relative(flat_response(stack.double(), features, depth))})
        bench.progress(start + 1, starts)
    return Outcome(rows)


def relative(response: FlatResponse) -> dict[str, float]:
    """Give the unevenness and its part in every period, relative to the rms of the answer."""
    whole = 127.5 * float(response.tiles.square().mean().sqrt())
    parts = {f"period_{p}": response.levels_of(p) / whole for p in (2, 4, 8, 16) if p <= response.tiles.shape[-1]}
    return {"unevenness": response.unevenness, **parts}


def judge(frame: pl.DataFrame) -> Verdict:
    """Hold if every depth brings its period in, boxes take out what divides them, and dividing layers damp more.

    The last is asked of random weights: size 2 against 3 for period 2, size 4 against 5 for period 4.
    """
    compound = min(_mean(frame, f, f"depth-{d}", 2**i) for f in BOTH for d in (1, 2, 3, 4) for i in range(1, d + 1))
    boxes = max(_mean(frame, f, f"box-{k}", p) for f in BOTH for k, p in ((2, 2), (4, 2), (4, 4)))
    damping = {(k, p): _dividing(frame, k, p) for k, p in ((2, 2), (4, 4))}
    sure = all(d.high < 0 for d in damping.values())
    wrong = compound < PRESENT or boxes > 1e-6 or any(d.low > 0 for d in damping.values())
    deepest = ", ".join(f"{p}: {_mean(frame, 'deconv-3', 'depth-4', p):.3f}" for p in (2, 4, 8, 16))
    told = "; ".join(f"size {k} against {k + 1} at period {p}: {d}" for (k, p), d in damping.items())
    return Verdict(
        False if wrong else True if sure else None,
        f"four layers 3/2 have all periods ({deepest}, relative rms); a box takes out what divides its size (rest "
        f"{boxes:.0e}); of random last layers, the relative rms of dividing ones less that of others: {told}.",
    )


def _mean(frame: pl.DataFrame, family: str, variant: str, period: int) -> float:
    return mean_interval(values(frame, f"period_{period}", family=family, variant=variant)).estimate


def _dividing(frame: pl.DataFrame, size: int, period: int) -> Interval:
    first, second = (
        values(frame, f"period_{period}", family="deconv-3", variant=f"last-{k}") for k in (size, size + 1)
    )
    return paired_difference(first, second)


STACKED = Experiment(
    name="stacked",
    claim="Periods compound; a last stride-1 layer damps those that divide its size.",
    measured=(
        Column("unevenness", "", "of the stack's answer to flat features"),
        Column("period_2", "relative rms", "the part of period 2 alone"),
        Column("period_4", "relative rms", "the part of period 4 alone"),
        Column("period_8", "relative rms", "the part of period 8 alone"),
        Column("period_16", "relative rms", "the part of period 16 alone"),
    ),
    cells=cells,
    measure=measure,
    judge=judge,
)
