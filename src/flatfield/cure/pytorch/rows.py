"""Rows: an interpolation, padding and a convolution one behind the other, and the modules that hold them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn.utils import parametrize

from flatfield.core.taps import Ints, Pairs
from flatfield.cure.pytorch.calls import Calls, Event
from flatfield.cure_report import Refusal

_NEAREST = {f"upsample_nearest{d}d": "nearest" for d in (1, 2, 3)}
_EXACT = {f"_upsample_nearest_exact{d}d": "nearest-exact" for d in (1, 2, 3)}
_SMOOTH = {"upsample_linear1d": "linear", "upsample_bilinear2d": "bilinear", "upsample_trilinear3d": "trilinear",
           "upsample_bicubic2d": "bicubic"}  # fmt: skip
ENLARGING = {**_NEAREST, **_EXACT, **_SMOOTH}
_PADS = {"constant_pad_nd": "zeros"}
_PADS |= {f"reflection_pad{d}d": "reflect" for d in (1, 2, 3)}
_PADS |= {f"replication_pad{d}d": "replicate" for d in (1, 2, 3)}
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_PADDING = (nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d, nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d,
            nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d,
            nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d)  # fmt: skip


class NoRowError(ValueError):
    """An interpolation that can't be fused; the message says why."""


@dataclass(frozen=True)
class Row:
    """Dotted names and settings of one row.

    `parent` is the module that calls the interpolation as a function and does nothing but the row, else empty;
    `idle` are modules of their own that do nothing once the row is fused: nn.Upsample, nn.ZeroPad2d.
    """

    enlarging: str
    conv: str
    parent: str | None
    idle: tuple[str, ...]
    mode: str
    scale: Ints
    align_corners: bool | None
    padding: Ints
    padding_mode: str
    kernel: Ints
    groups: int

    @property
    def multiply_adds(self) -> tuple[int, int]:
        """For each input position and pair of channels: as it is, and fused (mixed, or by phase kernels)."""
        now = math.prod(self.scale) * math.prod(self.kernel)
        mixed = self.groups == 1 or not self.mode.startswith("nearest")
        phases = math.prod(k - 1 + s for k, s in zip(self.kernel, self.scale, strict=True))
        return now, math.prod(self.kernel) if mixed else phases


def rows_of(calls: Calls) -> Iterator[Row | Refusal]:
    """Every interpolation that ran, once: the row it begins, or why it can't be fused."""
    looked = [(event, _looked(calls, event)) for event in calls.events if event.operator in ENLARGING]
    seen: set[object] = set()
    for _, found in [(event, _settled(found, looked, calls)) for event, found in looked]:
        if found not in seen:
            seen.add(found)
            yield found


def _looked(calls: Calls, event: Event) -> Row | Refusal:
    try:
        return _row(calls, event)
    except NoRowError as reason:
        return Refusal(_label(event), "Resize", str(reason))


def _settled(found: Row | Refusal, looked: list[tuple[Event, Row | Refusal]], calls: Calls) -> Row | Refusal:
    """A module that runs more than once must be fused in all of its runs, and in the same way."""
    if isinstance(found, Refusal):
        return found
    others = [other for _, other in looked if other != found]
    for name in (found.conv, *found.idle):
        runs = {e.owner for e in calls.events if e.owner.name == name}
        rows = [row for _, row in looked if isinstance(row, Row) and name in (row.conv, *row.idle)]
        if len(runs) != len(rows):
            return Refusal(found.enlarging, "Resize", f"{name} runs elsewhere too, where it can't be fused")
    if any(isinstance(other, Row) and other.conv == found.conv and other != found for other in others):
        return Refusal(found.enlarging, "Resize", f"{found.conv} runs behind several interpolations that differ")
    return found


def _label(event: Event) -> str:
    owner = event.owner
    alone = not any(True for _ in owner.module.children()) and owner.name
    return owner.name if alone else ".".join(filter(None, (owner.name, event.operator)))


def _row(calls: Calls, event: Event) -> Row:
    scale, pads = _scale(event), []
    last = event
    while True:
        reader = _only_reader(calls, last)
        if reader.operator not in _PADS:
            break
        pads.append(reader)
        last = reader
    if reader.operator != "convolution" or reader.reads[0] != last.writes:
        raise NoRowError(f"what it enlarges goes to {reader.operator}, not straight to a convolution")
    conv = reader.owner.module
    _check_convolution(reader, conv)
    between = [pad for pad in pads if pad.owner is not reader.owner]
    padding, mode = _padding(pads, reader)
    row = Row(
        enlarging=_label(event), conv=reader.owner.name, parent=None, idle=(), mode=ENLARGING[event.operator],
        scale=scale, align_corners=event.arguments.get("align_corners"), padding=padding, padding_mode=mode,
        kernel=tuple(conv.get_parameter("weight").shape[2:]), groups=int(reader.arguments["groups"]),
    )  # fmt: skip
    if _single(event, calls):
        return replace(row, idle=(event.owner.name, *_idle(between, calls)))
    return replace(row, parent=_parent(calls, event, between, reader))


