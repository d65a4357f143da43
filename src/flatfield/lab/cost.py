"""Cost: what a network asks of a machine, counted rather than timed where that can be done."""

from __future__ import annotations

import statistics

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from flatfield.lab.clock import clock
from flatfield.lab.draw import Draw, generator_of
from flatfield.lab.task import Task


def kept_for_backward(task: Task, batch: int) -> int:
    """Count the bytes that one step's forward passes keep for their backward passes, parameters not counted.

    A tensor that several operators keep counts once. The same on every machine, unlike a process's memory.
    """
    networks = task.networks()
    parameters = {p.untyped_storage().data_ptr() for network in networks.values() for p in network.parameters()}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in parameters:
            kept[place] = tensor.untyped_storage().nbytes()
            alive.append(tensor)  # or its memory would be given to the next one, under the same address
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        for part in task.parts:
            task.loss(part.name, networks, Draw(generator_of(0, part.name), batch))
    return sum(kept.values())


def multiply_adds(network: nn.Module, inputs: Tensor) -> int:
    """Count the multiply-adds of one forward pass, as PyTorch's counter sees its convolutions and products.

    >>> multiply_adds(nn.Conv2d(1, 1, 3, padding=1), torch.zeros(1, 1, 4, 4))
    144
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(inputs)
    return int(counter.get_total_flops()) // 2


def step_multiply_adds(task: Task, batch: int) -> int:
    """Count the multiply-adds of one training step: every part's loss and its backward pass."""
    networks = task.networks()
    with FlopCounterMode(display=False) as counter:
        for part in task.parts:
            task.loss(part.name, networks, Draw(generator_of(0, part.name), batch)).backward()
    return int(counter.get_total_flops()) // 2


def milliseconds(network: nn.Module, inputs: Tensor, times: int = 15) -> float:
    """Time one forward pass in evaluation, processor time on a CPU: the median of several, after two that warm up."""
    taken = []
    with torch.inference_mode():
        for i in range(times + 2):
            began = clock(inputs.device)
            network(inputs)
            if i >= 2:
                taken.append(clock(inputs.device) - began)
    return 1e3 * statistics.median(taken)
