"""Songs are found, told apart by number and searched, whatever lies in the folders."""

import os
import time

import numpy as np
import pytest
import soundfile

from streamsep.errors import ArgumentError, AudioFileError, OutputError
from streamsep.remote.library_search import FOUND
from streamsep.remote.song_library import SongLibrary


@pytest.fixture
def music(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


def scanned(folder, state, say=lambda line: None):
    library = SongLibrary([folder], state / "library.db", say)
    library.start()
    assert library.wait(60.0)
    return library


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def titles(library, query):
    return [song.title for song in library.search(query)]


def test_songs_are_found_by_title_artist_and_folder_in_any_order_and_without_accents(
    music, tmp_path
):
    touch(music, "Beyoncé - Halo.mp3", "Rock/Queen - Bohemian Rhapsody.flac", "notes.txt")
    library = scanned(music, tmp_path)
    assert len(library) == 2
    for query in ("halo", "BEYONCE", "halo beyo", "hal"):
        assert titles(library, query) == ["Halo"]
    assert titles(library, "rock bohem") == ["Bohemian Rhapsody"]
    assert titles(library, "") == ["Bohemian Rhapsody", "Halo"]
    assert titles(library, "nothing") == []
    library.close()


def test_writing_without_spaces_is_found_by_any_part_of_it(music, tmp_path):
    touch(music, "邓丽君 - 月亮代表我的心.mp3", "Пугачёва - Миллион роз.mp3")
    library = scanned(music, tmp_path)
    for query in ("月亮", "我的心", "丽君", "代表 邓"):
        assert titles(library, query) == ["月亮代表我的心"]
    assert titles(library, "миллион") == ["Миллион роз"]
    library.close()


@pytest.mark.parametrize(
    "query", ['"', "a OR b", "title:x", "*", "NEAR(", "'; DROP TABLE songs", "(("]
)
def test_a_query_is_words_and_never_an_expression(music, tmp_path, query):
    touch(music, "One.mp3")
    library = scanned(music, tmp_path)
    library.search(query)
    assert len(library) == 1
    library.close()


def test_tags_win_over_names_and_the_length_is_known(music, tmp_path):
    path = music / "x - y.flac"
    with soundfile.SoundFile(path, "w", 8_000, 1) as file:
        file.title, file.artist = "<script>alert(1)</script>", "\u202eevil" + "x" * 10_000
        file.write(np.zeros(16_000, np.float32))
    library = scanned(music, tmp_path)
    (song,) = library.search("script")
    assert song.title == "<script>alert(1)</script>"
    assert song.artist.startswith("evil")
    assert len(song.artist) == 200
    assert song.artist.endswith("…")  # which says that it is longer
    assert song.seconds == pytest.approx(2.0)
    library.close()


def test_what_is_no_sound_behind_the_name_of_one_is_known_by_its_name(music, tmp_path):
    (music / "Artist - Broken.mp3").write_bytes(os.urandom(5_000))
    (music / "Empty.flac").touch()
    library = scanned(music, tmp_path)
    assert sorted(titles(library, "")) == ["Broken", "Empty"]
    library.close()


def test_nothing_outside_the_folders_is_found_or_played(music, tmp_path):
    touch(tmp_path / "elsewhere", "Secret.mp3", "deep/Secret too.mp3")
    touch(music, "Song.mp3", ".hidden/Hidden.mp3")
    (music / "link.mp3").symlink_to(tmp_path / "elsewhere" / "Secret.mp3")
    (music / "folder").symlink_to(tmp_path / "elsewhere")
    (music / "own.mp3").symlink_to(music / "Song.mp3")
    library = scanned(music, tmp_path)
    assert sorted(titles(library, "")) == ["Song", "own"]
    # Nor where a song was replaced by a link since it was found.
    (song,) = library.search("song")
    assert library.is_within(song.path)
    song.path.unlink()
    assert not library.is_within(song.path)
    song.path.symlink_to(tmp_path / "elsewhere" / "Secret.mp3")
    assert not library.is_within(song.path)
    library.close()


def test_a_second_start_knows_all_at_once_and_then_finds_what_has_changed(music, tmp_path):
    touch(music, "Stays.mp3", "Goes.mp3")
    library = scanned(music, tmp_path)
    (stays,) = library.search("stays")
    library.close()
    (music / "Goes.mp3").unlink()
    touch(music, "Comes.mp3")
    library = SongLibrary([music], tmp_path / "library.db")
    assert titles(library, "") == ["Goes", "Stays"]
    library.start()
    assert library.wait(60.0)
    assert titles(library, "") == ["Comes", "Stays"]
    assert library.search("stays")[0].id == stays.id
    assert library.progress.running is False
    assert (library.progress.found, library.progress.tagged) == (2, 2)
    library.close()


def test_names_that_are_no_text_are_songs_too(music, tmp_path):
    (music / os.fsdecode(b"caf\xe9 - \xff.mp3")).touch()
    library = scanned(music, tmp_path)
    (song,) = library.search("caf")
    assert os.path.exists(song.path)
    library.close()


def test_a_number_that_no_search_gave_names_nothing(music, tmp_path):
    touch(music, "One.mp3")
    library = scanned(music, tmp_path)
    with pytest.raises(ArgumentError):
        library.song(999)
    library.close()


@pytest.mark.parametrize("kind", ["missing", "empty", "a file"])
def test_a_folder_without_songs_is_an_error_of_one_line(tmp_path, kind):
    folder = tmp_path / "music"
    if kind == "empty":
        touch(folder, "cover.jpg")
    elif kind == "a file":
        folder.touch()
    with pytest.raises(AudioFileError):
        SongLibrary([folder], tmp_path / "library.db")


def test_a_damaged_list_of_songs_is_found_anew(music, tmp_path):
    touch(music, "One.mp3")
    (tmp_path / "library.db").write_bytes(b"no database at all" * 100)
    library = scanned(music, tmp_path)
    assert titles(library, "") == ["One"]
    library.close()


def test_a_place_that_cant_be_written_is_an_error_of_one_line(music, tmp_path):
    touch(music, "One.mp3")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        SongLibrary([music], tmp_path / "file" / "library.db")


@pytest.mark.slow
def test_a_search_takes_no_longer_for_twenty_times_the_songs(music, tmp_path):
    """A ratio within one run, of this thread's own time, which a busy machine doesn't change."""
    took = {}
    for count in (60, 1_200):
        folder = music / str(count)
        touch(folder, *(f"{n % 50}/love song {n} - of the night {n}.mp3" for n in range(count)))
        library = scanned(folder, tmp_path / str(count))
        begun = time.thread_time()
        for _ in range(5):
            assert len(library.search("love ni")) == FOUND
        took[count] = time.thread_time() - begun
        library.close()
    assert took[1_200] < 8 * took[60]  # measured: twice; where all are looked at it is 20 times
