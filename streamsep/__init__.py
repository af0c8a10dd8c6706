"""streamsep takes the voice out of music while it plays, and out of arrays and files.

>>> import streamsep
>>> stems = streamsep.separate(audio, 48_000)
>>> stems["beat"], stems["vocals"]

docs/api.md has an example for each name here. They are imported when they are first used:
``import streamsep`` alone loads neither numpy nor onnxruntime.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# onnxruntime from 1.29 on tells its maker what it runs, unless told not to before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from streamsep.errors import (
    ArgumentError,
    AudioFileError,
    BackendError,
    ConfigError,
    DeviceError,
    EffectError,
    LyricsError,
    ModelError,
    OutputError,
    SessionError,
    StreamsepError,
)
from streamsep.spec import ModelSpec, SeparatorSpec, StateSpec

if TYPE_CHECKING:
    from streamsep.live.config import LiveConfig
    from streamsep.live.player import LivePlayer
    from streamsep.offline.separate import separate, separate_file
    from streamsep.realtime.realtime_session import RealtimeSession
    from streamsep.separation.model import Model, load
    from streamsep.separation.separator import Separator, SeparatorOptions
    from streamsep.separation.stream import Stream

__all__ = [
    "ArgumentError",
    "AudioFileError",
    "BackendError",
    "ConfigError",
    "DeviceError",
    "EffectError",
    "LiveConfig",
    "LivePlayer",
    "LyricsError",
    "Model",
    "ModelError",
    "ModelSpec",
    "OutputError",
    "RealtimeSession",
    "Separator",
    "SeparatorOptions",
    "SeparatorSpec",
    "SessionError",
    "StateSpec",
    "Stream",
    "StreamsepError",
    "__version__",
    "load",
    "separate",
    "separate_file",
]
__version__ = "0.1.0"

_WHERE = {
    "LiveConfig": "streamsep.live.config",
    "LivePlayer": "streamsep.live.player",
    "Model": "streamsep.separation.model",
    "RealtimeSession": "streamsep.realtime.realtime_session",
    "Separator": "streamsep.separation.separator",
    "SeparatorOptions": "streamsep.separation.separator",
    "Stream": "streamsep.separation.stream",
    "load": "streamsep.separation.model",
    "separate": "streamsep.offline.separate",
    "separate_file": "streamsep.offline.separate",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
