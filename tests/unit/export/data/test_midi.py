"""MIDI rendered by the real fluidsynth: as written, and with other instruments."""

from pathlib import Path

import mido
import numpy as np
import pytest

from export.constants import SAMPLE_RATE
from export.data import midi
from export.data.midi import ACOUSTIC, PADS, SINGING, VOICES, find_midi, render
from export.errors import DataError

SOUNDFONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")


@pytest.fixture
def song(tmp_path):
    """Two seconds of one held note, sung by a choir, that ends only after two minutes."""
    track = mido.MidiTrack()
    track.append(mido.Message("program_change", program=52, time=0))
    track.append(mido.Message("note_on", note=69, velocity=90, time=0))
    track.append(mido.Message("note_on", note=72, velocity=90, time=1_920))
    track.append(mido.Message("note_off", note=69, time=240 * 480))
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    folder = tmp_path / "midi"
    folder.mkdir()
    file.save(folder / "held.mid")
    return folder / "held.mid"


def test_a_song_is_cut_and_ends(song, monkeypatch):
    monkeypatch.setattr(midi, "SECONDS", 1.0)
    sound = render(song, SOUNDFONT, np.random.default_rng(0), recast=False)
    seconds = sound.shape[1] / SAMPLE_RATE
    assert 0.9 < seconds < 10  # the cut and the reverb's tail, not two minutes
    assert 0.001 < np.abs(sound).max() < 0.9
    # A above middle C, 440 Hz, while it is held.
    spectrum = np.abs(np.fft.rfft(sound[0, : SAMPLE_RATE // 2]))
    harmonics = spectrum[[220, 440]]  # bins are 2 Hz wide
    assert harmonics.max() > 100 * np.median(spectrum)


def test_no_human_voice_is_left_in_a_band(song, programs, monkeypatch):
    monkeypatch.setattr(midi, "SECONDS", 0.5)
    takes = list(find_midi(song.parent, SOUNDFONT, takes=3, seed=1))
    assert [t.id for t in takes] == ["midi-held", "midi-held-take1", "midi-held-take2"]
    sounds = [take.load()["accompaniment"] for take in takes]
    assert not any(VOICES & found for found in programs)
    assert programs[1] != programs[0]
    assert programs[1] <= {*SINGING, *PADS}
    assert programs[2] <= set(ACOUSTIC)
    assert all(np.abs(sound).max() > 0.001 for sound in sounds)
    assert not VOICES & {*SINGING, *PADS, *ACOUSTIC}


def test_what_is_no_midi_is_one_clear_line(tmp_path):
    (tmp_path / "bad.mid").write_bytes(b"MThd but no more")
    (take,) = find_midi(tmp_path, SOUNDFONT, takes=1, seed=0)
    with pytest.raises(DataError, match=r"bad\.mid can't be read"):
        take.load()
    with pytest.raises(DataError, match="no MIDI file"):
        list(find_midi(tmp_path / "nothing", SOUNDFONT, takes=1, seed=0))
    with pytest.raises(DataError, match=r"no .*missing\.sf2"):
        list(find_midi(tmp_path, tmp_path / "missing.sf2", takes=1, seed=0))
