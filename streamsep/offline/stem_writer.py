"""One file through a separator, into files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
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
from streamsep.errors import OutputError
from streamsep.offline.stem_blocks import stem_blocks
from streamsep.separation import Separator, stem_gains


def write_stems(
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
    mixer = gain * stem_gains(tuple(targets), separator.stems)
    peaks = np.zeros(len(targets))
    share = 0.0
    with (
        AudioReader(path, on_notice=on_notice, waiting=lambda: on_progress(share)) as reader,
        _written_whole(targets, reader, bits) as writers,
    ):
        done = 0
        blocks = stem_blocks(
            separator,
            reader.chunks(),
            sample_rate=reader.sample_rate,
            channels=min(reader.channels, separator.spec.channels),
        )
        with closing(blocks):  # before the reader: threads use it
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
                make_folder(part.parent)
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
            remedy="choose another folder",
        ) from error
