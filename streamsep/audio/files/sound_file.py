"""Sound files in and out: all that can be decoded; by libsndfile WAV, FLAC, OGG and MP3."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import soundfile as sf

from streamsep.audio.files.decoded import DecodeError, Gap, Piece, Remark
from streamsep.audio.files.notices import Notices, OnNotice
from streamsep.audio.files.open_decoder import open_decoder
from streamsep.audio.files.pipe_input import is_pipe
from streamsep.audio.files.sndfile_decoder import TAG_NAMES
from streamsep.audio.files.sound_choice import WHOLE, SoundChoice
from streamsep.dsp.channels import fold_channels, folded_text, match_channels
from streamsep.dsp.resample import StreamResampler
from streamsep.dsp.sanitize import MAX_AMPLITUDE
from streamsep.errors import AudioFileError, OutputError, first_line
from streamsep.types import Float32

MIN_RATE, MAX_RATE = 8_000, 384_000
CHUNK_S = 0.25
NO_NUMBER = "no number, or beyond all levels"
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
KNOWN_TAGS = ("title", "artist", "album", "date", "tracknumber", "genre", "comment", "copyright")
# libsndfile's numbers that soundfile has no names for (sndfile.h).
SF_ERR_SYSTEM = 2
SFC_UPDATE_HEADER_NOW = 0x1060
SFC_RF64_AUTO_DOWNGRADE = 0x1210


class AudioReader:
    """Reads a sound file in chunks, at its own rate, as mono or stereo; a context manager.

    It reads to where the decoder ends, whatever the header says, and says what it couldn't read:
    silence stands for it. Sound that changes its rate or channels goes on in those of the
    beginning.

    Parameters
    ----------
    path
        A WAV, FLAC, OGG or MP3 file; with the extra ``media`` anything that FFmpeg reads. May be
        a pipe.
    choice
        Which of its tracks, and of its channels.
    on_notice
        Told at once what isn't in what comes out as it was in the file; see also `notices`.
    waiting
        Called again and again while a pipe gives nothing; what it raises ends the wait.

    Attributes
    ----------
    channels
        1 or 2, of what comes out.
    frames
        How many will come, as far as the file tells; 0 if it doesn't.
    notices
        All that was said.

    Raises
    ------
    AudioFileError
        If the file is missing, not readable as sound, empty, or has an absurd sample rate.
    """

    def __init__(
        self,
        path: Path,
        *,
        choice: SoundChoice = WHOLE,
        on_notice: OnNotice | None = None,
        waiting: Callable[[], object] = lambda: None,
    ) -> None:
        self.path, self._choice = path, choice
        self.notices = Notices(path, on_notice)
        self.is_pipe = is_pipe(path)
        self._decoder = open_decoder(path, waiting if self.is_pipe else None, choice.track)
        self._items = self._decoder.decoded()
        self._first: list[Piece | Gap | Remark] = []
        try:
            # What can be decoded at all, and of which form it is, is told by the first piece alone.
            self._form = self._first_form()
            self._check_rate()
        except BaseException:
            self._decoder.close()
            raise
        self.channels: int = min(len(self._form[1]), 2) if choice.side is None else 1
        self.frames: int = round(self._decoder.length_s * self.sample_rate)

    @property
    def sample_rate(self) -> int:
        """In Hz, of what comes out."""
        return self._form[0]

    def _first_form(self) -> tuple[int, tuple[str, ...]]:
        try:
            for item in self._items:
                self._first.append(item)
                if isinstance(item, Piece):
                    return item.sample_rate, item.speakers
        except DecodeError:
            damaged = True
        else:
            damaged = any(isinstance(item, Gap) for item in self._first)
        if not damaged:
            raise self._empty()
        raise AudioFileError(
            f"nothing of {self.path} can be decoded",
            expected="sound",
            remedy="get the file again, or check how it was made",
        )

    def _check_rate(self) -> None:
        if not MIN_RATE <= self.sample_rate <= MAX_RATE:
            raise AudioFileError(
                f"{self.path} has a sample rate of {self.sample_rate} Hz",
                expected=f"{MIN_RATE} to {MAX_RATE} Hz",
                remedy="resample it first, e.g. with sox or ffmpeg",
            )

    def _empty(self) -> AudioFileError:
        return AudioFileError(
            f"{self.path} holds no samples",
            expected="at least one",
            remedy="check how the file was made",
        )

    @property
    def start_s(self) -> float:
        """When the sound begins by the time of the file: a video's picture may begin before."""
        return self._decoder.start_s

    @property
    def tags(self) -> dict[str, str]:
        """Title, artist and so on, by FFmpeg's names."""
        return self._decoder.tags

    def chunks(self) -> Iterator[Float32]:
        """Yield (C, n) float32, all of them numbers, until the end; to be called once.

        Raises
        ------
        AudioFileError
            If nothing could be decoded after all.
        """
        size = max(1, int(CHUNK_S * self.sample_rate))
        rest, waiting, position = [], 0, 0
        for sound in self._whole():
            position += sound.shape[-1]
            for start in range(0, sound.shape[-1], size):
                rest.append(sound[:, start : start + size])
                waiting += rest[-1].shape[-1]
                if waiting >= size:
                    joined = np.concatenate(rest, axis=-1)
                    yield np.ascontiguousarray(joined[:, :size])
                    rest, waiting = [joined[:, size:]], waiting - size
        self.notices.flush(ended=True)
        if waiting:
            yield np.concatenate(rest, axis=-1)
        if not position:
            raise self._empty()

    def _whole(self) -> Iterator[Float32]:
        """Yield (C, n) in one form, silence where there is none."""
        position, form = 0, self._form
        sounds: Iterable[Float32]
        self._say_folded(form[1])
        if self._choice.side is not None:
            mono = len(form[1]) == 1
            side = self._choice.channel
            self.notices.add(f"it is mono: no {side} side" if mono else f"its {side} side is taken")
        resampler = StreamResampler(self.sample_rate, self.sample_rate, self.channels)
        nothing = np.zeros((self.channels, 0), np.float32)
        for item in self._items_to_the_end():
            if isinstance(item, Piece):
                ended = nothing
                if (item.sample_rate, item.speakers) != form:
                    form = (item.sample_rate, item.speakers)
                    self._say_changed(item, position / self.sample_rate)
                    ended = resampler.process(nothing, last=True)
                    resampler = StreamResampler(item.sample_rate, self.sample_rate, self.channels)
                sound = fold_channels(item.sound, item.speakers)
                if self._choice.side is not None:
                    sound = sound[self._choice.side :][:1] if len(sound) > 1 else sound
                sound = match_channels(sound, self.channels)
                self._mend(sound, position)  # what is no number would spread through a filter
                sounds = (ended, resampler.process(sound))
            else:
                seconds = self._say(item, position / self.sample_rate)
                missing = round(seconds * self.sample_rate)
                steps = (
                    min(self.sample_rate, missing - s) for s in range(0, missing, self.sample_rate)
                )
                sounds = (np.zeros((self.channels, step), np.float32) for step in steps)
            for sound in sounds:
                position += sound.shape[-1]
                yield sound
        yield resampler.process(nothing, last=True)

    def _say(self, item: Gap | Remark, at_s: float) -> float:
        """Say what isn't as it should be, and return for how long there is silence."""
        if isinstance(item, Remark):
            self.notices.flush()
            self.notices.add(item.text, lost=item.lost, at_s=at_s)
            return 0.0
        end_s = at_s + item.seconds
        if item.lost:
            self.notices.silenced(at_s, end_s, item.why)
        else:
            self.notices.add(f"{item.why} from {at_s:.3f} to {end_s:.3f} s: silence", at_s=at_s)
        return item.seconds

    def _items_to_the_end(self) -> Iterator[Piece | Gap | Remark]:
        yield from self._first
        try:
            yield from self._items
        except DecodeError as error:
            yield Remark(f"nothing after this can be decoded ({first_line(error)})", lost=True)

    def _mend(self, sound: Float32, position: int) -> None:
        """Silence what is no number, or too loud to be sound, in place."""
        if not sound.size or (sound.min() >= -MAX_AMPLITUDE and sound.max() <= MAX_AMPLITUDE):
            return  # NaN compares false
        bad = ~(np.abs(sound) <= MAX_AMPLITUDE)
        sound[bad] = 0.0
        places = np.flatnonzero(bad.any(axis=0))
        for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1):
            start_s, end_s = ((position + int(i)) / self.sample_rate for i in (run[0], run[-1] + 1))
            self.notices.silenced(start_s, end_s, NO_NUMBER, len(run))

    def _say_folded(self, speakers: tuple[str, ...]) -> None:
        if len(speakers) > 2 or (len(speakers) == 2 and speakers != ("FL", "FR")):
            self.notices.add(folded_text(speakers))

    def _say_changed(self, item: Piece, at_s: float) -> None:
        count, sides = len(item.speakers), {1: "mono", 2: "stereo"}
        text = f"from {at_s:.3f} s on it is {sides.get(count, f'{count} channels')}"
        text += f" at {item.sample_rate} Hz"
        whole = self._choice.side is None
        if (count, item.sample_rate) != (self.channels if whole else count, self.sample_rate):
            text += f", and goes on as {sides[self.channels]} at {self.sample_rate} Hz"
        self.notices.add(text, at_s=at_s)
        self._say_folded(item.speakers)

    def close(self) -> None:
        """Close the file."""
        self._decoder.close()

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _silence(channels: int, count: int, step: int) -> Iterator[Float32]:
    """Yield so many samples of it, in steps: gaps may be long."""
    for start in range(0, count, step):
        yield np.zeros((channels, min(step, count - start)), np.float32)


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

    Attributes
    ----------
    cut, peak
        Samples beyond full scale that were cut there, and the loudest one; none where the format
        holds them.

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
        self._has_sizes, self._cuts = kind == "WAV", subtype != "FLOAT"
        self.cut, self.peak = 0, 0.0
        try:
            self._file = sf.SoundFile(
                os.fsencode(path) if os.name == "posix" else path,  # names may be no text
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
                piece = sound[:, start : start + WRITE_FRAMES]
                self._file.write(piece.T)
                self._count_cut(piece)
        except (sf.LibsndfileError, OSError) as error:
            raise _not_writable(self.path, error) from error

    def _count_cut(self, sound: Float32) -> None:
        if not self._cuts or not sound.size:
            return
        peak = max(float(sound.max()), -float(sound.min()))
        if peak > 1.0:
            self.cut += int(np.count_nonzero((sound > 1.0) | (sound < -1.0)))
            self.peak = max(self.peak, peak)

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
    if not os.path.isdir(folder):
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
