"""One file through a separator, into files that are there whole or not at all."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import numpy as np

from streamsep.audio.files import tags
from streamsep.audio.files.container import ENCODERS, MediaWriter
from streamsep.audio.files.media import installed
from streamsep.audio.files.notices import OnNotice
from streamsep.audio.files.output_folder import make_folder
from streamsep.audio.files.sound_file import FORMATS, AudioReader, AudioWriter
from streamsep.dsp.channels import match_channels
from streamsep.dsp.resample import StreamResampler
from streamsep.errors import OutputError
from streamsep.offline.prefetch import prefetch
from streamsep.separation import ChunkedSeparator, Separator, gains_for
from streamsep.types import Float32

Blocks = Generator[Float32, None, None]


def separate_file(
    separator: Separator,
    path: Path,
    targets: dict[str, Path],
    *,
    bits: int | None = None,
    gain: float = 1.0,
    on_progress: Callable[[float], object],
    on_notice: OnNotice | None = None,
) -> dict[str, float]:
    """Write stems of a file and return the peak of each, where 1.0 is full scale.

    Parameters
    ----------
    separator
        Of any state: it starts anew.
    path
        Sound or video; its rate is kept, mono stays mono, more than two channels become two.
        What can't be read of it is silence.
    targets
        File for each stem; its folder is made if missing.
    bits
        See `AudioWriter`.
    gain
        Factor on every stem.
    on_progress
        Called with the share done, 0 to 1; also while a pipe gives nothing.
    on_notice
        Told what isn't in the stems as it was in the file.

    Raises
    ------
    AudioFileError
        If nothing of the file can be read.
    OutputError
        If a stem can't be written. Nothing is left under a stem's name in either case.
    ModelError
        If the model doesn't give such a stem.
    """
    separator.reset()  # a file that failed leaves its sound inside
    mixer = gain * stem_gains(separator, tuple(targets))
    peaks = np.zeros(len(targets))
    share = 0.0
    with (
        AudioReader(path, on_notice=on_notice, waiting=lambda: on_progress(share)) as reader,
        _written_whole(targets, reader, bits) as writers,
    ):
        done = 0
        # Closed before the reader: threads use it.
        with closing(separated(separator, reader, reader.chunks())) as blocks:
            for stems in blocks:
                # (No matrix product: BLAS's threads would take the graph's core.)
                mixed = np.einsum("ts,scn->tcn", mixer, stems)
                for writer, stem in zip(writers, mixed, strict=True):
                    writer.write(stem)
                if mixed.size:
                    peaks = np.maximum(peaks, np.abs(mixed).max(axis=(1, 2)))
                done += stems.shape[-1]
                share = min(done / reader.frames, 1.0) if reader.frames else 0.0
                on_progress(share)
    return dict(zip(targets, peaks.tolist(), strict=True))


def stem_gains(separator: Separator, names: tuple[str, ...]) -> Float32:
    """Return (names, S): how the stems asked for are made of those of the separator.

    Raises
    ------
    ModelError
        If the model doesn't give one of them.
    """
    gains = [gains_for(name, separator.stems) for name in names]
    rows = [[gain.get(stem, 0.0) for stem in separator.stems] for gain in gains]
    return np.array(rows, np.float32)


def separated(separator: Separator, reader: AudioReader, chunks: Iterable[Float32]) -> Blocks:
    """Yield stems (S, C, n) at the file's rate, in all as long as ``chunks`` (C, n) of the file.

    C is the file's channels, at most the model's. The residual is taken from the file itself:
    what the model's sample rate can't hold stays in it, and the stems sum to the file.

    The file is read on one thread and separated on another; who iterates does the rest.
    """
    spec, rate = separator.spec, reader.sample_rate
    count, channels = len(separator.stems), min(reader.channels, spec.channels)
    way_out = StreamResampler(spec.sample_rate, rate, count * spec.channels)
    read: deque[Float32] = deque()  # the file's sound, from one thread to the other
    original = np.zeros((channels, 0), np.float32)  # what no stems have come for yet

    def mixtures() -> Blocks:
        way_in = StreamResampler(rate, spec.sample_rate, spec.channels)
        for chunk in chunks:
            read.append(match_channels(chunk, channels))
            yield way_in.process(match_channels(chunk, spec.channels))
        yield way_in.process(np.zeros((spec.channels, 0), np.float32), last=True)

    def separate() -> Blocks:
        chunked = ChunkedSeparator(separator)
        with closing(prefetch(mixtures())) as sounds:
            for mixture in sounds:
                yield chunked.feed(mixture)
        yield chunked.finish()

    def back(stems: Float32, *, last: bool = False) -> Float32:
        nonlocal original
        while read:
            original = np.concatenate([original, read.popleft()], axis=-1)
        flat = way_out.process(stems.reshape(count * spec.channels, -1), last=last)
        if last:  # rounding there and back may have cost a sample
            missing = max(original.shape[-1] - flat.shape[-1], 0)
            flat = np.pad(flat, ((0, 0), (0, missing)))
        there = min(flat.shape[-1], original.shape[-1])
        full = flat[:, :there].reshape(count, spec.channels, there)
        stems = np.stack([match_channels(stem, channels) for stem in full])
        stems[-1] = original[:, :there]
        for stem in stems[:-1]:
            stems[-1] -= stem
        original = original[:, there:]
        return stems

    with closing(prefetch(separate())) as blocks:
        for stems in blocks:
            yield back(stems)
    yield back(np.zeros((count, spec.channels, 0), np.float32), last=True)


@contextmanager
def _written_whole(
    targets: dict[str, Path], reader: AudioReader, bits: int | None
) -> Iterator[list[AudioWriter | MediaWriter]]:
    """Writers under temporary names; the final ones appear only when all is written."""
    parts = [t.with_name(f".{t.stem}.part{t.suffix}") for t in targets.values()]
    channels = min(reader.channels, 2)
    try:
        # Read while the stems are made: that takes a while, and they take the time anyway.
        with ThreadPoolExecutor() as beside, ExitStack() as stack:
            tagged = [part for part in parts if part.suffix.lower() in tags.SUFFIXES]
            found = beside.submit(tags.read_tags, reader.path) if tagged else None
            writers: list[AudioWriter | MediaWriter] = []
            for part in parts:
                make_folder(part.parent, "-o")
                writer = _open_writer(part, reader, channels, bits)
                stack.push(writer)
                writers.append(writer)
            yield writers
            stack.pop_all()
            # Together, since each waits for the disk.
            for closed in [beside.submit(writer.close) for writer in writers]:
                closed.result()
        kept = found.result() if found else None
        if kept is not None:
            for part in tagged:
                tags.write_tags(part, kept)
        for part, target in zip(parts, targets.values(), strict=True):
            _rename(part, target)
    except OutputError as error:
        what = error.what
        for part, target in zip(parts, targets.values(), strict=True):
            what = what.replace(str(part), str(target))  # the name that was asked for
        raise OutputError(what, expected=error.expected, remedy=error.remedy) from error
    finally:
        for part in parts:
            with suppress(OSError):  # where there is no such folder, or no such name can be
                part.unlink()


def _open_writer(
    part: Path, reader: AudioReader, channels: int, bits: int | None
) -> AudioWriter | MediaWriter:
    """Choose who writes: PyAV where it can carry a cover or a picture along."""
    suffix, rate = part.suffix.lower(), reader.sample_rate
    if suffix in ENCODERS and (suffix not in FORMATS or installed()):
        return MediaWriter(
            part, rate, channels, source=reader.path, start_s=reader.start_s, bits=bits
        )
    return AudioWriter(part, rate, channels, bits=bits, tags=reader.tags)


def _rename(part: Path, target: Path) -> None:
    try:
        os.replace(part, target)
    except OSError as error:
        raise OutputError(
            f"{target} can't be written ({error.strerror})",
            expected="a name that is free, or an older stem",
            remedy="choose another folder with -o",
        ) from error
