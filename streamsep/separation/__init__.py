"""From blocks of a mixture to blocks of stems."""

from streamsep.separation.backend import Backend, OnnxBackend
from streamsep.separation.chunked import ChunkedSeparator
from streamsep.separation.separator import Separator, gains_for, load_separator

__all__ = ["Backend", "ChunkedSeparator", "OnnxBackend", "Separator", "gains_for", "load_separator"]
