"""Sound files out, by libsndfile: WAV, FLAC, OGG and MP3."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import soundfile as sf

from streamsep.audio.files.sndfile_decoder import SPEAKERS, TAG_NAMES
from streamsep.audio.files.write_behind import WriteBehindFile
from streamsep.errors import OutputError
from streamsep.types import Float32

# Suffix to libsndfile format and sample type: 24 bits keep what a float32 stem holds of music.
FORMATS = {
    ".wav": ("WAV", "PCM_24"),
    ".flac": ("FLAC", "PCM_24"),
    ".ogg": ("OGG", "VORBIS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
# Other depths, where the format has them; 32 bits are floating point.
DEPTHS = {
    ".wav": {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"},
    ".flac": {16: "PCM_16", 24: "PCM_24"},
}
MAX_OGG_RATE = 200_000  # beyond it libsndfile crashes
WRITE_FRAMES = 65_536  # at a time: of a million libsndfile's Vorbis encoder crashes
KNOWN_TAGS = ("title", "artist", "album", "date", "tracknumber", "genre", "comment", "copyright")
# libsndfile's numbers that soundfile has no names for (sndfile.h).
SF_ERR_SYSTEM = 2
SFC_UPDATE_HEADER_NOW = 0x1060
SFC_RF64_AUTO_DOWNGRADE = 0x1210
SFC_SET_CHANNEL_MAP_INFO = 0x1101
# Of those that WAV knows, by the names that libsndfile looks for there.
WAV_SPEAKERS = {name: SPEAKERS.index(name) + 1 for name in SPEAKERS} | {"FC": 4}


def subtype_for(suffix: str, bits: int) -> str:
    """Return libsndfile's sample type for so many bits in the format of ``suffix``.

    Raises
    ------
    OutputError
        If the format has no such depth.
    """
    depths = DEPTHS.get(suffix, {})
    if bits not in depths:
        raise OutputError(
            f"{suffix} files don't hold samples of {bits} bits",
            expected=" or ".join(f"{', '.join(map(str, d))} in {sfx}" for sfx, d in DEPTHS.items()),
            remedy="choose another depth or format",
        )
    return depths[bits]


class AudioWriter:
    """Writes a sound file chunk by chunk; its suffix says the format.

    A WAV file of more than 4 GB becomes RF64, its large form.

    Parameters
    ----------
    path
        Where to; an existing file is overwritten.
    sample_rate, channels
        Of what will be written.
    speakers
        FFmpeg's name of each channel's, in its order; None for as many as usual. Of more than two
        in WAV.
    bits
        Per sample, 16, 24, or 32 for floating point; None for 24 where the format has a depth.
    tags
        By FFmpeg's names; those that libsndfile doesn't know are left out.
    behind
        Whether what is written waits in memory until it is saved; of a regular file.

    Attributes
    ----------
    cut, peak
        Samples beyond full scale that were cut there, and the loudest one; none where the format
        holds them.

    Raises
    ------
    OutputError
        If the suffix is unknown, its format has no such depth or rate, or the file can't be
        opened.
    """

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        channels: int,
        *,
        speakers: tuple[str, ...] | None = None,
        bits: int | None = None,
        tags: Mapping[str, str] = MappingProxyType({}),
        behind: bool = False,
    ) -> None:
        self.path = path
        if path.suffix.lower() not in FORMATS:
            raise OutputError(
                f"no sound format has the suffix {path.suffix or '(none)'!r} of {path}",
                expected=", ".join(FORMATS),
                remedy="choose one of these",
            )
        kind, subtype = FORMATS[path.suffix.lower()]
        if bits is not None:
            subtype = subtype_for(path.suffix.lower(), bits)
        if kind == "OGG" and sample_rate > MAX_OGG_RATE:
            raise OutputError(
                f"{path} can't have a sample rate of {sample_rate} Hz",
                expected=f"at most {MAX_OGG_RATE} Hz in {path.suffix} files",
                remedy="choose another format",
            )
        self._has_sizes, self._cuts = kind == "WAV", subtype != "FLOAT"
        self.cut, self.peak = 0, 0.0
        self._behind: WriteBehindFile | None = None
        try:
            if behind:
                self._behind = WriteBehindFile(path)
            place = os.fsencode(path) if os.name == "posix" else path  # names may be no text
            self._file = sf.SoundFile(
                self._behind or place,
                "w",
                samplerate=sample_rate,
                channels=channels,
                subtype=subtype,
                format="RF64" if self._has_sizes else kind,
            )
            if self._behind is not None:
                self._behind.save()  # the header: whoever looks finds a sound file from now on
        except (sf.LibsndfileError, OSError) as error:
            raise _not_writable(path, error) from error
        if self._has_sizes:
            self._command(SFC_RF64_AUTO_DOWNGRADE)
            if speakers is not None and channels > 2:
                self._set_speakers(speakers)
        for name in KNOWN_TAGS:
            text = tags.get(TAG_NAMES.get(name, name))
            if text:
                setattr(self._file, name, text)

    def _set_speakers(self, speakers: tuple[str, ...]) -> None:
        """Let the header tell what the channels are; libsndfile leaves it out where it can't."""
        numbers = sf._ffi.new("int[]", [WAV_SPEAKERS.get(name, 0) for name in speakers])
        size = len(speakers) * sf._ffi.sizeof("int")
        sf._snd.sf_command(self._file._file, SFC_SET_CHANNEL_MAP_INFO, numbers, size)

    def write(self, sound: Float32) -> None:
        """Append (C, n).

        Raises
        ------
        OutputError
            If the disk is full or gone.
        """
        try:
            for start in range(0, sound.shape[-1], WRITE_FRAMES):
                piece = sound[:, start : start + WRITE_FRAMES]
                self._file.write(piece.T)
                self._count_cut(piece)
        except (sf.LibsndfileError, OSError) as error:
            raise _not_writable(self.path, error) from error

    def _count_cut(self, sound: Float32) -> None:
        if not self._cuts or not sound.size:
            return
        peak = max(float(sound.max()), -float(sound.min()))
        if peak > 1.0:
            self.cut += int(np.count_nonzero((sound > 1.0) | (sound < -1.0)))
            self.peak = max(self.peak, peak)

    def save(self) -> None:
        """Have all that was written in the file: should nothing follow, it plays.

        Raises
        ------
        OutputError
            If it can't be, with an OSError as its cause. Nothing is lost by that, and it may be
            tried again.
        """
        if self._has_sizes:
            self._command(SFC_UPDATE_HEADER_NOW)
        if self._behind is not None:
            try:
                self._behind.save()
            except OSError as error:
                raise _not_writable(self.path, error) from error

    def _command(self, number: int) -> None:
        sf._snd.sf_command(self._file._file, number, sf._ffi.NULL, True)

    def close(self) -> None:
        """Finish the file, so that it plays.

        Raises
        ------
        OutputError
            If what is still in memory can't be written.
        """
        try:
            self._file.close()
            if self._behind is not None:
                self._behind.save()
        except (sf.LibsndfileError, OSError) as error:
            raise _not_writable(self.path, error) from error
        finally:
            if self._behind is not None:
                self._behind.close()

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _not_writable(path: Path, error: Exception) -> OutputError:
    folder = path.parent
    if not os.path.isdir(folder):
        why = f"no folder {folder}"
    elif not os.access(folder, os.W_OK):
        why = f"no permission to write in {folder}"
    elif isinstance(error, sf.LibsndfileError) and error.code == SF_ERR_SYSTEM:
        why = os.strerror(sf._ffi.errno)  # libsndfile says no more than "System error."
    elif isinstance(error, OSError) and error.strerror:
        why = error.strerror
    else:
        why = str(error)
    return OutputError(
        f"{path} can't be written ({why})",
        expected="a writable folder with room",
        remedy="choose another place",
    )
