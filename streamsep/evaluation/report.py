"""A page to look at and listen to: scores, spectrograms, sound."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamsep.audio.files.part_files import whole_file
from streamsep.audio.files.sound_writer import AudioWriter
from streamsep.evaluation.picture import draw_picture
from streamsep.evaluation.scores import FIGURES, Score, mean_scores, scores_tsv
from streamsep.evaluation.songs import ReferenceSong
from streamsep.evaluation.spectrogram import spectrogram_of
from streamsep.types import Float32

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:right}
td:nth-child(-n+2),th:nth-child(-n+2){text-align:left}tr.live{background:#eef6ff}
img{max-width:100%}figure{margin:1rem 0}audio{width:100%}"""


def write_song(
    folder: Path, song: ReferenceSong, beat: Float32, vocals: Float32, rate: int
) -> None:
    """Write a song's sounds and its spectrograms into the report's folder.

    Raises
    ------
    OutputError
        If the folder can't be written.
    StreamsepError
        If matplotlib isn't installed.
    """
    sounds = {"mixture": song.mixture, "beat": beat, "vocals": vocals}
    for name, sound in sounds.items():
        with (
            whole_file(folder / f"{song.name}.{name}.ogg") as part,
            AudioWriter(part, rate, len(sound)) as writer,
        ):
            writer.write(sound)
    pictured = sounds | {"true vocals": song.vocals}
    spectrograms = {name: spectrogram_of(sound, rate) for name, sound in pictured.items()}
    draw_picture(spectrograms, folder / f"{song.name}.png")


def write_page(folder: Path, model: str, scores: Sequence[Score]) -> Path:
    """Write ``index.html`` and ``scores.tsv`` beside the songs' files; return the page.

    Raises
    ------
    OutputError
        If the folder can't be written.
    """
    with whole_file(folder / "scores.tsv") as part:
        part.write_text(scores_tsv(scores), encoding="utf-8", errors="replace")
    songs = list(dict.fromkeys(score.song for score in scores))
    body = [f"<h1>{html.escape(model)}</h1>", _table([*scores, *mean_scores(scores)])]
    for name in map(html.escape, songs):
        body.append(f"<h2>{name}</h2><figure><img src='{name}.png' alt='spectrograms'></figure>")
        body += [
            f"<p>{stem}<audio controls preload='none' src='{name}.{stem}.ogg'></audio></p>"
            for stem in ("mixture", "beat", "vocals")
        ]
    page = folder / "index.html"
    text = (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(model)}</title>"
        f"<style>{STYLE}</style>{''.join(body)}</html>\n"
    )
    with whole_file(page) as part:
        # A song's name may be no text.
        part.write_text(text, encoding="utf-8", errors="replace")
    return page


def _table(scores: Sequence[Score]) -> str:
    head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in ("song", "method", *FIGURES))
    rows = []
    for score in scores:
        cells = "".join(
            "<td></td>" if np.isnan(v) else f"<td>{v:.2f}</td>"
            for v in (getattr(score, name) for name in FIGURES)
        )
        mark = " class='live'" if score.method == "model live" else ""
        names = f"<td>{html.escape(score.song)}</td><td>{score.method}</td>"
        rows.append(f"<tr{mark}>{names}{cells}</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table><p>Decibels, higher is better.</p>"
