"""Reading and writing audio the way training wants it: stereo, 44.1 kHz, 16 bit on disk."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import soundfile as sf
import soxr
from numpy.typing import NDArray

from export.constants import SAMPLE_RATE
from export.errors import DataError

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".opus"})

Audio = NDArray[np.float32]


class Folder(Protocol):
    """Where files are by their names: a path, or what opens them."""

    def __truediv__(self, name: str, /) -> Path | BinaryIO:
        """Return a file's path, or the file, opened."""


def is_audio(path: Path) -> bool:
    """Say whether the file's suffix is one that soundfile reads."""
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")


def to_stereo_44k(samples: Audio, sample_rate: int, name: str) -> Audio:
    """Bring samples to two channels at 44.1 kHz.

    Parameters
    ----------
    samples
        float32, shape (frames, channels).
    name
        What to call the audio in an error.

    Returns
    -------
    ndarray
        float32, shape (2, frames at 44.1 kHz).

    Raises
    ------
    DataError
        For more than two channels, no samples at all, or values that aren't finite.
    """
    channels = samples.shape[1]
    if channels > 2:
        raise DataError(
            f"{name} has {channels} channels", expected="mono or stereo", remedy="mix it down first"
        )
    if not samples.size:
        raise DataError(f"{name} is empty", expected="some audio", remedy="remove or replace it")
    if not np.isfinite(samples).all():
        raise DataError(
            f"{name} holds NaN or infinity", expected="finite samples", remedy="write it again"
        )
    if sample_rate != SAMPLE_RATE:
        samples = soxr.resample(samples, sample_rate, SAMPLE_RATE)
    return np.ascontiguousarray(np.broadcast_to(samples, (len(samples), 2)).T, dtype=np.float32)


def read_stereo_44k(path: Path, start_s: float = 0.0, seconds: float | None = None) -> Audio:
    """Read a file, or a part of it, as float32, shape (2, frames), at 44.1 kHz.

    Raises
    ------
    DataError
        When the file can't be decoded, or as ``to_stereo_44k`` says.
    """
    try:
        with sf.SoundFile(path) as file:
            rate = file.samplerate
            file.seek(min(round(start_s * rate), file.frames))
            count = -1 if seconds is None else round(seconds * rate)
            samples = file.read(count, dtype="float32", always_2d=True)
    except (sf.LibsndfileError, OSError) as error:
        raise _unreadable(path, error) from error
    return to_stereo_44k(samples, rate, str(path))


def measure_seconds(path: Path) -> float:
    """Return how long a file is without decoding it.

    Raises
    ------
    DataError
        As of `read_stereo_44k`.
    """
    try:
        return float(sf.info(path).duration)
    except (sf.LibsndfileError, OSError) as error:
        raise _unreadable(path, error) from error


def write_int16(path: Path, samples: Audio) -> None:
    """Write float32 samples of shape (2, frames) as a 16-bit file; the suffix names the format."""
    sf.write(path, samples.T, SAMPLE_RATE, subtype="PCM_16")


def read_part(file: Path | BinaryIO, start: int, length: int) -> Audio:
    """Read ``length`` frames from frame ``start`` on, zeros past the end.

    Only these frames are decoded, so that a training set needs no memory.

    Returns
    -------
    ndarray
        float32, shape (2, length).
    """
    part = np.zeros((length, 2), np.float32)
    with sf.SoundFile(file) as sound:
        if start < sound.frames:
            sound.seek(start)
            found = sound.read(length, dtype="float32", always_2d=True)
            part[: len(found)] = found
    return part.T


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path} can't be read ({error})",
        expected="WAV, FLAC, OGG, MP3 or AIFF",
        remedy="convert it, or leave it out with --exclude",
    )


SILENT_RMS = 1e-3


def rms(samples: Audio) -> float:
    """Return the root mean square of all samples."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
