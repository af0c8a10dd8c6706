"""Songs separated ahead: in a process of its own, in a bounded cache, and never half."""

import os
import sys
import time

import pytest
import soundfile

from streamsep.remote.prepared_songs import PreparedSongs
from testing.servers import wait_until

WRITER = """
import sys, time
print(0.5, flush=True)
open(sys.argv[2] + "/vocals.flac", "wb").write(b"x" * 1000)
"""
SLEEPER = "import time; print(0.25, flush=True); time.sleep(600)"
FAILER = "import sys; print('first'); sys.exit('streamsep: it is no sound')"


def command(script):
    return (sys.executable, "-c", script)


@pytest.fixture
def songs(tmp_path):
    paths = [tmp_path / f"{n}.mp3" for n in range(4)]
    for path in paths:
        path.touch()
    return paths


@pytest.fixture
def made(tmp_path):
    """Makes caches, and closes them."""
    open_ones = []

    def make(script, *, limit=10**9, say=lambda line: None):
        cache = PreparedSongs(tmp_path / "cache", limit=limit, say=say, command=command(script))
        open_ones.append(cache)
        cache.start()
        return cache

    yield make
    for cache in open_ones:
        cache.close()


def test_the_first_song_is_made_first_and_then_the_others(made, songs):
    cache = made(WRITER)
    cache.want(songs[:2])
    wait_until(lambda: cache.find(songs[1]), "the second song")
    assert cache.find(songs[0])["vocals"].stat().st_size == 1_000
    assert cache.find(songs[2]) is None
    wait_until(lambda: cache.working is None, "its end")


def test_a_song_that_has_changed_since_is_another_one(made, songs):
    cache = made(WRITER)
    cache.want(songs[:1])
    wait_until(lambda: cache.find(songs[0]), "the song")
    songs[0].write_bytes(b"another")
    assert cache.find(songs[0]) is None
    songs[0].unlink()
    assert cache.find(songs[0]) is None


def test_a_song_that_nobody_wants_any_more_is_given_up(made, songs, tmp_path):
    said = []
    cache = made(SLEEPER, say=said.append)
    cache.want(songs[:1])
    wait_until(lambda: cache.working == (songs[0], 0.25), "the share that is done")
    cache.want([])
    wait_until(lambda: cache.working is None, "its end")
    wait_until(lambda: not os.listdir(tmp_path / "cache"), "what was left of it")
    assert said == []


def test_closing_ends_the_process_and_leaves_nothing_half_done(made, songs, tmp_path):
    cache = made(SLEEPER)
    cache.want(songs[:1])
    wait_until(lambda: cache.working, "its start")
    begun = time.monotonic()
    cache.close()
    assert time.monotonic() - begun < 100.0  # and not the child's 600 s
    assert os.listdir(tmp_path / "cache") == []


def test_a_song_that_fails_is_named_once_and_the_next_one_is_made(made, songs):
    said = []
    cache = made(FAILER, say=said.append)
    cache.want(songs[:2])
    wait_until(lambda: len(said) == 2, "both failures")
    assert "0 isn't separated ahead" in said[0]
    assert "it is no sound" in said[0]
    cache.want(songs[:1])
    wait_until(lambda: cache.working is None, "nothing under way")
    assert len(said) == 2


def test_what_wasnt_played_for_longest_goes_and_nothing_that_is_wanted(made, songs):
    cache = made(WRITER, limit=2_500)
    for number, song in enumerate(songs[:2]):
        cache.want([song])
        wait_until(lambda song=song: cache.find(song), "a song")
        os.utime(cache.find(song)["vocals"], (number, number))
    cache.want([songs[0]])  # played again: it goes last
    cache.want([songs[2]])
    wait_until(lambda: cache.find(songs[2]), "the third song")
    wait_until(lambda: cache.find(songs[1]) is None, "the room of the second one")
    assert cache.find(songs[0])
    cache.want(songs)
    wait_until(lambda: all(cache.find(song) for song in songs), "more than fits, all of it wanted")


def test_a_place_that_cant_be_written_is_said_once(songs, tmp_path):
    (tmp_path / "file").touch()
    said = []
    cache = PreparedSongs(
        tmp_path / "file" / "cache", limit=1, say=said.append, command=command(WRITER)
    )
    cache.start()
    cache.want(songs)
    wait_until(lambda: said, "the line about it")
    cache.want(songs[:1])
    cache.close()
    assert len(said) == 1
    assert "aren't separated ahead" in said[0]


@pytest.mark.slow
def test_the_real_process_gives_the_vocals_of_the_songs_length(tmp_path):
    from testing.signals import music

    song = tmp_path / "song.wav"
    sound = music(1.0)
    soundfile.write(song, sound.T, 44_100)
    cache = PreparedSongs(tmp_path / "cache", limit=10**9, say=print)
    cache.start()
    cache.want([song])
    # It gives way to all else: on a busy machine that takes as long as the rest does.
    wait_until(lambda: cache.find(song), "the vocals", patience_s=600.0)
    cache.close()
    assert soundfile.info(cache.find(song)["vocals"]).frames == 44_100
