"""What a live run is asked to do, with its defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streamsep.audio.files.sound_file import FORMATS
from streamsep.models import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConfig:
    """What ``streamsep live`` was asked for; named as its options are, but for the models.

    The first of ``models`` is the one that is handed to `run_live`, or there are none.
    """

    models: tuple[Model, ...] = ()
    device: str = "auto"

    input_name: str = "mic"
    capture: str | None = None
    output_name: str = "speakers"
    record: Path | None = None
    record_stems: tuple[str, ...] = ("mix",)
    stem: str = "beat"
    mic: str | None = None
    voice_effects: str = "room"
    mic_effect: tuple[str, ...] = ()
    effect: tuple[str, ...] = ()
    key: int | None = None  # semitones; None leaves out what could change it
    guide: float | None = None  # percent of the vocals to be heard
    beat_gain: float = 0.0  # dB
    mic_gain: float = 0.0  # dB
    master_gain: float = 0.0  # dB
    block: int = 512  # samples
    slack: int = 1024  # samples
    seconds: float | None = None
    lyrics: Path | None = None
    plain: bool = False
    as_json: bool = False

    @property
    def output_file(self) -> Path | None:
        """The file that ``output_name`` means, if it means one."""
        path = Path(self.output_name)
        return path if path.suffix.lower() in FORMATS else None
