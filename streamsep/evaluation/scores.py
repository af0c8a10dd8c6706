"""Scores of one song by one method, and their table."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from rich.table import Table

from streamsep.errors import StreamsepError
from streamsep.evaluation.metrics import song_usdr
from streamsep.evaluation.songs import ReferenceSong
from streamsep.types import Float32


@dataclass(frozen=True, slots=True)
class Score:
    """Decibels, higher is better; NaN for what wasn't measured.

    Attributes
    ----------
    beat_usdr, vocals_usdr
        Of the whole song.
    music_kept
        uSDR of the beat when the accompaniment is played alone: nothing should be missing.
    voice_removed
        How far the beat lies below the vocals when they are sung alone.
    beat_museval, vocals_museval
        museval's median over one-second frames.
    """

    song: str
    method: str
    beat_usdr: float
    vocals_usdr: float
    music_kept: float = float("nan")
    voice_removed: float = float("nan")
    beat_museval: float = float("nan")
    vocals_museval: float = float("nan")


FIGURES = tuple(field.name for field in fields(Score))[2:]


def score_song(
    song: ReferenceSong,
    method: str,
    beat: Float32,
    vocals: Float32,
    sample_rate: int,
    *,
    museval: bool,
) -> Score:
    """Compare separated stems (C, N) with the true ones.

    Raises
    ------
    StreamsepError
        If ``museval`` is asked for and not installed.
    """
    score = Score(song.name, method, song_usdr(song.beat, beat), song_usdr(song.vocals, vocals))
    if museval:
        medians = _museval_medians(song, beat, vocals, sample_rate)
        score = replace(score, beat_museval=medians[0], vocals_museval=medians[1])
    return score


def score_alone(
    score: Score, song: ReferenceSong, separate: Callable[[ReferenceSong], Float32]
) -> Score:
    """Add what becomes of each stem when it is played alone.

    Parameters
    ----------
    separate
        Returns the beat (C, N) of a song.
    """
    nothing = np.zeros_like(song.beat)
    music = separate(replace(song, vocals=nothing))
    # What is left of the voice, against silence, is the voice's level over the rest's.
    voice = separate(replace(song, beat=nothing))
    return replace(
        score,
        music_kept=song_usdr(song.beat, music),
        voice_removed=song_usdr(song.vocals, song.vocals - voice),
    )


def _museval_medians(
    song: ReferenceSong, beat: Float32, vocals: Float32, sample_rate: int
) -> tuple[float, float]:
    """Return BSSEval v4's median SDR of beat and vocals (Stöter, Liutkus and Ito 2018)."""
    try:
        from museval.metrics import bss_eval
    except ImportError as error:
        raise StreamsepError(
            "museval isn't installed",
            expected="the eval extra",
            remedy="pip install 'streamsep[eval]', or leave museval out",
        ) from error
    if not hasattr(np.linalg, "linalg"):
        # museval 0.4.1 catches LinAlgError by a name that NumPy 2.4 has no more; it then goes on.
        np.linalg.linalg = np.linalg  # type: ignore[attr-defined]
    truth = np.stack([song.beat.T, song.vocals.T])
    guess = np.stack([beat.T, vocals.T])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # silent frames are NaN, which the median leaves out
        sdr = bss_eval(
            truth,
            guess,
            window=sample_rate,
            hop=sample_rate,
            compute_permutation=False,
            filters_len=512,
            framewise_filters=False,
            bsseval_sources_version=False,
        )[0]
        beat_sdr, vocals_sdr = np.nanmedian(sdr, axis=1)
    return float(beat_sdr), float(vocals_sdr)


def mean_scores(scores: Sequence[Score]) -> list[Score]:
    """Return the mean over songs for each method, in order of appearance."""
    means = []
    for method in dict.fromkeys(score.method for score in scores):
        rows = [[getattr(s, f) for f in FIGURES] for s in scores if s.method == method]
        means.append(Score("mean", method, *(float(v) for v in np.mean(rows, axis=0))))
    return means


def scores_table(scores: Sequence[Score]) -> Table:
    """Return all scores and their means as a table for the terminal."""
    table = Table(box=None, pad_edge=False)
    names = (
        "song",
        "method",
        "beat uSDR",
        "vocals uSDR",
        "music kept",
        "voice removed",
        "beat museval",
        "vocals museval",
    )
    for index, name in enumerate(names):
        table.add_column(name, justify="left" if index < 2 else "right")
    before = ""
    for score in [*scores, *mean_scores(scores)]:
        figures = ("" if np.isnan(v) else f"{v:.2f}" for v in (getattr(score, f) for f in FIGURES))
        table.add_row(score.song if score.song != before else "", score.method, *figures)
        before = score.song
    return table


def scores_tsv(scores: Sequence[Score]) -> str:
    """Return the same as tab-separated text."""
    lines = ["\t".join(field.name for field in fields(Score))]
    for score in [*scores, *mean_scores(scores)]:
        figures = (f"{getattr(score, name):.4f}" for name in FIGURES)
        lines.append("\t".join((score.song, score.method, *figures)))
    return "\n".join(lines) + "\n"
