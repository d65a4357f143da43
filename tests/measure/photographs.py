"""Clean photographs: pictures that no network made, without their own JPEG's or camera's lattice.

JPEG's 8-pixel grid outlives downscaling by 2 or 3 (at a factor s it is a line at s/8 cycles a pixel), so luma is
averaged over 8 and colour over 16 pixels first, which takes every harmonic of either grid to zero; scaling follows.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.fetching import CACHE, lock

Pixels = NDArray[np.uint8]
MATE = CACHE / "mate"
#: FreshFlower carries a grid of 16.0 pixels of its own, which the test finds at every scale.
LEFT_OUT = ("FreshFlower",)
#: chelsea, coffee and retina carry their cameras' mosaics (period 2 all over), rocket and hubble are JPEGs.
LOSSLESS = ("astronaut", "camera", "grass", "gravel", "brick", "moon", "motorcycle_left", "motorcycle_right")
SCALES = (4.7, 5.7, 6.9)


def mate_files() -> list[Path]:
    """Unpack Debian's mate-backgrounds into the cache; skip where neither it nor the network is there."""
    place = MATE / "usr/share/backgrounds/mate"
    with lock("mate"):
        if not place.is_dir():
            fetch("mate-backgrounds", MATE)
    nature = [p for p in sorted((place / "nature").glob("*.jpg")) if p.stem not in LEFT_OUT]
    return [*nature, place / "abstract/Elephants_5640x3172.jpg"]


def fetch(package: str, target: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        pytest.skip(f"{package}: apt-get and dpkg are not on this machine")
    loading = CACHE / "apt"
    loading.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["apt-get", "download", package], cwd=loading, capture_output=True, timeout=120, check=False)
    found = sorted(loading.glob(f"{package}_*.deb"))
    if done.returncode or not found:
        pytest.skip(f"{package} can't be downloaded: offline?")
    subprocess.run(["dpkg", "-x", found[-1], target], check=True, timeout=120)


def photograph(path: Path, scale: float) -> Pixels:
    from PIL import Image, ImageFilter

    with Image.open(path) as image:
        luma, *colour = image.convert("YCbCr").split()
    blurred = [luma.filter(ImageFilter.BoxBlur(3.5)), *(c.filter(ImageFilter.BoxBlur(7.5)) for c in colour)]
    picture = Image.merge("YCbCr", blurred).convert("RGB")
    size = (int(picture.width / scale), int(picture.height / scale))
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


def lossless(name: str) -> Pixels:
    skimage = pytest.importorskip("skimage", reason="scikit-image ships the lossless photographs")
    from PIL import Image

    with Image.open(Path(skimage.__file__).parent / "data" / f"{name}.png") as image:
        return np.asarray(image.convert("RGB"))


@lru_cache(maxsize=1)
def photographs() -> tuple[Pixels, ...]:
    """All clean photographs (H, W, 3): mate-backgrounds at three scales, scikit-image as it is."""
    found = [photograph(path, scale) for path in mate_files() for scale in SCALES]
    return (*found, *(lossless(name) for name in LOSSLESS))


def patches(size: int, most: int = 250, *, natural: bool = False) -> Pixels:
    """Cut patches (N, 3, size, size) that don't overlap, `most` a photograph; `natural`: none of the bare textures."""
    out = []
    bare = (LOSSLESS.index("grass") - len(LOSSLESS), LOSSLESS.index("gravel") - len(LOSSLESS))
    pictures = photographs()
    for number, picture in enumerate(pictures):
        if natural and number - len(pictures) in bare:
            continue
        rows, columns = (range(0, length - size + 1, size) for length in picture.shape[:2])
        cut = [picture[y : y + size, x : x + size] for y in rows for x in columns]
        order = np.random.default_rng(0).permutation(len(cut))[:most]
        out += [cut[i] for i in order]
    return np.stack(out).transpose(0, 3, 1, 2)
