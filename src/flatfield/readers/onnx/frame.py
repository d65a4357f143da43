"""Frame: where a window of an ONNX operator stands, with everything that `auto_pad` and `output_shape` leave open."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flatfield.core.taps import Ints, Pairs
from flatfield.readers.onnx.call import Call
from flatfield.readers.onnx.tensors import MalformedError

MOST_TAPS = 1 << 24  # a window beyond this is a damaged number


@dataclass(frozen=True)
class Frame:
    """Where a window stands: everything but the weights."""

    kernel: Ints
    stride: Ints
    dilation: Ints
    padding: Pairs

    @property
    def reach(self) -> Ints:
        """Places from the first tap to behind the last one."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def gathered(self, sizes: Ints, *, ceil: bool = False) -> Ints:
        """Give the output size of a convolution or pool."""
        places = []
        for n, r, s, (before, after) in zip(sizes, self.reach, self.stride, self.padding, strict=True):
            free = n + before + after - r
            if free < 0:
                raise MalformedError(
                    f"its window of {r} does not fit into {n + before + after} places; "
                    "if the input size was guessed, give one with --input"
                )
            count = -(-free // s) + 1 if ceil else free // s + 1
            # the last window must begin on the input or on the padding before it
            places.append(count - 1 if ceil and (count - 1) * s >= n + before else count)
        return tuple(places)


def frame(call: Call, sizes: Ints, kernel: Ints) -> Frame:
    """Read strides, dilations and pads of a window that gathers; `auto_pad` is worked out."""
    dims = len(kernel)
    if not 1 <= dims == len(sizes) or min(kernel) < 1 or math.prod(kernel) > MOST_TAPS:
        raise MalformedError(f"its kernel {list(kernel)} does not suit an input of {len(sizes)} spatial axes")
    stride = call.numbers("strides", dims, otherwise=1, least=1) or ()
    dilation = call.numbers("dilations", dims, otherwise=1, least=1) or ()
    bare = Frame(kernel, stride, dilation, ((0, 0),) * dims)
    same = call.word("auto_pad", "NOTSET")
    if same in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        for n, s, r in zip(sizes, stride, bare.reach, strict=True):
            total = max(0, (-(-n // s) - 1) * s + r - n)
            pads.append(_halves(total, more_after=same == "SAME_UPPER"))
        return Frame(kernel, stride, dilation, tuple(pads))
    if same not in ("NOTSET", "VALID", ""):
        raise MalformedError(f"its auto_pad {same!r} does not exist")
    numbers = call.numbers("pads", 2 * dims, otherwise=0, least=0) or () if same != "VALID" else (0,) * (2 * dims)
    return Frame(kernel, stride, dilation, tuple(zip(numbers[:dims], numbers[dims:], strict=True)))


def _halves(total: int, *, more_after: bool) -> tuple[int, int]:
    small, large = total // 2, total - total // 2
    return (small, large) if more_after else (large, small)


def spread_frame(call: Call, sizes: Ints, kernel: Ints) -> tuple[Frame, Ints, Ints]:
    """Read the window of a transposed convolution: frame, output padding, output size.

    Without padding `n` inputs reach `s (n - 1) + r` outputs and the output padding; an `output_shape` asks for
    a size, and what is too much is padding on both sides (SAME_UPPER: the odd one behind).
    """
    dims = len(kernel)
    same, asked = call.word("auto_pad", "NOTSET"), call.numbers("output_shape")
    window = frame(call, sizes, kernel)
    extra = call.numbers("output_padding", dims, otherwise=0, least=0) or (0,) * dims
    full = tuple(s * (n - 1) + r + e for s, n, r, e in zip(window.stride, sizes, window.reach, extra, strict=True))
    if asked is not None:
        wanted = asked[-dims:]
    elif same.startswith("SAME"):
        wanted = tuple(s * n for s, n in zip(window.stride, sizes, strict=True))
    else:
        found = tuple(f - sum(pads) for f, pads in zip(full, window.padding, strict=True))
        return window, extra, positive(found)
    totals = [f - w for f, w in zip(full, wanted, strict=True)]
    pads = tuple(_halves(max(0, total), more_after=same == "SAME_UPPER") for total in totals)
    extra = tuple(e + max(0, -total) for e, total in zip(extra, totals, strict=True))
    return Frame(window.kernel, window.stride, window.dilation, pads), extra, positive(wanted)


def positive(sizes: Ints) -> Ints:
    """Refuse an output that has no places.

    >>> positive((3, 4))
    (3, 4)
    """
    if min(sizes) < 1:
        raise MalformedError(
            f"its output would be {'x'.join(map(str, sizes))}; if the input size was guessed, give one"
        )
    return sizes
