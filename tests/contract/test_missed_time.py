"""Time that went by unheard is silence in its place; the song goes on where it was."""

import math
import threading

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.endpoint import DuplexPump
from streamsep.audio.files.file_source import FileSource
from streamsep.realtime import Session
from streamsep.separation import load_separator
from testing.signals import music
from tests.support import models

RATE, FRAMES = 44_100, 512
BEFORE, MISSED, AFTER = 20, 430, 30  # blocks; those that are missed are five seconds


class Clock:
    """Calls for blocks as fast as the model makes them; for some of them when they are over."""

    latency = 0

    def __init__(self, session, dues):
        self._session, self._dues = session, dues
        self.heard = []

    def run(self, render, stop):
        out = np.zeros((FRAMES, 2), np.float32)
        for due in self._dues:
            if due != -math.inf:
                self._session.wait_idle()
            render(out, 0, due)
            self.heard.append(out.T.copy())

    def close(self):
        """Nothing is held."""


class Heard:
    """A tap that keeps what passes."""

    def __init__(self):
        self.blocks = []

    def push(self, block):
        self.blocks.append(block.copy())


@pytest.fixture
def play(tmp_path):
    """Play a file with a clock that has these moments; return what a recorder hears, and stats."""
    path = tmp_path / "song.wav"
    sf.write(path, music(1.0).T, RATE, subtype="FLOAT")
    model = models.constant_mask(tmp_path / "m.onnx")

    def play(dues):
        session = Session(load_separator(model), device_frames=FRAMES)
        source, tap = FileSource(path, sample_rate=RATE, channels=2), Heard()
        session.add_tap("mix", tap)
        clock = Clock(session, dues)
        pump = DuplexPump(source, clock, device_frames=FRAMES, channels=2)

        def missed(indata, outdata, status):
            session.process_block(indata, outdata, status, missed=True)

        with session:
            pump.run(session.process_block, threading.Event(), missed=missed)
            session.check()
            return np.concatenate(tap.blocks, axis=-1), session.snapshot()

    return play


def test_it_is_as_long_as_it_was_and_nothing_of_the_song_is_lost(play):
    whole, _ = play([0.0] * (BEFORE + AFTER))
    sound, stats = play([0.0] * BEFORE + [-math.inf] * MISSED + [0.0] * AFTER)
    begin, end = BEFORE * FRAMES, (BEFORE + MISSED) * FRAMES
    assert sound.shape[-1] == (BEFORE + MISSED + AFTER) * FRAMES
    assert stats.seconds == pytest.approx(sound.shape[-1] / RATE)
    assert whole[:, begin:].any()
    assert not sound[:, begin:end].any()
    np.testing.assert_array_equal(np.delete(sound, np.s_[begin:end], axis=-1), whole)
    # The model had nothing to do with it.
    assert stats.dropouts == 0
