"""Every place that takes a path, with names that nobody thinks of: done, or one line."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from testing.signals import music
from tests.support.cases import one_fast, one_of_many
from tests.support.commands import streamsep, without_sound

RATE = 44_100
NAMES = {
    "no text": b"mod\x85",
    "half a letter": b"\xc3",
    "steers the terminal": b"\x1b[31mred\n",
    "from right to left": "\u202ecod".encode(),
    "looks like a field": b"{stem} {0} %s",
    "looks like a glob": b"[a]*?",
    "looks like an option": b"-o",
    "as long as can be": b"n" * 240,
}
# Names of no file at all, and what can't be one: a folder, and one that can't be entered.
IMPOSSIBLE = {
    "300 letters": "n" * 300,
    "of a folder": "folder",
    "in a file": "song.wav/x",
    "in no folder": "nowhere/at/all",
    "in a folder not to be entered": "closed/x",
}
LOCALES = ["C.UTF-8", "C"]


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.wav"
    sf.write(path, music(1.5).T, RATE)
    (tmp_path / "folder").mkdir()
    (tmp_path / "closed").mkdir(mode=0o000)
    yield path
    (tmp_path / "closed").chmod(0o700)


def named(folder, name, suffix):
    return Path(os.fsdecode(os.fsencode(folder) + b"/" + name + suffix.encode()))


@pytest.fixture
def run(command):
    """Run a command in this process; whatever is printed is text that steers no terminal."""

    def run(*arguments):
        done = command(*map(os.fspath, arguments))
        check_text(done.stdout + done.stderr)
        return done

    return run


def check_text(printed):
    assert "Traceback" not in printed
    assert "\x1b[31m" not in printed


@pytest.mark.slow
@pytest.mark.parametrize("locale", one_of_many(LOCALES))
@pytest.mark.parametrize("name", one_fast(NAMES.values()), ids=NAMES)
def test_songs_of_such_names_are_done_with_their_neighbours(
    song, half_model, tmp_path, name, locale
):
    (tmp_path / "in").mkdir()
    for path in (named(tmp_path / "in", name, ".wav"), tmp_path / "in" / "zz.wav"):
        path.write_bytes(song.read_bytes())
    done = streamsep(
        *("separate", tmp_path / "in", "-o", tmp_path / "out", "--model", half_model),
        env=without_sound() | {"LC_ALL": locale, "COLUMNS": "200"},
    )
    check_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr
    stems = [path for path in (tmp_path / "out").iterdir() if path.suffix == ".wav"]
    assert len(stems) == 4
    assert named(tmp_path / "out", name, ".beat.wav") in stems


def places_and_names():
    """All names of what is played and written; of other places those that break most."""
    for place in ("--input", "--mic", "--output", "--record", "--lyrics"):
        for label, name in NAMES.items():
            if place in ("--input", "--output") or label in ("no text", "steers the terminal"):
                yield pytest.param(place, name, id=f"{place}-{label}")


@pytest.mark.parametrize(("place", "name"), one_fast([*places_and_names()]))
def test_live_takes_them_everywhere(run, song, identity_model, tmp_path, name, place):
    path = named(tmp_path, name, ".lrc" if place == "--lyrics" else ".wav")
    if place in ("--input", "--mic"):
        path.write_bytes(song.read_bytes())
    if place == "--lyrics":
        path.write_text("[00:00.00]la\n")
    options = {"--input": song, "--output": "null", "--voice-effects": "off"} | {place: path}
    listed = [part for option in options.items() for part in option]
    done = run("live", *listed, "--seconds", "0.5", "--model", identity_model)
    assert done.code == 0, done.stderr
    if place in ("--output", "--record"):
        assert path.exists()


@pytest.mark.parametrize("name", one_fast(NAMES.values()), ids=NAMES)
def test_models_and_folders_of_such_names(run, song, half_model, tmp_path, name):
    model = named(tmp_path, name, ".onnx")
    model.write_bytes(half_model.read_bytes())
    out = named(tmp_path, name, "")
    done = run("separate", song, "-o", f"{out}/{{name}}.{{stem}}.wav", "--model", model)
    if b"{" in name:  # braces of a template have to be doubled
        assert done.code == 2
        return
    assert done.code == 0, done.stderr
    assert (out / "song.beat.wav").exists()


@pytest.mark.parametrize("name", one_fast(IMPOSSIBLE.values()), ids=IMPOSSIBLE)
@pytest.mark.parametrize(
    "arguments",
    [
        ["separate", "{wav}"],
        ["separate", "{song}", "-o", "{wav}"],
        ["separate", "{song}", "--model", "{onnx}"],
        ["live", "--input", "{wav}", "--output", "null"],
        ["live", "--input", "{song}", "--output", "{wav}"],
        ["live", "--input", "{song}", "--output", "null", "--record", "{wav}"],
        ["live", "--input", "{song}", "--output", "null", "--lyrics", "{lrc}"],
        ["live", "--input", "{song}", "--output", "null", "--mic", "{wav}"],
        ["inspect", "{wav}"],
        ["evaluate", "{plain}"],
        ["models", "import", "{onnx}"],
        ["models", "info", "{onnx}"],
        ["doctor", "--model", "{onnx}"],
    ],
    ids=" ".join,
)
def test_where_there_can_be_none_it_is_one_line(run, song, half_model, tmp_path, name, arguments):
    """Neither a traceback nor exit code 0, and the song is as it was."""
    content = song.read_bytes()
    names = {each: str(tmp_path / f"{name}.{each}") for each in ("wav", "onnx", "lrc")}
    if name == "folder":
        for path in names.values():
            Path(path).mkdir()
    names |= {"plain": str(tmp_path / name), "song": str(song)}
    model = [] if "models" in arguments or "--model" in arguments else ["--model", half_model]
    seconds = ["--seconds", "0.2"] if arguments[0] == "live" else []
    done = run(*(each.format(**names) for each in arguments), *model, *seconds)
    assert song.read_bytes() == content
    said = [line for line in done.stderr.splitlines() if line.startswith("streamsep: ")]
    assert "met an error of its own" not in done.stderr, done.stderr
    if "-o" in arguments or (name == "closed/x" and os.geteuid() == 0):
        return  # folders are made, and root enters any
    assert done.code
    assert len(said) == 1 or arguments[0] == "doctor", done.stderr


@pytest.mark.parametrize("damage", one_fast(["empty", "zeros", "noise", "text", "half a header"]))
@pytest.mark.parametrize(
    "suffix", one_fast([".wav", ".flac", ".ogg", ".mp3", ".m4a", ".mkv", ".opus", ".wv"])
)
def test_a_batch_goes_on_after_any_file(run, song, half_model, tmp_path, suffix, damage):
    (tmp_path / "in").mkdir()
    content = {
        "empty": b"",
        "zeros": bytes(10_000),
        "noise": np.random.default_rng(3).bytes(10_000),
        "text": b"no sound\n" * 100,
        "half a header": song.read_bytes()[:20],
    }[damage]
    (tmp_path / "in" / f"bad{suffix}").write_bytes(content)
    (tmp_path / "in" / "zz.wav").write_bytes(song.read_bytes())
    done = run("separate", tmp_path / "in", "-o", tmp_path / "out", "--model", half_model)
    assert (tmp_path / "out" / "zz.beat.wav").exists()
    assert done.code in (3, 12)
    assert "met an error of its own" not in done.stderr, done.stderr
