"""streamsep takes the voice out of music while it plays."""

from streamsep.errors import StreamsepError
from streamsep.spec import ModelSpec, SeparatorSpec, StateSpec

__all__ = ["ModelSpec", "SeparatorSpec", "StateSpec", "StreamsepError"]
__version__ = "0.1.0"
