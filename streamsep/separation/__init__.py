"""From blocks of a mixture to blocks of stems."""

from streamsep.separation.backend import Backend, OnnxBackend
from streamsep.separation.chunked import ChunkedSeparator
from streamsep.separation.load import load_separator
from streamsep.separation.separator import (
    Separator,
    SeparatorFactory,
    SeparatorOptions,
    gains_for,
    stem_gains,
)

__all__ = [
    "Backend",
    "ChunkedSeparator",
    "OnnxBackend",
    "Separator",
    "SeparatorFactory",
    "SeparatorOptions",
    "gains_for",
    "load_separator",
    "stem_gains",
]
