"""What reading a 60 MB ONNX file costs, beside `onnx.load` and one numpy pass over its weights.

Whole processes, interleaved; medians. Memory is the most that a process ever held, above an interpreter that
does nothing. `python -m benchmarks.check_onnx` prints a table.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 7
MEBIBYTE = 1 << 20
PROGRAMS = {
    "interpreter alone": "pass",
    "onnx.load and one numpy pass": """
import sys, onnx, numpy
from onnx import numpy_helper
model = onnx.load(sys.argv[1])
print(sum(float(numpy.abs(numpy_helper.to_array(tensor)).sum()) for tensor in model.graph.initializer))
""",
    "flatfield check --no-probe": """
import sys
from flatfield.cli import main
sys.argv = ["flatfield", "check", sys.argv[1], "--fail-on", "never", "--no-probe"]
main()
""",
    "flatfield reads, every gain and every grid": """
import sys
from pathlib import Path
from flatfield.readers.onnx import read_onnx
network = read_onnx(Path(sys.argv[1]))
print(sum(layer.unevenness or 0.0 for layer in network.layers))
print([(network.output_period(layer), network.remover(layer)) for layer in network.layers if layer.upsamples])
""",
}


@dataclass(frozen=True)
class Cost:
    """One run of one program: seconds from start to end, and bytes at the peak."""

    seconds: float
    peak: int


def build(path: Path) -> None:
    """Write a generator of about 60 MB: transposed convolutions 4/2 and 3/2, convolutions between them."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes, weights, before, channels = [], [], "x", 512
    for stage, (kernel, outs) in enumerate(((4, 576), (3, 448), (4, 256), (3, 128), (4, 128), (4, 64))):
        shapes = {"up": (channels, outs, kernel, kernel), "conv": (outs, outs, 3, 3)}
        for name, shape in shapes.items():
            numbers = rng.normal(size=shape).astype(np.float32)
            weights.append(numpy_helper.from_array(numbers, f"{name}{stage}.weight"))
        up, conv, after = f"up{stage}", f"conv{stage}", f"relu{stage}"
        nodes.append(helper.make_node("ConvTranspose", [before, f"{up}.weight"], [up], up, strides=[2, 2]))
        nodes.append(helper.make_node("Conv", [up, f"{conv}.weight"], [conv], conv, pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [conv], [after], after))
        before, channels = after, outs
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 512, 8, 8]), (before, None))
    ]
    graph = helper.make_graph(nodes, "generator", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def measure(program: str, path: Path) -> Cost:
    """Run one program as a process of its own."""
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"a program of the benchmark ended with {child.returncode}")
    return Cost(time.perf_counter() - start, usage.ru_maxrss * 1024)


def rows(costs: dict[str, list[Cost]], size: int) -> Iterator[str]:
    """Give the table, a line at a time."""
    medians = {
        name: Cost(statistics.median(c.seconds for c in runs), int(statistics.median(c.peak for c in runs)))
        for name, runs in costs.items()
    }
    bare, load, *_ = medians.values()
    yield f"| {size / MEBIBYTE:.1f} MiB, {ROUNDS} rounds | seconds | x load | peak MiB | more than bare, x file |"
    yield "|---|---|---|---|---|"
    for name, cost in medians.items():
        above = (cost.peak - bare.peak) / size
        numbers = (f"{cost.seconds:.2f}", f"{cost.seconds / load.seconds:.2f}", f"{cost.peak / MEBIBYTE:.0f}")
        yield f"| {name} | {' | '.join(numbers)} | {above:.2f} |"


def main() -> None:
    """Build, measure in turn, print."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "generator.onnx")
        # in a process of its own: a child's peak begins with what its parent holds
        builder = (
            "import sys; from pathlib import Path; from benchmarks.check_onnx import build; build(Path(sys.argv[1]))"
        )
        subprocess.run([sys.executable, "-c", builder, str(path)], check=True)
        size = path.stat().st_size
        costs: dict[str, list[Cost]] = {name: [] for name in PROGRAMS}
        for _ in range(ROUNDS):
            for name, program in PROGRAMS.items():
                costs[name].append(measure(program, path))
    print("\n".join(rows(costs, size)))


if __name__ == "__main__":
    main()
