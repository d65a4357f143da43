"""Detection over strength and the area under ROC, on the photographs of `measure_calibration`: a table and a figure.

Run `python -m benchmarks.measure_curve`; writes docs/measure/detection.svg.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmarks.measure_calibration import fetch, patches, photograph
from flatfield.measure import measure_lattice, plant

STRENGTHS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
PERIODS = (2, 4, 8)


def area(clean: NDArray[np.float64], planted: NDArray[np.float64]) -> float:
    """Compute the area under ROC: how often a planted picture has the smaller p-value (Mann and Whitney)."""
    ranks = rankdata(np.concatenate([clean, planted]))[: clean.size]
    return float((ranks.sum() - clean.size * (clean.size + 1) / 2) / clean.size / planted.size)


def main() -> None:
    cut = patches([photograph(path, 4.7) for path in fetch()], 128, 8)
    clean = measure_lattice(cut).p_value
    print(f"{len(cut)} patches of 128 x 128; clean below 0.01: {(clean < 0.01).mean():.3f}")
    mpl.use("svg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.4), layout="constrained")
    print("| period | strength | p < 0.01 | p < 0.001 | area under ROC |\n|---|---|---|---|---|")
    for period in PERIODS:
        found = []
        for strength in STRENGTHS:
            planted = plant(cut, period, strength).round().clip(0, 255).astype(np.uint8)
            p = measure_lattice(planted).p_value
            found.append((p < 0.01).mean())
            told = f"{found[-1]:.2f} | {(p < 0.001).mean():.2f} | {area(clean, p):.3f}"
            print(f"| {period} | {strength:g} | {told} |", flush=True)
        axes.plot(STRENGTHS, found, marker="o", label=f"period {period}")
    axes.set(xscale="log", xlabel="strength (grey levels rms)", ylabel="detected at 1% false alarms", ylim=(0, 1.02))
    axes.set_xticks(STRENGTHS, [f"{s:g}" for s in STRENGTHS])
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.savefig(Path(__file__).parents[1] / "docs/measure/detection.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
