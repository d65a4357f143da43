"""Spectral images: the copies of an input frequency that upsampling leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flatfield.core.taps import per_axis, tap_positions


def spectral_images(
    weight: npt.NDArray[np.floating],
    stride: int | Sequence[int],
    frequency: Sequence[float],
    dilation: int | Sequence[int] = 1,
) -> npt.NDArray[np.complex128]:
    """Give the amplitude of every image of an input wave `exp(i w n)` behind a transposed convolution.

    `weight` is (a, b, *kernel), `frequency` one w an axis, in radians a sample of the input. The result is
    (*stride, a, b): entry q is `H((w + 2 pi q) / s) / s`, at output frequency (w + 2 pi q) / s. Entry 0 is
    the wave itself, all others are images. At w = 0 they vanish iff the layer is flat.

    >>> nearest = np.ones((1, 1, 2))
    >>> abs(spectral_images(nearest, 2, [0.0]))[:, 0, 0].round(6)
    array([1., 0.])
    """
    dims = weight.ndim - 2
    strides, dilations = per_axis(stride, dims, "stride"), per_axis(dilation, dims, "dilation")
    if len(frequency) != dims:
        raise ValueError(f"frequency {tuple(frequency)} has {len(frequency)} numbers; a {dims}-d layer takes {dims}")
    images = np.asarray(weight, dtype=np.complex128)
    for s, d, w in zip(strides, dilations, frequency, strict=True):
        theta = (w + 2 * np.pi * np.arange(s)) / s
        wave = np.exp(-1j * np.outer(tap_positions(images.shape[2], d), theta)) / s
        images = np.tensordot(images, wave, axes=([2], [0]))
    return np.moveaxis(images, (0, 1), (-2, -1))


@dataclass(frozen=True)
class ImageCurve:
    """How loud an upsampler is at each input frequency: `frequency` (points,) in radians a sample,
    `baseband` and `images` (points,) as amplitudes, Frobenius over channels; images summed in power."""

    frequency: npt.NDArray[np.float64]
    baseband: npt.NDArray[np.float64]
    images: npt.NDArray[np.float64]


def image_curve(
    weight: npt.NDArray[np.floating],
    stride: int | Sequence[int],
    dilation: int | Sequence[int] = 1,
    *,
    axis: int = 0,
    points: int = 65,
) -> ImageCurve:
    """Sweep an input wave along one axis (0 to pi) and give the loudness of the wave and of its images.

    Raises `ValueError` for an axis that the layer does not have.

    >>> curve = image_curve(np.ones((1, 1, 2)), 2, points=3)
    >>> curve.images.round(4)
    array([0.    , 0.3827, 0.7071])
    """
    dims = weight.ndim - 2
    if axis not in range(dims):
        raise ValueError(f"axis {axis} is none of the {dims} axes of the layer (counted from 0)")
    sweep = np.linspace(0.0, np.pi, points)
    baseband, images = np.empty(points), np.empty(points)
    for index, w in enumerate(sweep):
        frequency = [w if a == axis else 0.0 for a in range(dims)]
        power = np.sum(np.abs(spectral_images(weight, stride, frequency, dilation)) ** 2, axis=(-2, -1)).ravel()
        baseband[index], images[index] = np.sqrt(power[0]), np.sqrt(power[1:].sum())
    return ImageCurve(sweep, baseband, images)
