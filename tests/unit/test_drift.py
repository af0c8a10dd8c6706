"""Drift: the loop, the resampler, and what both make of two clocks over a long time."""

import threading

import numpy as np
import pytest

from streamsep.audio.devices.simulated import SimulatedDevices
from streamsep.dsp.drift import DriftLoop, DriftResampler
from streamsep.dsp.ring import RingBuffer
from testing.signals import music
from tests.support.cases import one_of_many

RATE, BLOCK = 44_100, 512


def silence(start, stop):
    return np.zeros((1, stop - start), np.float32)


def run(drift_ppm, seconds, *, signal=silence, frames=BLOCK, channels=1, jitter_s=0.0, rate=RATE):
    devices = SimulatedDevices(
        signal,
        channels,
        frames,
        sample_rate=rate,
        seconds=seconds,
        drift_ppm=drift_ppm,
        jitter_s=jitter_s,
    )
    losses = []

    def process(indata, outdata, status):
        losses.append(status)
        np.copyto(outdata, indata)

    devices.run(process, threading.Event())
    return devices, sum(losses)


@pytest.mark.slow
@pytest.mark.parametrize("drift_ppm", one_of_many([200, -200]))
def test_an_hour_of_drift_adds_less_than_5_ms(drift_ppm):
    # The loop works in seconds, whatever the rate; at this one an hour takes two.
    devices, lost = run(drift_ppm, 3600, frames=1024, rate=8_000)
    assert lost == 0
    delays = np.array(devices.delays_s)
    assert np.abs(delays - delays[0]).max() < 0.005
    # Without a correction it would be 720 ms at the end; with it the set point is held.
    assert np.abs(delays[-100:] - delays[0]).max() < 0.001
    assert devices.buffer.drift_ppm == pytest.approx(drift_ppm, abs=5)


@pytest.mark.slow
@pytest.mark.parametrize("drift_ppm", [200, -200])
def test_callbacks_that_come_late_at_random_move_it_little(drift_ppm):
    """Each up to 10 ms late, as on a busy machine: the highest of a second counts."""
    devices, lost = run(drift_ppm, 240, jitter_s=0.010)
    assert lost == 0
    delays = np.array(devices.delays_s)
    assert np.abs(delays - delays[0]).max() < 0.005
    # The jitter moves the pitch by less than 50 ppm: a twelfth of a cent.
    assert devices.buffer.drift_ppm == pytest.approx(drift_ppm, abs=50)


@pytest.mark.slow
@pytest.mark.parametrize("jitter_s", [0.0, 0.010])
def test_without_drift_every_bit_passes(jitter_s):
    """An hour would be the same: nothing but drift moves the loop out of its dead band."""
    sound = music(60.0)

    def signal(start, stop):
        piece = np.zeros((2, stop - start), np.float32)
        piece[:, : max(sound.shape[-1] - start, 0)] = sound[:, start:stop]
        return piece

    devices, lost = run(0, 60, signal=signal, channels=2, jitter_s=jitter_s)
    assert (lost, devices.buffer.drift_ppm) == (0, 0.0)
    # Jitter lets the reading begin a block sooner.
    played = devices.output
    first = np.flatnonzero(played[0])[0] - np.flatnonzero(sound[0])[0]
    assert devices.device_in - BLOCK <= first <= devices.device_in
    assert jitter_s or first == devices.device_in  # to the sample where blocks come in time
    assert abs(devices.buffer.measured - first) <= (44 if jitter_s else 0)  # a millisecond
    np.testing.assert_array_equal(played[:, first:], sound[:, : played.shape[-1] - first])


def test_a_small_drift_is_played_bit_by_bit_until_it_is_known():
    """20 ppm leave the dead band of 2.6 ms after 130 s, not before."""
    devices, _ = run(20, 125, rate=8_000)
    assert devices.buffer.drift_ppm == 0.0
    devices, _ = run(20, 250, rate=8_000)
    assert devices.buffer.drift_ppm != 0.0


