"""One file through a separator, into files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from streamsep.audio.files.notices import OnNotice
from streamsep.audio.files.sound_choice import WHOLE, SoundChoice
from streamsep.audio.files.sound_file import AudioReader
from streamsep.audio.files.whole_files import written_whole
from streamsep.offline.stem_blocks import stem_blocks
from streamsep.separation import Separator, stem_gains


def write_stems(
    separator: Separator,
    path: Path,
    targets: dict[str, Path],
    *,
    choice: SoundChoice = WHOLE,
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
    choice
        Which of its tracks, and of its channels.
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
        AudioReader(
            path, choice=choice, on_notice=on_notice, waiting=lambda: on_progress(share)
        ) as reader,
        written_whole(targets, reader, bits) as writers,
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
