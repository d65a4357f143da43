"""Fit the far tail of the p-values to clean photographs that no test uses (Debian's lomiri and plasma wallpapers).

Run `python -m benchmarks.measure_calibration`; it fetches two Debian packages into .cache/. What it prints belongs into
`flatfield/measure/evidence.py`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from flatfield.measure.evidence import either
from flatfield.measure.harmonics import PERIODS
from flatfield.measure.hotelling import line_test
from flatfield.measure.lines import find_lines

CACHE = Path(__file__).parents[1] / ".cache" / "calibration"
PACKAGES = ("lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04", "plasma-workspace-wallpapers")
#: Drawings among them, which aren't photographs.
DRAWN = ("Fossa_by", "Picture_0B", "Picture_1A", "Infinite-Sea", "free_by", "warty-final", "Painting-Colors")
PLASMA = (
    "Autumn",
    "BytheWater",
    "ColorfulCups",
    "DarkestHour",
    "EveningGlow",
    "FallenLeaf",
    "OneStandsOut",
    "Path",
    "Grey",
)
SCALES, SIZES, ONSETS = (4.7, 5.7, 6.9), (32, 64, 128), (3e-3, 1e-3, 5e-4)


def fetch() -> list[Path]:
    CACHE.mkdir(parents=True, exist_ok=True)
    if not list(CACHE.rglob("*.jpg")):
        subprocess.run(["apt-get", "download", *PACKAGES], cwd=CACHE, check=True)
        for package in CACHE.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, CACHE], check=True)
    lomiri = sorted((CACHE / "usr/share/backgrounds").glob("*.jpg"))
    plasma = [CACHE / f"usr/share/wallpapers/{name}/contents/images/2560x1600.jpg" for name in PLASMA]
    return [path for path in lomiri if not path.name.startswith(DRAWN)] + plasma


def photograph(path: Path, scale: float) -> NDArray[np.uint8]:
    """Average out the file's own JPEG grid (8 pixels; 16 in colour), then scale down."""
    Image.MAX_IMAGE_PIXELS = None
    luma, *colour = Image.open(path).convert("YCbCr").split()
    blurred = [luma.filter(ImageFilter.BoxBlur(3.5)), *(c.filter(ImageFilter.BoxBlur(7.5)) for c in colour)]
    picture = Image.merge("YCbCr", blurred).convert("RGB")
    size = (int(picture.width / scale), int(picture.height / scale))
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


def patches(pictures: list[NDArray[np.uint8]], size: int, most: int = 250) -> NDArray[np.uint8]:
    out = []
    for picture in pictures:
        rows, columns = (range(0, length - size + 1, size) for length in picture.shape[:2])
        cut = [picture[y : y + size, x : x + size] for y in rows for x in columns]
        out += [cut[i] for i in np.random.default_rng(0).permutation(len(cut))[:most]]
    return np.stack(out).transpose(0, 3, 1, 2)


def period_p_values(cut: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Compute the uncalibrated p-value of every period of every patch, all in one row."""
    out = []
    for start in range(0, len(cut), 400):
        lines = find_lines(cut[start : start + 400], PERIODS, 1.0)
        p, owner = line_test(lines), np.array([h.period for h in lines.harmonics])
        out += [either(p[:, owner == period]) for period in sorted(set(owner))]
    return np.concatenate(out)


def main() -> None:
    pictures = [photograph(path, scale) for path in fetch() for scale in SCALES]
    found = [period_p_values(patches(pictures, size)) for size in SIZES]
    print("periods tested:", [p.size for p in found])
    for level in (0.1, 0.01, 0.001, 1e-4, 1e-5):
        print(f"share below {level:g}:", [f"{(p < level).mean():.2g}" for p in found])
    for onset in ONSETS:
        share = np.mean([(p < onset).mean() for p in found])
        weight = np.concatenate([np.full((p < onset).sum(), 1 / p.size) for p in found])
        drop = np.concatenate([np.log(onset / np.maximum(p[p < onset], 1e-12)) for p in found])
        shape = weight.sum() / (weight * drop).sum()
        print(f"onset {onset:g}: share {share:.2e}, shape {shape:.3f} +- {shape / np.sqrt(weight.size):.3f}")


if __name__ == "__main__":
    main()
