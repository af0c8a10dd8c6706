"""Sound out of WAV, FLAC, OGG and MP3 by libsndfile, where FFmpeg is no help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile as sf

from streamsep.audio.files import mp3_header
from streamsep.audio.files.decoded import JOINED, DecodeError, Gap, Piece, Remark
from streamsep.audio.files.joined_files import PartOfFile
from streamsep.audio.files.ogg_pages import OggPages
from streamsep.audio.files.sound_span import told_beside
from streamsep.dsp.channels import USUAL_SPEAKERS
from streamsep.types import Float32

PIECE = 16_384
SMALL_PIECE = 1_024  # around damage
# What libsndfile gives for a FLAC stream that doesn't say its length is far above this.
UNKNOWN_FRAMES = 2**60
SFC_GET_CHANNEL_MAP_INFO = 0x1100  # sndfile.h
# By libsndfile's numbers, from 1 on.
SPEAKERS = (
    *("FC", "FL", "FR", "FC", "FL", "FR", "FC", "BC", "BL", "BR", "LFE", "FLC", "FRC", "SL", "SR"),
    *("TC", "TFL", "TFR", "TFC", "TBL", "TBR", "TBC"),
)
# The order of channels in Vorbis, where libsndfile leaves it and doesn't say so.
VORBIS_SPEAKERS = {
    3: ("FL", "FC", "FR"),
    5: ("FL", "FC", "FR", "BL", "BR"),
    6: ("FL", "FC", "FR", "BL", "BR", "LFE"),
    7: ("FL", "FC", "FR", "SL", "SR", "BC", "LFE"),
    8: ("FL", "FC", "FR", "SL", "SR", "BL", "BR", "LFE"),
}
# Names of tags in libsndfile, where they aren't FFmpeg's.
TAG_NAMES = {"tracknumber": "track"}
DAMAGE = "it can't be decoded"


class SndfileDecoder:
    """Decodes a sound file through libsndfile; see `Decoder`.

    Parameters
    ----------
    path
        The file.
    file
        What to read instead of the file of that name.

    Raises
    ------
    DecodeError
        If libsndfile can't read it.
    """

    start_s = 0.0

    def __init__(self, path: Path, file: BinaryIO | PartOfFile | None = None) -> None:
        self._path, self._source = path, file
        self._file = self._open()
        self._rate: int = self._file.samplerate
        self._speakers = _speakers(self._file)
        self.begun = 0  # sample that it begins with
        self._frames: int = self._file.frames
        if self._frames > UNKNOWN_FRAMES:
            self._frames = self._count_frames()
        self._is_mp3 = self._file.format == "MP3"
        self.length_s = self._frames / self._rate
        self.promised_s: float | None = self.length_s
        if self._is_mp3:
            self.promised_s = mp3_header.promised_s(path) if file is None else None

    def _open(self) -> sf.SoundFile:
        try:
            if self._source is not None:
                self._source.seek(0)
            file = sf.SoundFile(self._path if self._source is None else self._source)
        except (sf.LibsndfileError, OSError) as error:
            raise DecodeError(getattr(error, "error_string", None) or str(error)) from error
        if file.format == "RAW":  # which it takes any bytes for, by a name such as .au or .vox
            file.close()
            raise DecodeError("no header of a known format")
        return file

    def _count_frames(self) -> int:
        """Decode a file whose header doesn't tell its length, up to its end or its damage.

        Reading beyond either is an error that takes the whole piece with it: the last one is
        counted sample by sample.
        """
        frames = 0
        for step in (SMALL_PIECE, 1):
            with self._open() as file, suppress(sf.LibsndfileError):
                for _ in range(0, frames, SMALL_PIECE):
                    file.read(SMALL_PIECE)
                while len(file.read(step)) == step:
                    frames += step
        return frames

    @property
    def tags(self) -> dict[str, str]:
        """Title, artist and so on, by FFmpeg's names."""
        return {TAG_NAMES.get(key, key): text for key, text in self._file.copy_metadata().items()}

    @property
    def form(self) -> tuple[str, str, int]:
        """Format and sample type, by libsndfile's names, and channels."""
        return self._file.format, self._file.subtype, self._file.channels

    @property
    def frames(self) -> int:
        """How many samples it has."""
        return self._frames

    def begin_at(self, seconds: float) -> bool:
        """Begin there instead, if that can be; before `decoded`."""
        self.begun = int(seconds * self._rate)
        with suppress(sf.LibsndfileError):
            return self.begun < self._frames and self._file.seek(self.begun) == self.begun
        return False

    def decoded(self) -> Iterator[Piece | Gap | Remark]:
        """See `Decoder`."""
        position, size = self.begun, PIECE
        while position < self._frames:
            try:
                sound = self._read(min(size, self._frames - position))
            except sf.LibsndfileError as error:
                # An error takes the whole piece with it, and the file can't be read on.
                self._reopen_at(position)
                if size == PIECE:
                    size = SMALL_PIECE
                    continue
                step = self._readable_after(position)
                yield Gap(step / self._rate, f"{DAMAGE}: {error.error_string}", lost=True)
                position += step
                size = PIECE
                continue
            if not len(sound):
                break
            position += len(sound)
            yield Piece(np.ascontiguousarray(sound.T), self._rate, self._speakers)
        yield from self._ends(position / self._rate)

    def _read(self, count: int) -> Float32:
        sound: Float32 = self._file.read(count, dtype="float32", always_2d=True)
        return sound

    def _reopen_at(self, position: int) -> None:
        self._file.close()
        self._file = self._open()
        self._file.seek(position)

    def _readable_after(self, position: int) -> int:
        """Return how many samples from a place on can't be read, and stand behind them."""
        step = SMALL_PIECE
        while position + step < self._frames:
            with suppress(sf.LibsndfileError):
                self._reopen_at(position + step)
                self._read(1)
                self._reopen_at(position + step)
                return step
            step += SMALL_PIECE
        return self._frames - position

    def _ends(self, held_s: float) -> Iterator[Remark]:
        said = self.promised_s
        if said is not None and said - held_s > (0.5 if self._is_mp3 else 0.05):
            yield Remark(
                f"it ends after {held_s:.3f} s, and its header says {said:.3f} s", lost=True
            )
        if self._is_mp3 and self._source is None:
            more_s = mp3_header.held_s(self._path) - held_s
            if more_s > 0.5:
                yield Remark(
                    f"about {more_s:.1f} s more are in it than libsndfile reads; "
                    "pip install 'streamsep[media]' reads all of it",
                    lost=True,
                )

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self._source is not None:
            self._source.close()


