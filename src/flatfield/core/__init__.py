"""Exact answers about one resampling layer, in any number of dimensions; numpy alone."""

from flatfield.core.convolution import Convolution, TransposedConvolution, Window, ungroup
from flatfield.core.flat import flat_projection, flat_weights
from flatfield.core.gain import (
    FLAT,
    WorstInput,
    decibels,
    phase_gains,
    shuffle_gains,
    unevenness,
    worst_input,
)
from flatfield.core.interpolation import Interpolation, fold, interpolation_kernel, interpolation_matrix
from flatfield.core.overlap import overlap
from flatfield.core.phases import Phases
from flatfield.core.pooling import average_pool
from flatfield.core.shuffle import SubPixelConvolution, shuffle_matrix
from flatfield.core.spectrum import ImageCurve, image_curve, spectral_images
from flatfield.core.taps import tap_positions

__all__ = [
    "FLAT",
    "Convolution",
    "ImageCurve",
    "Interpolation",
    "Phases",
    "SubPixelConvolution",
    "TransposedConvolution",
    "Window",
    "WorstInput",
    "average_pool",
    "decibels",
    "flat_projection",
    "flat_weights",
    "fold",
    "image_curve",
    "interpolation_kernel",
    "interpolation_matrix",
    "overlap",
    "phase_gains",
    "shuffle_gains",
    "shuffle_matrix",
    "spectral_images",
    "tap_positions",
    "unevenness",
    "ungroup",
    "worst_input",
]
