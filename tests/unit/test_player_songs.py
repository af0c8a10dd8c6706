"""A player for files, on its own threads and clock: what is heard, recorded and told."""

import os
import threading

import numpy as np
import pytest
import soundfile as sf

from streamsep.errors import ArgumentError, AudioFileError
from streamsep.live.config import LiveConfig
from streamsep.live.player import LivePlayer
from testing.servers import wait_until
from testing.signals import music

PCM_24 = 2.0**-23  # see test_sound_file
EXACT = PCM_24 + 1e-6  # and an STFT there and back
# Nothing here depends on time: with buffers this long a machine may stand still for a while.
PATIENT = dict(block=2_048, slack=44_100)
RATE = 44_100


@pytest.fixture
def config(identity_model):
    return LiveConfig(input=(), output="null", model=identity_model, **PATIENT)


@pytest.fixture
def write(tmp_path):
    def write(name, seconds, seed=0):
        sound = music(seconds, seed=seed)
        sf.write(tmp_path / name, sound.T, RATE, subtype="FLOAT")
        return tmp_path / name, sound

    return write


def read(path):
    return sf.read(path, dtype="float32", always_2d=True)[0].T


def silences(sound):
    """Return where stretches of silence begin and end that are longer than a block."""
    silent = np.concatenate([[False], ~sound.any(axis=0), [False]])
    edges = np.flatnonzero(np.diff(silent.astype(int)))
    return [(a, b) for a, b in edges.reshape(-1, 2) if b - a > 2_000]


@pytest.mark.slow
def test_a_recording_goes_on_through_a_pause_and_ends_with_the_song(config, write, tmp_path):
    song, sound = write("song.wav", 1.5)
    with LivePlayer(config, input=song, record=tmp_path / "take.wav") as player:
        wait_until(lambda: player.position_s > 0.3, "some music")
        player.pause()
        assert player.paused
        wait_until(lambda: player.session.held, "the end of a fade")
        stood = player.position_s
        since = player.stats().seconds
        wait_until(lambda: player.stats().seconds > since + 0.2, "some time")
        assert player.position_s == stood
        player.resume()
        assert player.wait(60.0)
        assert player.stats().dropouts == 0
    take = read(tmp_path / "take.wav")
    ((begin, end),) = silences(take)
    assert end - begin > 0.2 * RATE
    begin = -(-begin // 2_048) * 2_048  # the fade's last sample is silent too
    end = end // 2_048 * 2_048
    heard = np.concatenate([take[:, :begin], take[:, end:]], axis=-1)
    assert heard.shape == sound.shape
    differs = np.flatnonzero(np.abs(heard - sound).max(axis=0) > EXACT)
    assert begin - 2_048 <= differs[0]
    assert differs[-1] < begin + 2_048


@pytest.mark.slow
def test_stems_are_recorded_as_they_are_heard(config, write, half_model, tmp_path):
    """Faded and moved together: they sum to what would have been heard of the song."""
    song, sound = write("song.wav", 2.0)
    settings = dict(record=tmp_path / "take.wav", record_stems=("beat", "vocals"))
    with LivePlayer(config, input=song, model=half_model, **settings) as player:
        wait_until(lambda: player.position_s > 0.3, "some music")
        player.seek(1.0)
        assert player.position_s >= 1.0  # at once
        assert player.wait(60.0)
    beat, vocals = read(tmp_path / "take.beat.wav"), read(tmp_path / "take.vocals.wav")
    np.testing.assert_allclose(beat, vocals, atol=2 * EXACT)
    count = RATE - 2_048
    np.testing.assert_allclose(
        (beat + vocals)[:, -count:], sound[:, -count:], atol=2 * EXACT, rtol=0
    )


@pytest.mark.slow
def test_a_playlist_is_recorded_without_a_gap(config, write, tmp_path):
    (_, first), (_, second) = write("a.wav", 0.5), write("b.wav", 0.6, seed=1)
    (tmp_path / "list.m3u").write_text("#EXTM3U\na.wav\nhttp://example.org/x.mp3\nb.wav\n")
    ended = []
    player = LivePlayer(config, input=tmp_path / "list.m3u", record=tmp_path / "take.wav")
    player.on_song_end = ended.append
    with player:
        assert player.several_songs
        assert player.wait(60.0)
    both = np.concatenate([first, second], axis=-1)
    np.testing.assert_allclose(read(tmp_path / "take.wav"), both, atol=EXACT, rtol=0)
    assert [path.name for path in ended] == ["a.wav", "b.wav"]
    assert any("x.mp3" in e.text and e.kind == "warning" for e in player.events.latest())


@pytest.mark.slow
def test_without_a_song_it_stays_until_one_is_played_and_after_it(config, write, tmp_path):
    (a, _), (b, _) = write("a.wav", 0.5), write("b.wav", 0.5, seed=1)
    before = threading.enumerate()
    ended, done = [], threading.Event()

    def queue(song):
        ended.append(song)
        if song == a:
            player.play(b)  # from the thread that tells
        done.set()

    player = LivePlayer(config)
    player.on_song_end = queue
    with player:
        assert (player.idle, player.song, player.position_s, player.duration_s) == (
            True,
            None,
            0.0,
            None,
        )
        with pytest.raises(ArgumentError, match="nothing plays"):
            player.seek(1.0)
        with pytest.raises(AudioFileError):
            player.play(tmp_path / "gone.wav")
        assert player.idle
        player.play(a)
        assert (player.idle, player.song, player.duration_s) == (False, a, 0.5)
        wait_until(lambda: len(ended) == 2 and player.idle, "the end of both")
        assert not player.wait(0.0)
    assert ended == [a, b]
    assert not {*threading.enumerate()} - {*before}


def test_a_listener_that_fails_is_named_and_the_music_goes_on(config, write):
    (a, _), (b, _) = write("a.wav", 0.3), write("b.wav", 0.3, seed=1)
    player = LivePlayer(config, input=(a, b))
    player.on_song_end = lambda song: {}["missing"]
    with player:
        assert player.wait(60.0)
    told = [e.text for e in player.events.latest() if "has failed" in e.text]
    assert len(told) == 2


@pytest.mark.slow
def test_stems_of_a_song_that_plays_come_in_while_it_does(config, write, half_model, tmp_path):
    song, sound = write("song.wav", 5.0)  # they have all but the last half second to come in
    sf.write(tmp_path / "vocals.wav", 0.25 * sound.T, RATE, subtype="FLOAT")
    with LivePlayer(config, input=song, model=half_model, record=tmp_path / "take.wav") as player:
        player.use_stems({"vocals": tmp_path / "vocals.wav"})
        assert player.wait(60.0)
    take = read(tmp_path / "take.wav")
    half = RATE // 2
    np.testing.assert_allclose(take[:, -half:], 0.75 * sound[:, -half:], atol=EXACT)


@pytest.mark.slow
def test_what_comes_through_a_pipe_is_played_paused_and_never_moved_in(config, write, tmp_path):
    song, sound = write("song.wav", 1.0)
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(song.read_bytes()))
    writer.start()
    with LivePlayer(config, input=pipe, record=tmp_path / "take.wav") as player:
        for move in (player.restart, lambda: player.seek(0.5), lambda: player.loop(0.0, 1.0)):
            with pytest.raises(ArgumentError, match="comes through a pipe"):
                move()
        player.pause()
        wait_until(lambda: player.session.held, "the end of a fade")
        player.resume()
        assert player.wait(60.0)
    writer.join()
    take = read(tmp_path / "take.wav")
    np.testing.assert_allclose(take[:, -half_of(sound) :], sound[:, -half_of(sound) :], atol=EXACT)


