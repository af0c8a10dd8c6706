"""Sound out of anything that FFmpeg reads, by PyAV, to the end of what there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, BinaryIO

from streamsep.audio.files.channel_boxes import ChannelBox, channel_boxes, hidden_boxes, zeroed
from streamsep.audio.files.cut_ends import is_cut, ogg_is_cut
from streamsep.audio.files.decoded import JOINED, DecodeError, Gap, Piece, Remark
from streamsep.audio.files.file_starts import SOUND_ONLY, form_at
from streamsep.audio.files.joined_files import (
    PartOfFile,
    behind_sound,
    next_cut,
    next_start,
)
from streamsep.audio.files.media import (
    codec_of,
    is_cover,
    kept_tags,
    load_av,
    open_container,
    told,
)
from streamsep.audio.files.media_part import ROUGH_GAP_S, MediaPart
from streamsep.audio.files.mp3_header import first_info, head_of, id3_size
from streamsep.audio.files.ogg_pages import read_pages
from streamsep.audio.files.pipe_input import PipeInput
from streamsep.audio.files.promised_length import promised_length_s, whole_s
from streamsep.audio.files.sound_choice import find_track, track_names
from streamsep.audio.files.sound_span import (
    SoundSpan,
    first_start,
    more_than_frame,
    sound_span,
    told_beside,
)
from streamsep.audio.files.transport_tables import listed_kinds, table_before
from streamsep.audio.files.wavpack_blocks import next_block
from streamsep.errors import AudioFileError

# Codecs with checksums: what these find is said to nobody, unless it is asked for.
CHECKED = ("flac", "tta", "wavpack", "ac3", "eac3")
# How much less than a header says is no loss: what counts whole frames, or rounds, in CAF a packet.
FRAMES_ALONE = ("avi", "flv", "matroska,webm")  # exact to two frames, beside pictures less so
ALLOWED_S = dict.fromkeys(("mp3", "avi", "asf", "flv", "matroska,webm"), 0.5) | {"caf": 0.1}
HEAD = 4_096  # bytes of a pipe that are looked at before they are read
MOST_TAG = 2**25  # bytes of a tag that is passed over for that
CUT_OFF = "it is cut off after {:.3f} s"
MOST_EMPTY = 100  # files in a row that are in one, and hold no sound


class MediaDecoder:
    """Decodes the sound of a file through FFmpeg; see `Decoder`.

    Parameters
    ----------
    path
        The file.
    file
        What to read instead of the file of that name: a pipe, or what came through one.
    track
        Which of its tracks of sound; see `SoundChoice`.

    Raises
    ------
    AudioFileError
        If PyAV isn't installed, or the file holds no sound, or no such track.
    DecodeError
        If the file can't be opened.
    """

    def __init__(
        self, path: Path, file: PipeInput | BinaryIO | None = None, track: str | None = None
    ) -> None:
        self._av = load_av(path, AudioFileError)
        self._errors = (self._av.FFmpegError, OSError, ValueError)
        self._path, self._file, self._track = path, file, track
        self._part: PartOfFile | None = None  # what is read of the file, if it isn't all
        self._begin = 0  # of what is read of it
        self._beside: list[Remark] = []  # of what is no sound, before it and behind
        self._tags: dict[str, str] = {}  # of all of the file, where only a part is read
        self._end: int | None = None  # of the first file in it, where another one begins
        self._is_cut = False  # within a frame
        self._boxes: list[ChannelBox] = []
        self._head = b""  # of a pipe
        try:
            self._ignored_s = self._open()
        except self._errors as error:
            self._ignored_s = 0.0
            if not self._opens_behind():
                raise DecodeError(told(error)) from error
        try:
            self._stream = self._sound_of(self._container)
        except BaseException:
            self.close()
            raise
        whole = None if file is not None else path
        self.promised_s = None
        if not self._ignored_s:
            self.promised_s = promised_length_s(whole, self._container, self._stream, self._head)
        self.length_s = self.promised_s or self._length_s()
        self._first: MediaPart | None = None
        self._others = [s for s in self._container.streams if s.type != "audio"]

    def _open(self) -> float:
        """Open the file so that FFmpeg takes neither too little of it for its sound nor too much.

        Return what a WAV file's header says that is too little, or 0.
        """
        if self._file is not None:
            self._boxes = hidden_boxes(self._file)
            if isinstance(self._file, PipeInput):
                self._head = self._file.peek(HEAD)
                if tag := id3_size(self._head):
                    self._head = self._file.peek(min(tag, MOST_TAG) + HEAD)[tag:]
            self._container = open_container(self._path, AudioFileError, self._file)
            return 0.0
        self._boxes = channel_boxes(self._path)
        behind = behind_sound(self._path)
        if behind is not None and behind.is_sound:
            # (FFmpeg would look for chunks in the sound.)
            self._part = PartOfFile(self._path, 0, replaced=behind.sizes)
            self._container = open_container(self._path, AudioFileError, self._part)
            sound = self._best(self._container)
            said = sound and promised_length_s(self._path, self._container, sound)
            return said or 0.0
        if behind is not None:
            self._read_part(0, behind.start)
            size = self._path.stat().st_size
            self._beside = told_beside(self._path, "end", behind.start, size)
            return 0.0
        self._container = open_container(self._path, AudioFileError)
        silent = self._best(self._container) is None and self._is_no_video()
        self._end = next_cut(self._path, self._container.format.name, 0)
        with self._path.open("rb") as file:
            other = silent or (self._end is not None and form_at(file, 0) is None)
        if other and self._opens_behind():
            return 0.0
        if self._end is not None:
            self._container.close()
            self._read_part(0, self._end)
        elif span := sound_span(self._path, self._container.format.name):
            self._read_span(span)
        return 0.0

    def _read_part(self, start: int, end: int | None) -> None:
        """Open what is between two places, whose file then begins there."""
        self._part = PartOfFile(self._path, start, end, zeroed(self._boxes))
        self._container = open_container(self._path, AudioFileError, self._part)
        self._begin = start

    def _read_span(self, span: SoundSpan) -> None:
        """Open what holds sound, without what is before and behind it."""
        if next_start(self._path, self._container.format.name, span.end) is not None:
            return
        self._tags = kept_tags(self._container, self._best(self._container))
        self._container.close()
        self._read_part(span.start, span.end)
        self._is_cut = span.is_cut
        self._beside += told_beside(self._path, "beginning", span.front, span.start)
        self._beside += told_beside(self._path, "end", span.end, span.behind)

    def _opens_behind(self) -> bool:
        """Open what begins behind something else, if it does."""
        place = first_start(self._path) if self._file is None else None
        if place is None:
            return False
        self._boxes = channel_boxes(self._path, place)
        with suppress(*self._errors):
            self._read_part(place, None)
            self._end = next_cut(self._path, self._container.format.name, place)
            if self._end is not None:
                self._container.close()
                self._read_part(place, self._end)
            self._beside = told_beside(self._path, "beginning", 0, place)
            return True
        return False

    def _is_no_video(self) -> bool:
        form = self._container.format.name
        pictures = form.endswith("_pipe") or form == "image2"
        return pictures or all(stream.type != "video" for stream in self._container.streams)

    def _sound_of(self, container: Any) -> Any:
        stream = self._best(container)
        if stream is None:
            raise AudioFileError(
                f"{self._path} holds no sound",
                expected="at least one track of it",
                remedy="check how the file was made",
            )
        if stream.codec_context is None:
            raise DecodeError("no decoder for its sound")
        return stream

    def _best(self, container: Any) -> Any | None:
        """Return the track that was asked for, or the one that players take."""
        if self._track is None or not container.streams.audio:
            stream = container.streams.best("audio")
        else:
            stream = find_track(container.streams.audio, self._track, self._path)
        if stream is not None and codec_of(stream) in CHECKED:
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
        return stream

    def _length_s(self) -> float:
        if self._ignored_s:
            context = self._stream.codec_context
            rate = (context.bit_rate or 0) / 8
            return self._path.stat().st_size / rate if rate else 0.0
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return float((self._container.duration or 0) / self._av.time_base)

    @property
    def tags(self) -> dict[str, str]:
        """Title, artist and so on, by FFmpeg's names."""
        return self._tags or kept_tags(self._container, self._stream)

    @property
    def start_s(self) -> float:
        """When the sound begins by the time of the picture, if there is one."""
        moves = any(s.type in ("video", "subtitle") and not is_cover(s) for s in self._others)
        return self._first.start_s if moves and self._first is not None else 0.0

    def decoded(self) -> Iterator[Piece | Gap | Remark]:
        """See `Decoder`."""
        yield from self._other_tracks()
        if isinstance(self._file, PipeInput) and self._others:
            kinds = " and ".join(
                dict.fromkeys("cover" if is_cover(s) else s.type for s in self._others)
            )
            yield Remark(f"it comes through a pipe: its {kinds} can't be kept")
        if self._ignored_s:
            yield Remark(
                f"its header says that it ends after {self._ignored_s:.3f} s; all of it is read"
            )
        yield from self._beside
        part = self._first = self._part_at(self._begin, self._container, self._stream)
        yield from part.decoded()
        ends = list(part.at_the_end(self.promised_s))
        yield from ends
        if not any(isinstance(end, Remark) for end in ends):
            yield from self._ends_early(part)
        if self._file is None:
            yield from self._joined(part)
        if isinstance(self._file, PipeInput) and self._goes_on(self._file, part):
            yield Remark("more comes after its end, and isn't read", lost=True)

    def _goes_on(self, pipe: PipeInput, part: MediaPart) -> bool:
        """Say whether more than this file came, which FFmpeg may have passed over."""
        alone = self._container.format.name in SOUND_ONLY and part.end_byte
        return pipe.goes_on() or bool(alone and pipe.last_start >= part.end_byte)

    def _part_at(self, start: int, container: Any, stream: Any) -> MediaPart:
        """Return what decodes a file that begins at a place in this one."""

        def is_other(place: int) -> bool:
            kinds = listed_kinds(self._path, table_before(self._path, start + place, start))
            return bool(kinds) and kinds != listed_kinds(self._path, start)

        def block_after(place: int) -> int | None:
            found = next_block(self._path, start + place)
            return found - start if found is not None else None

        told_by_file: dict[str, Any] = {}
        if self._file is None:
            told_by_file["is_other"] = is_other
            if container.format.name == "wv":
                told_by_file["next_block"] = block_after
        part = MediaPart(self._av, container, stream, self._speakers(start), **told_by_file)
        if container.format.name == "mp3":
            head = self._head if self._file is not None else head_of(self._path, start)
            part.begin_mp3(first_info(head))
        return part

    def _joined(self, part: MediaPart) -> Iterator[Piece | Gap | Remark]:
        """Decode what files begin in this one after its first part."""
        form, start, end, empty = self._container.format.name, self._begin, self._end, 0
        while empty < MOST_EMPTY:
            following = self._following(part, form, start) if end is None else end
            if following is None:
                return
            start = following
            with ExitStack() as opened:
                try:
                    container, end = self._open_at(start, opened)
                except self._errors as error:
                    yield Remark(f"what follows can't be read ({told(error)})", lost=True)
                    return
                stream, form = self._best(container), container.format.name
                if stream is None or stream.codec_context is None:
                    return
                yield Remark(JOINED)
                part = self._part_at(start, container, stream)
                yield from part.decoded()
                yield from part.at_the_end(None)
                empty = 0 if part.position_s else empty + 1

    def _following(self, part: MediaPart, form: str, start: int) -> int | None:
        """Return where another file begins after the one that begins at a place."""
        if (later := part.track_later) is not None:
            return table_before(self._path, start + later, start + part.last_byte)
        # The last packet of FLAC is all that follows, too.
        end = part.last_byte if form == "flac" else part.end_byte
        return next_start(self._path, form, start + max(end, 1))

    def _open_at(self, start: int, opened: ExitStack) -> tuple[Any, int | None]:
        """Return a file that begins in this one, opened, and where the one after it begins."""
        end, hidden = None, zeroed(self._boxes)
        while True:
            file = opened.enter_context(closing(PartOfFile(self._path, start, end, hidden)))
            container = opened.enter_context(open_container(self._path, AudioFileError, file))
            if end is not None:
                return container, end
            end = next_cut(self._path, container.format.name, start)
            if end is None:
                return container, None

    def _speakers(self, start: int) -> tuple[str, ...]:
        """Return the speakers of a file that begins in this one, if its boxes tell them alike."""
        boxes = [box for box in self._boxes if box.place >= start]
        found = {box.speakers for box in boxes if box.within == boxes[0].within}
        return found.pop() if len(found) == 1 else ()

    def _other_tracks(self) -> Iterator[Remark]:
        tracks = [stream for stream in self._container.streams if stream.type == "audio"]
        if len(tracks) < 2:
            return
        names = track_names(tracks)
        indices = [stream.index for stream in tracks]
        taken, listed = names[indices.index(self._stream.index)], ", ".join(names)
        yield Remark(f"{len(tracks)} tracks of sound are in it ({listed}); {taken} is taken")

    def _ends_early(self, part: MediaPart) -> Iterator[Remark]:
        """Say what the header promised and the first part didn't hold."""
        form = self._container.format.name
        allowed = ALLOWED_S.get(form, 0.05)
        if part.is_alone and form in FRAMES_ALONE:
            allowed = 2.5 * part.longest_frame_s
        said, held = self.promised_s, part.position_s
        if said is None and (said := whole_s(self._container)) is not None:
            held = max(held, part.last_s)
        if said is not None and not self._ignored_s and said - held > allowed:
            yield Remark(
                f"it ends after {part.position_s:.3f} s, and its header says {said:.3f} s",
                lost=True,
            )
        elif self._file is None:
            end = self._end or self._path.stat().st_size
            read = end if self._part is None else self._part.size
            if (lost_s := part.stepped_over_s(read)) > ROUGH_GAP_S:
                yield Remark(f"about {lost_s:.1f} s of it are no sound, and left out", lost=True)
            elif (lost_s := part.unread_s(read)) > ROUGH_GAP_S:
                yield Remark(f"about {lost_s:.1f} s at its end can't be read", lost=True)
            elif (self._is_cut or is_cut(self._path, form, end)) and not part.lost:
                yield Remark(CUT_OFF.format(part.position_s), lost=True)
            elif form == "ogg":
                yield from self._ogg_ends(part, end)
            elif form == "flac" and not part.lost and self._has_more(part):
                text = "what follows its last frame is no sound, and left out"
                yield Remark(text, lost=said is None)

    def _has_more(self, part: MediaPart) -> bool:
        last = self._begin + part.last_byte
        return self._end is None and more_than_frame(self._path, last)

    def _ogg_ends(self, part: MediaPart, end: int) -> Iterator[Remark]:
        pages = read_pages(self._path, end, self._begin)
        if ogg_is_cut(self._path, end if pages is None else pages.end):
            yield Remark(CUT_OFF.format(part.position_s), lost=True)
        elif pages is not None and not pages.intact and not part.lost:
            yield Remark("pages of it are damaged, and their sound is missing", lost=True)
        elif pages is not None and pages.end < end:
            yield from told_beside(self._path, "end", pages.end, end)

    def close(self) -> None:
        """Close the file."""
        self._container.close()
        for file in (self._part, self._file):
            if file is not None:
                file.close()
