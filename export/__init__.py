"""Makes models: stems in, one ONNX file with its ModelSpec out. Needs the ``train`` extra."""
