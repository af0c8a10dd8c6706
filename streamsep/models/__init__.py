"""The built-in model; its card tells where it comes from and what it is bad at."""

from pathlib import Path


def builtin_model() -> Path:
    """Return the path of the model that runs when none is named."""
    return Path(__file__).with_name("vocals.onnx")
