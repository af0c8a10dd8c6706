"""From names, folders and globs to songs: each is found once, or named as left out."""

import os
import subprocess
from pathlib import Path

import pytest

from streamsep.errors import AudioFileError
from streamsep.offline.song_search import NO_SOUND, SUFFIXES, find_input_files
from testing.servers import PATIENCE_S
from tests.support.cases import one_fast
from tests.support.commands import COMMAND


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*names):
    for name in names:
        path = Path(os.fsdecode(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def found(*names):
    """Return what is found, as paths, and the lines of what isn't."""
    files = find_input_files(names)
    return [str(song.path) for song in files.files], files.left_out_lines


@pytest.mark.parametrize(
    "folder",
    ["...And Justice for All", "..x", "[1991] Ten", "a*b", "  ", "Ä ö", "-o", "100% {name}", "~x"],
)
def test_albums_of_any_name_are_searched(here, folder):
    make(f"music/{folder}/01.wav")
    assert found("music") == ([f"music/{folder}/01.wav"], [])
    assert found(f"music/{folder}") == ([f"music/{folder}/01.wav"], [])
    assert found("music/**/*.wav") == ([f"music/{folder}/01.wav"], [])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("change", [str, str.upper])
def test_whatever_is_sound_by_its_suffix_is_taken(here, suffix, change):
    make(f"music/song{change(suffix)}")
    assert found("music")[0] == [f"music/song{change(suffix)}"]


def test_what_is_left_out_is_named_unless_nobody_takes_it_for_sound(here):
    make("music/a.wav", "music/b.xyz", "music/c", "music/.d.wav", "music/.hidden/e.wav")
    make(*(f"music/f{suffix}" for suffix in NO_SOUND), "music/.config/settings")
    assert found("music") == (
        ["music/a.wav"],
        [
            "left out, as hidden: music/.d.wav, music/.hidden",
            "left out, as of an unknown kind: music/b.xyz, music/c",
        ],
    )


def test_many_are_named_by_the_first_and_a_count(here):
    make("music/a.wav", *(f"music/{number:02}.xyz" for number in range(40)))
    (line,) = found("music")[1]
    assert line.startswith("left out, as of an unknown kind: music/00.xyz, music/01.xyz, ")
    assert line.endswith(" and 35 more")


class TestLinks:
    def test_a_linked_folder_and_a_linked_file_are_searched(self, here):
        make("elsewhere/b.wav", "one/c.wav", "music/a.wav")
        os.symlink("../elsewhere", "music/link")
        os.symlink("../one/c.wav", "music/d.wav")
        assert found("music")[0] == ["music/a.wav", "music/d.wav", "music/link/b.wav"]

    def test_each_folder_is_searched_once_however_many_lead_there(self, here):
        make("music/a/b/song.ogg")
        for number in range(20):
            os.symlink(here / "music", f"music/a/b/up{number}")
        for name in ("music", "music/**/*.ogg", "m*/**/s*.ogg", "**/*.ogg"):
            songs, _ = found(name)
            assert [os.path.realpath(song) for song in songs] == [
                os.path.realpath("music/a/b/song.ogg")
            ]

    def test_one_that_leads_nowhere_is_named(self, here):
        make("music/a.wav")
        os.symlink("nowhere.wav", "music/gone.wav")
        os.symlink("loop", "music/loop")
        songs, lines = found("music")
        assert songs == ["music/a.wav"]
        assert "left out, as unreadable: music/gone.wav" in lines


NOT_ENTERED = """
import sys
from streamsep.errors import AudioFileError
from streamsep.offline.song_search import find_input_files
found = find_input_files([sys.argv[1]])
print([str(song.path) for song in found.files], found.left_out_lines)
"""


@pytest.mark.parametrize("mode", one_fast([0o000, 0o444, 0o111]))
@pytest.mark.parametrize("name", one_fast(["music", "music/**/*.wav"]))
def test_a_folder_that_can_t_be_searched_is_named_and_the_rest_done(here, mode, name):
    """By an ordinary user; root, who may enter any folder, does without that right."""
    make("music/a.wav", "music/closed/b.wav")
    os.chmod("music/closed", mode)
    rights = "-dac_override,-dac_read_search"
    ordinary = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"]
    done = subprocess.run(
        [*(ordinary if os.geteuid() == 0 else []), COMMAND[0], "-c", NOT_ENTERED, name],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    os.chmod("music/closed", 0o755)
    assert done.stderr == ""
    assert "'music/a.wav'" in done.stdout
    # Among the songs it would be an error of its own.
    assert "music/closed" in done.stdout


@pytest.mark.parametrize("name", [b"mod\x85", b"\xff\xfe", "\u202e", "\n", "\x1b[31m", "ß" * 100])
def test_names_of_any_bytes_are_found(here, name):
    name = os.fsdecode(name if isinstance(name, bytes) else name.encode()) + ".wav"
    make(f"music/{name}", "music/zz.wav")
    assert found("music") == (sorted([f"music/{name}", "music/zz.wav"]), [])


@pytest.mark.parametrize("name", [300 * "n" + ".wav", "a\0b.wav", "[", "no/such/*.wav"])
def test_a_name_that_can_t_be_is_kept_for_whoever_opens_it(here, name):
    assert found(name)[0] == [name]


def test_a_name_of_nothing_is_not_the_folder_one_is_in(here):
    make("a.wav")
    with pytest.raises(AudioFileError, match="a name is empty"):
        found("")
