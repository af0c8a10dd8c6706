"""What a collection of folders comes to, before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import pytest

from export.cli import main
from export.data.collection import Collection
from export.errors import DataError

MakeSong = Callable[..., Path]


@pytest.fixture
def folders(make_song: MakeSong, tmp_path: Path) -> dict[str, Path]:
    """One of each kind: a song, a piece, a singer, a speaker, and a MIDI file with a tune."""
    made = {
        "songs": make_song("one", root="songs", seconds=1, vocals=440, drums=110),
        "accompaniment": make_song("band", root="pieces", seconds=1, tune=220),
        "voices": make_song("anna", root="voices", seconds=1, la=440),
        "speech": make_song("ben", root="speech", seconds=1, word=200, other=210),
        "midi": tmp_path / "midi",
    }
    track = mido.MidiTrack()
    for note in (60, 62, 64, 65, 67, 69, 67, 65, 64, 62, 60, 62):
        track.append(mido.Message("note_on", note=note, velocity=90, time=0))
        track.append(mido.Message("note_off", note=note, time=960))
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    made["midi"].mkdir()
    file.save(made["midi"] / "tune.mid")
    return made


def test_every_kind_is_found_in_order_and_nothing_is_loaded(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "font.sf2").write_bytes(b"never opened")
    monkeypatch.setattr("export.data.midi.shutil.which", lambda program: program)
    people = (folders["speech"],)
    kinds: dict[str, Any] = {name: (folder,) for name, folder in folders.items()}
    found = Collection(
        **kinds,
        sing=people,
        soundfont=tmp_path / "font.sf2",
        takes=2,
        midi_takes=1,
        midi_songs=1,
    ).find()
    assert [(t.id, t.kind) for t in found] == [
        ("songs-one", "song"),
        ("pieces-band-tune", "accompaniment"),
        ("voices-anna", "voice"),
        ("speech-ben", "speech"),
        ("sung0-speech-ben", "sung"),
        ("sung1-speech-ben", "sung"),
        ("midi-tune", "rendered"),
        ("song0-midi-tune", "rendered"),
    ]
    assert {p.name for p in found[-1].members} == {"tune.mid", "word.wav", "other.wav"}


def test_patterns_leave_files_of_every_kind_out(folders: dict[str, Path]) -> None:
    names = ("songs", "accompaniment", "voices", "speech")
    kinds: dict[str, Any] = {name: (folders[name],) for name in names}
    assert len(Collection(**kinds, exclude=("ben/other*",)).find()[-1].members) == 1
    for pattern in ("one/*", "band/*", "anna/*", "ben/*"):
        with pytest.raises(DataError, match="no audio under"):
            Collection(**kinds, exclude=(pattern,)).find()


def test_an_empty_collection_finds_nothing() -> None:
    assert Collection().find() == []


@pytest.mark.parametrize("given", [["--midi"], ["--sing"]])
def test_songs_of_midi_files_take_midi_files_and_people(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    folder = folders["midi" if given == ["--midi"] else "speech"]
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as stop:
        main(["prepare", *given, str(folder), "--midi-songs", "1", "--out", str(out)])
    assert stop.value.code == 2
    assert "--midi and --singing-synthesis" in capsys.readouterr().err
    assert not out.exists()
