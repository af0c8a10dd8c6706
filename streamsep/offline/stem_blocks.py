"""Chunks of sound through a separator, block by block, on a thread for each step."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing

import numpy as np

from streamsep.audio.files.sound_file import CHUNK_S
from streamsep.dsp.channels import match_channels
from streamsep.dsp.resample import StreamResampler
from streamsep.offline.freed_memory import return_freed_memory
from streamsep.offline.prefetch import prefetch
from streamsep.separation import ChunkedSeparator, Separator
from streamsep.separation.stem_resampler import StemResampler
from streamsep.spec import SeparatorSpec
from streamsep.types import Float32

Blocks = Generator[Float32, None, None]
FEWEST_AHEAD = 4  # chunks that are made before they are asked for


def stem_blocks(
    separator: Separator, chunks: Iterable[Float32], *, sample_rate: int, channels: int
) -> Blocks:
    """Yield stems (S, ``channels``, n) at the sound's own rate, in all as long as the chunks.

    The chunks are read on one thread and separated on another; who iterates resamples what comes
    back. So the steps overlap: decoders, onnxruntime and soxr let other threads run.

    Parameters
    ----------
    separator
        Fresh or reset.
    chunks
        (C, n) float32; used by a thread of its own.
    sample_rate
        Of the chunks, in Hz.
    channels
        Of what is yielded: at most the model's; chunks of more are folded to as many.
    """
    return_freed_memory()  # what loading the model left
    spec = separator.spec
    way_out = StemResampler(spec, len(separator.stems), sample_rate=sample_rate, channels=channels)

    def noted() -> Iterator[Float32]:
        for chunk in chunks:
            way_out.note(match_channels(chunk, channels))
            yield chunk

    def separated() -> Blocks:
        """Yield stems at the model's rate."""
        chunked = ChunkedSeparator(separator)
        sounds = prefetch(mixtures(noted(), sample_rate, spec), ahead)
        with closing(sounds):
            for mixture in sounds:
                yield from pieces(chunked.blocks(mixture))
        yield from pieces(chunked.last_blocks())

    def pieces(blocks: Iterable[Float32]) -> Iterator[Float32]:
        """Yield parts that fit a processor's cache; none of what is empty."""
        for stems in blocks:
            for start in range(0, stems.shape[-1], piece):
                yield stems[..., start : start + piece]

    piece, ahead = max(1, int(CHUNK_S * spec.sample_rate)), chunks_ahead(separator)
    with closing(prefetch(separated(), ahead)) as blocks:
        for stems in blocks:
            yield way_out.process(stems)
    nothing = np.zeros((len(separator.stems), spec.channels, 0), np.float32)
    yield way_out.process(nothing, last=True)


def chunks_ahead(separator: Separator) -> int:
    """Return how many chunks to read ahead: a whole block, while the one before is separated."""
    return FEWEST_AHEAD + int(separator.block_size / (CHUNK_S * separator.spec.sample_rate))


def mixtures(chunks: Iterable[Float32], sample_rate: int, spec: SeparatorSpec) -> Blocks:
    """Yield sound (C, n) as a model takes it: at its rate, with its channels.

    Parameters
    ----------
    chunks
        (C, n) float32, of any number of channels.
    sample_rate
        Of the chunks, in Hz.
    spec
        Of the model.
    """
    way_in = StreamResampler(sample_rate, spec.sample_rate, spec.channels)
    for chunk in chunks:
        yield way_in.process(match_channels(chunk, spec.channels))
    yield way_in.process(np.zeros((spec.channels, 0), np.float32), last=True)
