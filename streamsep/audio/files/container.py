"""Sound, covers and pictures by PyAV, the extra ``media``: what libsndfile doesn't know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from streamsep.audio.files.media import load_av, told
from streamsep.audio.files.stream_copies import FORM_OF, StreamCopies
from streamsep.errors import OutputError
from streamsep.types import Float32

# Suffix to encoder and bit rate; libmp3lame knows half of it below 32 kHz.
ENCODERS: dict[str, tuple[str, int]] = {
    ".flac": ("flac", 0),
    ".mp3": ("libmp3lame", 320_000),
    ".m4a": ("aac", 256_000),
    ".mp4": ("aac", 256_000),
    ".m4v": ("aac", 256_000),
    ".mov": ("aac", 256_000),
    ".mkv": ("aac", 256_000),
    ".webm": ("libopus", 192_000),
}


class MediaWriter:
    """Writes sound with all that isn't sound from another file: tags, cover, picture, subtitles.

    What is copied is copied packet by packet, never decoded; see `StreamCopies`.

    Parameters
    ----------
    path
        Where to; its suffix, one of ENCODERS, says the format. An existing file is overwritten.
    sample_rate, channels
        Of what will be written; an encoder that doesn't know the rate gets the next higher one.
    source
        File to copy from; None for what came through a pipe, of which the tags are known alone.
    tags
        By FFmpeg's names, if there is no source.
    say
        Told what of the source isn't copied as it is.
    start_s
        When the sound begins, by the time of ``source``.
    bits
        Per sample, for FLAC: 16 or 24.

    Raises
    ------
    OutputError
        If PyAV isn't installed or the file can't be written.
    """

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        channels: int,
        *,
        source: Path | None,
        tags: Mapping[str, str] = MappingProxyType({}),
        say: Callable[[str], object] = lambda text: None,
        start_s: float = 0.0,
        bits: int | None = None,
    ) -> None:
        self.path = path
        self._av = load_av(path, OutputError)
        self._errors = (self._av.FFmpegError, OSError, ValueError)
        self._rate, self._layout = sample_rate, "stereo" if channels == 2 else "mono"
        self._bits = bits or 24
        self._position = round(start_s * sample_rate)
        self._copies: StreamCopies | None = None
        try:
            # FFmpeg's own M4A takes no cover here, its MP4 under M4A's name does; and its end is
            # to the millisecond unless it is told otherwise.
            suffix = path.suffix.lower()
            options = {"brand": "M4A ", "movie_timescale": str(sample_rate)}
            self._container = self._av.open(
                f"file:{path}",
                "w",
                format=FORM_OF[suffix],
                options=options if suffix == ".m4a" else {},
                metadata_errors="surrogateescape",
            )
            self._stream = self._add_sound()
            if source is not None:
                self._copies = StreamCopies(self._av, source, self._container, path, say)
            else:
                self._container.metadata.update(tags)
        except self._errors as error:
            raise self._not_writable(error) from error

    def _add_sound(self) -> Any:
        name, bit_rate = ENCODERS[self.path.suffix.lower()]
        rates = self._av.Codec(name, "w").audio_rates or [self._rate]
        rate = min((r for r in rates if r >= self._rate), default=max(rates))
        stream = self._container.add_stream(name, rate=rate, layout=self._layout)
        if name == "flac":
            stream.codec_context.format = "s16" if self._bits == 16 else "s32"
        else:
            stream.bit_rate = bit_rate // 2 if name == "libmp3lame" and rate < 32_000 else bit_rate
        return stream

    def write(self, sound: Float32) -> None:
        """Append (C, n).

        Raises
        ------
        OutputError
            If the disk is full or gone.
        """
        if not sound.shape[-1]:
            return
        try:
            frame = self._frame(sound)
            frame.sample_rate, frame.pts = self._rate, self._position
            frame.time_base = Fraction(1, self._rate)
            self._position += sound.shape[-1]
            self._container.mux(self._stream.encode(frame))
            if self._copies is not None:
                self._copies.until(self._position / self._rate)
        except self._errors as error:
            raise self._not_writable(error) from error

    def _frame(self, sound: Float32) -> Any:
        if self._stream.codec_context.name != "flac":
            return self._av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound), "fltp", self._layout
            )
        # Rounded here: the encoder would cut what is below its depth.
        full = 2.0 ** (self._bits - 1)
        steps = np.clip(np.rint(sound.T.astype(np.float64) * full), -full, full - 1)
        if self._bits == 24:
            steps *= 2.0**8  # in the upper three bytes of four
        steps = steps.astype(np.int16 if self._bits == 16 else np.int32)
        name = "s16" if self._bits == 16 else "s32"
        return self._av.AudioFrame.from_ndarray(steps.reshape(1, -1), name, self._layout)

    def close(self) -> None:
        """Finish the file, so that it plays.

        Raises
        ------
        OutputError
            If what is still in memory can't be written.
        """
        try:
            self._container.mux(self._stream.encode(None))
            if self._copies is not None:
                self._copies.finish()
            self._container.close()
            if self._copies is not None:
                self._copies.name_tracks()
        except self._errors as error:
            raise self._not_writable(error) from error
        finally:
            if self._copies is not None:
                self._copies.close()

    def __enter__(self) -> MediaWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Close; a file that won't be kept needs no more of the picture, nor errors."""
        if kind is None:
            self.close()
            return
        if self._copies is not None:
            self._copies.drop()
        with suppress(OutputError):
            self.close()

    def _not_writable(self, error: Exception) -> OutputError:
        return OutputError(
            f"{self.path} can't be written ({told(error)})",
            expected="a writable folder with room, and a format that holds what is to be copied",
            remedy="choose another place or format, e.g. that of sound alone",
        )
