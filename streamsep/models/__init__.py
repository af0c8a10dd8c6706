"""The models that come along; MODEL_CARD.md tells where they come from and what they are bad at."""

from pathlib import Path

BUILTIN = ("live", "tutorial")  # the first is what runs when none is named


def find_model(name: str | None) -> Path:
    """Return the path of a built-in model by its name, or of any other by its path."""
    if name is None or name in BUILTIN:
        return Path(__file__).with_name(f"{name or BUILTIN[0]}.onnx")
    return Path(name)