class JoinedVorbis:
    """Decodes Ogg files of Vorbis, one joined to the other; see `Decoder`.

    FFmpeg gives up to a block less of Vorbis than there is, and libsndfile only the first file.

    Parameters
    ----------
    path
        The file.
    pages
        What a look at its pages told.

    Raises
    ------
    DecodeError
        If libsndfile can't read it.
    """

    start_s = 0.0

    def __init__(self, path: Path, pages: OggPages) -> None:
        self._path, self._end = path, pages.end
        places = zip(pages.starts, [*pages.starts[1:], pages.end], strict=True)
        self._parts = [SndfileDecoder(path, PartOfFile(path, *place)) for place in places]
        self.promised_s = self.length_s = sum(part.length_s for part in self._parts)

    @property
    def tags(self) -> dict[str, str]:
        """Title, artist and so on, by FFmpeg's names."""
        return self._parts[0].tags

    def decoded(self) -> Iterator[Piece | Gap | Remark]:
        """See `Decoder`."""
        for number, part in enumerate(self._parts):
            if number:
                yield Remark(JOINED)
            yield from part.decoded()
        yield from told_beside(self._path, "end", self._end, self._path.stat().st_size)

    def close(self) -> None:
        """Close the file."""
        for part in self._parts:
            part.close()


def _speakers(file: sf.SoundFile) -> tuple[str, ...]:
    count: int = file.channels
    numbers = sf._ffi.new("int[]", count)
    size = count * sf._ffi.sizeof("int")
    known = sf._snd.sf_command(file._file, SFC_GET_CHANNEL_MAP_INFO, numbers, size)
    if known and all(1 <= number <= len(SPEAKERS) for number in numbers):
        return tuple(SPEAKERS[number - 1] for number in numbers)
    usual = VORBIS_SPEAKERS if file.format == "OGG" and count in VORBIS_SPEAKERS else USUAL_SPEAKERS
    return usual.get(count, ("NONE",) * count)
