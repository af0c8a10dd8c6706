"""Sound, covers and pictures by PyAV, the extra ``media``: what libsndfile doesn't know."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from streamsep.audio.files.media import (
    COVERS,
    codec_of,
    covers_of,
    is_cover,
    kept_tags,
    load_av,
    open_container,
    told,
)
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
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
# Which of them have covers.
COVERED = (".flac", ".mp3", ".m4a", ".mp4", ".m4v")


class MediaWriter:
    """Writes sound with all that isn't sound from another file: tags, cover, picture, subtitles.

    What is copied is copied packet by packet, never decoded.

    Parameters
    ----------
    path
        Where to; its suffix, one of ENCODERS, says the format. An existing file is overwritten.
    sample_rate, channels
        Of what will be written; an encoder that doesn't know the rate gets the next higher one.
    source
        File to copy from.
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
        source: Path,
        start_s: float = 0.0,
        bits: int | None = None,
    ) -> None:
        self.path = path
        self._av = load_av(path, OutputError)
        self._errors = (self._av.FFmpegError, OSError, ValueError)
        self._rate, self._layout = sample_rate, "stereo" if channels == 2 else "mono"
        self._bits = bits or 24
        self._position = round(start_s * sample_rate)
        self._copies: dict[int, Any] = {}
        try:
            self._source = open_container(source, OutputError)
            # FFmpeg's own M4A takes no cover here, its MP4 under M4A's name does; and its end is
            # to the millisecond unless it is told otherwise.
            options = {"brand": "M4A ", "movie_timescale": str(sample_rate)}
            form = {"format": "mp4", "options": options}
            is_m4a = path.suffix.lower() == ".m4a"
            self._container = self._av.open(
                f"file:{path}", "w", metadata_errors="surrogateescape", **(form if is_m4a else {})
            )
            self._stream = self._add_sound()
            self._add_copies()
            self._packets = self._source.demux(*self._originals) if self._copies else iter(())
            self._next = next(self._packets, None)
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

    def _add_copies(self) -> None:
        suffix = self.path.suffix.lower()
        is_video = suffix in VIDEO_SUFFIXES
        self._originals = []
        for stream in self._source.streams:
            if is_cover(stream):
                wanted = suffix in COVERED and codec_of(stream) in COVERS
            else:
                wanted = is_video and stream.type in ("video", "subtitle")
            if wanted:
                copy = self._container.add_stream_from_template(stream)
                copy.disposition = stream.disposition
                copy.metadata.update(stream.metadata)
                self._copies[stream.index] = copy
                self._originals.append(stream)
        if suffix == ".mkv":
            self._attach()
        sound = self._source.streams.best("audio")
        self._container.metadata.update(kept_tags(self._source, sound))
        if is_video:
            self._container.set_chapters(self._source.chapters())

    def _attach(self) -> None:
        """Copy what Matroska keeps as files within: fonts of subtitles, covers."""
        for stream in self._source.streams:
            if stream.type == "attachment":
                kind = stream.mimetype or "application/octet-stream"
                self._container.add_attachment(stream.name or "attachment", kind, stream.data)
        path = Path(self._source.name.removeprefix("file:"))
        with open_container(path, OutputError) as source:  # nothing is read of it yet
            for stream, image in covers_of(source):
                kind = COVERS[codec_of(stream)]
                name = stream.metadata.get("filename") or f"cover.{kind.split('/')[1]}"
                self._container.add_attachment(name, kind, image)

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
            self._copy_until(self._position / self._rate)
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

    def _copy_until(self, seconds: float) -> None:
        while (packet := self._next) is not None:
            time = packet.dts if packet.dts is not None else packet.pts
            if time is not None and float(time * packet.time_base) > seconds:
                return
            if packet.size:
                packet.stream = self._copies[packet.stream.index]
                self._container.mux(packet)
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Finish the file, so that it plays.

        Raises
        ------
        OutputError
            If what is still in memory can't be written.
        """
        try:
            self._container.mux(self._stream.encode(None))
            self._copy_until(float("inf"))
            self._container.close()
        except self._errors as error:
            raise self._not_writable(error) from error
        finally:
            self._source.close()

    def __enter__(self) -> MediaWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Close; a file that won't be kept needs no more of the picture, nor errors."""
        if kind is None:
            self.close()
            return
        self._next = None
        with suppress(OutputError):
            self.close()

    def _not_writable(self, error: Exception) -> OutputError:
        return OutputError(
            f"{self.path} can't be written ({told(error)})",
            expected="a writable folder with room, and a format that holds what is to be copied",
            remedy="choose another place or format, e.g. that of sound alone",
        )
