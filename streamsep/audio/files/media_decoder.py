"""Sound out of anything that FFmpeg reads, by PyAV, to the end of what there is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from streamsep.audio.files.channel_boxes import ChannelBox, channel_boxes
from streamsep.audio.files.decoded import JOINED, DecodeError, Gap, Piece, Remark
from streamsep.audio.files.joined_files import (
    PartOfFile,
    cuts,
    next_start,
    size_that_says_too_little,
    table_before,
)
from streamsep.audio.files.media import is_cover, kept_tags, load_av, open_container, told
from streamsep.audio.files.mp3_header import frame_header, id3_size, read_info
from streamsep.audio.files.pipe_input import PipeInput
from streamsep.audio.files.promised_length import ogg_is_cut, promised_length_s, whole_s
from streamsep.audio.files.sound_choice import find_track, track_names
from streamsep.dsp.channels import speakers_of
from streamsep.errors import AudioFileError
from streamsep.types import Float32

# Gaps in the time stamps that are silence. Stamps in steps of a millisecond, or of a frame, leave
# smaller ones where there is none; more than ten minutes are nonsense.
ROUGH_GAP_S, FINE_GAP_S, NONSENSE_S = 0.1, 0.01, 600.0
COUNTING = ("flac", "tta", "wv")  # formats whose stamps count samples
# Formats without time stamps: FFmpeg counts what it finds, and what is lost leaves no gap.
BARE = ("mp3", "aac", "ac3", "eac3", "dts")
# Those whose stamps FFmpeg makes up, of some codecs wrongly.
MADE_UP = (*BARE, "avi")
PADDING = 8  # bytes at an end that formats fill up to
# Codecs with checksums: what these find is said to nobody, unless it is asked for.
CHECKED = ("flac", "tta", "wavpack", "ac3", "eac3")
MOST_ERRORS = 10_000  # in a row without any sound between them
MOST_EMPTY = 100  # files in a row that are in one, and hold no sound
DAMAGE = "it can't be decoded"
TAG_AT_END = b"TAG"


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
        self._cuts: list[int] = []
        self._boxes: list[ChannelBox] = []
        try:
            self._ignored_s = self._open()
        except self._errors as error:
            raise DecodeError(told(error)) from error
        try:
            self._stream = self._sound_of(self._container)
        except BaseException:
            self.close()
            raise
        whole = None if file is not None else path
        self.promised_s = None
        if not self._ignored_s:
            self.promised_s = promised_length_s(whole, self._container, self._stream)
        self.length_s = self.promised_s or self._length_s()
        self._first: _Part | None = None
        self._others = [s for s in self._container.streams if s.type != "audio"]

    def _open(self) -> float:
        """Open the file so that FFmpeg takes neither too little of it for its sound nor too much.

        Return what a WAV file's header says that is too little, or 0.
        """
        if self._file is not None:
            self._container = open_container(self._path, AudioFileError, self._file)
            return 0.0
        self._boxes = channel_boxes(self._path)
        size = size_that_says_too_little(self._path)
        if size is not None:
            # A size of nothing stands for all. (FFmpeg would look for chunks in the sound.)
            self._part = PartOfFile(self._path, 0, zeros=[size])
            self._container = open_container(self._path, AudioFileError, self._part)
            return promised_length_s(self._path, self._container, None) or 0.0
        self._container = open_container(self._path, AudioFileError)
        self._cuts = cuts(self._path, self._container.format.name)
        if self._cuts:
            self._container.close()
            self._part = PartOfFile(self._path, 0, self._cuts[0])
            self._container = open_container(self._path, AudioFileError, self._part)
        return 0.0

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
        if stream.codec_context.name in CHECKED:
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
        return stream

    def _best(self, container: Any) -> Any | None:
        """Return the track that was asked for, or the one that players take."""
        if self._track is None or not container.streams.audio:
            return container.streams.best("audio")
        return find_track(container.streams.audio, self._track, self._path)

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
        return kept_tags(self._container, self._stream)

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
        part = self._first = _Part(self._av, self._container, self._stream, self._speakers(0))
        yield from part.decoded()
        yield from part.at_the_end(self.promised_s)
        yield from self._ends_early(part)
        if self._file is None:
            yield from self._joined(part)
        if isinstance(self._file, PipeInput) and self._file.goes_on():
            yield Remark("more comes after its end, and isn't read", lost=True)

    def _joined(self, part: _Part) -> Iterator[Piece | Gap | Remark]:
        """Decode what files begin in this one after its first part."""
        form, cuts = self._container.format.name, [*self._cuts]
        empty, start = 0, 0
        while empty < MOST_EMPTY:
            if cuts:
                start = cuts.pop(0)
            elif (later := part.track_later) is not None:
                start = table_before(self._path, start + later, start + part.last_byte)
            elif (after := next_start(self._path, form, start + max(part.end_byte, 1))) is not None:
                start = after
            else:
                return
            end, zeros = cuts[0] if cuts else None, [box.place for box in self._boxes]
            with closing(PartOfFile(self._path, start, end, zeros)) as file:
                try:
                    container = open_container(self._path, AudioFileError, file)
                except self._errors:
                    return
                with container:
                    stream = self._best(container)
                    if stream is None or stream.codec_context is None:
                        return
                    yield Remark(JOINED)
                    part = _Part(self._av, container, stream, self._speakers(start))
                    yield from part.decoded()
                    yield from part.at_the_end(None)
                    empty = 0 if part.position_s else empty + 1

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

    def _ends_early(self, part: _Part) -> Iterator[Remark]:
        """Say what the header promised and the first part didn't hold."""
        exact = self._container.format.name not in ("mp3", "avi", "asf", "flv")
        allowed = 0.05 if exact and "matroska" not in self._container.format.name else 0.5
        said, held = self.promised_s, part.position_s
        if said is None and (said := whole_s(self._container)) is not None:
            held = max(held, part.last_s)
        if said is not None and not self._ignored_s and said - held > allowed:
            yield Remark(
                f"it ends after {part.position_s:.3f} s, and its header says {said:.3f} s",
                lost=True,
            )
        elif (
            self._file is None
            and (lost_s := part.stepped_over_s(self._path.stat().st_size)) > ROUGH_GAP_S
        ):
            yield Remark(f"about {lost_s:.1f} s of it are no sound, and left out", lost=True)
        elif self._container.format.name == "ogg" and self._file is None and ogg_is_cut(self._path):
            yield Remark(f"it is cut off after {part.position_s:.3f} s", lost=True)

    def close(self) -> None:
        """Close the file."""
        self._container.close()
        for file in (self._part, self._file):
            if file is not None:
                file.close()