def half_of(sound):
    return sound.shape[-1] // 2


def test_closing_in_the_middle_of_a_jump_leaves_nothing_open(config, write):
    song, _ = write("song.wav", 2.0)
    before, handles = threading.enumerate(), len(os.listdir("/proc/self/fd"))
    with LivePlayer(config, input=song) as player:
        for seconds in (0.5, 1.0, 1.5):
            player.seek(seconds)
    assert not {*threading.enumerate()} - {*before}
    assert len(os.listdir("/proc/self/fd")) <= handles


def test_several_inputs_are_files():
    with pytest.raises(ArgumentError, match="'mic' can't be one of several inputs"):
        LiveConfig(input=("mic", "song.wav"))


@pytest.mark.slow
def test_a_pipe_that_is_next_holds_nothing_up(config, write, tmp_path):
    """Nobody writes to it until after the song before it has been moved in."""
    (song, _), (later, sound) = write("song.wav", 1.0), write("later.wav", 0.7, seed=1)
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    before = threading.enumerate()
    with LivePlayer(config, input=(song, pipe), record=tmp_path / "take.wav") as player:
        wait_until(lambda: player.position_s > 0.1, "some music")
        player.seek(0.5)
        wait_until(lambda: player.song is None, "the end of the song")
        player.previous()
        wait_until(lambda: player.song == song, "the song again")
        pipe.write_bytes(later.read_bytes())
        assert player.wait(60.0)
    take = read(tmp_path / "take.wav")
    count = sound.shape[-1]
    np.testing.assert_allclose(take[:, -count:], sound, atol=EXACT)
    assert not {*threading.enumerate()} - {*before}


def test_a_pipe_that_nobody_writes_to_is_left_in_order(config, write, tmp_path):
    song, _ = write("song.wav", 0.3)
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    before, handles = threading.enumerate(), len(os.listdir("/proc/self/fd"))
    with LivePlayer(config, input=(song, pipe)) as player:
        wait_until(lambda: player.song is None, "the end of the song")
        player.next() if player.several_songs else None
    wait_until(lambda: not {*threading.enumerate()} - {*before}, "the end of all threads")
    assert len(os.listdir("/proc/self/fd")) <= handles
