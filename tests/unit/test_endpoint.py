"""What drives a session: the timer, and the path from a source to a clock."""

import threading
import time

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.endpoint import DuplexPump, TimerSink
from streamsep.audio.files.file_source import FileSource
from testing.signals import music

RATE, BLOCK = 44_100, 441  # 10 ms


def test_the_timer_keeps_real_time_and_catches_up(monkeypatch):
    """One block takes as long as twenty: the missed ones follow at once, none is left out."""
    monkeypatch.setattr(TimerSink, "HELD_S", 1.0)
    sink, stop, times = TimerSink(RATE, BLOCK, 2), threading.Event(), []

    def render(outdata, lost):
        assert (outdata.shape, lost) == ((BLOCK, 2), 0)
        times.append(time.monotonic())
        if len(times) == 10:
            time.sleep(0.2)
        if len(times) == 50:
            stop.set()

    started = time.monotonic()
    sink.run(render, stop)
    elapsed = np.array(times) - started
    # Never early: block k isn't asked for before its time. That it is late is the machine's
    # affair, but a clock that didn't catch up would take the 0.2 s longer.
    assert (elapsed >= 0.01 * np.arange(50) - 1e-4).all()
    assert elapsed[11] - elapsed[10] < 0.01


def test_after_a_hold_the_timer_goes_on_as_if_nothing_had_been(monkeypatch):
    """A model would miss all that followed at once, and the voice be in the recording."""
    monkeypatch.setattr(TimerSink, "HELD_S", 0.1)
    sink, stop, times = TimerSink(RATE, BLOCK, 2), threading.Event(), []

    def render(outdata, lost):
        times.append(time.monotonic())
        if len(times) == 10:
            time.sleep(0.3)
        if len(times) == 20:
            stop.set()

    sink.run(render, stop)
    assert times[-1] - times[10] > 0.08  # caught up, they would take no time at all


class Sink:
    """A clock that keeps no time: as many blocks as it is asked for."""

    latency = 1_000

    def __init__(self):
        self.pulled = 0

    def run(self, render, stop):
        out = np.zeros((BLOCK, 2), np.float32)
        while not stop.is_set():
            render(out, 0)
            self.pulled += 1
            time.sleep(0.0002)  # lets the decoder in

    def close(self):
        self.closed = True


def run_path(path, tail, **options):
    source = FileSource(path, sample_rate=RATE, channels=2, **options)
    sink, blocks = Sink(), []
    live = DuplexPump(source, sink, device_frames=BLOCK, channels=2)
    assert (live.device_in, live.device_out) == (0, 1_000)
    try:
        live.run(lambda i, o, lost: blocks.append(i.copy()), threading.Event(), tail=tail)
    finally:
        assert sink.closed
    return np.concatenate(blocks).T


@pytest.mark.parametrize("length", [BLOCK, 10 * BLOCK + 1, 10 * BLOCK - 1])
def test_a_file_runs_to_its_end_and_until_all_has_left_the_device(tmp_path, length):
    sound = music(1.0)[:, :length]
    path = tmp_path / "song.wav"
    sf.write(path, sound.T, RATE, subtype="FLOAT")
    tail = 5_000
    fed = run_path(path, tail)
    np.testing.assert_array_equal(fed[:, :length], sound)
    assert not fed[:, length:].any()
    # After the last sample: the session's tail, and twice what the device holds.
    assert fed.shape[-1] - length >= tail + 2 * 1_000
    assert fed.shape[-1] - length < tail + 2 * 1_000 + 2 * BLOCK


def test_a_damaged_file_is_played_as_far_as_it_goes_and_says_so(tmp_path):
    path, told = tmp_path / "song.flac", []
    sound = music(3.0)
    sf.write(path, sound.T, RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    fed = run_path(path, 1_000, on_notice=told.append)
    heard = RATE
    np.testing.assert_allclose(fed[:, :heard], sound[:, :heard], atol=2**-15)  # of 16 bits
    assert not fed[:, 2 * RATE :].any()
    assert [notice.lost for notice in told] == [True]
