"""Sound files in and out, by libsndfile (WAV, FLAC, OGG, MP3), and in by what else there is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import numpy as np
import soundfile as sf

from streamsep.audio.files import container
from streamsep.errors import AudioFileError, OutputError
from streamsep.types import Float32

MIN_RATE, MAX_RATE = 8_000, 384_000
CHUNK_S = 0.25
# MP3 headers may promise a few frames more than there are; more than this is a damaged file.
MISSING_S = 0.5
# What libsndfile gives for a FLAC stream that doesn't say its length is far above this.
UNKNOWN_FRAMES = 2**60

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
# Names of tags in libsndfile, where they aren't FFmpeg's.
TAG_NAMES = {"tracknumber": "track"}
KNOWN_TAGS = ("title", "artist", "album", "date", "tracknumber", "genre", "comment", "copyright")
# libsndfile's numbers that soundfile has no names for (sndfile.h).
SF_ERR_SYSTEM = 2
SFC_UPDATE_HEADER_NOW = 0x1060
SFC_RF64_AUTO_DOWNGRADE = 0x1210


class AudioReader:
    """Reads a sound file in chunks, at the file's own rate and channels; a context manager.

    Parameters
    ----------
    path
        A WAV, FLAC, OGG or MP3 file; with the extra ``media`` anything that FFmpeg reads.

    Raises
    ------
    AudioFileError
        If the file is missing, not readable as sound, empty, or has an absurd sample rate.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise AudioFileError(
                f"no sound file at {path}", expected="a file", remedy="check the path"
            )
        self._file = _open(path)
        self.sample_rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.frames: int = self._file.frames
        # A length that is only guessed is no promise.
        self._promised = not isinstance(self._file, container.MediaFile) or self._file.promised
        if self.frames > UNKNOWN_FRAMES:
            self.frames = _count_frames(path)
        try:
            self._check()
        except AudioFileError:
            self._file.close()
            raise

    def _check(self) -> None:
        if self.frames < 1:
            raise AudioFileError(
                f"{self.path} holds no samples",
                expected="at least one",
                remedy="check how the file was made",
            )
        if not MIN_RATE <= self.sample_rate <= MAX_RATE:
            raise AudioFileError(
                f"{self.path} has a sample rate of {self.sample_rate} Hz",
                expected=f"{MIN_RATE} to {MAX_RATE} Hz",
                remedy="resample it first, e.g. with sox or ffmpeg",
            )

    @property
    def start_s(self) -> float:
        """When the sound begins by the time of the file: a video's picture may begin before."""
        return self._file.start_s if isinstance(self._file, container.MediaFile) else 0.0

    @property
    def tags(self) -> dict[str, str]:
        """Title, artist and so on, by FFmpeg's names."""
        if isinstance(self._file, container.MediaFile):
            return self._file.tags
        return {TAG_NAMES.get(key, key): text for key, text in self._file.copy_metadata().items()}

    def chunks(self) -> Iterator[Float32]:
        """Yield (C, n) float32 until the end.

        Raises
        ------
        AudioFileError
            If the file turns out to be damaged further in.
        """
        size, position = max(1, int(CHUNK_S * self.sample_rate)), 0
        while True:
            try:
                left = self.frames - position if self._promised else size
                frames = self._file.read(min(size, left), dtype="float32", always_2d=True)
            except (sf.LibsndfileError, container.MediaError) as error:
                raise self._damaged(position, str(error)) from error
            if not len(frames):
                break
            position += len(frames)
            yield np.ascontiguousarray(frames.T)

        if self._promised and self.frames - position > MISSING_S * self.sample_rate:
            raise self._damaged(position, f"it should last {self.frames / self.sample_rate:.1f} s")

    def _damaged(self, position: int, why: str) -> AudioFileError:
        return AudioFileError(
            f"{self.path} is damaged after {position / self.sample_rate:.1f} s ({why})",
            expected="a complete file",
            remedy="get the file again, or repair it e.g. with ffmpeg",
        )

    def finite_chunks(self) -> Iterator[Float32]:
        """Yield `chunks`, refusing NaN and Inf.

        Raises
        ------
        AudioFileError
            Saying where the first bad sample is.
        """
        position = 0
        for chunk in self.chunks():
            finite = np.isfinite(chunk).all(axis=0)
            if not finite.all():
                at = (position + int(np.argmin(finite))) / self.sample_rate
                raise AudioFileError(
                    f"{self.path} holds NaN or Inf at {at:.3f} s",
                    expected="finite samples",
                    remedy="export the file again from where it came",
                )
            position += chunk.shape[-1]
            yield chunk

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _open(path: Path) -> sf.SoundFile | container.MediaFile:
    """Open by libsndfile, and what it can't read by PyAV."""
    try:
        return sf.SoundFile(path)
    except (sf.LibsndfileError, OSError) as error:
        why = getattr(error, "error_string", None) or str(error)
        expected = "WAV, FLAC, OGG or MP3"
        remedy = "convert it first, e.g. with ffmpeg"
    if not container.installed():
        remedy = f"pip install 'streamsep[media]' for other formats, or {remedy}"
    else:
        try:
            return container.MediaFile(path)
        except container.MediaError as error:
            why, expected = str(error), "sound or video, complete, in a format that FFmpeg knows"
            remedy = "get the file again, or convert it to one"
    raise AudioFileError(f"{path} can't be read as sound ({why})", expected=expected, remedy=remedy)