@pytest.mark.slow
@pytest.mark.parametrize("pitch_hz", [1_000, 10_000])
@pytest.mark.parametrize("drift_ppm", one_of_many([-200, 200]))
def test_a_tone_stays_pure_while_the_correction_is_found_and_held(drift_ppm, pitch_hz):
    """No step as the filter takes over, and no sideband above -80 dB, from 0 to 200 ppm."""
    clock = RATE * (1 + 1e-6 * drift_ppm)

    def tone(start, stop):
        time = np.arange(start, stop) / clock  # the tone is one of true time
        return 0.5 * np.sin(2 * np.pi * pitch_hz * time, dtype=np.float64)[None].astype(np.float32)

    devices, lost = run(drift_ppm, 90, signal=tone)
    assert lost == 0
    played = devices.output[0, RATE:].astype(np.float64)
    # A sine obeys y[n-1] + y[n+1] = 2 cos(w) y[n]; a step of s breaks that by s.
    swing = 2 * np.cos(2 * np.pi * pitch_hz / RATE)
    # The pitch may move by 0.05 % (0.9 cents) while the level is brought back.
    slack = 0.5 * abs(swing - 2 * np.cos(2 * np.pi * pitch_hz * 1.0005 / RATE))
    assert np.abs(played[2:] + played[:-2] - swing * played[1:-1]).max() < slack + 1e-4
    assert worst_sideband_db(played[: 30 * RATE], pitch_hz) < -80  # dead band and take-over
    assert worst_sideband_db(played[-30 * RATE :], pitch_hz) < -80  # held


def worst_sideband_db(sound, pitch_hz):
    """The highest line beyond 20 Hz from the tone; nearer ones are the pitch itself moving."""
    spectrum = np.abs(np.fft.rfft(sound * np.kaiser(len(sound), 20)))
    frequencies = np.fft.rfftfreq(len(sound), 1 / RATE)
    aside = spectrum[np.abs(frequencies - pitch_hz) > 20]
    return 20 * np.log10(aside.max() / spectrum.max())


def test_the_filter_holds_back_what_the_delay_says():
    """Plain samples and filtered ones lie on each other: the seam is no shift."""
    resampler, ring = DriftResampler(1, BLOCK, fade=BLOCK), RingBuffer((1,), RATE)
    time = np.arange(20 * BLOCK) / RATE
    tone = np.sin(2 * np.pi * 500 * time).astype(np.float32)
    out, played = np.zeros((1, BLOCK), np.float32), []
    for start in range(0, len(tone), BLOCK):
        ring.write(tone[None, start : start + BLOCK])
        if start == 10 * BLOCK:
            resampler.engage()
        assert resampler.read(ring, out)
        played.append(out[0].copy())
    expected = np.pad(tone, (DriftResampler.DELAY, 0))[: len(tone)]
    np.testing.assert_array_equal(np.concatenate(played[:10]), expected[: 10 * BLOCK])
    # Half a sample at 500 Hz is 0.036 of the tone.
    after = np.concatenate(played[10:])
    np.testing.assert_allclose(after, expected[10 * BLOCK :], atol=0.036)


def levels(loop, values):
    for value in values:
        loop.update(value, 1.0)


def test_a_jump_of_the_level_is_no_drift():
    """A server that hands over more at once from now on: nothing to bring back."""
    loop = DriftLoop()
    levels(loop, [0.020] * 10 + [0.031] * 10 + [0.012] * 10)
    assert (loop.engaged, loop.correction) == (False, 0.0)


def test_a_jump_keeps_what_is_known_of_the_drift():
    loop = DriftLoop()
    levels(loop, 0.02 + 0.0002 * np.arange(60))
    assert loop.engaged
    known = loop.correction
    assert known > 0
    levels(loop, [0.05] * 5)
    assert 0 < loop.correction <= known
    loop.reset()
    levels(loop, [0.05] * 5)
    assert (loop.engaged, loop.correction) == (False, 0.0)
