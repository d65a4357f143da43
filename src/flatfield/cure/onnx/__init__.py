"""What the plans mean for an ONNX graph; every function works on a copy."""