def _only_reader(calls: Calls, event: Event) -> Event:
    readers = calls.readers(event.writes)
    if event.writes in calls.outputs or len(readers) != 1:
        others = "the outputs" if event.writes in calls.outputs else f"{len(readers)} operators"
        raise NoRowError(f"the enlarged picture is read by {others}, so it has to be made anyway")
    return readers[0]


def _scale(event: Event) -> Ints:
    given = [event.arguments[key] for key in ("scales", "scales_d", "scales_h", "scales_w") if key in event.arguments]
    if not given or any(scale is None for scale in given):
        raise NoRowError("it enlarges to a size, not by a factor: whether that is whole depends on the input")
    if event.arguments.get("align_corners"):
        raise NoRowError("its corners are aligned: every place has another kernel")
    if any(not float(scale).is_integer() or scale < 1 for scale in given) or max(given) == 1:
        raise NoRowError(f"it enlarges by {' x '.join(f'{scale:g}' for scale in given)}, not by whole numbers")
    return tuple(int(scale) for scale in given)


def _check_convolution(event: Event, conv: nn.Module) -> None:
    name = event.owner.name or type(conv).__name__
    own = isinstance(conv, _CONVOLUTIONS) and type(conv).forward in {kind.forward for kind in _CONVOLUTIONS}
    if not own and not exported(conv):
        raise NoRowError(f"{name} is {type(conv).__name__}: only PyTorch's own convolutions are replaced")
    if parametrize.is_parametrized(conv) or not isinstance(conv._parameters.get("weight"), nn.Parameter):
        raise NoRowError(f"the weight of {name} is computed: take parametrisations and hooks off first")
    if conv._forward_hooks or conv._forward_pre_hooks:
        raise NoRowError(f"{name} has hooks, which would be lost")
    if conv.get_parameter("weight").dtype not in (torch.float32, torch.float64):
        raise NoRowError(f"{name} is {conv.get_parameter('weight').dtype}: fuse in float32, cast afterwards")
    settings = event.arguments
    if settings["transposed"] or set(settings["stride"]) != {1} or set(settings["dilation"]) != {1}:
        raise NoRowError(f"{name} has a stride or a dilation")


def exported(module: nn.Module) -> bool:
    """True for a part of an exported program that computes operators written down in a graph."""
    return isinstance(getattr(module, "graph", None), torch.fx.Graph)


def _padding(pads: list[Event], conv: Event) -> tuple[Ints, str]:
    """All padding in front of the kernel, as much before as after; another than that is not a ResizeConv's."""
    own = tuple((int(n), int(n)) for n in conv.arguments["padding"])
    dims = len(own)
    layers: list[tuple[Pairs, str]] = []
    for event in pads:
        flat = [int(n) for n in event.arguments["padding" if "padding" in event.arguments else "pad"]]
        pairs = [(a, b) for a, b in zip(flat[::2], flat[1::2], strict=True)][::-1]
        pairs = [(0, 0)] * (dims - len(pairs)) + pairs
        if len(pairs) > dims or any(n < 0 for pair in pairs for n in pair) or event.arguments.get("value"):
            raise NoRowError("it is padded with a number, cut, or padded along the channels")
        layers.append((tuple(pairs), _PADS[event.operator]))
    layers = [(pairs, mode) for pairs, mode in (*layers, (own, "zeros")) if any(map(any, pairs))]
    if len({mode for _, mode in layers}) > 1:
        raise NoRowError("it is padded in two ways")
    total = [(sum(p[axis][0] for p, _ in layers), sum(p[axis][1] for p, _ in layers)) for axis in range(dims)]
    if any(before != after for before, after in total):
        raise NoRowError("it is padded more on one side than on the other")
    return tuple(before for before, _ in total), layers[0][1] if layers else "zeros"


def _single(event: Event, calls: Calls) -> bool:
    """A module that only enlarges, one of an exported program too."""
    owner = event.owner
    return (isinstance(owner.module, nn.Upsample) or exported(owner.module)) and calls.within(owner) == [event]


def _idle(between: list[Event], calls: Calls) -> tuple[str, ...]:
    names = []
    for pad in between:
        alone = calls.within(pad.owner) == [pad]
        if not (isinstance(pad.owner.module, _PADDING) or exported(pad.owner.module)) or not alone:
            raise NoRowError(
                f"{pad.owner.name or 'the model'} pads it by a function call: give the padding to the convolution"
            )
        names.append(pad.owner.name)
    return tuple(names)


def _parent(calls: Calls, event: Event, between: list[Event], conv: Event) -> str:
    """The module that does the row and nothing else, from its one input to its one output."""
    call = event.owner
    name = call.name or type(call.module).__name__
    others = [e for e in calls.within(call) if e is not event and e not in between and e.owner is not conv.owner]
    if others or not call.plain or event.reads[0] not in call.takes or call.gives != conv.writes:
        does = f"also does {others[0].operator}" if others else "takes or gives more than one picture"
        raise NoRowError(f"{name} calls it as a function and {does}: give it an nn.Upsample of its own")
    if conv.owner.name.rpartition(".")[0] != call.name or call.module._forward_hooks or call.module._forward_pre_hooks:
        raise NoRowError(f"{name} calls it as a function, and the convolution is not its own child, or it has hooks")
    return call.name
