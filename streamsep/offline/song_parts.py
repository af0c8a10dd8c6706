"""A long song in parts: each separated by itself, and joined to what one run gives, to the bit.

A part is so many blocks of what the model is fed, and all that these bring out. Before them the
model either goes on from the state that the part before ended in, or, where its memory is bounded,
hears as much of the song again as that holds. A part's file is what the model gave at its own rate,
the residual aside: float32, little-endian, all stems and channels of one sample after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from streamsep.audio.files.sound_choice import WHOLE, SoundChoice
from streamsep.audio.files.sound_file import AudioReader
from streamsep.dsp.resumable import State
from streamsep.errors import AudioFileError
from streamsep.offline.prefetch import prefetch
from streamsep.offline.stem_blocks import Blocks, chunks_ahead, mixtures
from streamsep.separation import ChunkedSeparator
from streamsep.separation.model_engine import ModelEngine
from streamsep.spec import SeparatorSpec
from streamsep.types import Float32

SAMPLE = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class Division:
    """How a song is divided.

    Attributes
    ----------
    count
        How many parts.
    blocks
        Of the model's, a part; the last one goes on to the end of the song.
    """

    count: int
    blocks: int


def divide(separator: ModelEngine, length_s: float, part_s: float) -> Division:
    """Return how a song of about that length is divided into parts of about ``part_s``."""
    size = separator.block_size
    # The first part brings out nothing while the delay lasts.
    least = separator.delay // size + 1
    blocks = max(round(part_s * separator.spec.sample_rate / size), least)
    count = math.ceil(length_s * separator.spec.sample_rate / (blocks * size))
    return Division(max(count, 1), blocks)


def separate_part(
    separator: ModelEngine,
    song: Path,
    division: Division,
    number: int,
    target: Path,
    *,
    choice: SoundChoice = WHOLE,
    state: State | None = None,
) -> tuple[float, State | None]:
    """Separate a part of a song into a file.

    Parameters
    ----------
    separator
        Of any state: it starts anew.
    song, choice
        See `AudioReader`; what can't be read is silence, of which nothing is said here.
    division, number
        Which part, from 0.
    target
        Where it goes; empty where the song ends before the part begins.
    state
        Of the separator after the part before, where its `memory` isn't bounded. None where the
        song ended in that one.

    Returns
    -------
    float, State or None
        For how long the sound of the part plays, in seconds, and the state to go on from; None
        where the next part needs none, or there is nothing to go on with.

    Raises
    ------
    AudioFileError
        If the song can't be read.
    BackendError
        If the model fails.
    ValueError
        If the state isn't one of this model's.
    """
    size, is_last = separator.block_size, number == division.count - 1
    begin = number * division.blocks
    separator.reset()
    if separator.memory is not None:
        # (One block more: what is no number makes an engine start anew.)
        heard_before = min(begin, -(-separator.memory // size) + 1)
    elif number and state is None:
        target.write_bytes(b"")
        return 0.0, None
    else:
        heard_before = 0
        if state is not None:
            separator.restore(state)
    surplus = heard_before * size if number else separator.delay
    chunked, fed = ChunkedSeparator(separator, surplus=surplus), 0
    wanted = math.inf if is_last else (heard_before + division.blocks) * size
    with target.open("wb") as file:
        mixture = _mixture(song, choice, separator.spec, (begin - heard_before) * size)
        with closing(prefetch(mixture, chunks_ahead(separator))) as sounds:
            for sound in sounds:
                sound = sound[:, : int(min(wanted - fed, sound.shape[-1]))]
                fed += sound.shape[-1]
                _write(chunked.feed(sound), file)
                if fed == wanted:
                    break
        is_over = fed < wanted
        if is_over and fed >= heard_before * size:
            _write(chunked.finish(), file)
    length_s = max(0, fed - heard_before * size) / separator.spec.sample_rate
    return length_s, None if is_over or separator.memory is not None else separator.state()


def _write(stems: Float32, file: BinaryIO) -> None:
    file.write(np.ascontiguousarray(stems[:-1].transpose(2, 0, 1), SAMPLE).tobytes())


def _mixture(song: Path, choice: SoundChoice, spec: SeparatorSpec, begin: int) -> Blocks:
    """Yield a song as a model takes it, from a sample of the model's rate on; none beyond its end.

    Where that place can't be gone to exactly, all that is before it is read.
    """
    from_s = begin / spec.sample_rate
    reader = AudioReader(song, choice=choice, from_s=from_s)
    if reader.begun and reader.sample_rate != spec.sample_rate:
        reader.close()  # a resampler has a memory of its own
        reader = AudioReader(song, choice=choice)
    with reader:
        left = begin - reader.begun
        for sound in mixtures(reader.chunks(), reader.sample_rate, spec):
            skipped = min(left, sound.shape[-1])
            left -= skipped
            if sound.shape[-1] > skipped:
                yield sound[:, skipped:]


class JoinedParts:
    """A `Separator` that gives what the parts of a song hold, for that song.

    Parameters
    ----------
    separator
        What the parts were made by.
    parts
        Returns their files in order; each is read before the next is asked for.
    """

    block_size, delay, slack = 16_384, 0, 0

    def __init__(self, separator: ModelEngine, parts: Callable[[], Iterator[Path]]) -> None:
        self.spec, self.stems, self.provider = separator.spec, separator.stems, separator.provider
        self._parts = parts
        self._file: BinaryIO | None = None
        self._left = parts()

    def process(self, block: Float32, out: Float32) -> None:
        """Give the stems of the next block; see `Separator.process`.

        Raises
        ------
        AudioFileError
            If the parts hold less than the song.
        """
        filled, size = 0, out.shape[-1]
        while filled < size and (frames := self._read(size - filled)).size:
            end = filled + len(frames)
            out[:-1, :, filled:end] = frames.T.reshape(*out[:-1].shape[:2], -1)
            filled = end
        if not filled:
            raise AudioFileError(
                "the parts of the song end before it does",
                expected="all parts of this very song",
                remedy="run the same again",
            )
        out[:-1, :, filled:] = 0.0  # beyond the song's end
        np.copyto(out[-1], block)
        for stem in out[:-1]:
            np.subtract(out[-1], stem, out=out[-1])

    def _read(self, count: int) -> Float32:
        """Return (n, stems · channels), at most so many samples; none when all is read."""
        width = (len(self.stems) - 1) * self.spec.channels
        while True:
            if self._file is None:
                path = next(self._left, None)
                if path is None:
                    return np.zeros((0, width), np.float32)
                self._file = path.open("rb")
            frames = np.frombuffer(self._file.read(count * width * SAMPLE.itemsize), SAMPLE)
            if frames.size:
                return frames.astype(np.float32).reshape(-1, width)
            self._file.close()
            self._file = None

    def reset(self) -> None:
        """Start anew, at the song's beginning."""
        if self._file is not None:
            self._file.close()
        self._file, self._left = None, self._parts()
