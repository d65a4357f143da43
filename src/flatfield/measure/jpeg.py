"""Recognise the 8-pixel grid that JPEG leaves, so that nobody blames a network for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from flatfield.measure.strips import Strips, cut

Real = NDArray[np.float64]
BLOCK = 8
SMALLEST_BLOCKS = 40  # pixels a side: four whole blocks wherever they start
#: Periods that blocks of 8, or of 16 where colour is halved, can put into a picture.
PERIODS = (2, 4, 8, 16)
FAINT = 0.1  # grey levels rms: what compression leaves at these periods in photographs, at qualities from 80 on


@dataclass(frozen=True)
class BlockGrid:
    """JPEG's blocks in N pictures: `p_value` (N,), `offset` (N, 2) and `jump` (N,).

    `p_value`: how often a picture that never was a JPEG has jumps this regular. `offset`: column and row of the first
    block edge (0, 0 where nothing was cropped). `jump`: by how much neighbours differ more across block edges than
    inside blocks, in the picture's units.
    """

    p_value: Real
    offset: NDArray[np.int64]
    jump: Real

    def present(self, level: float = 1e-5) -> NDArray[np.bool_]:
        """Say for each picture (N,) whether the grid is there."""
        return np.asarray(self.p_value < level)

    def explains(self, period: int, strength: Real, known: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Say whether blocks alone can make a lattice of this period and strength (N,); `known` (N,): it was a JPEG.

        A staircase of steps b, all the same way, has an rms of b / sqrt(12) about its slope; blocks do no more. Of a
        picture known to come as JPEG, FAINT steps are put down to it even where its blocks aren't seen.
        """
        told = np.nan_to_num(strength)
        seen = self.present() & (told <= self.jump / np.sqrt(12))
        faint = (told <= FAINT) & (False if known is None else known)
        return np.asarray((seen | faint) & (period in PERIODS))


def edge_scores(strips: Strips) -> tuple[Real, Real]:
    """Compare jumps at each of the 8 phases with those inside blocks: Student's t (N, 8) and the excess (N, 8)."""
    n = strips.values.shape[0]
    grey = strips.values.astype(np.float32).mean(axis=1)
    jumps = np.abs(np.diff(grey, axis=-1))
    jumps = np.minimum(jumps, 4 * jumps.mean(axis=(-1, -2), keepdims=True))  # one hard edge is one vote
    ridge = (jumps[..., 1:-1] - (jumps[..., :-2] + jumps[..., 2:]) / 2).mean(axis=2)
    blocks = ridge.shape[-1] // BLOCK
    cells = ridge[..., : blocks * BLOCK].reshape(n, -1, BLOCK).astype(np.float64)
    scores, excess = np.empty((n, BLOCK)), np.empty((n, BLOCK))
    for phase in range(BLOCK):
        inside = np.delete(cells, [(phase - 1) % BLOCK, phase, (phase + 1) % BLOCK], axis=-1)
        middle = inside.mean(axis=(1, 2))
        noise = cells[..., phase].var(axis=1) / cells.shape[1] + inside.var(axis=(1, 2)) / (cells.shape[1] * 5)
        halfway = cells[..., (phase + 4) % BLOCK].mean(axis=1)
        excess[:, phase] = cells[..., phase].mean(axis=1) - np.maximum(middle, halfway)
        scores[:, phase] = excess[:, phase] / np.sqrt(noise + 1e-12)
    return scores, excess


def find_blocks(pictures: NDArray[np.generic], most: int | None = None) -> BlockGrid:
    """Look for JPEG's 8-pixel grid in pictures (N, C, H, W); `most` limits the strips looked at along each axis.

    Below 40 pixels a side nothing is looked for (p-value 1). The jump between neighbours is held against the jumps on
    either side of it, phase by phase: blocks are quantised each for itself and don't meet at one phase in eight (Fan
    and de Queiroz 2003, doi 10.1109/TIP.2002.807361).

    Noise whose level changes from block to block has the edges that blocks have:

    >>> blocks = np.kron(np.random.default_rng(0).normal(0, 4, (8, 8)), np.ones((8, 8)))
    >>> grid = find_blocks((128 + blocks + np.random.default_rng(1).normal(0, 1, (64, 64)))[None, None])
    >>> grid.present(), grid.offset[0]
    (array([ True]), array([0, 0]))
    """
    n = pictures.shape[0]
    if min(pictures.shape[2:]) < SMALLEST_BLOCKS:
        return BlockGrid(np.ones(n), np.zeros((n, 2), dtype=np.int64), np.zeros(n))
    return blocks_of(cut(pictures, -1, most), cut(pictures, -2, most))


def blocks_of(columns: Strips, rows: Strips) -> BlockGrid:
    """Look for JPEG's grid in strips that are cut already, along both axes; see `find_blocks`."""
    (tx, ex), (ty, ey) = edge_scores(columns), edge_scores(rows)
    x, y = tx.argmax(axis=1), ty.argmax(axis=1)
    every = np.arange(tx.shape[0])
    t = np.maximum(tx[every, x], ty[every, y])
    cells = min(s.rows.shape[0] * (s.values.shape[-1] // BLOCK) for s in (columns, rows))
    p = np.minimum(2 * BLOCK * stdtr(max(cells - 2, 3), -t), 1.0)
    jump = np.maximum(np.maximum(ex[every, x], ey[every, y]), 0.0)
    return BlockGrid(p, np.stack([(x + 2) % BLOCK, (y + 2) % BLOCK], axis=1), jump)
