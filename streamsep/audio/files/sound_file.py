"""Sound files in, whatever can be decoded: read to where the decoder ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from streamsep.audio.files.decoded import DecodeError, Decoder, Gap, Piece, Remark
from streamsep.audio.files.exact_seek import decoder_from
from streamsep.audio.files.notices import Notices, OnNotice
from streamsep.audio.files.open_decoder import open_decoder
from streamsep.audio.files.pipe_input import is_pipe
from streamsep.audio.files.sound_choice import WHOLE, SoundChoice
from streamsep.dsp.channels import STEREO, fold_channels, folded_text
from streamsep.dsp.resample import StreamResampler
from streamsep.dsp.sanitize import MAX_AMPLITUDE
from streamsep.dsp.speaker_layout import arrange, kept_order, kept_text
from streamsep.errors import AudioFileError, first_line
from streamsep.types import Float32

MIN_RATE, MAX_RATE = 8_000, 384_000
CHUNK_S = 0.25
NO_NUMBER = "no number, or beyond all levels"


class AudioReader:
    """Reads a sound file in chunks, at its own rate; a context manager.

    More than two channels become stereo, unless they are to be kept.

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
    keep_layout
        Give more than two channels as they are, in FFmpeg's order.
    from_s
        Begin there where that can be gone to exactly; else at the beginning, as ``begun`` tells.

    Attributes
    ----------
    speakers, channels
        FFmpeg's name of each channel's that comes out, and how many these are.
    frames
        How many will come, as far as the file tells; 0 if it doesn't.
    notices
        All that was said.
    begun
        Which sample comes first.

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
        keep_layout: bool = False,
        from_s: float = 0.0,
    ) -> None:
        self.path, self._choice = path, choice
        self.notices = Notices(path, on_notice)
        self.is_pipe = is_pipe(path)
        decoder = None
        if from_s and not self.is_pipe and choice.track is None:
            decoder = decoder_from(path, from_s)
        self.begun = 0 if decoder is None else decoder.begun
        self._decoder: Decoder = decoder or open_decoder(
            path, waiting if self.is_pipe else None, choice.track
        )
        self._items = self._decoder.decoded()
        self._first: list[Piece | Gap | Remark] = []
        try:
            # What can be decoded at all, and of which form it is, is told by the first piece alone.
            self._form = self._first_form()
            self._check_rate()
        except BaseException:
            self._decoder.close()
            raise
        own = self._form[1]
        self.speakers = kept_order(own) if keep_layout else STEREO
        if len(own) <= 2:
            self.speakers = STEREO if len(own) == 2 else ("FC",)
        if choice.side is not None:
            self.speakers = ("FC",)
        self.channels: int = len(self.speakers)
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
            damaged = any(not isinstance(item, Piece) and item.lost for item in self._first)
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
        position, form = self.begun, self._form
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
                if self._choice.side is None:
                    sound = arrange(item.sound, item.speakers, self.speakers)
                else:
                    sound = fold_channels(item.sound, item.speakers)
                    sound = sound[self._choice.side :][:1] if len(sound) > 1 else sound
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
        if len(self.speakers) > 2 and {*speakers} == {*self.speakers}:
            self.notices.add(kept_text(self.speakers))
        elif len(speakers) > 2 or (len(speakers) == 2 and speakers != ("FL", "FR")):
            self.notices.add(folded_text(speakers))

    def _say_changed(self, item: Piece, at_s: float) -> None:
        count = len(item.speakers)
        text = f"from {at_s:.3f} s on it is {_channels_text(count)}"
        text += f" at {item.sample_rate} Hz"
        whole = self._choice.side is None
        if (count, item.sample_rate) != (self.channels if whole else count, self.sample_rate):
            text += f", and goes on as {_channels_text(self.channels)} at {self.sample_rate} Hz"
        self.notices.add(text, at_s=at_s)
        self._say_folded(item.speakers)

    def close(self) -> None:
        """Close the file."""
        self._decoder.close()

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _channels_text(count: int) -> str:
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")
