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
    "benchmarks.nn",
    "benchmarks.fuse",
    "benchmarks.pages",