def _count_frames(path: Path) -> int:
    """Decode a file whose header doesn't tell its length, up to its end or its damage.

    Reading beyond either is an error that takes the whole piece with it: the last one is
    counted sample by sample.
    """
    frames, piece = 0, 1_024
    for step in (piece, 1):
        with sf.SoundFile(path) as file, suppress(sf.LibsndfileError):
            for _ in range(0, frames, piece):
                file.read(piece)
            while len(file.read(step)) == step:
                frames += step
    return frames


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
    bits
        Per sample, 16, 24, or 32 for floating point; None for 24 where the format has a depth.
    tags
        By FFmpeg's names; those that libsndfile doesn't know are left out.

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
        bits: int | None = None,
        tags: Mapping[str, str] = MappingProxyType({}),
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
        self._has_sizes = kind == "WAV"
        try:
            self._file = sf.SoundFile(
                path,
                "w",
                samplerate=sample_rate,
                channels=channels,
                subtype=subtype,
                format="RF64" if self._has_sizes else kind,
            )
        except (sf.LibsndfileError, OSError) as error:
            raise _not_writable(path, error) from error
        if self._has_sizes:
            self._command(SFC_RF64_AUTO_DOWNGRADE)
        for name in KNOWN_TAGS:
            text = tags.get(TAG_NAMES.get(name, name))
            if text:
                setattr(self._file, name, text)

    def write(self, sound: Float32) -> None:
        """Append (C, n).

        Raises
        ------
        OutputError
            If the disk is full or gone.
        """
        try:
            for start in range(0, sound.shape[-1], WRITE_FRAMES):
                self._file.write(sound[:, start : start + WRITE_FRAMES].T)
        except (sf.LibsndfileError, OSError) as error:
            raise _not_writable(self.path, error) from error

    def save(self) -> None:
        """Let the header tell of all that was written: should nothing follow, the file plays."""
        if self._has_sizes:
            self._command(SFC_UPDATE_HEADER_NOW)

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
        except (sf.LibsndfileError, OSError) as error:
            raise _not_writable(self.path, error) from error

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _not_writable(path: Path, error: Exception) -> OutputError:
    folder = path.parent
    if not folder.is_dir():
        why = f"no folder {folder}"
    elif not os.access(folder, os.W_OK):
        why = f"no permission to write in {folder}"
    elif isinstance(error, sf.LibsndfileError) and error.code == SF_ERR_SYSTEM:
        why = os.strerror(sf._ffi.errno)  # libsndfile says no more than "System error."
    else:
        why = str(error)
    return OutputError(
        f"{path} can't be written ({why})",
        expected="a writable folder with room",
        remedy="choose another place",
    )
