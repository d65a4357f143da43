"""Loading: example inputs from pictures and from .npy and .npz files, fitted to what a model takes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flatfield.cure.examples import Examples, Progress, unheard
from flatfield.cure.subject import Array
from flatfield.cure.world import Slot, World

MOST = 1024
"""Examples at most: crops are spread evenly over the pictures."""
_MOST_NUMBERS = 1 << 27
_ENLARGED = "enlarged to fit"


@dataclass(frozen=True)
class Range:
    """The numbers that black and white are for a model: `0,1` for most, `-1,1` for many generators."""

    low: float = 0.0
    high: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Range:
        """Read two numbers between a comma; raises `ValueError` for anything else.

        >>> Range.parse("-1,1")
        Range(low=-1.0, high=1.0)
        """
        parts = text.split(",")
        try:
            low, high = (float(part) for part in parts)
        except ValueError:
            raise ValueError(f"--range {text}: give the numbers for black and white, such as 0,1 or -1,1") from None
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise ValueError(f"--range {text}: black must be below white, both finite, such as 0,1 or -1,1")
        return cls(low, high)


def load_examples(
    paths: Sequence[str], world: World, scale: Range | None = None, progress: Progress = unheard
) -> Examples:
    """Load pictures (files, folders, patterns) or .npy/.npz files of inputs as batches of the model's example size.

    Pictures are cropped to the input's size at random places, so that no lattice of their own (JPEG blocks, say) keeps
    its phase; smaller ones are enlarged first. `scale`: what black and white are. Raises `ValueError` for what is
    neither, for what does not fit, and for a model without an input that pictures go into.
    """
    from flatfield.measure.folder import find_files  # noqa: PLC0415 - media come with an extra
    from flatfield.measure.media import BATCHES, PICTURES  # noqa: PLC0415

    files = [Path(name) for name in find_files(paths)]
    arrays = [file for file in files if file.suffix.lower() in BATCHES]
    pictures = [file for file in files if file.suffix.lower() in PICTURES]
    if arrays and pictures:
        raise ValueError("--examples holds both pictures and .npy or .npz files: give one kind")
    if arrays:
        return _from_arrays(arrays, world)
    if not pictures:
        raise ValueError(f"no pictures, .npy or .npz files in {', '.join(paths)}: give some, or leave --examples out")
    return _from_pictures(pictures, world, scale or Range(), progress)


def _from_pictures(files: list[Path], world: World, scale: Range, progress: Progress) -> Examples:
    from flatfield.measure.media import read_picture  # noqa: PLC0415 - media come with an extra

    place, slot = _slot_for_pictures(world.slots)
    batch, channels, height, width = slot.shape
    count = max(batch, min(MOST, _MOST_NUMBERS // (channels * height * width)))
    rng = np.random.default_rng(0)
    each = -(-count // len(files))
    crops: list[npt.NDArray[np.float32]] = []
    unread: list[str] = []
    enlarged = 0
    for number, file in enumerate(files[:count]):
        progress("reading examples", number, min(len(files), count))
        try:
            pixels = read_picture(file).pixels
        except (ValueError, OSError) as error:
            unread.append(f"{file}: {' '.join(str(error).split())}")
            continue
        assert pixels is not None
        picture = _coloured(np.asarray(pixels, dtype=np.float32), channels, file)
        fitted = _enlarged(picture, height, width)
        enlarged += fitted is not picture
        crops += [_crop(fitted, height, width, rng) for _ in range(_room(fitted, height, width, each))]
    if len(crops) < batch:
        why = f" ({unread[0]})" if unread else ""
        raise ValueError(f"{len(crops)} crops of {len(files)} pictures are too few for a batch of {batch}{why}")
    scaled = [scale.low + (scale.high - scale.low) / 255 * crop for crop in crops[:count]]
    told = f"{len(scaled)} crops of {len(files) - len(unread)} pictures"
    told += f" ({enlarged} {_ENLARGED})" if enlarged else ""
    told += f", {len(unread)} could not be read" if unread else ""
    return Examples([world.batch({place: array}) for array in _batched(np.stack(scaled), batch)], told, world.keywords)


def _slot_for_pictures(slots: tuple[Slot, ...]) -> tuple[int, Slot]:
    found = [(place, slot) for place, slot in enumerate(slots) if slot.real and len(slot.shape) == 4]
    if len(found) != 1:
        raise ValueError(f"the model has {len(found)} inputs for pictures: give its inputs as .npy or .npz")
    return found[0]


def _coloured(picture: npt.NDArray[np.float32], channels: int, file: Path) -> npt.NDArray[np.float32]:
    if picture.shape[0] == channels:
        return picture
    if channels == 1:
        weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
        return np.asarray((weights[:, None, None] * picture).sum(axis=0, keepdims=True), dtype=np.float32)
    if channels == 3:
        return np.repeat(picture[:1], 3, axis=0)
    raise ValueError(f"{file}: a picture can't fill {channels} channels: give the inputs as .npy")


def _enlarged(picture: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
    from PIL import Image  # noqa: PLC0415 - media come with an extra

    factor = max(height / picture.shape[1], width / picture.shape[2])
    if factor <= 1:
        return picture
    size = max(width, round(picture.shape[2] * factor)), max(height, round(picture.shape[1] * factor))
    planes = [np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC)) for plane in picture]
    return np.asarray(np.clip(np.stack(planes), 0, 255), dtype=np.float32)


def _room(picture: npt.NDArray[np.float32], height: int, width: int, most: int) -> int:
    """Crops worth taking: no more than would cover the picture four times."""
    area = picture.shape[1] * picture.shape[2] / (height * width)
    return max(1, min(most, int(4 * area) if area > 1 else 1))


def _crop(
    picture: npt.NDArray[np.float32], height: int, width: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    top = int(rng.integers(picture.shape[1] - height + 1))
    left = int(rng.integers(picture.shape[2] - width + 1))
    return np.ascontiguousarray(picture[:, top : top + height, left : left + width], dtype=np.float32)


def _batched(array: Array, size: int) -> Iterator[Array]:
    """Whole batches, examples along the first axis."""
    return (array[start : start + size] for start in range(0, len(array) - size + 1, size))


def _from_arrays(files: list[Path], world: World) -> Examples:
    batches: list[tuple[Any, ...]] = []
    for file in files:
        given = _placed(file, world.slots)
        sizes = {place: world.slots[place].shape[:1] or (1,) for place in given}
        parts = {place: list(_batched(array, sizes[place][0])) for place, array in given.items()}
        counts = {len(pieces) for pieces in parts.values()}
        if len(counts) != 1 or 0 in counts:
            told = ", ".join(f"{array.shape}" for array in given.values())
            raise ValueError(f"{file}: arrays {told} hold no equal number of whole batches")
        batches += [world.batch({p: pieces[i] for p, pieces in parts.items()}) for i in range(counts.pop())]
    return Examples(batches[:MOST], f"{len(batches[:MOST])} batches of {len(files)} files", world.keywords)


def _placed(file: Path, slots: tuple[Slot, ...]) -> dict[int, Array]:
    """Say which input each array of a file is for: by name, else in order."""
    arrays = _loaded(file)
    names = [slot.name for slot in slots]
    if all(name in names for name in arrays):
        given = {names.index(name): array for name, array in arrays.items()}
    elif len(arrays) > len(slots):
        raise ValueError(f"{file} holds {len(arrays)} arrays, the model has {len(slots)} inputs")
    else:
        given = dict(enumerate(arrays.values()))
    for place, array in given.items():
        shape = slots[place].shape
        if array.shape[1:] != shape[1:] or array.dtype.kind not in "biuf":
            raise ValueError(
                f"{file}: an array of {array.dtype} {array.shape} does not fit input {place} of {shape}: "
                f"give (examples, *{shape[1:]})"
            )
    return given


def _loaded(file: Path) -> dict[str, Array]:
    try:
        if file.suffix.lower() == ".npz":
            from flatfield.measure.media import check_archive  # noqa: PLC0415 - media come with an extra

            check_archive(file)
        found = np.load(file, allow_pickle=False)
        return {"": found} if isinstance(found, np.ndarray) else {name: found[name] for name in found.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{file} can't be read: {' '.join(str(error).split())}") from None
