"""MIDI files sung by speakers: which part, which notes when, and a true song in the end."""

from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile as sf

from export.constants import SAMPLE_RATE
from export.data.midi import ACOUSTIC, read_midi
from export.data.midi_songs import Note, find_sung_midi, find_tunes, phrases, to_frames
from export.data.sources import find_people

SOUNDFONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
TUNE = (60, 62, 64, 65, 67, 69, 67, 65, 64, 62, 60, 62, 64, 60)


def part(channel, chords, ticks=960):
    track = mido.MidiTrack()
    for notes in chords:
        for kind, first in (("note_on", 0), ("note_off", ticks)):
            for index, note in enumerate(notes):
                time = first if index == 0 else 0
                track.append(mido.Message(kind, channel=channel, note=note, velocity=90, time=time))
    return track


@pytest.fixture
def folder(tmp_path):
    """A tune of fourteen notes of a second, chords under it, and drums."""
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks += [
        part(0, [(n,) for n in TUNE]),
        part(1, [(48, 52, 55)] * 14),
        part(9, [(36,)] * 14),
    ]
    (tmp_path / "midi").mkdir()
    file.save(tmp_path / "midi" / "tune.mid")
    speaker = tmp_path / "people" / "one"
    speaker.mkdir(parents=True)
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * 130 * k * time) / k for k in range(1, 30))
    sf.write(speaker / "ah.wav", 0.1 * buzz, SAMPLE_RATE)
    return tmp_path


def test_only_the_part_of_single_notes_can_be_sung(folder):
    tunes = find_tunes(read_midi(folder / "midi" / "tune.mid"))
    assert list(tunes) == [0]
    assert [note.pitch for note in tunes[0]] == list(TUNE)
    assert tunes[0][3].start == pytest.approx(3.0, abs=1e-6)
    assert tunes[0][3].end == pytest.approx(4.0, abs=1e-6)


def test_phrases_end_at_pauses_and_when_breath_is_out():
    tune = [Note(t, t + 1, 60) for t in (0, 1, 2, 4, 5, 6, 7, 8, 9, 10)]
    assert [[note.start for note in phrase] for phrase in phrases(tune)] == [
        [0, 1, 2],
        [4, 5, 6, 7, 8, 9],
        [10],
    ]
    frames = to_frames([Note(1.0, 1.5, 60), Note(1.6, 2.0, 64)])
    np.testing.assert_array_equal(frames, [60.0] * 120 + [64.0] * 80)


@pytest.mark.slow
def test_a_song_has_the_tune_in_the_voice_and_not_in_the_band(folder):
    import pyworld

    people = find_people(folder / "people")
    songs = list(find_sung_midi(folder / "midi", SOUNDFONT, people, takes=2, seed=0))
    assert [song.id for song in songs] == ["song0-midi-tune", "song1-midi-tune"]
    assert songs[0].members == (folder / "midi" / "tune.mid", *people[0])
    stems, again = songs[0].load(), songs[0].load()
    assert stems["vocals"].shape == stems["accompaniment"].shape
    np.testing.assert_array_equal(stems["vocals"], again["vocals"])
    second = slice(5 * SAMPLE_RATE, 6 * SAMPLE_RATE)  # the A
    sung = stems["vocals"][0, second].astype(np.float64)
    pitch, _ = pyworld.harvest(sung, SAMPLE_RATE)
    off = (12 * np.log2(np.median(pitch[pitch > 0]) / 440) + 6) % 12 - 6
    assert abs(off) < 0.6
    # The chord is C major: of the A's partials that are not its own, the band plays none.
    spectrum = np.abs(np.fft.rfft(stems["accompaniment"][0, second]))
    assert spectrum[435:446].max() < 0.05 * spectrum.max()


@pytest.mark.slow
def test_the_band_of_the_third_take_is_acoustic(folder, programs):
    people = find_people(folder / "people")
    songs = list(find_sung_midi(folder / "midi", SOUNDFONT, people, takes=3, seed=0))
    songs[2].load()
    assert programs[0]
    assert programs[0] <= set(ACOUSTIC)
