"""Recovery over its steps, on small auto-encoders trained on photographs: the chart of docs/cure.md.

`python -m benchmarks.recovery [FOLDER]` trains two auto-encoders (4/2 and 3/2), recovers them, and writes
`recovery.json` (rows) and `recovery.svg` (chart) into docs/cure, about a minute of one core. Rows that are there
already are not measured again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import altair as alt
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from flatfield.cure.examples import Examples
from flatfield.cure.planning import plan
from flatfield.cure.pytorch.flatten import baked
from flatfield.cure.pytorch.recover import Schedule, recovered
from flatfield.cure.pytorch.subject import ModuleSubject
from flatfield.figures.export import to_svg
from flatfield.figures.rows import named
from flatfield.lab.draw import Draw, generator_of
from flatfield.lab.patches import Patches, tiled
from flatfield.lab.photographs import bundled
from flatfield.lab.quality import psnr
from flatfield.lab.recipe import Recipe
from flatfield.lab.tasks.reconstruction import Reconstruction
from flatfield.lab.train import train
from flatfield.readers.pytorch import read_module

FOLDER = Path(__file__).parents[1] / "docs" / "cure"
EXAMPLES, BATCH = 1024, 16
STEPS = (0, 50, 100, 200, 400, 800)


def trained(patches: Patches, upsampler: str) -> nn.Module:
    task = Reconstruction(patches, (upsampler,) * 2, 32)
    return train(task, Recipe(300, 32, rate=6e-3), Fabric(accelerator="cpu"), 0).networks["painter"].eval()


@torch.no_grad()
def quality(module: nn.Module, held_out: Tensor) -> float:
    return psnr(module(held_out), held_out)


def rows(file: Path) -> list[dict[str, Any]]:
    patches, held_out = Patches(bundled().training, 32), tiled(bundled().held_out, 32, 112)
    x = patches.sample(Draw(generator_of(5, "examples"), EXAMPLES))
    examples = Examples([(x[i : i + BATCH],) for i in range(0, len(x), BATCH)], "patches")
    found: list[dict[str, Any]] = json.loads(file.read_text("utf-8")) if file.exists() else []
    for upsampler, told in (("deconv-4", "4/2"), ("deconv-3", "3/2, grown to 4/2")):
        missing = [steps for steps in STEPS if not any((r["kernel"], r["steps"]) == (told, steps) for r in found)]
        if not missing:
            continue
        original = trained(patches, upsampler)
        asked = plan(read_module(original, (x[:1],)), "recover")
        base = quality(original, held_out)
        for steps in missing:
            schedule = Schedule(steps=steps)
            plain = baked(recovered(asked, original, examples, schedule=schedule).module)
            probe = ModuleSubject(plain, (x[:1],)).probe()
            assert probe is not None
            found.append(
                {"kernel": told, "steps": steps, "original": round(base, 2),
                 "lost": round(base - quality(plain, held_out), 3), "unevenness": probe.unevenness}
            )  # fmt: skip
            file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            print(found[-1], flush=True)
    return found


def chart(found: list[dict[str, Any]]) -> alt.Chart:
    drawn: alt.Chart = (
        alt.Chart(named("recovery", found))
        .mark_line(point=True)
        .encode(
            x=alt.X("steps:Q", axis=alt.Axis(title="steps of recovery (0: flattened only)")),
            y=alt.Y("lost:Q", axis=alt.Axis(title="PSNR lost on held-out photographs, dB")),
            color=alt.Color("kernel:N", legend=alt.Legend(title=None, orient="top")),
        )
        .properties(width="container", height=220, description="Quality lost over the steps of recovery, two networks.")
    )
    return drawn


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    found = rows(folder / "recovery.json")
    (folder / "recovery.svg").write_text(to_svg(chart(found)), encoding="utf-8")
