"""Sound, covers and pictures by PyAV, the extra ``media``: what libsndfile doesn't know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from streamsep.audio.files.media import load_av, told
from streamsep.audio.files.sound_track import SoundTrack, held_speakers
from streamsep.audio.files.stream_copies import FORM_OF, StreamCopies
from streamsep.errors import OutputError
from streamsep.types import Float32

# Suffix to encoder and bit rate.
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
    sample_rate, speakers
        Of what will be written: see `SoundTrack`.
    source
        File to copy from; None for what came through a pipe, of which the tags are known alone.
    tags
        By FFmpeg's names, if there is no source.
    say
        Told what of the source isn't copied as it is.
    start_s
        When the sound begins, by the time of ``source``.
    bits
        Per sample, for FLAC and ALAC: 16 or 24.
    encoder
        FFmpeg's name of another than the suffix's.
    titles
        Of the tracks of sound, one or more; the first one is what is played by itself.

    Raises
    ------
    OutputError
        If PyAV isn't installed or the file can't be written.
    """

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        speakers: tuple[str, ...],
        *,
        source: Path | None,
        tags: Mapping[str, str] = MappingProxyType({}),
        say: Callable[[str], object] = lambda text: None,
        start_s: float = 0.0,
        bits: int | None = None,
        encoder: str | None = None,
        titles: Sequence[str] = ("",),
    ) -> None:
        self.path = path
        self._av = load_av(path, OutputError)
        self._errors = (self._av.FFmpegError, OSError, ValueError)
        self._rate, usual = sample_rate, ENCODERS[path.suffix.lower()]
        held = held_speakers(encoder or usual[0], speakers)
        if held != speakers:
            say(f"its side speakers are written as back ones: {encoder or usual[0]} has no others")
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
            self._tracks = [
                SoundTrack(
                    self._av,
                    self._container,
                    usual if encoder in (None, usual[0]) else (encoder, 0),
                    sample_rate,
                    speakers=held,
                    bits=bits or 24,
                    start=round(start_s * sample_rate),
                    title=title,
                )
                for title in titles
            ]
            if source is not None:
                self._copies = StreamCopies(self._av, source, self._container, path, say)
            else:
                self._container.metadata.update(tags)
        except self._errors as error:
            raise self._not_writable(error) from error

    def write(self, *sounds: Float32) -> None:
        """Append (C, n) to each track.

        Raises
        ------
        OutputError
            If the disk is full or gone.
        """
        if not sounds[0].shape[-1]:
            return
        try:
            for track, sound in zip(self._tracks, sounds, strict=True):
                track.write(sound)
            if self._copies is not None:
                self._copies.until(self._tracks[0].position / self._rate)
        except self._errors as error:
            raise self._not_writable(error) from error

    def close(self) -> None:
        """Finish the file, so that it plays.

        Raises
        ------
        OutputError
            If what is still in memory can't be written.
        """
        try:
            for track in self._tracks:
                track.finish()
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