class _Part:
    """One opened file, decoded once.

    Attributes
    ----------
    position_s
        How much was given.
    start_s
        Of the first sample, by the time stamps.
    last_byte, end_byte
        Where the last packet began and ended, as far as that is known.
    last_s
        When the last packet of any stream ended.
    """

    def __init__(
        self, av: Any, container: Any, stream: Any, speakers: tuple[str, ...] = ()
    ) -> None:
        self._av, self._container, self._stream = av, container, stream
        # Of what is encoded the encoding tells, in FFmpeg's order.
        self._told = speakers if stream.codec_context.name.startswith("pcm_") else ()
        form = container.format.name
        self._fine = form in COUNTING
        self._transport = form in ("mpegts", "mpeg")  # elsewhere "corrupt" is said of a file's end
        self._bare, self._mp3, self._made_up = form in BARE, form == "mp3", form in MADE_UP
        self._alone = all(s.type == "audio" for s in container.streams)
        exact = "mp4" in form and stream.duration
        self._end_s = float(stream.duration * stream.time_base) if exact else float("inf")
        self.position_s = self.start_s = self.last_s = 0.0
        self.end_byte = self.last_byte = 0
        self._first_bytes: dict[int, int] = {}  # of other tracks of sound
        self._origin_s: float | None = None  # time of the part's first sample
        self._trouble: str | None = None
        self._missing_s = 0.0  # of packets that failed
        self._frame_s = 0.0
        self._sizes: deque[int] = deque(maxlen=50)  # of the last good packets
        self._bytes, self._failures = 0, 0
        self._skip = 0  # samples to leave out
        self._form: tuple[Any, ...] = ()
        self._resampler: Any = None
        self._rate = 0  # of an MP3's packet: FFmpeg gives its first frame the rate before

    def decoded(self) -> Iterator[Piece | Gap]:
        for packet in self._packets():
            try:
                frames = packet.decode()
            except (self._av.FFmpegError, ValueError) as error:
                self._note_failure(packet, told(error))
                continue
            if packet.is_corrupt and self._transport:
                self._trouble = self._trouble or DAMAGE
            if frames and packet.size:
                self._sizes.append(packet.size)
            for frame in frames:
                yield from self._gap_before(frame)
                yield from self._pieces(frame)

    def at_the_end(self, promised_s: float | None) -> Iterator[Gap | Remark]:
        """Say that the last packets failed, and yield silence for them if the file is so long."""
        if not self._missing_s or self._trouble is None:
            return
        if promised_s is None:
            yield Remark(f"it ends after {self.position_s:.3f} s ({self._trouble})", lost=True)
        elif (left_s := promised_s - self.position_s) < self._missing_s + ROUGH_GAP_S:
            yield from self._silence(min(left_s, self._missing_s), self._trouble, lost=True)

    @property
    def track_later(self) -> int | None:
        """Where another track of sound begins after this one's end, as in joined streams."""
        if not self._transport or not self.last_byte:
            return None
        return min((n for n in self._first_bytes.values() if n > self.last_byte), default=None)

    def stepped_over_s(self, size: int) -> float:
        """Return how long bytes of a file would last that FFmpeg stepped over, to find frames."""
        if not self._bare or self._mp3 or not self._failures or not self._sizes:
            return 0.0
        return (size - self._bytes) * self._frame_s * len(self._sizes) / sum(self._sizes)

    def _packets(self) -> Iterator[Any]:
        """Yield the packets of sound, and go on after those that can't be read."""
        everything = whole_s(self._container) is not None and not self._alone
        errors, end, sounds = 0, None, self._container.streams.audio
        while errors < MOST_ERRORS:
            try:
                wanted = () if everything else sounds if self._transport else (self._stream,)
                for packet in self._container.demux(*wanted):
                    if packet.pts is not None and packet.time_base:
                        end = (packet.pts + (packet.duration or 0)) * packet.time_base
                        self.last_s = max(self.last_s, float(end))
                    if packet.stream.index != self._stream.index:
                        if packet.stream.type == "audio" and packet.pos:
                            self._first_bytes.setdefault(packet.stream.index, packet.pos)
                        continue
                    self._bytes += packet.size
                    if packet.pos is not None and packet.pos >= 0:
                        self.last_byte = max(self.last_byte, packet.pos)
                        self.end_byte = max(self.end_byte, packet.pos + packet.size)
                    errors = 0
                    if not packet.size:  # a header, which no decoder takes, or the very end
                        end = packet
                    elif (packet := self._without_tags(packet)) is not None:
                        yield packet
                break
            except (self._av.FFmpegError, ValueError) as error:
                if isinstance(error, self._av.error.EOFError):
                    break
                self._trouble = self._trouble or f"{DAMAGE}: {told(error)}"
                errors += 1
        if end is not None:
            yield end

    def _without_tags(self, packet: Any) -> Any | None:
        """Leave out what isn't sound where MP3 files are joined: tags and silent first frames."""
        if not self._mp3:
            return packet
        data = bytes(packet)
        at = 0
        if data.startswith(TAG_AT_END) and data[128:130] != b"":
            at = 128
        while size := id3_size(data, at):
            at += size
        info = read_info(data[at:])
        if info is not None:
            self._skip = info.delay
            return None
        if (header := frame_header(data, at)) is not None:
            self._rate = header.sample_rate
        if not at:
            return packet
        rest = self._av.Packet(data[at:])
        rest.stream, rest.time_base = packet.stream, packet.time_base
        rest.pts, rest.dts = packet.pts, packet.dts
        return rest

    def _note_failure(self, packet: Any, why: str) -> None:
        if packet.size < PADDING and not any(bytes(packet)):
            return
        duration = (packet.duration or 0) * (packet.time_base or 0)
        lost_s = float(duration) or self._frame_s
        if self._bare and self._sizes and self._frame_s:
            # All between two frames is one packet, and lasts as long as its bytes did before.
            usual = sum(self._sizes) / len(self._sizes)
            more_s = (packet.size / usual - 1) * self._frame_s if packet.size > 2 * usual else 0.0
            lost_s += more_s
        self._failures += 1
        self._missing_s += lost_s
        self._trouble = self._trouble or f"{DAMAGE}: {why}"

    def _gap_before(self, frame: Any) -> Iterator[Gap]:
        trouble, missing_s = self._trouble, self._missing_s
        self._trouble, self._missing_s = None, 0.0
        time = None if self._bare else frame.time
        if time is not None and self._origin_s is None:
            self.start_s = time
            # What couldn't be decoded at the very beginning was there all the same.
            self._origin_s = time - missing_s
        gap_s = missing_s
        if time is not None and self._origin_s is not None and not self._made_up:
            gap_s = time - self._origin_s - self.position_s
        least_s = FINE_GAP_S if self._fine or trouble is not None else ROUGH_GAP_S
        if least_s < gap_s < NONSENSE_S:
            lost = trouble is not None or self._alone
            yield from self._silence(gap_s, trouble or "nothing can be read there", lost=lost)
        elif trouble is not None:
            yield Gap(0.0, trouble, lost=True)

    def _silence(self, seconds: float, why: str, *, lost: bool) -> Iterator[Gap]:
        seconds = min(seconds, self._end_s - self.position_s)
        if seconds > 0:
            self.position_s += seconds
            yield Gap(seconds, why, lost)

    def _pieces(self, frame: Any) -> Iterator[Piece]:
        if self._rate:
            frame.sample_rate = self._rate
        # Its frames are made anew in one form: PyAV crashes on eight planes, one a channel.
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._form:
            self._form, self._resampler = form, self._av.AudioResampler("flt")
        speakers = speakers_of(frame.layout.name, frame.layout.nb_channels)
        if len(self._told) == len(speakers):
            speakers = self._told
        for plain in self._resampler.resample(frame):
            sound: Float32 = plain.to_ndarray().reshape(-1, len(speakers)).T
            skipped = min(self._skip, sound.shape[-1])
            self._skip -= skipped
            left = (self._end_s - self.position_s) * frame.sample_rate
            end = sound.shape[-1] if left == float("inf") else max(round(left), 0)
            sound = sound[:, skipped : skipped + end]
            self._frame_s = plain.samples / frame.sample_rate
            self.position_s += sound.shape[-1] / frame.sample_rate
            if sound.shape[-1]:
                yield Piece(np.ascontiguousarray(sound), frame.sample_rate, speakers)
