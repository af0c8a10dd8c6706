"""A trained network as ONNX: folded weights, two graphs of them, int8, and the proof."""
