"""The probe in ONNX Runtime: a graph rewritten so that it runs on a torus, forwards and backwards."""
