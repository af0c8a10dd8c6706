"""streamsep takes the voice out of music while it plays."""

import os

# onnxruntime from 1.29 on tells its maker what it runs, unless told not to before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from streamsep.errors import StreamsepError
from streamsep.spec import ModelSpec, SeparatorSpec, StateSpec

__all__ = ["ModelSpec", "SeparatorSpec", "StateSpec", "StreamsepError"]
__version__ = "0.1.0"
