"""One file, opened by PyAV, decoded once: its sound, and what is missing of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from streamsep.audio.files.decoded import Gap, Piece, Remark
from streamsep.audio.files.file_starts import BARE, TAG_AT_END, TAG_SIZE
from streamsep.audio.files.media import told
from streamsep.audio.files.mp3_header import Info, frame_header, id3_size, read_info
from streamsep.audio.files.promised_length import whole_s
from streamsep.dsp.channels import speakers_of
from streamsep.types import Float32

# Gaps in the time stamps that are silence. Stamps in steps of a millisecond, or of a frame, leave
# smaller ones where there is none; more than ten minutes are nonsense.
ROUGH_GAP_S, FINE_GAP_S, NONSENSE_S = 0.1, 0.01, 600.0
COUNTING = ("flac", "tta", "wv")  # formats whose stamps count samples
# Those whose stamps FFmpeg makes up, of some codecs wrongly: bare ones, which have none (it counts
# what it finds, and what is lost leaves no gap), and others.
MADE_UP = (*BARE, "avi")
PADDING = 8  # bytes at an end that formats fill up to
MOST_ERRORS = 10_000  # in a row without any sound between them
LEAST_UNREAD = 4_096  # bytes at the end of a stream: fewer are its tables
DAMAGE = "it can't be decoded"


class MediaPart:
    """One opened file, decoded once.

    Parameters
    ----------
    av, container, stream
        PyAV, and the sound in what it opened.
    speakers
        By FFmpeg's names, if the file tells them in an order of its own.
    is_other
        Told where a packet is that can't be decoded, says whether the sound is of another codec
        from there on.
    next_block
        Where FFmpeg can read on from a place on, if it gave up there: None if it can't.

    Attributes
    ----------
    position_s
        How much was given.
    start_s
        Of the first sample, by the time stamps.
    is_alone
        Whether there is nothing but sound.
    last_byte, end_byte
        Where the last packet that was decoded began and ended, as far as that is known.
    longest_frame_s
        Of those that were decoded.
    lost
        Whether silence or nothing stands for sound that couldn't be read.
    last_s
        When the last packet of any stream ended.
    """

    def __init__(
        self,
        av: Any,
        container: Any,
        stream: Any,
        speakers: tuple[str, ...] = (),
        is_other: Callable[[int], bool] = lambda place: False,
        next_block: Callable[[int], int | None] = lambda place: None,
    ) -> None:
        self._av, self._container, self._stream = av, container, stream
        # Of what is encoded the encoding tells, in FFmpeg's order.
        self._told = speakers if stream.codec_context.name.startswith("pcm_") else ()
        form = container.format.name
        self._fine = form in COUNTING
        self._transport = form in ("mpegts", "mpeg")  # elsewhere "corrupt" is said of a file's end
        self._bare, self._mp3, self._made_up = form in BARE, form == "mp3", form in MADE_UP
        self._is_other, self._next_block = is_other, next_block
        self._begun = -1  # where the last packet is that came, or was gone to
        self.is_alone = all(s.type == "audio" for s in container.streams)
        told_s = float((stream.duration or 0) * (stream.time_base or 0)) or float("inf")
        self._end_s = told_s if "mp4" in form else float("inf")
        self._latest_s = told_s if self._fine else float("inf")  # later stamps are damaged ones
        self.position_s = self.start_s = self.last_s = 0.0
        self.end_byte = self.last_byte = 0
        self.lost = False
        self._first_bytes: dict[int, int] = {}  # of other sound
        self._origin_s: float | None = None  # time of the part's first sample
        self._trouble: str | None = None
        self._missing_s = 0.0  # of packets that failed
        self._frame_s = self.longest_frame_s = 0.0
        self._sizes: deque[int] = deque(maxlen=50)  # of the last good packets
        self._bytes, self._failures = 0, 0
        self._skip = 0  # samples to leave out
        self._padding = (0, 0)  # also those from one up to another, as they are given
        # FFmpeg takes the first block for sound where all of it is on one page of Ogg, and cuts off
        # too much at the end, or nothing; and of MP3 nothing where it can't go back.
        self._vorbis = form == "ogg" and stream.codec_context.name == "vorbis"
        if self._vorbis or self._mp3:
            stream.codec_context.options = {"flags2": "+skip_manual"}
        self._begins: int | None = None  # time stamp of the first sample of Vorbis
        self._chained_s = 0.0  # and where it is in what is given: songs follow one another in radio
        self._form: tuple[Any, ...] = ()
        self._resampler: Any = None
        self._rate = 0  # of an MP3's packet: FFmpeg gives its first frame the rate before

    def decoded(self) -> Iterator[Piece | Gap]:
        """Decode to the end, or to where sound of another codec begins."""
        for packet in self._packets():
            try:
                frames = packet.decode()
            except (self._av.FFmpegError, ValueError) as error:
                if self._ends_before(packet):
                    return
                self._note_failure(packet, told(error))
                continue
            if packet.pos is not None and packet.pos >= 0:
                self.last_byte = max(self.last_byte, packet.pos)
                self.end_byte = max(self.end_byte, packet.pos + packet.size)
            if packet.is_corrupt and self._transport:
                self._trouble = self._trouble or DAMAGE
            if self._vorbis and packet.pts is not None and packet.size:
                frames = self._of_vorbis(packet, frames)
            if frames and packet.size:
                self._sizes.append(packet.size)
            for frame in frames:
                yield from self._gap_before(frame)
                yield from self._pieces(frame)

    def begin_mp3(self, info: Info | None) -> None:
        """Leave out what an MP3's encoder has added to the sound that begins, if it says that."""
        if info is None:
            return
        self._skip = info.delay
        if info.samples is not None:
            first = round(self.position_s * self._rate) + info.samples
            self._padding = first, first + info.padding

    def _of_vorbis(self, packet: Any, frames: list[Any]) -> list[Any]:
        """Return what is sound of a packet's frames: but the first block, up to the end it says.

        The duration of the last packet may be less than none.
        """
        chained = packet.has_sidedata("new_extradata")
        if chained or self._begins is None:
            first = frames[0].samples if frames else packet.duration
            self._begins = packet.pts + (0 if chained or not packet.pts else first)
            self._chained_s = self.position_s
            return []
        self._begins = min(self._begins, packet.pts)  # which may begin anew behind the first block
        duration = (packet.duration + 2**31) % 2**32 - 2**31
        end = packet.pts + duration - self._begins
        self._end_s = self._chained_s + float(max(end, 0) * packet.time_base)
        return frames

    def at_the_end(self, promised_s: float | None) -> Iterator[Gap | Remark]:
        """Say that the last packets failed, and yield silence for them if the file is so long."""
        if not self._missing_s or self._trouble is None:
            return
        if promised_s is None:
            yield Remark(f"it ends after {self.position_s:.3f} s ({self._trouble})", lost=True)
        elif (left_s := promised_s - self.position_s) < self._missing_s + ROUGH_GAP_S:
            yield from self._silence(min(left_s, self._missing_s), self._trouble, lost=True)

    def _ends_before(self, packet: Any) -> bool:
        """Say whether sound of another codec begins with a packet that can't be decoded."""
        first = self._transport and not self._missing_s
        if first and packet.pos and self._is_other(packet.pos):
            self._first_bytes[packet.stream.index] = packet.pos
            return True
        return False

    @property
    def track_later(self) -> int | None:
        """Where other sound begins after this one's end, as in joined streams."""
        if not self._transport or not self.last_byte:
            return None
        return min((n for n in self._first_bytes.values() if n > self.last_byte), default=None)

    def stepped_over_s(self, size: int) -> float:
        """Return how long bytes of a file would last that FFmpeg stepped over, to find frames."""
        if not self._bare or self._mp3 or not self._failures or not self._sizes:
            return 0.0
        return (size - self._bytes) * self._frame_s * len(self._sizes) / sum(self._sizes)

    def unread_s(self, size: int) -> float:
        """Return how long the bytes of a stream would last that are behind all that was read."""
        left = size - self.end_byte
        ends = self._transport and self.is_alone and self.track_later is None
        if not (ends and self.end_byte) or left < LEAST_UNREAD:
            return 0.0
        return left * self.position_s / self.end_byte

    def _packets(self) -> Iterator[Any]:
        """Yield the packets of sound, and go on after those that can't be read."""
        everything = whole_s(self._container) is not None and not self.is_alone
        errors, last, sounds = 0, None, self._container.streams.audio
        while errors < MOST_ERRORS:
            try:
                wanted = () if everything else sounds if self._transport else (self._stream,)
                for packet in self._container.demux(*wanted):
                    if packet.pts is not None and packet.time_base:
                        end_s = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                        self.last_s = max(self.last_s, end_s)
                    if packet.stream.index != self._stream.index:
                        if packet.stream.type == "audio" and packet.pos:
                            self._first_bytes.setdefault(packet.stream.index, packet.pos)
                        continue
                    self._bytes += packet.size
                    self._begun = max(self._begun, packet.pos or 0)
                    errors = 0
                    if not packet.size:  # a header, which no decoder takes, or the very end
                        last = packet
                    elif (packet := self._without_tags(packet)) is not None:
                        yield packet
                break
            except (self._av.FFmpegError, ValueError) as error:
                if isinstance(error, self._av.error.EOFError):
                    break
                self._trouble = self._trouble or f"{DAMAGE}: {told(error)}"
                errors += 1
                self._go_on()
        if last is not None:
            yield last

    def _go_on(self) -> None:
        """Go to the next block that can be read, if FFmpeg doesn't find it by itself."""
        place = self._next_block(self._begun + 1)
        if place is not None:
            self._begun = place
            self._container.seek(place, unsupported_byte_offset=True)

    def _without_tags(self, packet: Any) -> Any | None:
        """Leave out what isn't sound where MP3 files are joined: tags and silent first frames."""
        if not self._mp3:
            return packet
        data = bytes(packet)
        at = 0
        if data.startswith(TAG_AT_END) and data[TAG_SIZE:] != b"":
            at = TAG_SIZE
        while size := id3_size(data, at):
            at += size
        info = read_info(data[at:])
        if info is not None:
            self.begin_mp3(info)
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
            counted = self._fine and trouble is not None
            self._origin_s = 0.0 if counted else time - missing_s
        gap_s = missing_s
        if time is not None and self._origin_s is not None and not self._made_up:
            known = time <= self._latest_s
            gap_s = time - self._origin_s - self.position_s if known else missing_s
        least_s = FINE_GAP_S if self._fine or trouble is not None else ROUGH_GAP_S
        if least_s < gap_s < NONSENSE_S:
            lost = trouble is not None or self.is_alone
            yield from self._silence(gap_s, trouble or "nothing can be read there", lost=lost)
        elif trouble is not None:
            self.lost = True
            yield Gap(0.0, trouble, lost=True)

    def _silence(self, seconds: float, why: str, *, lost: bool) -> Iterator[Gap]:
        seconds = min(seconds, self._end_s - self.position_s)
        if seconds > 0:
            self.lost |= lost
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
            sound = self._without_padding(sound[:, skipped : skipped + end], frame.sample_rate)
            self._frame_s = plain.samples / frame.sample_rate
            self.longest_frame_s = max(self.longest_frame_s, self._frame_s)
            self.position_s += sound.shape[-1] / frame.sample_rate
            if sound.shape[-1]:
                yield Piece(np.ascontiguousarray(sound), frame.sample_rate, speakers)

    def _without_padding(self, sound: Float32, rate: int) -> Float32:
        first, last = self._padding
        start = round(self.position_s * rate)
        first, last = (min(max(n - start, 0), sound.shape[-1]) for n in (first, last))
        if first >= last:
            return sound
        self._padding = self._padding[0], self._padding[1] - (last - first)
        return np.concatenate([sound[:, :first], sound[:, last:]], axis=-1)
