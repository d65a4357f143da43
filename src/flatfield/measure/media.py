"""Read pictures, batches and sound from files, or say in one line why not."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from os.path import splitext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flatfield.measure.bands import Bands, bands_of
from flatfield.measure.strips import STRIP

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".avif")
BATCHES = (".npy", ".npz")
SOUNDS = (".wav", ".flac", ".ogg")
LARGE = 128 * 128  # pixels; above, strips of a picture are enough unless all of it is asked for
LIMIT = 100_000_000  # pixels of a picture, or samples of a sound, by default
BATCH = 2_000_000_000  # numbers in one array of a batch
CHUNK = 1 << 22  # numbers measured at a time from a batch
UNKNOWN = 0x7FFF0000  # bytes; who writes a WAV into a pipe can't know its length, and promises as much or more


@dataclass(frozen=True)
class Picture:
    """Pictures in grey levels 0..255: all of them (C, H, W) or (N, C, H, W), or bands along x and y of large ones.

    `size`: channels, height and width; `step`: the height of their rounding step; `jpeg`: whether they came as one.
    """

    pixels: NDArray[np.generic] | None
    size: tuple[int, int, int]
    step: float
    jpeg: bool = False
    bands: tuple[Bands, Bands] | None = None

    @property
    def held(self) -> int:
        """How many numbers are in memory."""
        if self.bands is None:
            return 0 if self.pixels is None else self.pixels.size
        return len(self.bands[0]) * STRIP * self.size[0] * (self.size[1] + self.size[2])


def kind_of(path: str) -> str:
    """Say from the file's name what it holds; ValueError for an ending that can't be measured.

    >>> kind_of("a/b.PNG"), kind_of("c.npz"), kind_of("d.flac")
    ('picture', 'batch', 'sound')
    """
    ending = splitext(path)[1].lower()
    for kind, endings in (("picture", PICTURES), ("batch", BATCHES), ("sound", SOUNDS)):
        if ending in endings:
            return kind
    raise ValueError(f"ending {ending!r} is not measured: give {', '.join(PICTURES + BATCHES + SOUNDS)}")


def read_picture(path: str | Path, limit: int = LIMIT, strips: int | None = None) -> Picture:
    """Decode a picture of at most `limit` pixels; ValueError or OSError with the reason in one line for all others.

    Palettes and CMYK are turned into RGB, transparency is dropped, 16-bit grey becomes levels in steps of 1/257 (of
    16-bit colour Pillow keeps the upper eight). The size is read from the header, so that a decompression bomb is
    refused before it is unpacked. `strips`: of a picture larger than `LARGE` pixels keep so many strips of eight pixels
    along each axis, not the pixels.
    """
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415

    try:
        with opened(path, limit) as image:
            refuse(image.width * image.height, limit, f"{image.width} x {image.height} pixels")
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # a phone's JPEG and its preview
            if frames > 1:
                raise ValueError(f"it has {frames} frames or pages: measure them one by one")
            return decoded(image, strips)
    except UnidentifiedImageError:
        empty = Path(path).stat().st_size == 0
        raise ValueError("the file is empty" if empty else "no picture format is recognised in it") from None
    except Image.DecompressionBombError:
        raise ValueError(f"it is larger than {limit} pixels: raise --limit to read it") from None
    except (OSError, SyntaxError, EOFError, TypeError, KeyError, IndexError, zipfile.BadZipFile) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's fault, not the picture's
            raise
        raise ValueError(f"it can't be decoded: {error}") from None


def opened(path: str | Path, limit: int) -> Image:
    """Open a picture with Pillow, which has a limit of its own: a larger `limit` moves it meanwhile."""
    from PIL import Image  # noqa: PLC0415

    own = Image.MAX_IMAGE_PIXELS
    if own is None or limit <= own:
        return Image.open(path)
    try:
        Image.MAX_IMAGE_PIXELS = limit
        return Image.open(path)
    finally:
        Image.MAX_IMAGE_PIXELS = own


def refuse(size: int, limit: int, told: str) -> None:
    """Raise ValueError when `size` is over the limit."""
    if size > limit:
        raise ValueError(f"{told} are more than the limit of {limit}: raise --limit to read it")


def decoded(image: Image, strips: int | None) -> Picture:
    """Turn an open Pillow image into a `Picture`."""
    jpeg = image.format in ("JPEG", "MPO")
    if image.mode.startswith("I"):  # 16-bit grey, in whatever byte order
        values = np.asarray(image).astype(np.float32)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("it holds whole numbers beyond 16 bits: there is no grey scale to read them on")
        return Picture(values[None] / np.float32(257), (1, image.height, image.width), 1 / 257)
    if image.mode == "F":
        raise ValueError("it holds 32-bit floats without a scale: save it as .npy instead")
    mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
    flat = image if image.mode == mode else image.convert(mode)
    size = (1 if mode == "L" else 3, image.height, image.width)
    if strips is None or image.width * image.height <= LARGE:
        return Picture(planes(np.asarray(flat)), size, 1.0, jpeg)
    return Picture(None, size, 1.0, jpeg, bands_of(flat, strips))


def planes(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """View pixels (H, W) or (H, W, C) as (C, H, W)."""
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def arranged(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """View an array as (N, C, H, W): (H, W), (N, H, W, 1 | 3 | 4), (H, W, 3 | 4), (C, H, W), (N, C, H, W).

    >>> [arranged(np.zeros(shape)).shape for shape in ((5, 32, 32, 3), (32, 32, 3), (9, 9))]
    [(5, 3, 32, 32), (1, 3, 32, 32), (1, 1, 9, 9)]
    """
    if array.dtype.kind not in "biuf":
        raise ValueError(f"it holds {array.dtype}, no numbers of pixels")
    if not 2 <= array.ndim <= 4:
        raise ValueError(f"shape {array.shape} is no batch of pictures: give (N, C, H, W) or (N, H, W, C)")
    last = array.ndim >= 3 and array.shape[-1] in (1, 3, 4) and array.shape[-3] not in (1, 3, 4)
    if last:
        array = np.moveaxis(array, -1, -3)
    return array.reshape((1,) * (4 - array.ndim) + array.shape)


def grey_levels(array: NDArray[np.generic]) -> tuple[float, float]:
    """Guess factor and offset that bring an array's numbers to 0..255.

    Floats within 0..1 and -1..1 are scaled, and whole numbers beyond 255: those are taken for 16 bits.

    >>> [grey_levels(np.array([0, high])) for high in (255, 65535)] == [(1.0, 0.0), (1 / 257, 0.0)]
    True
    """
    if array.dtype.kind == "b":
        return 255.0, 0.0
    low, high = float(array.min(initial=0)), float(array.max(initial=0))
    if array.dtype.kind != "f":
        return (1.0 if array.dtype.itemsize == 1 or max(high, -low) <= 255 else 1 / 257), 0.0
    if low >= -1.001 and high <= 1.001:
        return (255.0, 0.0) if low >= 0 else (127.5, 127.5)
    return 1.0, 0.0


def read_batch(path: str | Path) -> Iterator[Picture]:
    """Give the pictures of an .npy or .npz file in pieces (N, C, H, W); never a pickle, never all at once from .npy.

    Labels and latent vectors that lie beside pictures in an archive are passed over: arrays of fewer than three axes
    count only when there are no others, and of one axis never.
    """
    if Path(path).stat().st_size == 0:
        raise ValueError("the file is empty")
    try:
        if str(path).lower().endswith(".npz"):
            check_archive(path)
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        arrays = [loaded] if isinstance(loaded, np.ndarray) else [loaded[name] for name in loaded.files]
    except (EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"it can't be read: {error}") from None
    except ValueError as error:  # numpy's words for a pickle, mapped and not
        if "Python objects" in str(error) or "allow_pickle" in str(error):
            raise ValueError("it is no array of numbers; Python objects are never loaded") from None
        raise
    if not arrays:
        raise ValueError("the archive holds no array")
    for least in (2, 3):
        arrays = [array for array in arrays if array.ndim >= least] or arrays
    for array in arrays:
        pictures = arranged(array)
        refuse(pictures.size, BATCH, f"{pictures.size} numbers")
        size = max(CHUNK // max(int(np.prod(pictures.shape[1:])), 1), 1)
        factor, offset = grey_levels(pictures[:size])
        step = factor if array.dtype.kind != "f" else 0.0
        for start in range(0, pictures.shape[0], size):
            piece = pictures[start : start + size]
            scaled = piece if factor == 1 else piece.astype(np.float32) * np.float32(factor) + np.float32(offset)
            yield Picture(scaled, pictures.shape[1:], step)


def check_archive(path: str | Path) -> None:
    """Raise ValueError when an .npz file says that it unpacks to more than the limit, before it is unpacked."""
    with zipfile.ZipFile(path) as archive:
        total = sum(entry.file_size for entry in archive.infolist())
    refuse(total, BATCH, f"{total} bytes unpacked")


def read_sound(path: str | Path, limit: int = LIMIT) -> tuple[NDArray[np.float64], int]:
    """Decode a sound of at most `limit` samples: (C, L) in -1..1 and its rate in Hz; else ValueError."""
    import soundfile  # type: ignore[import-untyped]  # noqa: PLC0415

    if Path(path).stat().st_size == 0:
        raise ValueError("the file is empty")
    try:
        info = soundfile.info(str(path), verbose=True)
        refuse(info.frames * info.channels, limit, f"{info.frames * info.channels} samples")
        refuse_torn(info.extra_info)
        samples, rate = soundfile.read(str(path), always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise ValueError(f"it can't be decoded: {error}") from None
    return np.ascontiguousarray(samples.T), int(rate)


def refuse_torn(log: str) -> None:
    """Raise ValueError when libsndfile's log says that the file ends too early; it reads what is left without a word.

    >>> refuse_torn("data : 4294967295 (should be 64000)")
    >>> refuse_torn("data : 64000 (should be 31978)")
    Traceback (most recent call last):
    ...
    ValueError: it is truncated: 31978 bytes of samples, not 64000
    """
    if told := re.search(r"^data : (\d+) \(should be (\d+)\)", log, re.MULTILINE):
        promised, there = int(told[1]), int(told[2])
        if there < promised < UNKNOWN:
            raise ValueError(f"it is truncated: {there} bytes of samples, not {promised}")
    if "lacks an end-of-stream" in log or "without an End-Of-Stream" in log:
        raise ValueError("it is truncated: its last page is missing")
