"""Hardware: where training runs, said once."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy


@dataclass(frozen=True)
class Hardware:
    """One CPU by default; `accelerator` "cuda" (or "auto") and `devices`, `nodes` for more.

    Under torchrun, which starts every process itself, the counts come from its environment: Fabric reads it.
    """

    accelerator: str = "cpu"
    devices: int = 1
    nodes: int = 1

    def fabric(self) -> Fabric:
        """Open Fabric, once a process, and join the other processes.

        >>> Hardware().fabric().world_size
        1
        """
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        many = processes > 1 or self.devices * self.nodes > 1
        with warnings.catch_warnings():
            # Fabric advises a training command of its own, and GPUs where there are some: both are the caller's choice
            warnings.simplefilter("ignore")
            fabric = Fabric(
                accelerator=self.accelerator,
                devices=processes // self.nodes if processes > 1 else self.devices,
                num_nodes=self.nodes,
                strategy=DDPStrategy() if many else "auto",
            )
            fabric.launch()
        return fabric

    def one_thread(self) -> None:
        """Compute in one thread on a CPU: sums keep their order, and small layers gain nothing from a second."""
        if self.accelerator == "cpu":
            torch.set_num_threads(1)
