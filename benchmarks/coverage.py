"""What the PyTorch reader understands of published architectures, built from their configuration classes.

`python -m benchmarks.coverage [NAME ...]` fetches the packages once and prints one row an architecture.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import peers
from benchmarks.architecture import Architecture

_HEAD = """\
| package | architecture | layers | upsampling | unread | forward s | check s | findings |
|---|---|--:|---|---|--:|--:|---|"""


@dataclass(frozen=True)
class Row:
    """What one architecture came to; `failure` says why there is nothing to tell."""

    architecture: Architecture
    layers: int = 0
    upsampling: str = ""
    unread: tuple[str, ...] = ()
    forward: float = 0.0
    check: float = 0.0
    findings: str = ""
    failure: str = ""

    def __str__(self) -> str:
        cells = (
            self.architecture.package,
            self.architecture.name,
            str(self.layers) if not self.failure else self.failure,
            self.upsampling,
            ", ".join(self.unread),
            f"{self.forward:.2f}",
            f"{self.check:.2f}",
            self.findings,
        )
        return f"| {' | '.join(cells)} |"


def architectures() -> tuple[Architecture, ...]:
    """Every architecture of the three packages."""
    from benchmarks import from_diffusers, from_monai, from_transformers

    return from_diffusers.ARCHITECTURES + from_monai.ARCHITECTURES + from_transformers.ARCHITECTURES


def counted(words: Sequence[str]) -> str:
    """`4 Resize, 1 SubPixelConv`: each word with how often it stands there."""
    return ", ".join(f"{count} {word}" for word, count in Counter(words).most_common())


def examine(architecture: Architecture) -> Row:
    """Build one architecture, run it, check it; seconds are of one thread, whatever else the machine does."""
    import torch

    from flatfield.checking import report_on
    from flatfield.readers.pytorch import read_module

    torch.manual_seed(0)
    torch.set_num_threads(1)
    try:
        module, inputs = architecture.build()
        module.eval()
        with torch.no_grad():
            module(**inputs)  # whatever a first call sets up is not what is timed
            start = time.process_time()
            module(**inputs)
        forward = time.process_time() - start
    except Exception as error:  # other people's code, of whichever version is there
        return Row(architecture, failure=f"does not run: {type(error).__name__}")
    start = time.process_time()
    try:
        network = read_module(module, (), keywords=inputs)
        report = report_on(network)
    except Exception as error:
        return Row(architecture, failure=f"CRASH: {type(error).__name__}: {error}")
    return Row(
        architecture,
        layers=len(network.layers),
        upsampling=counted([layer.operator for layer in network.layers if layer.upsamples]),
        unread=tuple(sorted({note.operator for note in network.unread})),
        forward=forward,
        check=time.process_time() - start,
        findings=counted([finding.code for finding in report.findings if finding.level != "note"]),
    )


def main(names: Sequence[str]) -> int:
    """Print the table; the exit status is 1 where something crashed."""
    logging.disable(logging.CRITICAL)  # the packages' own advice on how to train
    with peers.importable():
        chosen = [one for one in architectures() if not names or one.name in names]
        print(_HEAD)
        rows = []
        for architecture in chosen:
            rows.append(examine(architecture))
            print(rows[-1], flush=True)
    read = [row for row in rows if not row.failure]
    complete = sum(not row.unread for row in read)
    print(f"\n{len(read)} architectures read, {complete} of them without anything unread.")
    return int(any(row.failure.startswith("CRASH") for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
