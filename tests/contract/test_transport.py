"""Pause, seek, loop, one song after the other: each sample of what comes out is accounted for."""

import time

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.song_source import Song
from streamsep.errors import ArgumentError, AudioFileError
from testing.signals import music
from tests.support import models
from tests.support.stage import RATE, Stage, ending, settled

FRAMES = 512
EXACT = 1e-6  # an STFT there and back


@pytest.fixture
def model(tmp_path):
    """It looks eight frames ahead and takes nothing away: the beat is the song."""
    return models.constant_mask(
        tmp_path / "m.onnx", frames_per_run=4, stride_frames=4, lookahead_frames=8
    )


@pytest.fixture
def write(tmp_path):
    def write(name, seconds, *, seed=0, rate=RATE):
        sound = music(seconds, seed=seed, sample_rate=rate)
        sf.write(tmp_path / name, sound.T, rate, subtype="FLOAT")
        return tmp_path / name, sound

    return write


def check_places(stage, out, sounds, *, but):
    """What was reported before each block is what came out in it, but for so few: fades, seams."""
    wrong = 0
    for index, (song, sample) in enumerate(stage.places):
        block = out[:, index * FRAMES : (index + 1) * FRAMES]
        if song is None or not block.any():
            continue
        expected = sounds[song.path][:, sample : sample + FRAMES]
        wrong += np.abs(block[:, : expected.shape[-1]] - expected).max(initial=0.0) > EXACT
    assert wrong <= but


