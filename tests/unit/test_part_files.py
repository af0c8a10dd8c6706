"""Files under temporary names: one maker each, whatever else runs, and nothing left."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.part_files import PartFile, is_part_file, remove_leftovers
from streamsep.errors import OutputError
from testing.servers import wait_until
from testing.signals import music
from tests.support.cases import one_of_many
from tests.support.commands import COMMAND, PATIENCE_S, TAKES, without_sound

RATE = 44_100
STEMS = ("beat", "vocals")


def parts_in(folder):
    return [path for path in folder.iterdir() if is_part_file(path)]


def test_a_part_gets_its_target_s_name_when_it_is_whole(tmp_path):
    part = PartFile(tmp_path / "song.wav")
    part.path.write_text("whole")
    assert not (tmp_path / "song.wav").exists()
    part.take_place()
    assert (tmp_path / "song.wav").read_text() == "whole"
    part.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


def test_two_of_one_target_have_names_of_their_own(tmp_path):
    one, two = PartFile(tmp_path / "song.wav"), PartFile(tmp_path / "song.wav")
    assert one.path != two.path
    two.discard()
    assert one.path.exists()
    one.discard()


@pytest.mark.parametrize("name", ["a.wav", "ä" * 120 + ".wav", "n" * 251 + ".wav", "no suffix"])
def test_whatever_name_a_target_can_have_a_part_can(tmp_path, name):
    part = PartFile(tmp_path / name)
    assert part.path.exists()
    part.take_place()
    assert (tmp_path / name).exists()


def test_what_somebody_still_writes_is_no_leftover(tmp_path):
    part = PartFile(tmp_path / "song.wav")
    remove_leftovers([tmp_path])
    assert part.path.exists()
    part.discard()


def test_while_it_takes_its_name_nobody_takes_it_for_a_leftover(tmp_path):
    stop = threading.Event()

    def clean():
        while not stop.is_set():
            remove_leftovers([tmp_path])

    cleaner = threading.Thread(target=clean)
    cleaner.start()
    try:
        for number in range(300):
            PartFile(tmp_path / f"{number}.wav").take_place()
    finally:
        stop.set()
        cleaner.join()
    assert len(list(tmp_path.iterdir())) == 300


LEAVES = """
import os, signal, sys
from pathlib import Path
from streamsep.audio.files.part_files import PartFile
PartFile(Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_maker_left_is_removed(tmp_path):
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", LEAVES, tmp_path / "song.wav"], env=env)
    assert len(parts_in(tmp_path)) == 1
    remove_leftovers([tmp_path])
    assert parts_in(tmp_path) == []


@pytest.mark.parametrize("folder", ["nowhere", "a file"])
def test_where_none_can_be_made_the_target_is_named(tmp_path, folder):
    (tmp_path / "a file").touch()
    with pytest.raises(OutputError, match=r"song.wav can't be written"):
        PartFile(tmp_path / folder / "song.wav")


def start(song, model, *arguments):
    return subprocess.Popen(
        [*COMMAND, "separate", str(song), *map(str, arguments), "--model", str(model)],
        env=without_sound(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def make_song(folder, seconds):
    sf.write(folder / "song.wav", np.tile(music(5.0).T, (seconds // 5, 1)), RATE)
    return folder / "song.wav"


@pytest.fixture
def long_song(tmp_path):
    return make_song(tmp_path, 120)


def is_whole(song, model_share=0.5):
    """Say whether the stems of the half model are each half of the song, all of it."""
    sound = sf.read(song, always_2d=True)[0]
    stems = [sf.read(song.with_suffix(f".{stem}.wav"))[0] for stem in STEMS]
    return all(
        stem.shape == sound.shape and np.allclose(stem, model_share * sound, atol=1e-4)
        for stem in stems
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("which", "end"),
    one_of_many([("first", None), ("second", signal.SIGKILL), ("first", signal.SIGKILL)], tested=2),
)
def test_the_same_twice_at_once_leaves_whole_stems(tmp_path, half_model, end, which):
    song = make_song(tmp_path, 60)
    first = start(song, half_model)
    wait_until(lambda: parts_in(tmp_path), "the first one's part files")
    second = start(song, half_model)
    wait_until(lambda: len(parts_in(tmp_path)) >= 4 or second.poll() is not None, "the second's")
    ended, other = (first, second) if which == "first" else (second, first)
    if end is not None:
        ended.send_signal(end)
    assert other.wait(PATIENCE_S) == 0
    ended.wait(PATIENCE_S)
    assert is_whole(song)
    remove_leftovers([tmp_path])
    assert parts_in(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_an_end_by_a_signal_leaves_nothing(tmp_path, long_song, half_model, number):
    for _ in range(TAKES):
        process = start(long_song, half_model, "--overwrite")
        wait_until(lambda: parts_in(tmp_path), "part files")
        time.sleep(0.1)
        process.send_signal(number)
        code = process.wait(PATIENCE_S)
        if code != 0:  # else it was done before
            break
        for stem in STEMS:
            (tmp_path / f"song.{stem}.wav").unlink()
    assert code == 128 + number
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["song.wav"]


@pytest.mark.slow
def test_a_lost_terminal_ends_nothing_under_nohup(tmp_path, long_song, half_model):
    command = [*COMMAND, "separate", str(long_song), "--model", str(half_model)]
    process = subprocess.Popen(
        ["nohup", *command],
        env=without_sound(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: parts_in(tmp_path), "part files")
    process.send_signal(signal.SIGHUP)
    assert process.wait(PATIENCE_S) == 0
    assert is_whole(long_song)


def test_an_interrupt_between_two_lines_leaves_nothing(tmp_path):
    """Where no `with` and no `try` knows of the file yet."""
    script = f"""
import signal
from pathlib import Path
from streamsep.audio.files.part_files import PartFile
part = PartFile(Path({str(tmp_path / "song.wav")!r}))
assert part.path.exists()
signal.raise_signal(signal.SIGINT)
"""
    ended = subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    assert "KeyboardInterrupt" in ended.stderr
    assert not [*tmp_path.iterdir()]
