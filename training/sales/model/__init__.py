"""The sales model: a network and boosted trees on the same columns, and the one ONNX graph of both."""
