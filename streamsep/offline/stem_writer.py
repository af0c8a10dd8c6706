"""One file through a separator, into files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from streamsep.audio.files.encoding import STEM_FILE, Encoding, sound_suffix
from streamsep.audio.files.notices import OnNotice
from streamsep.audio.files.sound_choice import WHOLE, SoundChoice
from streamsep.audio.files.sound_file import AudioReader
from streamsep.audio.files.whole_files import written_whole
from streamsep.offline.stem_blocks import stem_blocks
from streamsep.separation import Separator, stem_gains
from streamsep.separation.per_pair import PairSeparators

AS_USUAL = Encoding()


def write_stems(
    separator: Separator,
    path: Path,
    targets: dict[str, Path],
    *,
    choice: SoundChoice = WHOLE,
    encoding: Encoding = AS_USUAL,
    per_pair: PairSeparators | None = None,
    gain: float = 1.0,
    on_progress: Callable[[float], object],
    on_notice: OnNotice | None = None,
) -> dict[str, float]:
    """Write stems of a file and return the peak of each, where 1.0 is full scale.

    In a stem file that of the mixture counts for all.

    Parameters
    ----------
    separator
        Of any state: it starts anew.
    path
        Sound or video; its rate is kept, mono stays mono, more than two channels become two
        unless there is a separator for each pair. What can't be read of it is silence.
    targets
        File for each stem; its folder is made if missing. Of a stem file the same for each.
    choice
        Which of its tracks, and of its channels.
    encoding
        Of the files.
    per_pair
        Where given, each pair of more than two channels is separated by one of these, and as many
        are written.
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
        If the model doesn't give such a stem, or isn't one for pairs.
    """
    in_one_file = all(sound_suffix(target) == STEM_FILE for target in targets.values())
    mixer = gain * stem_gains(tuple(targets), separator.stems)
    peaks = np.zeros(len(targets))
    share = 0.0
    with ExitStack() as stack:
        reader = stack.enter_context(
            AudioReader(
                path,
                choice=choice,
                on_notice=on_notice,
                waiting=lambda: on_progress(share),
                keep_layout=per_pair is not None,
            )
        )
        if per_pair is not None:
            separator = per_pair.for_speakers(reader.speakers)
        separator.reset()  # a file that failed leaves its sound inside
        writers = stack.enter_context(written_whole(targets, reader, encoding))
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
                sounds = [mixed] if in_one_file else mixed
                for writer, sound in zip(writers, sounds, strict=True):
                    writer.write(sound)
                if mixed.size:
                    peaks = np.maximum(peaks, np.abs(mixed).max(axis=(1, 2)))
                    if in_one_file:  # the mixture is in it too
                        peaks = np.maximum(peaks, np.abs(mixed.sum(axis=0)).max())
                done += stems.shape[-1]
                share = min(done / reader.frames, 1.0) if reader.frames else 0.0
                on_progress(share)
    return dict(zip(targets, peaks.tolist(), strict=True))
