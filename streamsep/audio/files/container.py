"""Sound, covers and pictures by PyAV, the extra ``media``: what libsndfile doesn't know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from streamsep.errors import AudioFileError, OutputError, StreamsepError
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
# Kinds of covers that all of these hold, and which of them have covers.
COVERS = {"mjpeg": "image/jpeg", "png": "image/png"}
COVERED = (".flac", ".mp3", ".m4a", ".mp4", ".m4v")
# Facts about the old file that would be wrong of the new one.
NOT_KEPT = (
    "encod",
    "major_brand",
    "minor_version",
    "compatible_brands",
    "duration",
    "handler_",
    "vendor_id",
    "language",
    "itunsmpb",
    "itunnorm",
    "replaygain",
    "r128_",
)
# Time stamps in steps of a millisecond, or of a frame, are no gap; more than ten minutes are
# nonsense.
GAP_S = (0.1, 600.0)


class MediaError(Exception):
    """Sound that can't be decoded; `AudioReader` says where."""


def _told(error: Exception) -> str:
    """Return what an error of FFmpeg's says, without its number and the function it came from."""
    return getattr(error, "strerror", None) or str(error)


def installed() -> bool:
    """Say whether PyAV is there, without loading it."""
    return find_spec("av") is not None


def load_av(path: Path, error: type[StreamsepError]) -> Any:
    """Return PyAV, loaded when the first file needs it: that takes a third of a second.

    Raises
    ------
    StreamsepError
        Of the type ``error``, if the extra that brings it isn't installed.
    """
    try:
        import av
    except ImportError as missing:
        raise error(
            f"{path} needs FFmpeg's formats, and PyAV can't be loaded ({missing})",
            expected="the extra 'media' to be installed",
            remedy="pip install 'streamsep[media]', or convert it first, e.g. with ffmpeg",
        ) from missing
    return av


def open_container(path: Path, error: type[StreamsepError]) -> Any:
    """Open a file by PyAV, with tags in any encoding; raises its errors, and `load_av`'s."""
    return load_av(path, error).open(f"file:{path}", metadata_errors="surrogateescape")


class MediaFile:
    """Decodes the sound of anything that FFmpeg reads; more than two channels become stereo.

    Has of soundfile's ``SoundFile`` what `AudioReader` uses.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    AudioFileError
        If PyAV isn't installed, or the file holds no sound.
    MediaError
        If the file can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._av = load_av(path, AudioFileError)
        try:
            self._container = open_container(path, AudioFileError)
        except (self._av.FFmpegError, OSError) as error:
            raise MediaError(_told(error)) from error
        streams = self._container.streams
        self._stream = streams.best("audio")
        if self._stream is None:
            self.close()
            raise AudioFileError(
                f"{path} holds no sound",
                expected="at least one track of it",
                remedy="check how the file was made",
            )
        context = self._stream.codec_context
        if context is None:
            self.close()
            raise MediaError("no decoder for its sound")
        self.samplerate: int = context.sample_rate
        self.channels: int = min(context.channels, 2)
        self._layout = "stereo" if self.channels == 2 else "mono"
        self._exact = "mp4" in self._container.format.name and bool(self._stream.duration)
        alone = len(streams) == 1 and "matroska" in self._container.format.name
        self.promised = self._exact or (alone and bool(self._container.duration))
        self.frames: int = round(self._length_s() * self.samplerate)
        self.start_s = 0.0
        self._decoded = self._decode()
        self._rest = next(self._decoded, np.zeros((self.channels, 0), np.float32))

    def _length_s(self) -> float:
        if self._stream.duration:
            return float(self._stream.duration * self._stream.time_base)
        return float((self._container.duration or 0) / self._av.time_base)

    @property
    def tags(self) -> dict[str, str]:
        """Title, artist and so on, by FFmpeg's names."""
        return kept_tags(self._container, self._stream)

    def read(self, frames: int, *, dtype: str, always_2d: bool) -> Float32:
        """Return the next (n, C) float32, fewer only at the end.

        Raises
        ------
        MediaError
            If they can't be decoded.
        """
        pieces, missing = [self._rest], frames - self._rest.shape[-1]
        while missing > 0 and (piece := next(self._decoded, None)) is not None:
            pieces.append(piece)
            missing -= piece.shape[-1]
        joined = np.concatenate(pieces, axis=-1)
        self._rest = joined[:, frames:]
        return joined[:, :frames].T

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _decode(self) -> Iterator[Float32]:
        """Yield (C, n), silence where time stamps leave a gap, as long as the file says it is."""
        position = 0
        end = self.frames if self._exact else 2**62
        resampler = self._av.AudioResampler("fltp", self._layout, self.samplerate)
        try:
            for frame in self._container.decode(self._stream):
                if not position:
                    self.start_s = frame.time or 0.0
                gap = (frame.time or 0.0) - self.start_s - position / self.samplerate
                if GAP_S[0] < gap < GAP_S[1]:
                    silence = np.zeros((self.channels, round(gap * self.samplerate)), np.float32)
                    position += silence.shape[-1]
                    yield silence
                for plain in resampler.resample(frame):
                    piece = plain.to_ndarray()[:, : max(end - position, 0)]
                    position += piece.shape[-1]
                    yield piece
        except (self._av.FFmpegError, ValueError) as error:
            raise MediaError(_told(error)) from error


def kept_tags(container: Any, stream: Any | None) -> dict[str, str]:
    """Return the tags of a file and of its sound (where Ogg keeps them) that go on being true."""
    tags = {**(stream.metadata if stream is not None else {}), **container.metadata}
    return {
        _readable(key): _readable(text)
        for key, text in tags.items()
        if not key.lower().startswith(NOT_KEPT)
    }


def _readable(text: str) -> str:
    """Return a text whose bytes were no UTF-8 by the encoding that they most often have then."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogateescape").decode("cp1252", "replace")
    return text


def is_cover(stream: Any) -> bool:
    """Say whether a stream is a picture of the whole, not one that moves."""
    return stream.type == "video" and bool(stream.disposition & stream.disposition.attached_pic)


def codec_of(stream: Any) -> str:
    """Return FFmpeg's name of a stream's codec; nothing of one that it doesn't know."""
    return stream.codec_context.name if stream.codec_context is not None else ""


def covers_of(container: Any) -> list[tuple[Any, bytes]]:
    """Return the covers (JPEG or PNG) of an opened file that nothing was read of: stream, image."""
    streams = [s for s in container.streams if is_cover(s) and codec_of(s) in COVERS]
    images: dict[int, bytes] = {}
    for packet in container.demux(*streams) if streams else ():
        images.setdefault(packet.stream.index, bytes(packet))
        if len(images) == len(streams):
            break
    return [(stream, images[stream.index]) for stream in streams if images.get(stream.index)]


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
            f"{self.path} can't be written ({_told(error)})",
            expected="a writable folder with room, and a format that holds what is to be copied",
            remedy="choose another place or format, e.g. that of sound alone",
        )
