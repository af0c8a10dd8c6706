"""A file is read ahead: the first sample that comes out is its first, whatever the latency."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from streamsep.audio.devices.simulated import SimulatedEndpoint
from streamsep.live.config import LiveConfig
from streamsep.live.model_loader import ModelLoader
from streamsep.realtime import Session
from streamsep.separation import ChunkedSeparator, load_separator
from testing.signals import music
from tests.support import models
from tests.support.cases import one_fast


class Song:
    """An array that is read block by block, with silence after its end."""

    def __init__(self, sound):
        self.sound, self.position = sound, 0

    def read(self, out):
        piece = self.sound[:, self.position : self.position + len(out)]
        self.position += len(out)
        out[:] = np.pad(piece, ((0, 0), (0, len(out) - piece.shape[-1]))).T


class Singer:
    """A microphone that counts: its n-th block is n."""

    latency = 100

    def __init__(self):
        self.blocks = 0

    def read(self, out):
        self.blocks += 1
        out[:] = self.blocks
        return 0


class Tap:
    def __init__(self):
        self.blocks = []

    def push(self, block):
        self.blocks.append(block.copy())


def session_for(model, frames, **options):
    """As a live run of a file has it."""
    config = LiveConfig(input="song.wav", model=model, device="cpu", block=frames, slack=777)
    loaded = ModelLoader(config, [model]).load(model, None)
    return Session(loaded.separator, device_frames=frames, slack=loaded.slack, **options)


def play(session, mixture, frames, meanwhile=lambda: None):
    """Read ahead, then play the rest on the simulated endpoint; what came out."""
    song, stop = Song(mixture), threading.Event()
    with session:
        session.read_ahead(song.read, stop)
        meanwhile()
        rest = mixture[:, song.position :]
        endpoint = SimulatedEndpoint(rest, frames, between=lambda index: session.wait_idle())
        endpoint.run(session.process_block, stop, tail=session.latency.session)
        session.check()
    return endpoint.output


def offline(model, mixture):
    chunked = ChunkedSeparator(load_separator(model, device="cpu"))
    return np.concatenate([chunked.feed(mixture), chunked.finish()], axis=-1)


@pytest.fixture(params=["near", "far", "windowed"])
def model(request, tmp_path):
    path = tmp_path / "model.onnx"
    if request.param == "windowed":
        return models.windowed_mask(path, frames=32, stride=4, lag=3)
    if request.param == "far":
        return models.lookahead_mask(path, frames=4, lookahead=8)
    return models.constant_mask(path, 0.5)


@pytest.mark.parametrize("frames", one_fast([64, 441, 512, 1000, 6000]))
def test_the_first_sample_out_is_the_first_of_the_song(model, frames):
    mixture = music(1.5)
    session = session_for(model, frames)
    assert session.latency.session % frames == 0
    out = play(session, mixture, frames)
    beat = offline(model, mixture)[-1]
    np.testing.assert_array_equal(out[:, : mixture.shape[-1]], beat)
    assert session.snapshot().dropouts == 0


def test_what_is_reported_is_what_is_heard(model):
    mixture = music(3.0)
    session = session_for(model, 512, device_out=300)
    late = session.latency.session
    assert session.latency.total == late + 300
    play(session, mixture, 512)
    stats = session.snapshot()
    assert stats.latency.ahead == stats.latency.session == stats.measured_latency == late
    assert stats.latency.total == stats.latency.heard(stats.measured_latency) == 300


def test_time_position_and_recordings_begin_with_the_song(model):
    """None of them knows of what was read ahead."""
    mixture, tap, seen = music(1.0), Tap(), []
    session = session_for(model, 512, device_out=300)
    session.add_tap("beat", tap)

    def at_the_first_block():
        stats = session.snapshot()
        seen.append((stats.seconds, len(tap.blocks), session.heard))

    play(session, mixture, 512, at_the_first_block)
    assert seen == [(0.0, 0, 0)]
    recorded = np.concatenate(tap.blocks, axis=-1)
    beat = offline(model, mixture)[-1]
    np.testing.assert_array_equal(recorded[:, : beat.shape[-1]], beat)


def test_the_bypass_is_the_song_in_its_place(model):
    mixture = music(1.0)
    session = session_for(model, 512)
    session.set_bypass(True)
    out = play(session, mixture, 512)
    np.testing.assert_array_equal(out[:, : mixture.shape[-1]], mixture)


def test_the_singer_begins_with_the_song(model):
    singer, tap = Singer(), Tap()
    session = session_for(model, 512, microphones=[singer])
    session.add_tap("mic", tap)
    play(session, music(0.5), 512, lambda: setattr(singer, "begun", singer.blocks))
    assert singer.begun == 0
    assert [float(block.max()) for block in tap.blocks[:3]] == [1.0, 2.0, 3.0]
    assert session.snapshot().mic_glitches == 0


def test_a_latency_between_two_blocks_is_heard_as_that_much(model):
    """Without the loader's stretching it is off by less than a block, and reported so."""
    mixture = music(1.0)
    session = Session(load_separator(model, device="cpu"), device_frames=512, slack=777)
    left = session.latency.session % 512
    assert left
    out = play(session, mixture, 512)
    beat = offline(model, mixture)[-1]
    assert session.latency.total == left
    np.testing.assert_array_equal(out[:, left:][:, : beat.shape[-1]], beat)


def test_it_ends_early_when_asked_to(model):
    session, stop = session_for(model, 512), threading.Event()
    stop.set()
    with session:
        session.read_ahead(lambda out: pytest.fail("nothing is to be read"), stop)
    assert session.latency.ahead == 0


def test_models_of_one_run_are_equally_late(tmp_path):
    """However late each is by itself, once the latest has been loaded: a change moves nothing."""
    near = models.constant_mask(tmp_path / "near.onnx", 0.5)
    far = models.lookahead_mask(tmp_path / "far.onnx", frames=4, lookahead=8)
    config = LiveConfig(input="song.wav", model=(far, near), device="cpu", block=512)

    def late(loaded):
        return Session(loaded.separator, device_frames=512, slack=loaded.slack).latency.session

    loader = ModelLoader(config, [far, near])
    assert late(loader.load(far, None)) == late(loader.load(near, None))
    loader = ModelLoader(config, [far, near])
    assert (
        late(loader.load(near, None))
        < late(loader.load(far, None))
        == late(loader.load(near, None))
    )
    # What isn't read ahead is as soon as it can be.
    loader = ModelLoader(replace(config, input="mic"), [far, near])
    assert late(loader.load(near, None)) < late(loader.load(far, None))
    assert loader.load(near, None).slack == config.slack
