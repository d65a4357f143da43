"""Layout: which of a model's outputs holds the grid, and which of its axes are what."""

from __future__ import annotations

from dataclasses import dataclass

from flatfield.core.taps import Ints
from flatfield.cure.calibration import CalibrationError
from flatfield.cure.correction import Correction

MOST_DIMS = 3


@dataclass(frozen=True)
class Layout:
    """An output with a batch axis in front: its place among the outputs, its axis of channels (None: it has none).

    `space` lists the axes of positions, `period` how far apart the same phase comes again along each.
    """

    place: int
    channel: int | None
    space: Ints
    period: Ints

    @property
    def order(self) -> Ints:
        """The axes in the order (batch, channels, *space); without channels, (batch, *space).

        >>> Layout(0, 3, (1, 2), (2, 2)).order
        (0, 3, 1, 2)
        """
        return (0, *(() if self.channel is None else (self.channel,)), *self.space)


def layout_of(periods: Ints, place: int) -> Layout:
    """Read a layout from the periods of an output's axes (0: no positions), as the probe follows them.

    Raises `CalibrationError` for outputs with more than one axis that is neither batch, channels nor space.

    >>> layout_of((0, 0, 4, 4), 0)
    Layout(place=0, channel=1, space=(2, 3), period=(4, 4))
    """
    space = tuple(axis for axis, period in enumerate(periods) if period > 0)
    rest = [axis for axis in range(1, len(periods)) if axis not in space]
    if not 1 <= len(space) <= MOST_DIMS or len(rest) > 1 or 0 in space:
        raise CalibrationError(
            f"an output with {len(periods)} axes, {len(space)} of them positions, can't be corrected: "
            "(batch, channels, *space) can, with one to three axes of positions"
        )
    return Layout(place, rest[0] if rest else None, space, tuple(periods[axis] for axis in space))


def notes_on(correction: Correction, source: str) -> tuple[str, ...]:
    """Say what a correction was calibrated on and what it found, for a report."""
    seen = correction.statistics
    period = " x ".join(map(str, correction.period))
    flats = f" and {seen.flats} flat fields" if seen.flats else ""
    first = f"calibrated on {seen.examples} outputs for {source}{flats}; period {period}"
    if correction.degree < 0:
        return first, "no grid beyond the noise of what is in the examples: the model is left as it is"
    kind = ("the same for all colours", "linear in the local colour", "quadratic in the local colour")
    many = correction.coefficients.shape[1]
    alone = f", each of the {many} channels in its own" if many > 1 else ""
    return first, f"the grid that is subtracted is {kind[correction.degree]}{alone}"
