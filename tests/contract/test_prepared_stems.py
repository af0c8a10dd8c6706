"""Stems that lie on disk take a model's place to the sample, and sum to the song."""

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
    """It looks eight frames ahead; half of the mixture is vocals."""
    late = dict(frames_per_run=4, stride_frames=4, lookahead_frames=8)
    return models.constant_mask(tmp_path / "m.onnx", 0.5, **late)


@pytest.fixture
def write(tmp_path):
    """Write a song, and vocals that are a share of it."""

    def write(name, seconds, share=0.5, *, seed=0, rate=RATE, suffix=".wav"):
        sound = music(seconds, seed=seed, sample_rate=rate)
        path, vocals = tmp_path / f"{name}.wav", tmp_path / f"{name}.vocals{suffix}"
        sf.write(path, sound.T, rate, subtype="FLOAT")
        sf.write(vocals, share * sound.T, rate, subtype="FLOAT" if suffix == ".wav" else None)
        return path, {"vocals": vocals}, sound

    return write


class Tap:
    def __init__(self, session, bus):
        self.blocks = []
        session.add_tap(bus, self)

    def push(self, block):
        self.blocks.append(block.copy())

    def sound(self):
        return np.concatenate(self.blocks, axis=-1)


def runs_of(stage):
    """Count the runs of the model from now on."""
    model, counted = stage.separator._separator, []
    process = model.process

    def counting(block, out):
        counted.append(True)
        process(block, out)

    model.process = counting
    return counted


def test_files_that_say_the_same_as_the_model_come_in_without_a_trace(model, write):
    path, stems, sound = write("song", 4.0)
    stage, runs = Stage(model, path), []
    counted = runs_of(stage)
    stage.at(RATE, lambda: stage.transport.use_stems(stems))
    stage.until(lambda: stage.transport.place().song.readers)
    # The files come in a little after what is read, and fade for a tenth of a second.
    for later in (RATE, RATE + 10_000):
        stage.at(later, lambda: runs.append(len(counted)))
    out = stage.play()
    np.testing.assert_allclose(out[:, : sound.shape[-1]], 0.5 * sound, atol=EXACT)
    assert runs[0] == runs[1] > 0  # the model rests
    assert stage.session.snapshot().dropouts == 0


def test_what_the_files_say_is_heard_and_the_stems_sum_to_the_song(model, write):
    path, stems, sound = write("song", 4.0, 0.2)
    stage = Stage(model, path)
    taps = [Tap(stage.session, bus) for bus in ("vocals", "beat")]
    stage.at(RATE, lambda: stage.transport.use_stems(stems))
    out = stage.play()[:, : sound.shape[-1]]
    np.testing.assert_allclose(out[:, :RATE], 0.5 * sound[:, :RATE], atol=EXACT)
    np.testing.assert_allclose(out[:, -RATE:], 0.8 * sound[:, -RATE:], atol=EXACT)
    vocals, beat = (tap.sound()[:, : sound.shape[-1]] for tap in taps)
    np.testing.assert_allclose(vocals + beat, sound, atol=EXACT)
    np.testing.assert_array_equal(beat, out)
    # Between them nothing but a fade of a tenth of a second: the share of the song only grows.
    loud = np.abs(sound[0]) > 0.05
    share = out[0, loud] / sound[0, loud]
    assert (np.diff(share) > -1e-4).all()
    between = np.flatnonzero(loud)[(share > 0.51) & (share < 0.79)]
    assert between.size
    assert between[-1] - between[0] < 0.1 * RATE + 1


@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_a_song_with_stems_needs_no_model_wherever_it_is_moved_to(model, write, rate):
    path, stems, _ = write("song", 3.0, 0.2, rate=rate)
    stage, seen = Stage(model), []
    stage.at(0, lambda: stage.transport.play(Song(path, stems))).until(settled(stage))
    counted = runs_of(stage)
    stage.at(0, counted.clear)  # it was warmed up
    stage.at(30_000, lambda: stage.transport.seek(2.0)).until(settled(stage))
    stage.at(20_000, lambda: stage.transport.seek(0.7)).until(settled(stage))
    stage.at(20_000, lambda: seen.append(len(counted)))
    stage.until(lambda: stage.transport.idle).at(0, stage.stop.set)
    out = stage.play()
    # As what the same song gives by itself, less its vocals.
    whole = Stage(models.constant_mask(path.with_suffix(".onnx")), path).play()
    count = 2 * RATE
    heard, song = ending(out, count), ending(whole, count)
    np.testing.assert_allclose(heard, 0.8 * song, atol=EXACT)
    assert seen == [0]


