"""Separation of a whole array, or of a whole file, in one call."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from streamsep.audio.files.encoding import CODECS, Encoding
from streamsep.audio.files.notices import Notice
from streamsep.audio.files.part_files import remove_leftovers
from streamsep.audio.files.pipe_input import STDIN
from streamsep.audio.files.sound_choice import BOTH, SoundChoice
from streamsep.audio.files.sound_file import CHUNK_S
from streamsep.dsp.decibels import db_to_gain, to_db
from streamsep.errors import ArgumentError
from streamsep.models.quality import AUTO
from streamsep.offline.jobs import InputFile, Template, plan
from streamsep.offline.stem_blocks import stem_blocks
from streamsep.offline.stem_writer import write_stems
from streamsep.separation.audio_array import check_sample_rate, check_sound
from streamsep.separation.model import Model, Models, ModelSource, load
from streamsep.separation.per_pair import LAYOUT_WAYS, PairSeparators
from streamsep.separation.separator import Separator, stem_gains
from streamsep.separation.stream import StemDict, stem_list
from streamsep.types import Float32

Progress = Callable[[float], object]
FLOAT_BITS = 32  # a depth that holds more than full scale


def separate(
    audio: ArrayLike,
    sample_rate: int,
    *,
    stems: Sequence[str] | str | None = None,
    model: Models | Model = AUTO,
    blend: str | None = None,
    two_pass: ModelSource | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> StemDict:
    """Separate a whole sound.

    The engine for files does it: it may look ahead, and runs faster than the sound plays. The
    stems of all names sum to the sound, within 1e-4 of full scale.

    Parameters
    ----------
    audio
        (C, N), channels first, or (N,) for mono, float32 or float64, full scale ±1. C is 1 or
        the model's number of channels: 2 for the built-in ones.
    sample_rate
        Of ``audio``, in Hz, 8,000 to 384,000; the stems have it too.
    stems
        Names to give, such as ``["beat"]``, which is all but the vocals; ``accompaniment`` and
        ``instrumental`` mean the beat.  [default: all]
    model
        See `load`; a loaded Model, where several sounds are to be separated.
    blend, two_pass
        For several models at once, see `load`.
    device
        See `load`; of a Model that is loaded already it says nothing.
    progress
        Called with the share done, 0 to 1.

    Returns
    -------
    dict of str to Float32
        (C, N) float32 for each stem, by its canonical name; mono comes back as (1, N). The beat
        is found as ``accompaniment`` and ``instrumental`` too.

    Raises
    ------
    ArgumentError
        A ValueError: for another shape, type, number of channels or rate, for NaN, Inf and no
        samples, saying what was expected.
    ModelError
        If there is no such model, or it doesn't give such a stem.
    BackendError
        If the device can't be had, or the model fails.

    Examples
    --------
    >>> stems = streamsep.separate(audio, 48_000)
    >>> stems["beat"].shape == audio.shape
    True
    """
    rate = check_sample_rate(sample_rate)
    loaded = load(model, device=device, blend=blend, two_pass=two_pass)
    sound = check_sound(audio, loaded.spec)
    names = stem_list(stems, loaded.stems)
    gains = stem_gains(names, loaded.stems)
    out, done = np.empty((len(names), *sound.shape), np.float32), 0
    with loaded.separator(offline=True) as separator:
        blocks = stem_blocks(separator, _pieces(sound, rate), sample_rate=rate, channels=len(sound))
        with closing(blocks):
            for block in blocks:
                part = out[..., done : done + block.shape[-1]]
                # (No matrix product: BLAS's threads would take the graph's core.)
                np.einsum("ts,scn->tcn", gains, block, out=part)
                done += block.shape[-1]
                if progress is not None:
                    progress(done / sound.shape[-1])
    return StemDict(zip(names, out, strict=True))


def _pieces(sound: Float32, sample_rate: int) -> Iterator[Float32]:
    size = max(1, int(CHUNK_S * sample_rate))
    for start in range(0, sound.shape[-1], size):
        yield sound[:, start : start + size]


def separate_file(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    stems: Sequence[str] | str | None = None,
    model: Models | Model = AUTO,
    blend: str | None = None,
    two_pass: ModelSource | None = None,
    device: str = "auto",
    format: str | None = None,
    bits: int | None = None,
    codec: str | None = None,
    layout: str = "stereo",
    gain_db: float = 0.0,
    track: str | int | None = None,
    channel: str = BOTH,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Separate a sound file or a video into a file for each stem.

    The stems have the file's sample rate and, to the sample, its length; mono stays mono, more
    than two channels become two, unless ``layout`` keeps them; tags and covers are kept. Each file
    is there whole or not at all, and older ones are overwritten. What of the file can't be read is
    silence in them.

    Parameters
    ----------
    path
        WAV, FLAC, OGG or MP3; with the extra ``media`` anything that FFmpeg reads. A pipe is
        read as it comes; ``"-"`` is standard input.
    output
        Where the stems go: a folder, which is made if it is missing; or a path with
        ``{folder}``, ``{name}``, ``{ext}`` and ``{stem}`` in it, such as
        ``"out/{name} ({stem}).flac"``.  [default: beside the file, as ``name.stem.wav``]
    stems
        Names to write, such as ``["beat"]``; see `separate`.  [default: all; of a video the
        beat, with the same picture]
    model, blend, two_pass, device
        See `separate`.
    format
        ``"wav"``, ``"flac"``, ``"ogg"``, ``"mp3"``, ``"m4a"``, or ``"stem.m4a"``, a file of all
        stems for DJ programs.  [default: what ``output`` ends in, or wav; a video stays one]
    bits
        Per sample, 16, 24, or 32 for floating point, in wav, flac and alac.  [default: 24; 16 in
        stem.m4a]
    codec
        ``"aac"`` or ``"alac"``, which is lossless, in m4a and stem.m4a.  [default: aac in m4a,
        alac in stem.m4a]
    layout
        Of more than two channels: ``"stereo"`` mixes them down, by ITU-R BS.775; ``"keep"``
        separates each pair (front, side, back, …), and single ones such as the centre as mono, and
        writes them as they came. The low-frequency effects stay in the beat.
    gain_db
        Makes all stems louder or quieter, in decibels.
    track
        Of a file with several tracks of sound: number from 1, language or title.
        [default: the one that players take]
    channel
        ``"left"`` or ``"right"``: one side alone, as of karaoke discs; the stems are mono.
    progress
        Called with the share done, 0 to 1.

    Returns
    -------
    dict of str to Path
        The file that was written for each stem, by its canonical name.

    Warns
    -----
    UserWarning
        If a stem went beyond full scale and was cut there, and for all else that isn't in the
        stems as it was in the file.

    Raises
    ------
    AudioFileError
        If the file is missing, or nothing of it can be read.
    OutputError
        If a stem can't be written; nothing is left under its name then.
    ArgumentError
        If ``output`` is no template, ``gain_db`` no gain, ``codec`` or ``layout`` none of the two,
        ``channel`` no side, or a stem file of some stems alone is asked for.
    ModelError
        If there is no such model, or it doesn't give such a stem.
    BackendError
        If the device can't be had, or the model fails.

    Examples
    --------
    >>> streamsep.separate_file("song.mp3", "stems/", stems=["beat"])
    {'beat': PosixPath('stems/song.beat.wav')}
    """
    if not gain_db < math.inf:
        raise ArgumentError(
            f"the gain is {gain_db} dB",
            expected="a number of decibels, or -inf for silence",
            remedy="leave it out for stems as loud as in the song",
        )
    choice = SoundChoice(None if track is None else str(track), channel)
    song = InputFile(STDIN if os.fspath(path) == "-" else Path(path))
    template = Template(
        None if output is None else os.fspath(output), f".{format.lstrip('.')}" if format else None
    )
    for what, value, known in (("codec", codec, (None, *CODECS)), ("layout", layout, LAYOUT_WAYS)):
        if value not in known:
            raise ArgumentError(
                f"the {what} is {value!r}",
                expected=" or ".join(repr(word) for word in known if word),
                remedy="choose one of these, or leave it out",
            )
    encoding = Encoding(bits, codec)
    encoding.check(template.suffix_for(song))
    loaded = load(model, device=device, blend=blend, two_pass=two_pass)
    names = None if stems is None else stem_list(stems, loaded.stems)
    (job,) = plan([song], template, names, loaded.stems)
    notices: list[Notice] = []
    remove_leftovers(target.parent for target in job.targets.values())
    with ExitStack() as held:

        def another() -> Separator:
            return held.enter_context(loaded.separator(offline=True))

        separator = another()
        peaks = write_stems(
            separator,
            song.path,
            job.targets,
            choice=choice,
            encoding=encoding,
            per_pair=PairSeparators(separator, another) if layout == "keep" else None,
            gain=db_to_gain(gain_db),
            on_progress=progress or (lambda share: None),
            on_notice=notices.append,
        )
    for notice in notices:
        warnings.warn(str(notice), stacklevel=2)
    for target, peak in job.peaks_of_files(peaks).items():
        if peak > 1.0 and bits != FLOAT_BITS:
            warnings.warn(
                f"{target} is up to {to_db(peak):.1f} dB beyond full scale, and cut there; "
                "a lower gain_db or 32 bits in wav keeps it whole",
                stacklevel=2,
            )
    return job.targets
