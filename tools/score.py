"""Score known singers against vocals that a model separated. Gives decision 0039.

    python tools/score.py DIR --model live --seconds 40

DIR holds songs as 'streamsep evaluate' takes them. Of each song its true vocals sing along, as they
are, shifted by a semitone (at their own speed, so that lengths fit) and by an octave; silence, the
song's beat, and the true vocals of the other songs, of which the best is shown. First come
synthesised singers against synthesised vocals, as in the tests.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
import numpy as np
import pylibrb
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent))
import streamsep
from streamsep.errors import StreamsepError
from streamsep.evaluation.songs import find_reference_songs, read_reference_song
from streamsep.scoring import Judge
from testing.singing import OTHER_TUNE, RATE, sing

CHUNK = 2_048
SINGERS = ("right", "a semitone flat", "an octave low", "silence", "the beat", "another song")
ANOTHER = SINGERS[-1]


def score(vocals: np.ndarray, voice: np.ndarray) -> tuple[float, float, float]:
    """Return percent, seconds that counted, and seconds of a core for each second."""
    judge = Judge(
        ["singer"], sample_rate=RATE, delays=[lambda: 0], seconds_of=lambda samples: samples / RATE
    )
    size = min(len(vocals), len(voice))
    sound = np.stack([vocals[:size], voice[:size]]).astype(np.float32)
    began = time.process_time()
    for start in range(0, size, CHUNK):
        judge.process(sound[:, start : start + CHUNK])
    took = time.process_time() - began
    singer = judge.snapshot().singers[0]
    return singer.percent or 0.0, singer.sung_s, took * RATE / size


def shifted(voice: np.ndarray, semitones: float) -> np.ndarray:
    """Return a voice in another key, in time with itself."""
    options = pylibrb.Option.PROCESS_REALTIME | pylibrb.Option.FORMANT_PRESERVED
    stretcher = pylibrb.RubberBandStretcher(sample_rate=RATE, channels=1, options=options)
    stretcher.pitch_scale = 2 ** (semitones / 12)
    stretcher.set_max_process_size(CHUNK)
    stretcher.process(np.zeros((1, stretcher.get_preferred_start_pad()), np.float32))
    lead, parts = stretcher.get_start_delay(), []
    for start in range(0, len(voice), CHUNK):
        stretcher.process(np.ascontiguousarray(voice[None, start : start + CHUNK]))
        parts.append(stretcher.retrieve_available())
    return np.concatenate(parts, axis=-1)[0, lead:]


def synthesised() -> dict[str, np.ndarray]:
    """Return singers of a synthesised song of 20 seconds."""
    how = dict(seconds=20.0, seed=3)
    return {
        "right": sing(**how),
        "a semitone flat": sing(**how, transpose=-1.0),
        "an octave low": sing(**how, transpose=-12.0),
        "silence": np.zeros(20 * RATE, np.float32),
        ANOTHER: sing(OTHER_TUNE, 20.0),
    }


def row(table: Table, name: str, vocals: np.ndarray, singers: dict[str, list[np.ndarray]]) -> None:
    """Add a song's scores: of several voices under one name the best."""
    found = {who: max(score(vocals, v) for v in voices) for who, voices in singers.items()}
    percents = [f"{found[who][0]:.0f}" if who in found else "" for who in SINGERS]
    _, counted_s, load = found["right"]
    table.add_row(name, f"{counted_s:.1f} s", f"{100 * load:.1f} %", *percents)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--model", default="live", show_default=True)
@click.option("--seconds", default=40.0, show_default=True, help="Of each song, from its start.")
def main(folder: Path, model: str, seconds: float) -> None:
    """Print a table: a line a song, a column a singer."""
    table = Table("song", "counted", "of a core", *SINGERS)
    row(table, "synthesised", sing(seconds=20.0), {w: [v] for w, v in synthesised().items()})
    try:
        loaded = streamsep.load(model)
        songs, size = {}, round(seconds * RATE)
        for path in find_reference_songs(folder):
            song = read_reference_song(path, sample_rate=RATE, channels=2)
            songs[song.name] = [part[:, :size] for part in (song.vocals, song.beat)]
        for name, (vocals, beat) in songs.items():
            found = streamsep.separate(vocals + beat, RATE, model=loaded)["vocals"].mean(axis=0)
            voice = vocals.mean(axis=0)
            singers = {
                "right": [voice],
                "a semitone flat": [shifted(voice, -1.0)],
                "an octave low": [shifted(voice, -12.0)],
                "silence": [np.zeros_like(voice)],
                "the beat": [beat.mean(axis=0)],
                ANOTHER: [v.mean(axis=0) for other, (v, _) in songs.items() if other != name],
            }
            row(table, name, found, singers)
    except StreamsepError as error:
        raise click.ClickException(str(error)) from error
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
