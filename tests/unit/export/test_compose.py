"""Songs that chance composes."""

from __future__ import annotations

from itertools import pairwise

import mido
import numpy as np
import pytest
import soundfile as sf

from export.cli import main
from export.constants import SAMPLE_RATE
from export.data.compose import DRUM_CHANNEL, compose, draw_plan, draw_tune
from export.data.manifest import read_manifest
from export.data.midi import VOICES

SOUNDFONT = "/usr/share/sounds/sf2/TimGM6mb.sf2"


def sounding(song: mido.MidiFile) -> list[tuple[float, int, int]]:
    """Return (when, channel, pitch) of all notes, and fail if one hangs."""
    now, held, notes = 0.0, set(), []
    for message in song:
        now += message.time
        if message.type == "note_on":
            assert (message.channel, message.note) not in held
            held.add((message.channel, message.note))
            notes.append((now, message.channel, message.note))
        elif message.type == "note_off":
            held.discard((message.channel, message.note))
    assert not held
    return notes


def test_a_song_is_its_seed_and_every_seed_another():
    one, again, other = (compose(np.random.default_rng(seed), 30.0) for seed in (1, 1, 2))
    assert sounding(one[0]) == sounding(again[0]) != sounding(other[0])
    assert one[1] == again[1] != other[1]


@pytest.mark.parametrize("seed", range(12))
def test_tune_and_band_share_key_and_time(seed):
    song, tune = compose(np.random.default_rng(seed), seconds=20.0)
    rng = np.random.default_rng(seed)
    scale = set(draw_plan(rng, 20.0).scale)
    notes = sounding(song)
    assert {pitch % 12 for _, channel, pitch in notes if channel != DRUM_CHANNEL} <= scale
    assert {note.pitch % 12 for note in tune} <= scale
    assert 10 < song.length < 21
    programs = {m.program for t in song.tracks for m in t if m.type == "program_change"}
    assert programs
    assert not programs & VOICES


@pytest.mark.parametrize("seed", range(12))
def test_a_tune_can_be_sung(seed):
    rng = np.random.default_rng(seed)
    tune = draw_tune(rng, draw_plan(rng, 40.0))
    assert all(note.start < note.end for note in tune)
    assert all(a.end <= b.start for a, b in pairwise(tune))
    pitches = [note.pitch for note in tune]
    assert max(pitches) - min(pitches) <= 18
    assert min(pitches) >= 41
    assert max(pitches) <= 79
    assert np.abs(np.diff(pitches)).mean() < 5  # semitones: it steps more than it leaps


def test_composed_songs_are_prepared_with_a_voice_and_a_band(tmp_path, monkeypatch):
    monkeypatch.setattr("export.data.compose.SECONDS", 8.0)
    (tmp_path / "people" / "ann").mkdir(parents=True)
    time = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    buzz = 0.2 * ((150 * time) % 1 - 0.5)
    sf.write(tmp_path / "people" / "ann" / "hum.wav", buzz, SAMPLE_RATE)
    main(["prepare", "--sing", str(tmp_path / "people"), "--soundfont", SOUNDFONT,
          "--compose", "1", "--out", str(tmp_path / "out")])  # fmt: skip
    tracks = {t.id: t for t in read_manifest(tmp_path / "out")}
    song = tracks["composed-000"]
    assert song.kind == "rendered"
    for name in ("vocals", "accompaniment"):
        sound, _ = sf.read(tmp_path / "out" / song.files[name])
        assert np.sqrt(np.mean(sound**2)) > 0.003


def test_nobody_to_sing_is_a_usage_error(tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        main(["prepare", "--soundfont", SOUNDFONT, "--compose", "1", "--out", str(tmp_path)])
    assert error.value.code == 2
    assert "--compose takes --sing" in capsys.readouterr().err
