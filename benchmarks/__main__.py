"""`python -m benchmarks`: run every benchmark, one after the other, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = (
    "benchmarks.check_onnx",
    "benchmarks.check_pytorch",
    "benchmarks.coverage",
    "benchmarks.probe",
    "benchmarks.measure",
    "benchmarks.measure_ledger",
    "benchmarks.nn",
    "benchmarks.correct",
    "benchmarks.recovery",
    "benchmarks.fuse",
    "benchmarks.pages",
)


def main() -> int:
    """Print every table; the exit status is 1 when any benchmark reports a failure."""
    failed = []
    for name in BENCHMARKS:
        print(f"\n## {name}\n", flush=True)
        if subprocess.run([sys.executable, "-m", name], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nmissed or failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
