"""Benchmarks of `flatfield.nn`: the table of resize-convolution, and the fit of its cost model."""
