"""Playlists of others: files that are there, and nothing else."""

import os
import unicodedata

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.playlist import MOST_BYTES, read_playlist
from streamsep.errors import AudioFileError
from streamsep.live.config import LiveConfig
from testing.signals import music


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "music").mkdir()
    for name in ("a.wav", "b c.wav", "größe.wav", "music/d.wav"):
        (tmp_path / name).write_bytes(b"sound")
    return tmp_path


def read(folder, content, name="list.m3u"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    told = []
    return [str(file.relative_to(folder)) for file in read_playlist(path, told.append)], told


@pytest.mark.parametrize(
    "line", ["music/d.wav", "./music/d.wav", "music\\d.wav", "FILE:{folder}/music/d.wav"]
)
def test_an_entry_is_found_however_it_is_spelt(folder, line):
    line = line.replace("FILE:", "file://").format(folder=folder)
    assert read(folder, f"#EXTM3U\n#EXTINF:1,Title\n{line}\n\n") == (["music/d.wav"], [])


def test_names_may_be_escaped_as_in_addresses(folder):
    assert read(folder, f"b%20c.wav\nfile://{folder}/b%20c.wav\nb c.wav") == (["b c.wav"] * 3, [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_in_unicode_it_needs_no_word(folder, encoding):
    assert read(folder, "größe.wav\r\na.wav\r\n".encode(encoding)) == (["größe.wav", "a.wav"], [])


NAMES = {
    "cp1252": "größe",
    "cp850": "größe",
    "cp1251": "Ночь",
    "cp866": "Ночь",
    "cp1250": "Škoda lásky",
    "cp1253": "Μισιρλού",
    "cp1255": "נגילה",
    "cp1256": "حبيبي",
    "cp874": "ลอยกระทง",
    "gb18030": "月亮代表我的心",
    "big5": "月亮代表我的心",
    "cp932": "上を向いて歩こう",
    "cp949": "아리랑",
}


@pytest.mark.parametrize("encoding", NAMES)
def test_in_another_encoding_the_names_on_the_disk_tell_it(tmp_path, encoding):
    name = f"{NAMES[encoding]}.wav"
    (tmp_path / name).write_bytes(b"sound")
    files, (line,) = read(tmp_path, f"#EXTM3U\r\n{name}\r\n".encode(encoding))
    assert files == [name]
    assert "by the names that are there" in line


def test_names_on_the_disk_that_are_no_text_are_found_byte_for_byte(tmp_path):
    name = "Ночь.wav".encode("cp1251")
    (tmp_path / os.fsdecode(name)).write_bytes(b"sound")
    files, (line,) = read(tmp_path, name + b"\n")
    assert os.fsencode(files[0]) == name
    assert "byte for byte" in line


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_letters_may_be_composed_or_not(tmp_path, forms):
    """As macOS writes names, and other systems don't."""
    written, named = (unicodedata.normalize(form, "größe.wav") for form in forms)
    (tmp_path / written).write_bytes(b"sound")
    assert read(tmp_path, named) == ([written], [])


def test_a_pls_goes_by_its_numbers(folder):
    content = "[playlist]\nFile10=a.wav\nTitle10=x\nfile2=music/d.wav\nNumberOfEntries=2\n"
    assert read(folder, content, "list.pls") == (["music/d.wav", "a.wav"], [])


def test_nothing_but_a_file_is_taken_and_each_entry_is_named(folder):
    os.mkfifo(folder / "pipe.wav")
    (folder / "other.m3u").write_text("a.wav")
    bad = [
        "https://example.org/song.mp3",
        "/dev/zero",
        "pipe.wav",
        "music",
        "other.m3u",
        "gone.wav",
        "a\0b.wav",
        "x" * 5_000,
    ]
    files, told = read(folder, "\n".join([*bad, "a.wav"]))
    assert files == ["a.wav"]
    assert len(told) == len(bad)
    assert "it is an address, and nothing is fetched" in told[0]
    assert "playlist itself" in told[4]
    assert all(len(line) < 400 for line in told)


def test_what_is_left_out_is_counted_beyond_the_first(folder):
    _, told = read(folder, "\n".join(["gone.wav"] * 50 + ["a.wav"]))
    assert (len(told), told[-1]) == (11, f"{folder}/list.m3u: 40 more entries are left out")


@pytest.mark.parametrize("content", [b"", b"gone.wav", b"\xff" * 100, b"a.wav\n" * MOST_BYTES])
def test_one_of_no_use_is_refused(folder, content):
    with pytest.raises(AudioFileError):
        read(folder, content)
    with pytest.raises(AudioFileError, match="can't be read"):
        read_playlist(folder / "none.m3u", print)


def test_a_playlist_is_a_file_as_input():
    config = LiveConfig(input=("list.m3u", "song.wav"))
    assert (config.listening, config.inputs) == ("file", ("list.m3u", "song.wav"))


@pytest.mark.slow
def test_on_the_command_line_files_and_playlists_play_one_after_the_other(
    command, tmp_path, identity_model
):
    sounds = {name: music(0.3, seed=seed) for seed, name in enumerate("abc")}
    for name, sound in sounds.items():
        sf.write(tmp_path / f"{name}.wav", sound.T, 44_100, subtype="FLOAT")
    (tmp_path / "list.m3u").write_text("b.wav\ngone.wav\nc.wav\n")
    inputs = ("--input", tmp_path / "a.wav", "--input", tmp_path / "list.m3u")
    out = tmp_path / "out.wav"
    # Nothing depends on time: see test_cli_live.
    patient = ("--block", 2_048, "--slack", 22_050, "--model", identity_model)
    done = command("live", *inputs, "--output", out, "--plain", *patient)
    assert done.code == 0, done.stderr
    assert "'gone.wav' is left out" in done.stderr
    heard = sf.read(out, dtype="float32")[0].T
    np.testing.assert_allclose(heard, np.concatenate(list(sounds.values()), axis=-1), atol=2e-6)