def test_a_part_that_is_repeated_goes_on_from_the_files(model, write):
    path, stems, sound = write("song", 3.0, 0.2)
    stage = Stage(model)
    stage.at(0, lambda: stage.transport.play(Song(path, stems))).until(settled(stage))
    stage.at(1_000, lambda: stage.transport.loop(1.0, 2.0))
    counted = runs_of(stage)
    stage.at(0, counted.clear)  # it was warmed up
    stage.at(4 * RATE, lambda: stage.transport.loop(None))
    stage.until(lambda: stage.transport.idle).at(0, stage.stop.set)
    vocals = Tap(stage.session, "vocals")
    heard = ending(stage.play(), 3 * RATE)
    # At the seams both fade alike, so that no voice is left: a fifth of the song everywhere.
    sung = ending(vocals.sound(), 3 * RATE)
    np.testing.assert_allclose(4 * sung, heard, atol=5 * EXACT)
    np.testing.assert_allclose(heard[:, -RATE + 300 :], 0.8 * sound[:, -RATE + 300 :], atol=EXACT)
    for lap in (0, 1):
        np.testing.assert_allclose(
            heard[:, lap * RATE :][:, 300 : RATE - 300],
            0.8 * sound[:, RATE + 300 : 2 * RATE - 300],
            atol=EXACT,
        )
    assert not counted


def test_the_next_song_without_stems_is_the_model_s_again(model, write):
    (a, stems, first), (b, _, second) = write("a", 1.0), write("b", 1.0, seed=1)
    stage = Stage(model, a, b)
    stage.at(10_000, lambda: stage.transport.use_stems({"beat": stems["vocals"]}))
    out = stage.play()
    both = np.concatenate([first, second], axis=-1)
    np.testing.assert_allclose(out[:, : both.shape[-1]], 0.5 * both, atol=EXACT)


def test_what_are_no_stems_of_the_model_is_refused(model, write, tmp_path):
    path, stems, _ = write("song", 1.0)
    transport = Stage(model, path).transport
    with pytest.raises(ArgumentError, match="expected vocals, beat, or all but one"):
        transport.use_stems({"drums": stems["vocals"]})
    with pytest.raises(ArgumentError):
        transport.use_stems({})
    with pytest.raises(AudioFileError, match="no stem at"):
        transport.use_stems({"vocals": tmp_path / "gone.wav"})
    with pytest.raises(AudioFileError):
        transport.play(Song(path, {"vocals": tmp_path / "gone.wav"}))


def test_stems_that_can_t_be_read_leave_the_song_to_the_model(model, write):
    path, stems, sound = write("song", 2.0)
    stems["vocals"].write_bytes(b"no sound")
    stage = Stage(model, path)
    stage.at(10_000, lambda: stage.transport.use_stems(stems))
    out = stage.play()
    np.testing.assert_allclose(out[:, : sound.shape[-1]], 0.5 * sound, atol=EXACT)
    (event,) = stage.events.latest()
    assert "is separated live" in event.text


def test_another_model_reads_the_same_files_from_its_own_place(model, write):
    """Both run for a while, and what both read is the same: nothing of the change is heard."""
    path, stems, sound = write("song", 5.0, 0.2)
    stage = Stage(model)

    def change():
        stage.session.switch_model(lambda: stage.loader.load(model, None))
        while stage.session.changing and stage.session._processor.crossfade is None:
            time.sleep(0.001)  # no clock goes on while it loads

    stage.at(0, lambda: stage.transport.play(Song(path, stems))).until(settled(stage))
    stage.at(RATE // 2, change).until(lambda: stage.session._processor.crossfade is None)
    stage.at(RATE // 2, lambda: stage.transport.seek(3.0)).until(settled(stage))
    stage.until(lambda: stage.transport.idle).at(0, stage.stop.set)
    out = stage.play()
    assert stage.session._processor.pipeline.separator is not stage.separator
    begins = np.flatnonzero(out.any(axis=0))[0] // FRAMES * FRAMES
    count = int(1.9 * RATE)  # the change included: the new model listens for a second
    np.testing.assert_allclose(
        out[:, begins + FRAMES :][:, :count], 0.8 * sound[:, FRAMES:][:, :count], atol=EXACT
    )
    count = 2 * RATE - FRAMES
    np.testing.assert_allclose(ending(out, count), 0.8 * sound[:, -count:], atol=EXACT)
    assert stage.session.snapshot().dropouts == 0