def test_a_pause_holds_the_song_to_the_sample(model, write):
    path, sound = write("song.wav", 2.0)
    stage = Stage(model, path)
    seen = []
    stage.at(20_000, stage.transport.pause)
    stage.at(40_000, lambda: seen.append((stage.transport.paused, stage.session.held)))
    stage.at(40_001, stage.transport.resume)
    out = stage.play()
    assert seen == [(True, True)]
    silent = ~out.any(axis=0)
    first = np.flatnonzero(np.convolve(silent, np.ones(FRAMES), "valid") == FRAMES)[0]
    first = -(-first // FRAMES) * FRAMES  # the end of the fade out
    resumed = -(-40_001 // FRAMES) * FRAMES + FRAMES  # one more block is silent
    held = resumed - first
    heard = np.concatenate([out[:, :first], out[:, first + held :]], axis=-1)[:, : sound.shape[-1]]
    # One block fades out and one in; everything else is the song, and nothing of it is missing.
    differs = np.flatnonzero(np.abs(heard - sound).max(axis=0) > EXACT)
    assert differs.size
    assert differs[0] >= first - FRAMES
    assert differs[-1] < first + FRAMES
    check_places(stage, out, {path: sound}, but=2)
    assert stage.session.snapshot().dropouts == 0
    # Without a click: the steps are those of the song, and of a fade over 512 samples.
    most = np.abs(np.diff(sound)).max() + np.abs(sound).max() / FRAMES
    assert np.abs(np.diff(out)).max() <= most + EXACT


@pytest.mark.parametrize("to_s", [0.0, 0.25, 1.5, 1.9999])
def test_a_place_is_found_to_the_sample_and_latency_stays(model, write, to_s):
    path, sound = write("song.wav", 2.0)
    stage = Stage(model, path)
    before = stage.session.latency
    stage.at(30_000, lambda: stage.transport.seek(to_s)).until(settled(stage))
    out = stage.play()
    # But for the block that fades in.
    count = max(sound.shape[-1] - round(to_s * RATE) - FRAMES, 0)
    heard = ending(out, count)
    np.testing.assert_allclose(heard, sound[:, sound.shape[-1] - count :], atol=EXACT)
    assert stage.session.latency.session == before.session
    assert stage.session.latency.total == 0
    assert stage.session.snapshot().dropouts == 0
    check_places(stage, out, {path: sound}, but=2)


def test_a_seek_while_paused_is_heard_when_it_goes_on(model, write):
    path, sound = write("song.wav", 2.0)
    stage, places = Stage(model, path), []
    stage.at(20_000, stage.transport.pause)
    stage.at(30_000, lambda: stage.transport.seek(1.0)).until(settled(stage))
    stage.at(5_000, lambda: places.append(stage.transport.now()))
    stage.at(5_001, stage.transport.resume)
    out = stage.play()
    assert (places[0].position_s, places[0].paused) == (1.0, True)
    np.testing.assert_allclose(ending(out, RATE - FRAMES), sound[:, RATE + FRAMES :], atol=EXACT)


def test_of_several_places_the_last_one_counts(model, write):
    path, sound = write("song.wav", 3.0)
    stage = Stage(model, path)

    def hurry():
        for seconds in (0.1, 2.0, 0.2, 2.5):
            stage.transport.seek(seconds)
            assert stage.transport.now().position_s == seconds  # already

    stage.at(20_000, hurry).until(settled(stage))
    out = stage.play()
    half = RATE // 2
    np.testing.assert_allclose(ending(out, half - FRAMES), sound[:, -(half - FRAMES) :], atol=EXACT)


@pytest.mark.parametrize("rate", [48_000, 22_050])
def test_at_another_rate_a_place_is_that_of_a_whole_run(model, write, rate):
    """The same samples, where both clocks have one, as if all before had been heard."""
    path, _ = write("song.wav", 2.0, rate=rate)
    whole = Stage(model, path).play()
    stage = Stage(model, path)
    stage.at(10_000, lambda: stage.transport.seek(1.2345)).until(settled(stage))
    out = stage.play()
    place = next(p for p in stage.places[::-1] if p.song is not None and p.sample < 70_000)
    index = len(stage.places) - 1 - stage.places[::-1].index(place)
    heard = out[:, index * FRAMES :][:, : 2 * RATE - place.sample - 100]
    assert heard.shape[-1] > RATE // 4
    np.testing.assert_allclose(
        heard, whole[:, place.sample :][:, : heard.shape[-1]], atol=EXACT, rtol=0
    )


def test_songs_follow_each_other_without_a_gap(model, write):
    """Of any length, in the middle of a block, at another rate too."""
    (a, first), (b, second), (c, third) = (
        write("a.wav", 0.7),
        write("b.wav", 0.01, seed=1),  # less than a block
        write("c.wav", 0.9, seed=2),
    )
    stage = Stage(model, a, b, c)
    out = stage.play()
    sounds = np.concatenate([first, second, third], axis=-1)
    np.testing.assert_allclose(out[:, : sounds.shape[-1]], sounds, atol=EXACT)
    assert not out[:, sounds.shape[-1] :].any()
    assert stage.ended == [a, b, c]
    assert stage.session.snapshot().dropouts == 0


def test_next_and_previous_go_from_song_to_song(model, write):
    (a, first), (b, second) = write("a.wav", 1.0), write("b.wav", 1.0, seed=1)
    stage, seen = Stage(model, a, b), []

    def see():
        seen.append(stage.transport.now()[:2])

    stage.at(10_000, lambda: stage.transport.step(1)).until(settled(stage)).at(0, see)
    stage.at(10_000, lambda: stage.transport.step(-1)).until(settled(stage)).at(0, see)
    stage.at(10_000, lambda: stage.transport.step(-1)).until(settled(stage)).at(0, see)
    out = stage.play()
    assert seen == [(b, 0.0), (a, 0.0), (a, 0.0)]
    both = np.concatenate([first, second], axis=-1)
    end = both.shape[-1] - FRAMES
    np.testing.assert_allclose(ending(out, end), both[:, -end:], atol=EXACT)
    with pytest.raises(ArgumentError, match="several songs"):
        Stage(model, a).transport.step(1)


def test_a_loop_comes_round_to_the_sample(model, write):
    path, sound = write("song.wav", 3.0)
    stage = Stage(model, path)
    start, end = RATE, 2 * RATE
    stage.at(1_000, lambda: stage.transport.loop(1.0, 2.0))
    stage.at(4 * RATE, lambda: stage.transport.loop(None))
    out = stage.play()
    lap = sound[:, start:end]
    heard = out[:, end:]
    inner = slice(300, RATE - 300)  # both sides of a seam fade for 256 samples
    for number in range(2):
        np.testing.assert_allclose(heard[:, number * RATE :][:, inner], lap[:, inner], atol=EXACT)
    np.testing.assert_allclose(out[:, : end - 300], sound[:, : end - 300], atol=EXACT)
    # It ends with the song, once nothing is repeated any more.
    played = np.flatnonzero(out.any(axis=0))[-1] + 1
    assert (played - 3 * RATE) % RATE == 0
    np.testing.assert_allclose(
        out[:, played - RATE + 300 : played], sound[:, 2 * RATE + 300 :], atol=EXACT
    )
    most = np.abs(np.diff(sound)).max() + 2 * np.abs(sound).max() / 256
    assert np.abs(np.diff(out)).max() <= most + EXACT
    assert stage.session.snapshot().dropouts == 0
    check_places(stage, out, {path: sound}, but=8)  # laps end within blocks


def test_what_is_repeated_is_waited_for_while_it_is_opened(model, write):
    """The run ended with the song where opening it for the loop took longer than its rest."""
    path, sound = write("song.wav", 1.5)
    stage = Stage(model, path)
    opened = stage.mover._songs.opened

    def slow(*asked):
        time.sleep(0.3)
        return opened(*asked)

    stage.mover._songs.opened = slow
    stage.at(1_000, lambda: stage.transport.loop(0.5, 1.5))
    stage.at(3 * RATE, lambda: stage.transport.loop(None))
    out = stage.play()
    lap = slice(RATE // 2 + 300, 3 * RATE // 2 - 300)
    for number in range(2):
        np.testing.assert_allclose(
            out[:, number * RATE :][:, lap], sound[:, lap], atol=EXACT, err_msg=f"lap {number}"
        )


def test_without_a_song_there_is_silence_until_one_comes_and_after_it(model, write):
    path, sound = write("song.wav", 0.8)
    stage, seen = Stage(model), []

    def see():
        seen.append((stage.transport.idle, stage.transport.now() is None))

    stage.at(5_000, see).at(5_001, lambda: stage.transport.play(Song(path)))
    stage.until(settled(stage)).at(1_000, see)
    stage.until(lambda: stage.transport.idle).at(5_000, see).at(5_001, stage.stop.set)
    out = stage.play()
    assert seen == [(True, True), (False, False), (True, True)]
    assert stage.ended == [path]
    heard = np.flatnonzero(out.any(axis=0))
    first = heard[0] // FRAMES * FRAMES
    np.testing.assert_allclose(
        out[:, first + FRAMES : first + sound.shape[-1]], sound[:, FRAMES:], atol=EXACT
    )
    assert stage.session.snapshot().dropouts == 0


def test_one_song_is_changed_for_another_now(model, write):
    (a, _), (b, second) = write("a.wav", 2.0), write("b.wav", 0.8, seed=1)
    stage = Stage(model)
    stage.at(0, lambda: stage.transport.play(Song(a))).until(settled(stage))
    stage.at(20_000, lambda: stage.transport.play(Song(b))).until(settled(stage))
    stage.until(lambda: stage.transport.idle).at(0, stage.stop.set)
    out = stage.play()
    assert stage.ended == [b]
    end = second.shape[-1] - FRAMES
    np.testing.assert_allclose(ending(out, end), second[:, -end:], atol=EXACT)


def test_what_can_t_be_read_is_named_and_left_out(model, write, tmp_path):
    (a, first), (b, second) = write("a.wav", 0.6), write("b.wav", 0.6, seed=1)
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    stage = Stage(model, bad, a, tmp_path / "gone.wav", b)
    out = stage.play()
    both = np.concatenate([first, second], axis=-1)
    np.testing.assert_allclose(out[:, : both.shape[-1]], both, atol=EXACT)
    told = [event.text for event in stage.events.latest() if event.kind == "warning"]
    assert ["bad.wav" in told[0], "gone.wav" in told[1], len(told)] == [True, True, 2]
    with pytest.raises(AudioFileError, match="none of 2 files"):
        Stage(model, bad, tmp_path / "gone.wav")


@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_what_is_no_place_is_refused(model, write, seconds):
    path, _ = write("song.wav", 1.0)
    stage, refused = Stage(model, path), []

    def try_it():
        for do in (
            lambda: stage.transport.seek(seconds),
            lambda: stage.transport.loop(0.5, 0.6),
            lambda: stage.transport.loop(-1.0, 0.6),
        ):
            with pytest.raises(ArgumentError) as raised:
                do()
            refused.append(raised.value)

    stage.at(1_000, try_it)
    stage.play()
    assert len(refused) == 3


def test_the_end_of_a_song_may_be_gone_to_and_the_next_one_begins(model, write):
    (a, _), (b, second) = write("a.wav", 2.0), write("b.wav", 0.8, seed=1)
    stage = Stage(model, a, b)
    stage.at(20_000, lambda: stage.transport.seek(1e9)).until(settled(stage))
    out = stage.play()
    count = second.shape[-1] - FRAMES
    np.testing.assert_allclose(ending(out, count), second[:, -count:], atol=EXACT)
    assert stage.ended == [a, b]
    # But for the silence while the next one is opened, which takes as long as the machine does.
    assert np.count_nonzero(out.any(axis=0)) < 20_000 + second.shape[-1] + RATE


def test_gone_to_its_end_the_last_song_ends_the_run_and_a_queue_is_told(model, write):
    path, _ = write("song.wav", 2.0)
    stage = Stage(model, path)
    stage.at(20_000, lambda: stage.transport.seek(2.0)).until(settled(stage))
    stage.play()
    assert stage.ended == [path]
    stage = Stage(model)
    stage.at(0, lambda: stage.transport.play(Song(path))).until(settled(stage))
    stage.at(20_000, lambda: stage.transport.seek(3.0)).until(lambda: stage.transport.idle)
    stage.at(0, stage.stop.set)
    stage.play()
    assert stage.ended == [path]
