"""Layers for PyTorch that can't make a checkerboard: what to put in the place of `nn.ConvTranspose2d`."""

from flatfield.nn.blur import (
    BlurPool1d,
    BlurPool2d,
    BlurPool3d,
    MaxBlurPool1d,
    MaxBlurPool2d,
    MaxBlurPool3d,
)
from flatfield.nn.blur_conv import BlurConv1d, BlurConv2d, BlurConv3d
from flatfield.nn.flat_conv_transpose import FlatConvTranspose1d, FlatConvTranspose2d, FlatConvTranspose3d
from flatfield.nn.flat_field_correction import FlatFieldCorrection
from flatfield.nn.flatten import bake, flatten_weights
from flatfield.nn.icnr import icnr_
from flatfield.nn.resize import ResizeConv1d, ResizeConv2d, ResizeConv3d
from flatfield.nn.subpixel import SubPixelConv1d, SubPixelConv2d, SubPixelConv3d

__all__ = [
    "BlurConv1d",
    "BlurConv2d",
    "BlurConv3d",
    "BlurPool1d",
    "BlurPool2d",
    "BlurPool3d",
    "FlatConvTranspose1d",
    "FlatConvTranspose2d",
    "FlatConvTranspose3d",
    "FlatFieldCorrection",
    "MaxBlurPool1d",
    "MaxBlurPool2d",
    "MaxBlurPool3d",
    "ResizeConv1d",
    "ResizeConv2d",
    "ResizeConv3d",
    "SubPixelConv1d",
    "SubPixelConv2d",
    "SubPixelConv3d",
    "bake",
    "flatten_weights",
    "icnr_",
]
