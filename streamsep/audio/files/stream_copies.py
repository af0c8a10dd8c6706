"""What a file holds beside its sound, copied into another: pictures, subtitles, chapters."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

from streamsep.audio.files.media import (
    COVERS,
    codec_of,
    covers_of,
    installed,
    is_cover,
    kept_tags,
    load_av,
    open_container,
)
from streamsep.audio.files.pipe_input import is_pipe
from streamsep.audio.files.subtitle_text import (
    CODEC_OF,
    HEADER,
    TEXT_CODECS,
    payload_of,
    text_of,
)
from streamsep.audio.files.vfw_track import (
    STAND_IN,
    TRUE_NAME,
    name_vfw_track,
    vfw_tags,
    vfw_template,
)
from streamsep.errors import OutputError

# What each format is to FFmpeg, and which of them hold moving pictures, covers and chapters.
FORM_OF = {
    ".flac": "flac",
    ".mp3": "mp3",
    ".m4a": "mp4",
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
}
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
COVERED = (".flac", ".mp3", ".m4a", ".mp4", ".m4v")
CHAPTERED = (".m4a", ".mp3", *VIDEO_SUFFIXES)
# Streams of data that a muxer makes anew, or that only a player of discs needs.
NO_LOSS = ("bin_data", "tmcd", "dvd_nav_packet", "none", "")
# Formats without moving pictures, which needn't be opened to see that.
SOUND_ALONE = (
    *(".wav", ".flac", ".mp3", ".opus", ".aac", ".ac3", ".aif", ".aiff", ".au", ".caf", ".m4b"),
    *(".ape", ".wv", ".tta", ".mp2", ".mpc", ".w64", ".spx"),
)
TRIED_PACKETS = 40
MS = 1_000  # steps a second of subtitles that are written anew

AddStream = Callable[[Any, Any], Any]  # container and original stream to the copy


class StreamCopies:
    """Copies all that isn't sound, packet by packet, as the sound that is written comes along.

    What the other file's format doesn't hold in the form that it has is converted, where it is
    text; the rest is left out. Either is said.

    Parameters
    ----------
    av
        PyAV.
    source
        The file to copy from.
    container
        The file to copy to, opened; its sound's stream is there.
    path
        Its name; the suffix says what it holds.
    say
        Told what isn't copied as it is.
    """

    def __init__(
        self, av: Any, source: Path, container: Any, path: Path, say: Callable[[str], object]
    ) -> None:
        self._av, self._path, self._container, self._say = av, source, container, say
        self._suffix, self._target = path.suffix.lower(), path
        self._source = open_container(source, OutputError)
        self._templates: list[Any] = []  # kept open as long as their streams are used
        self._copies: dict[int, Any] = {}
        self._texts: dict[int, str] = {}  # by stream, the codec that its text gets
        self._failed: dict[int, int] = {}
        self._is_vfw = False
        self._is_video = self._suffix in VIDEO_SUFFIXES
        for stream in self._source.streams:
            self._add(stream)
        if self._suffix == ".mkv":
            self._attach()
        sound = self._source.streams.best("audio")
        container.metadata.update(kept_tags(self._source, sound, say))
        self._add_chapters()
        originals = [stream for stream in self._source.streams if stream.index in self._copies]
        self._packets = self._source.demux(*originals) if originals else iter(())
        self._next = next(self._packets, None)

    def _add(self, stream: Any) -> None:
        codec, copy = codec_of(stream), None
        if is_cover(stream):
            if self._suffix in COVERED and codec in COVERS:
                copy = self._container.add_stream_from_template(stream)
            elif self._suffix != ".mkv" or codec not in COVERS:  # Matroska has it attached
                self._leave_out(stream, "cover")
        elif stream.type == "video" and self._is_video:
            copy = self._add_picture(stream)
        elif stream.type == "subtitle" and self._is_video:
            copy = self._add_subtitles(stream, codec)
        elif stream.type == "attachment" and self._is_video and self._suffix != ".mkv":
            self._leave_out(stream, "attached file")
        elif stream.type == "data" and self._is_video and codec not in NO_LOSS:
            self._leave_out(stream, "data")
        if copy is not None:
            copy.disposition = stream.disposition
            copy.metadata.update(stream.metadata)
            self._copies[stream.index] = copy

    def _leave_out(self, stream: Any, what: str) -> None:
        names = [codec_of(stream), stream.metadata.get("title") or stream.metadata.get("language")]
        named = ", ".join(name for name in names if name)
        self._say(f"its {what} ({named or 'unknown'}) is left out: {self._suffix} can't hold it")

    def _add_picture(self, stream: Any) -> Any | None:
        ways: list[AddStream] = [_as_encoded, _as_it_is]
        vfw: list[AddStream] = [partial(self._as_vfw, tag=tag) for tag in vfw_tags(stream)]
        for add in [*ways, *vfw] if self._suffix == ".mkv" else ways:
            if self._holds(stream, add, is_vfw=add in vfw):
                self._is_vfw |= add in vfw
                return add(self._container, stream)
        self._leave_out(stream, "picture")
        return None

    def _as_vfw(self, container: Any, stream: Any, *, tag: bytes) -> Any:
        template = vfw_template(self._av, stream, tag)
        self._templates.append(template)
        return container.add_stream_from_template(template.streams.video[0], opaque=True)

    def _holds(self, stream: Any, add: AddStream, *, is_vfw: bool) -> bool:
        """Try with the first packets whether a format takes a picture, and gives it back."""
        made = io.BytesIO()
        try:
            with open_container(self._path, OutputError) as source:
                original = source.streams[stream.index]
                with self._av.open(made, "w", format=FORM_OF[self._suffix]) as container:
                    copy = add(container, original)
                    for packet in islice(_timed(source.demux(original)), TRIED_PACKETS):
                        packet.stream = copy
                        container.mux(packet)
            content = made.getvalue()
            if is_vfw:
                content = content.replace(STAND_IN, TRUE_NAME, 1)
            with self._av.open(io.BytesIO(content)) as again:
                found = [codec_of(other) for other in again.streams.video]
                return found == [codec_of(stream)]
        except (self._av.FFmpegError, OSError, ValueError, TypeError):
            return False

    def _add_subtitles(self, stream: Any, codec: str) -> Any | None:
        try:
            return self._container.add_stream_from_template(stream)
        except ValueError:
            pass
        wanted = CODEC_OF[self._suffix]
        if codec not in TEXT_CODECS:
            self._leave_out(stream, "subtitles")
            return None
        copy = self._container.add_stream(wanted)
        copy.codec_context.subtitle_header = HEADER
        self._texts[stream.index] = wanted
        self._say(f"its subtitles ({codec}) are written as {wanted}, which {self._suffix} holds")
        return copy

    def _attach(self) -> None:
        """Copy what Matroska keeps as files within: fonts of subtitles, covers."""
        for stream in self._source.streams:
            if stream.type == "attachment":
                kind = stream.mimetype or "application/octet-stream"
                self._container.add_attachment(stream.name or "attachment", kind, stream.data)
        with open_container(self._path, OutputError) as source:  # nothing is read of it yet
            for stream, image in covers_of(source):
                kind = COVERS[codec_of(stream)]
                name = stream.metadata.get("filename") or f"cover.{kind.split('/')[1]}"
                self._container.add_attachment(name, kind, image)

    def _add_chapters(self) -> None:
        chapters = self._source.chapters()
        if not chapters:
            return
        if self._suffix in CHAPTERED:
            self._container.set_chapters(chapters)
        else:
            self._container.metadata.update(chapter_tags(chapters))

    def until(self, seconds: float) -> None:
        """Copy what is due before a time of the source."""
        while (packet := self._next) is not None:
            time = packet.dts if packet.dts is not None else packet.pts
            if time is not None and float(time * packet.time_base) > seconds:
                return
            if packet.size:
                self._copy(packet)
            self._next = next(self._packets, None)

    def _copy(self, packet: Any) -> None:
        index = packet.stream.index
        if index in self._texts:
            packet = self._converted(packet, index)
        elif packet.pts is None:
            packet.pts = packet.dts
        packet.stream = self._copies[index]
        try:
            self._container.mux(packet)
        except ValueError:  # of time stamps that can't be, which FFmpeg itself would refuse too
            self._failed[index] = self._failed.get(index, 0) + 1

    def _converted(self, packet: Any, index: int) -> Any:
        text = text_of(bytes(packet), codec_of(self._source.streams[index]))
        converted = self._av.Packet(payload_of(text, self._texts[index]))
        start, step = packet.pts if packet.pts is not None else packet.dts, packet.time_base
        converted.time_base = Fraction(1, MS)
        converted.pts = converted.dts = round((start or 0) * step * MS)
        converted.duration = round((packet.duration or 0) * step * MS)
        return converted

    def finish(self) -> None:
        """Copy the rest."""
        self.until(float("inf"))
        for index, count in self._failed.items():
            kind = self._source.streams[index].type
            self._say(f"{count} pieces of its {kind} have no usable time, and are left out")

    def drop(self) -> None:
        """Copy no more."""
        self._next = None

    def close(self) -> None:
        """Close the source; to be called when the other file is closed."""
        self._source.close()
        for template in self._templates:
            template.close()

    def name_tracks(self) -> None:
        """Do what can be done only to a closed file."""
        if self._is_vfw:
            name_vfw_track(self._target)


def _as_encoded(container: Any, stream: Any) -> Any:
    return container.add_stream_from_template(stream, opaque=False)


def _as_it_is(container: Any, stream: Any) -> Any:
    return container.add_stream_from_template(stream, opaque=True)


def _timed(packets: Iterator[Any]) -> Iterator[Any]:
    for packet in packets:
        if packet.size:
            if packet.pts is None:
                packet.pts = packet.dts
            yield packet


def chapter_tags(chapters: list[Any]) -> dict[str, str]:
    """Return chapters as comments of Ogg and FLAC files tell them."""
    tags = {}
    for number, chapter in enumerate(chapters, 1):
        seconds = float(chapter["start"] * chapter["time_base"])
        minutes, rest = divmod(seconds, 60)
        hours, minutes = divmod(int(minutes), 60)
        tags[f"CHAPTER{number:03}"] = f"{hours:02}:{minutes:02}:{rest:06.3f}"
        tags[f"CHAPTER{number:03}NAME"] = chapter["metadata"].get("title", f"Chapter {number}")
    return tags


@lru_cache(maxsize=1024)
def video_suffix(path: Path) -> str | None:
    """Return the suffix of the format that a file's moving picture goes on in; None without one.

    The format is the file's own where that can be written and takes the picture, or Matroska.
    """
    if path.suffix.lower() in SOUND_ALONE or is_pipe(path) or not installed():
        return None
    av, own = load_av(path, OutputError), path.suffix.lower()
    try:
        with open_container(path, OutputError) as source:
            moving = [s for s in source.streams.video if not is_cover(s)]
            if not moving or not source.streams.audio:
                return None
            fits = own in VIDEO_SUFFIXES and all(_fits(av, stream, own) for stream in moving)
            return own if fits else ".mkv"
    except (av.FFmpegError, OSError, ValueError):
        return None  # which is said by whoever reads its sound


def _fits(av: Any, stream: Any, suffix: str) -> bool:
    with av.open(io.BytesIO(), "w", format=FORM_OF[suffix]) as container:
        try:
            _as_it_is(container, stream)
        except ValueError:
            return False
        return True
