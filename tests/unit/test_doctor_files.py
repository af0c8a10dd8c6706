"""``doctor`` with files: what ``live`` would say of them with the same options."""

import re

import pytest
import soundfile as sf

from testing.signals import music


@pytest.fixture
def song(tmp_path):
    sf.write(tmp_path / "song.wav", music(0.5).T, 44_100)
    (tmp_path / "list.m3u").write_text("song.wav\n")
    (tmp_path / "bad.wav").write_bytes(b"no sound" * 100)
    (tmp_path / "bad.m3u").write_text("gone.wav\n")
    return tmp_path / "song.wav"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["song.wav", "list.m3u", "bad.wav", "bad.m3u", "nowhere.wav"])
@pytest.mark.parametrize("option", ["--input", "--mic"])
def test_it_says_of_files_what_live_says(command, song, identity_model, option, name):
    if (option, name) == ("--mic", "list.m3u"):
        name = "song.wav"
    given = {"--input": song, "--output": "null", option: song.parent / name}
    options = [part for pair in given.items() for part in pair]
    model = ("--model", identity_model)
    doctor = command("doctor", *options, *model)
    live = command("live", *options, "--voice-effects", "off", "--seconds", 0.2, *model)
    good = name in ("song.wav", "list.m3u")
    # The machine's speed is that of this moment.
    wrong = re.findall(r"^ bad  (?!speed: ).*", doctor.stdout, re.MULTILINE)
    assert (wrong == [], live.code) == ((True, 0) if good else (False, 3))
    assert doctor.code == (" bad  " in doctor.stdout)
    role = "input" if option == "--input" else "microphone"
    mark = "  ok" if good else " bad"
    assert any(
        line.startswith(f"{mark}  {role}: ") and name in line for line in doctor.stdout.splitlines()
    )
