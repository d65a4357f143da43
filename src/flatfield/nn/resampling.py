"""What a resize-convolution does to sizes and borders, checked once: scale, mode, padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Ints = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]
Scale = int | float | Sequence[int | float]
Padding = str | int | Sequence[int]

MODES = {
    1: ("nearest", "nearest-exact", "linear"),
    2: ("nearest", "nearest-exact", "bilinear", "bicubic"),
    3: ("nearest", "nearest-exact", "trilinear"),
}
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


@dataclass(frozen=True)
class Resampling:
    """Interpolation by `scale`, then padding by `padding` (before, after) at high resolution, then `groups`.

    `scale` holds whole numbers unless the interpolation can't be folded; `align_corners` is `None` for nearest.
    """

    scale: tuple[int | float, ...]
    mode: str
    padding: Pairs
    padding_mode: str
    groups: int
    align_corners: bool | None

    @property
    def dims(self) -> int:
        """Number of spatial dimensions."""
        return len(self.scale)

    @property
    def smooth(self) -> bool:
        """Whether the interpolation is more than repetition."""
        return not self.mode.startswith("nearest")

    @property
    def whole(self) -> Ints:
        """The scales as integers; only where `foldable`."""
        return tuple(int(s) for s in self.scale)

    def foldable(self, kernel: Ints) -> bool:
        """Whether interpolation and convolution can be written as one linear layer on low resolution.

        They can't for scales that are not whole numbers and for `align_corners`, where every phase has
        another kernel at every place; for circular padding of a smooth interpolation, whose seam repeats
        the edge; nor is it done for padding beyond the kernel, where a part of the output sees no input.
        """
        return (
            not self.align_corners
            and all(float(s).is_integer() and s >= 1 for s in self.scale)
            and not (self.smooth and self.padding_mode == "circular" and any(map(any, self.padding)))
            and all(max(pair) < k and min(pair) >= 0 for pair, k in zip(self.padding, kernel, strict=True))
        )

    def output_size(self, size: Sequence[int], kernel: Ints) -> Ints:
        """Spatial size of the output."""
        return tuple(
            int(n * s) + sum(pair) - k + 1 for n, s, pair, k in zip(size, self.scale, self.padding, kernel, strict=True)
        )


def _numbers(value: Scale, dims: int) -> tuple[int | float, ...]:
    numbers = (value,) * dims if isinstance(value, int | float) else tuple(value)
    if len(numbers) != dims:
        raise ValueError(f"scale_factor {numbers} has {len(numbers)} numbers; a {dims}-d layer takes {dims}")
    if any(s <= 0 for s in numbers):
        raise ValueError(f"scale_factor {numbers} must be positive on every axis")
    return tuple(int(s) if float(s).is_integer() else float(s) for s in numbers)


def pad_pairs(padding: Padding, kernel: Ints) -> Pairs:
    """Spell a padding as (before, after), one pair an axis; "same" splits as PyTorch does.

    >>> pad_pairs("same", (3, 4)), pad_pairs(1, (3,)), pad_pairs("valid", (3,))
    (((1, 1), (1, 2)), ((1, 1),), ((0, 0),))
    """
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"padding {padding!r} is unknown: take 'same', 'valid' or a number an axis")
        totals = [k - 1 if padding == "same" else 0 for k in kernel]
        return tuple((total // 2, total - total // 2) for total in totals)
    numbers = (padding,) * len(kernel) if isinstance(padding, int) else tuple(padding)
    if len(numbers) != len(kernel):
        raise ValueError(f"padding {numbers} has {len(numbers)} numbers; a {len(kernel)}-d layer takes {len(kernel)}")
    if min(numbers) < 0:
        raise ValueError(f"padding {numbers} is negative: crop the output instead")
    return tuple((number, number) for number in numbers)


def resampling(
    kernel: Ints,
    *,
    scale_factor: Scale = 2,
    mode: str = "nearest",
    padding: Padding = "same",
    padding_mode: str = "zeros",
    groups: int = 1,
    align_corners: bool | None = None,
) -> Resampling:
    """Check the settings of a resize-convolution with a kernel of this size and spell them out.

    Raises `ValueError` for a mode that PyTorch doesn't have in as many dimensions, an unknown padding
    mode, a scale or padding of the wrong length or sign, and `align_corners` with nearest.

    >>> resampling((3, 3), mode="bilinear").padding
    ((1, 1), (1, 1))
    """
    dims = len(kernel)
    if mode not in MODES[dims]:
        raise ValueError(f"mode {mode!r} is not for {dims}-d input: take one of {', '.join(MODES[dims])}")
    if padding_mode not in PADDING_MODES:
        raise ValueError(f"padding_mode {padding_mode!r} is unknown: take one of {', '.join(PADDING_MODES)}")
    if align_corners is not None and mode.startswith("nearest"):
        raise ValueError(f"align_corners={align_corners} means nothing with mode {mode!r}: leave it out")
    if min(kernel) < 1:
        raise ValueError(f"kernel {kernel} must be at least 1 on every axis")
    corners = None if mode.startswith("nearest") else bool(align_corners)
    pairs = pad_pairs(padding, kernel)
    return Resampling(_numbers(scale_factor, dims), mode, pairs, padding_mode, groups, corners)
