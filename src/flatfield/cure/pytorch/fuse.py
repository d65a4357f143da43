"""Fuse: an interpolation and the convolution behind it become one ResizeConv, with the same parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from flatfield.cure.examples import Examples, Progress
from flatfield.cure.pytorch.calls import calls_of
from flatfield.cure.pytorch.flatten import copied
from flatfield.cure.pytorch.found import put
from flatfield.cure.pytorch.rows import Row, rows_of
from flatfield.cure_report import CurePlan, CureStep, Refusal
from flatfield.nn import ResizeConv1d, ResizeConv2d, ResizeConv3d

_CLASSES = {1: ResizeConv1d, 2: ResizeConv2d, 3: ResizeConv3d}


def plan(
    module: nn.Module, inputs: Sequence[Any], keywords: Mapping[str, Any] | None = None, target: str = ""
) -> CurePlan:
    """Say which interpolations and convolutions of a module are one layer, and why the others are not."""
    found = list(rows_of(calls_of(module, inputs, keywords)))
    steps = tuple(_step(row) for row in found if isinstance(row, Row))
    return CurePlan(target, "fuse", steps, tuple(entry for entry in found if isinstance(entry, Refusal)))


def _step(row: Row) -> CureStep:
    now, fused = row.multiply_adds
    scale = " x ".join(map(str, row.scale))
    because = f"{row.mode} x {scale} by {row.enlarging}: {now} multiply-adds a position, fused {fused}"
    return CureStep(row.conv, "Conv", _CLASSES[len(row.scale)].__name__, because)


def fuse(
    plan: CurePlan, module: nn.Module, examples: Examples, progress: Progress
) -> tuple[nn.Module, tuple[str, ...]]:
    """Put a ResizeConv in the place of every planned convolution, on a copy; what enlarged becomes an identity.

    Parameters keep their names: state dicts load both ways. Raises `ValueError` for a step that can't be done.
    """
    fused = copied(module)
    found = rows_of(calls_of(fused, examples.batches[0], examples.keywords))
    rows = {row.conv: row for row in found if isinstance(row, Row)}
    for place, step in enumerate(plan.steps):
        progress("fusing", place, len(plan.steps))
        if step.layer not in rows:
            raise ValueError(f"fuse can't change {step.layer}: no interpolation and convolution of that name are one")
        fused = _replace(fused, rows[step.layer])
    progress("fusing", len(plan.steps), len(plan.steps))
    return fused, ()


def _replace(root: nn.Module, row: Row) -> nn.Module:
    conv = root.get_submodule(row.conv)
    layer = _layer(conv, row)
    if row.parent is None:
        put(root, conv, layer)
        for name in row.idle:
            put(root, root.get_submodule(name), nn.Identity())
        return root
    parent = root.get_submodule(row.parent)
    whole = FusedUpsampling(parent, row.conv.rpartition(".")[2], layer)
    if parent is root:
        return whole
    put(root, parent, whole)
    return root


def _layer(conv: nn.Module, row: Row) -> nn.Module:
    """A ResizeConv that shares the parameters of a convolution, those of an exported program too."""
    weight = conv.get_parameter("weight")
    bias = conv._parameters.get("bias")
    layer = _CLASSES[len(row.scale)](
        weight.shape[1] * row.groups, weight.shape[0], row.kernel, row.scale, row.mode, row.padding, row.padding_mode,
        row.groups, bias is not None, align_corners=row.align_corners, device="meta",
    )  # fmt: skip
    layer.register_parameter("weight", weight)
    layer.register_parameter("bias", bias)
    return layer.train(conv.training)


class FusedUpsampling(nn.Module):
    """A module that enlarged by a function call and then convolved, as one ResizeConv under the convolution's name.

    Called with more than a picture (a size to enlarge to, say), it does what the module did, with the same parameters.

    >>> import torch, torch.nn.functional as F
    >>> class Up(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.conv = nn.Conv1d(2, 2, 3, padding=1)
    ...     def forward(self, x, size=None):
    ...         return self.conv(F.interpolate(x, size, None if size else 2.0))
    >>> up, x = Up(), torch.randn(1, 2, 5)
    >>> fused = FusedUpsampling(up, "conv", ResizeConv1d.from_pair(nn.Upsample(scale_factor=2.0), up.conv))
    >>> torch.allclose(fused(x), up(x), atol=1e-6), torch.equal(fused(x, 7), up(x, 7)), list(fused.state_dict())
    (True, True, ['conv.weight', 'conv.bias'])
    """

    def __init__(self, plain: nn.Module, name: str, layer: nn.Module) -> None:
        super().__init__()
        # every child and parameter keeps its name; the module itself is kept out of the tree
        for own, child in plain.named_children():
            self.add_module(own, layer if own == name else child)
        for own, parameter in plain.named_parameters(recurse=False):
            self.register_parameter(own, parameter)
        for own, buffer in plain.named_buffers(recurse=False):
            self.register_buffer(own, buffer, own not in plain._non_persistent_buffers_set)
        self.name = name
        self._plain = (plain,)
        self.training = plain.training

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Enlarge and convolve in one; with more to heed, do as the module did."""
        if any(value is not None for value in (*args, *kwargs.values())):
            return self._plain[0](x, *args, **kwargs)
        return getattr(self, self.name)(x)

    def __getattr__(self, name: str) -> Any:
        """What others ask of the module: its channels, its settings."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if "_plain" not in self.__dict__:
                raise
            return getattr(self.__dict__["_plain"][0], name)
