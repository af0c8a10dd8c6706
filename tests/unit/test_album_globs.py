"""Globs within folders whose own names look like globs."""

import pytest

from streamsep.offline.song_search import find_input_files


@pytest.mark.parametrize("album", ["[1991] Ten", "Live [Disc 1]", "[a]", "[", "x[!y]z"])
def test_brackets_of_a_name_are_no_set_of_letters(tmp_path, monkeypatch, album):
    monkeypatch.chdir(tmp_path)
    (tmp_path / album).mkdir()
    for name in ("01.ogg", "02.ogg", "cover.jpg"):
        (tmp_path / album / name).touch()
    found = find_input_files([f"{album}/*.ogg"])
    assert [str(song.path) for song in found.files] == [f"{album}/01.ogg", f"{album}/02.ogg"]
    assert [str(song.path) for song in find_input_files([f"{album}/0[2-9].ogg"]).files] == [
        f"{album}/02.ogg"
    ]
