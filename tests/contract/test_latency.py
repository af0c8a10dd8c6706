"""Invariant 2: the reported latency is the measured one, to the sample, device by model."""

import threading

import numpy as np
import pytest

from streamsep.audio.devices.jitter_buffer import JitterBuffer
from streamsep.audio.devices.simulated import SimulatedDevices
from streamsep.realtime import Session
from streamsep.realtime.latency import LatencyMeter, buffering_samples
from streamsep.separation import load_separator
from testing.sessions import play
from testing.signals import music
from tests.support import models

RATE = 44_100
DEVICE_FRAMES = [64, 256, 441, 512, 1000, 1024, 4096, 6000]
MODELS = {
    "causal": dict(),
    "lookahead": dict(frames_per_run=4, stride_frames=4, lookahead_frames=8),
    "sliding": dict(mode="sliding", frames_per_run=16, stride_frames=4, lookahead_frames=8),
    "half hop": dict(hop_length=512),
    "asymmetric": dict(hop_length=256, window="asymmetric"),
}


@pytest.mark.parametrize("frames", DEVICE_FRAMES)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("slack", [0, 512])
def test_reported_is_measured(tmp_path, model, frames, slack):
    separator = load_separator(models.constant_mask(tmp_path / "m.onnx", 0.0, **MODELS[model]))
    session = Session(separator, device_frames=frames, slack=slack)
    signal = np.zeros((2, 9_000), np.float32)
    signal[:, 777] = 1.0
    output = play(session, signal, frames)
    assert session.snapshot().dropouts == 0
    assert np.flatnonzero(output[0]).tolist() == [777 + session.latency.session]


@pytest.mark.parametrize("frames", [64, 441, 512, 1024])
def test_between_two_devices_reported_is_measured(tmp_path, frames):
    """The buffer between two clocks, with its resampler's delay, is part of the report."""
    separator = load_separator(models.constant_mask(tmp_path / "m.onnx", 0.0))
    signal = np.zeros((2, RATE), np.float32)
    signal[:, 10_777] = 1.0
    devices = SimulatedDevices(
        lambda start, stop: np.pad(signal[:, start:stop], ((0, 0), (0, stop - start)))[
            :, : stop - start
        ],
        2,
        frames,
        sample_rate=RATE,
        seconds=1.0,
        drift_ppm=0.0,
        between=lambda index: session.wait_idle(),
    )
    session = Session(separator, device_frames=frames, device_in=devices.device_in)
    with session:
        devices.run(session.process_block, threading.Event())
        session.check()
    assert np.flatnonzero(devices.output[0]).tolist() == [10_777 + session.latency.total]


@pytest.mark.parametrize("late_s", [0.0, 0.003])
def test_what_the_devices_take_is_measured_and_reported(tmp_path, late_s):
    """Blocks that are handed over late, but stamped, and blocks that begin at another phase."""
    frames = 512
    separator = load_separator(models.constant_mask(tmp_path / "m.onnx", 0.0))
    buffer = JitterBuffer(2, frames, sample_rate=RATE, buffered=frames, two_clocks=True)
    session = Session(separator, device_frames=frames, device_in=buffer.latency)
    session.device_latency = lambda: buffer.measured
    assert session.latency.device_in == buffer.latency  # what is declared, until then
    sound, out = np.zeros((2, frames), np.float32), np.zeros((frames, 2), np.float32)
    came = np.zeros((frames, 2), np.float32)
    written = 0
    with session:
        for block in range(3 * RATE // frames):
            # The input's blocks are full a third of a block after the output's are asked for.
            due = (block * frames) / RATE
            while (written + frames / 3) / RATE + late_s < due:
                sound[0] = np.arange(written, written + frames)
                buffer.write(sound, (written + frames / 3) / RATE)
                written += frames
            if buffer.ready():
                buffer.read(came, due)
                session.process_block(came, out, 0)
                session.wait_idle()
                age = due * RATE - (came[0, 0] - 2 * frames / 3)
        session.check()
    assert session.latency.total == pytest.approx(session.latency.session + age, abs=1)


@pytest.mark.parametrize(("block", "frames"), [(1024, 512), (1024, 441), (4096, 6000), (512, 512)])
def test_one_sample_less_of_head_start_would_run_dry(block, frames):
    """`buffering_samples` against a plain simulation of who has what when."""

    def runs_dry(head_start):
        for callback in range(1, 3 * block):
            done = (callback - 1) * frames // block * block
            if callback * frames > head_start + done:
                return True
        return False

    enough = buffering_samples(block, frames)
    assert not runs_dry(enough)
    assert runs_dry(enough - 1)


def test_the_report_adds_up(unet_shaped_model):
    separator = load_separator(unet_shaped_model)
    latency = Session(separator, device_frames=1024, slack=0, device_in=300, device_out=200).latency
    # The algorithm's 10,240 samples, when device blocks divide the model's.
    assert latency.session == 10_240
    assert latency.total == 10_740
    assert latency.ms(latency.session) == pytest.approx(232.2, abs=0.05)


@pytest.mark.parametrize("delay", [0, 1, 2_560, 5_000])
def test_the_meter_finds_the_delay_in_music(delay):
    meter = LatencyMeter(2_560, 512)
    sound = music(2.0)
    delayed = np.pad(sound, ((0, 0), (delay, 0)))
    for start in range(0, sound.shape[-1] - 512, 512):
        meter.push(sound[:, start : start + 512], delayed[:, start : start + 512])
    assert meter.measure() == delay


@pytest.mark.parametrize("delay", [31_232, 31_233])
def test_of_places_alike_the_meter_takes_the_expected_one(delay):
    """As with loops, which repeat themselves to the sample."""
    meter = LatencyMeter(31_232, 512)
    sound = np.tile(music(29_560 / RATE), 8)
    delayed = np.pad(sound, ((0, 0), (delay, 0)))
    for start in range(0, sound.shape[-1] - 512, 512):
        meter.push(sound[:, start : start + 512], delayed[:, start : start + 512])
    assert meter.measure() == delay


def test_silence_behind_a_song_is_no_match():
    """At the end of the demo 37.9 ms were found in place of 708.2."""
    meter = LatencyMeter(31_232, 512)
    sound = np.pad(music(3.0), ((0, 0), (0, 31_232)))
    delayed = np.pad(sound, ((0, 0), (31_232, 0)))
    for start in range(0, sound.shape[-1] - 512, 512):
        meter.push(sound[:, start : start + 512], delayed[:, start : start + 512])
    assert meter.measure() == 31_232


def test_the_meter_doesn_t_invent_a_delay():
    meter = LatencyMeter(2_560, 512)
    assert meter.measure() is None  # nothing heard yet
    silence = np.zeros((2, 512), np.float32)
    for _ in range(100):
        meter.push(silence, silence)
    assert meter.measure() is None
    sound, other = music(1.0, seed=1), np.random.default_rng(2).uniform(-1, 1, (2, 44_100))
    for start in range(0, 44_100 - 512, 512):
        meter.push(sound[:, start : start + 512], other[:, start : start + 512])
    assert meter.measure() is None


def test_a_running_session_measures_itself(unet_shaped_model):
    session = Session(load_separator(unet_shaped_model), device_frames=512)
    play(session, music(2.0), 512)
    assert session.snapshot().measured_latency == session.latency.session
