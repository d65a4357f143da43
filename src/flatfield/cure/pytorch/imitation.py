"""Lessons: example inputs with the outputs that are to be imitated, some of them held out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from flatfield.cure.examples import Examples
from flatfield.readers.visit import tensors_in

_HELD_OUT = 8  # every so many-th batch
_LOST = -300.0  # dB, for outputs that are not finite


@dataclass(frozen=True)
class Lesson:
    """Inputs, and what the teacher made of them."""

    inputs: tuple[Any, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Lessons:
    """Batches to train on, batches held out, and the scale of the outputs."""

    training: Sequence[Lesson]
    held_out: Sequence[Lesson]
    keywords: Mapping[str, Any]
    power: float
    span: float

    def drawn(self, seed: int, step: int) -> Lesson:
        """The batch of a step: every epoch in an order of its own, a function of seed and step alone."""
        epoch, place = divmod(step, len(self.training))
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        return self.training[int(torch.randperm(len(self.training), generator=generator)[place])]

    def loss(self, student: nn.Module, lesson: Lesson) -> Tensor:
        """Mean squared error relative to the power of the teacher's outputs about their mean."""
        return self._error(student, lesson) / self.power

    def _error(self, student: nn.Module, lesson: Lesson) -> Tensor:
        outputs = real_tensors(student(*lesson.inputs, **self.keywords))
        squares = [(mine - theirs).square().sum() for mine, theirs in zip(outputs, lesson.outputs, strict=True)]
        count = sum(tensor.numel() for tensor in outputs)
        return torch.stack([square.float() for square in squares]).sum() / max(1, count)

    def held_out_psnr(self, student: nn.Module) -> float:
        """PSNR in dB of what the student makes of the held-out batches, relative to the range of the outputs."""
        errors = [float(self._error(student, lesson)) for lesson in self.held_out]
        error = sum(errors) / len(errors)
        if not math.isfinite(error):
            return _LOST
        return 10 * math.log10(self.span**2 / max(error, 1e-20 * self.span**2))


def real_tensors(result: Any) -> tuple[Tensor, ...]:
    """The outputs that are real numbers, in order."""
    return tuple(tensor for tensor in tensors_in(result) if tensor.is_floating_point())


@torch.no_grad()
def lessons(teacher: nn.Module, examples: Examples, batch: int) -> Lessons:
    """Run the teacher on all examples, `batch` of them at a time where it takes so many.

    Raises `ValueError` for fewer than two batches: one must be held out.
    """
    batches = [tuple(entry) for entry in examples.batches]
    if len(batches) < 2:
        raise ValueError(f"{len(batches)} batch of examples can't be learnt from and held out too: give more examples")
    apart = [i for i in range(len(batches)) if i % _HELD_OUT == _HELD_OUT - 1] or [len(batches) - 1]
    kept = [_taught(teacher, batches[i], examples.keywords) for i in apart]
    rest = [entry for i, entry in enumerate(batches) if i not in apart]
    taught = [_taught(teacher, entry, examples.keywords) for entry in _grouped(teacher, rest, examples, batch)]
    outputs = [tensor for lesson in taught for tensor in lesson.outputs if tensor.numel()]
    if not outputs:
        raise ValueError("the model gives no real numbers: there is nothing to imitate")
    count = sum(tensor.numel() for tensor in outputs)
    mean = sum(float(tensor.double().sum()) for tensor in outputs) / count
    power = sum(float((tensor.double() - mean).square().sum()) for tensor in outputs) / count
    span = max(float(tensor.max()) for tensor in outputs) - min(float(tensor.min()) for tensor in outputs)
    return Lessons(taught, kept, examples.keywords, power or 1.0, span or 1.0)


def _grouped(
    teacher: nn.Module, batches: list[tuple[Any, ...]], examples: Examples, batch: int
) -> list[tuple[Any, ...]]:
    """Join batches until they hold `batch` examples, if the teacher takes joined ones as it takes them one by one."""
    sizes = {t.shape[:1] for entry in batches for t in tensors_in(entry)}
    if len(sizes) != 1 or not (size := next(iter(sizes))) or size[0] >= batch or len(batches) < 2:
        return batches
    if not _joins(teacher, batches[:2], examples.keywords):
        return batches
    step = max(1, batch // size[0])
    return [_joined(batches[i : i + step]) for i in range(0, len(batches), step)]


def _joined(batches: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Join batches along their first axis."""
    return tuple(torch.utils._pytree.tree_map(_together, batches[0], *batches[1:]))


def _together(*leaves: Any) -> Any:
    return torch.cat(leaves) if isinstance(leaves[0], Tensor) else leaves[0]


def _joins(teacher: nn.Module, pair: Sequence[tuple[Any, ...]], keywords: Mapping[str, Any]) -> bool:
    alone = [real_tensors(teacher(*inputs, **keywords)) for inputs in pair]
    try:
        both = real_tensors(teacher(*_joined(pair), **keywords))
    except (RuntimeError, ValueError, AssertionError):  # a program exported for one batch size
        return False
    apart = [torch.cat(tensors) for tensors in zip(*alone, strict=True) if tensors[0].dim()]
    return len(apart) == len(both) and all(
        one.shape == other.shape and torch.allclose(one, other, rtol=1e-3, atol=1e-4 * float(one.abs().max()))
        for one, other in zip(apart, both, strict=True)
    )


def _taught(teacher: nn.Module, inputs: tuple[Any, ...], keywords: Mapping[str, Any]) -> Lesson:
    return Lesson(inputs, tuple(t.detach() for t in real_tensors(teacher(*inputs, **keywords))))
