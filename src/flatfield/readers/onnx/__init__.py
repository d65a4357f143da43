"""Read ONNX files, without running them and without any framework."""

from flatfield.readers.onnx.reader import read_onnx

__all__ = ["read_onnx"]
