"""flatfield: find, measure, explain and remove checkerboard artifacts in networks that upsample."""

__version__ = "0.1.0"
