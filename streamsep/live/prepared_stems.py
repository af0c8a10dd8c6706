"""Stems that lie on disk in place of a model's, from one sample to the next."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from streamsep.audio.files.song_source import Song, SongSource, Span
from streamsep.audio.files.stem_files import StemFiles
from streamsep.dsp.delay import DelayLine
from streamsep.errors import ArgumentError, AudioFileError
from streamsep.separation import Separator
from streamsep.spec import SeparatorSpec
from streamsep.stem_names import canonical_stem
from streamsep.types import Float32

FADE_S = 0.1
# Readers begin at what is read of a song, which is due later by a model's delay.
SOON_S = 20.0


def check_stems(stems: Mapping[str, Path], names: tuple[str, ...]) -> dict[str, Path]:
    """Return files by the names of a separator's stems; at least one stem is what they leave.

    Parameters
    ----------
    stems
        Files by any name of a stem.
    names
        What the separator gives; the last one is the residual.

    Raises
    ------
    ArgumentError
        If these aren't its stems.
    AudioFileError
        If a file isn't there.
    """
    given = {canonical_stem(name, names): Path(path) for name, path in stems.items()}
    missing = [name for name in names if name not in given]
    if given.keys() - set(names) or len(missing) > 1:
        raise ArgumentError(
            f"files of {', '.join(stems) or 'nothing'} aren't the stems that this model gives",
            expected=f"{', '.join(names)}, or all but one of them",
            remedy="separate the song with the model that plays",
            settings=("model",),
        )
    for path in given.values():
        if not os.path.isfile(path):
            raise AudioFileError(
                f"no stem at {path}", expected="a file", remedy="separate the song again"
            )
    if not missing:
        del given[names[-1]]
    return given


class PreparedStems:
    """A separator that gives stems out of files where there are some, and else asks a model.

    One stem is always what the others leave of the mixture, so that all sum to it. Files take the
    place of the model's stems of the same song by a crossfade of equally late sounds; the model
    rests meanwhile, and starts anew with the first song without files.

    Parameters
    ----------
    separator
        The model; becomes this one's own.
    songs
        Asked for what the session is fed from, once it runs.
    """

    def __init__(self, separator: Separator, songs: Callable[[], SongSource]) -> None:
        self._separator, self._songs = separator, songs
        spec, size = separator.spec, separator.block_size
        self._delay = DelayLine(spec.channels, separator.delay, size)
        self._mixture = np.zeros((spec.channels, size), np.float32)
        self._files = np.zeros((len(separator.stems), spec.channels, size), np.float32)
        self._fade = round(FADE_S * spec.sample_rate)
        self._position: int | None = None
        self._begun = 0  # what was fed before a new start isn't its own
        self._starts = True
        self._runs = True
        self._by_model: Song | None = None  # whose last sample was the model's
        self._faded = 0

    @property
    def spec(self) -> SeparatorSpec:
        """The model's, as all that follows."""
        return self._separator.spec

    @property
    def stems(self) -> tuple[str, ...]:
        """See `Separator.stems`."""
        return self._separator.stems

    @property
    def block_size(self) -> int:
        """See `Separator.block_size`."""
        return self._separator.block_size

    @property
    def delay(self) -> int:
        """See `Separator.delay`."""
        return self._separator.delay

    @property
    def slack(self) -> int:
        """See `Separator.slack`."""
        return self._separator.slack

    @property
    def provider(self) -> str:
        """See `Separator.provider`."""
        return self._separator.provider

    def locate(self, position: int) -> None:
        """Take note of which sample of all that was fed the next block begins with."""
        self._position = position
        if self._starts:
            self._begun, self._starts = position, False

    def reset(self) -> None:
        """Start anew."""
        self._separator.reset()
        self._delay.reset()
        self._runs, self._by_model, self._faded = True, None, 0
        self._starts = True

    def process(self, block: Float32, out: Float32) -> None:
        """See `Separator.process`."""
        self._delay.process(block, self._mixture)
        if self._position is None:
            self._separator.process(block, out)
            return
        size, delay = self.block_size, self._separator.delay
        first = max(self._position - delay, self._begun)
        songs = self._songs()
        spans = songs.spans(first, self._position + size - first)
        before = first - (self._position - delay)
        if before:
            spans = [Span(None, 0, before), *spans]
        if self._asks_the_model(spans):
            if not self._runs:
                self._separator.reset()
            self._runs = True
            self._separator.process(block, out)
        else:
            self._runs = False
            out.fill(0.0)
        start = 0
        for song, sample, count in spans:
            count = min(count, size - start)
            if count <= 0:
                break
            where = slice(start, start + count)
            self._give(song, sample, where, songs.fades(first - before + start, count), out)
            start += count

    def _asks_the_model(self, spans: list[Span]) -> bool:
        """Say whether anything from what is due to what is new has to come from the model."""
        fading = self._by_model is not None and self._faded < self._fade
        asks = False
        for song, sample, _ in spans:
            if song is not None and self._reader(song, sample) is None:
                song.asks = song.asks or self._lacks(song, sample)
                asks = True
            asks = asks or (fading and song is self._by_model)
        return asks

    def _give(
        self,
        song: Song | None,
        sample: int,
        where: slice,
        fades: Float32 | None,
        out: Float32,
    ) -> None:
        """Put the stems of one span where they belong, over the model's, faded as the song is."""
        reader = None if song is None else self._reader(song, sample)
        if song is None and not self._runs:  # silence, and the end of what was before it
            np.copyto(out[-1][:, where], self._mixture[:, where])
        elif reader is None:
            self._by_model, self._faded = song, 0
        elif self._by_model is song and self._faded < self._fade:
            self._read(reader, sample, where, fades)
            new, old, count = self._files[..., where], out[..., where], where.stop - where.start
            ramp = (np.arange(1, count + 1, dtype=np.float32) + self._faded) / self._fade
            old += (new - old) * np.minimum(ramp, np.float32(1.0))
            self._faded += count
        else:
            self._by_model = None
            self._read(reader, sample, where, fades)
            np.copyto(out[..., where], self._files[..., where])

    def _read(self, reader: StemFiles, sample: int, where: slice, fades: Float32 | None) -> None:
        """Read the stems of one span; one is what the others leave."""
        reader.pass_to(sample)
        rest = next(i for i, name in enumerate(self.stems) if name not in reader.names)
        left = self._files[rest][:, where]
        np.copyto(left, self._mixture[:, where])
        for index, name in enumerate(self.stems):
            if index != rest:
                stem = self._files[index][:, where]
                reader.read(name, stem)
                if fades is not None:
                    np.multiply(stem, fades, out=stem)
                np.subtract(left, stem, out=left)
        reader.step(where.stop - where.start)

    def _reader(self, song: Song, sample: int) -> StemFiles | None:
        """Return what reads the stems of a song from a sample on, if anything does."""
        for reader in song.readers:
            if reader.files is song.stems and reader.reaches(sample) and reader.claim(self):
                return reader
        return None

    def _lacks(self, song: Song, sample: int) -> bool:
        """Say whether a song has stems, and nothing that will read them soon."""
        soon = sample + SOON_S * self.spec.sample_rate
        return bool(song.stems) and not any(
            reader.files is song.stems and sample <= reader.at < soon and reader.claim(self)
            for reader in song.readers
        )
