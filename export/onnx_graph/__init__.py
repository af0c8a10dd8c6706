"""ONNX graphs by hand: nodes, layers, precisions, and files that are proven to be right."""
