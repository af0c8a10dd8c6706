"""What ``evaluate`` couldn't read or left out of its songs is said, and the exit code tells."""

import pytest
import soundfile as sf

from streamsep.evaluation.songs import find_reference_songs, read_reference_song
from testing.signals import music

RATE = 44_100


@pytest.fixture
def folder(tmp_path):
    song = tmp_path / "songs" / "one"
    song.mkdir(parents=True)
    for name in ("vocals", "accompaniment"):
        sf.write(song / f"{name}.wav", music(1.0).T, RATE, subtype="FLOAT")
    return song.parent


def damage(folder):
    path = folder / "one" / "vocals.wav"
    path.write_bytes(path.read_bytes()[:-RATE])


@pytest.mark.parametrize("damaged", [False, True])
def test_a_damaged_stem_is_scored_and_the_exit_code_says_so(command, folder, half_model, damaged):
    if damaged:
        damage(folder)
    done = command("evaluate", folder, "--no-museval", "--model", half_model)
    assert done.code == (12 if damaged else 0), done.stderr
    assert "model live" in done.stdout
    assert ("its header says 1.000 s" in done.stderr) == damaged


@pytest.mark.parametrize(("longer_s", "lost"), [(0.01, [False]), (0.5, [True]), (0.0, [])])
def test_what_one_stem_is_longer_is_said(folder, longer_s, lost):
    sf.write(folder / "one" / "vocals.wav", music(1.0 + longer_s).T, RATE, subtype="FLOAT")
    notices = []
    song = read_reference_song(
        folder / "one", sample_rate=RATE, channels=2, on_notice=notices.append
    )
    assert song.mixture.shape == (2, RATE)
    assert [notice.lost for notice in notices] == lost
    assert all(f"{longer_s:.3f} s longer" in notice.text for notice in notices)


def test_folders_that_are_no_songs_are_named(folder):
    (folder / "notes").mkdir()
    (folder / ".hidden").mkdir()
    (folder / "readme.txt").touch()
    said = []
    assert find_reference_songs(folder, said.append) == [folder / "one"]
    assert said == [f"left out, as without vocals.* and accompaniment.*: {folder / 'notes'}"]
