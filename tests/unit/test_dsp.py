"""The building blocks: STFT, ring, delay, mixer, sanitizer, resampler."""

import numpy as np
import pytest

from streamsep.dsp.delay import DelayLine
from streamsep.dsp.mixer import StemMixer, db_to_gain
from streamsep.dsp.resample import StreamResampler
from streamsep.dsp.ring import RingBuffer
from streamsep.dsp.sanitize import MAX_AMPLITUDE, Sanitizer
from streamsep.dsp.stft import StreamingSTFT, analysis_window, dual_window
from tests.support.signals import music


@pytest.mark.parametrize("window", ["sqrt_hann", "hann"])
@pytest.mark.parametrize(("n_fft", "hop"), [(2048, 1024), (2048, 512), (512, 128)])
def test_stft_reconstructs_perfectly(window, n_fft, hop):
    stft = StreamingSTFT(n_fft, hop, 2, window=window)
    sound = np.random.default_rng(0).uniform(-1, 1, (2, hop * 40)).astype(np.float32)
    spectrum = np.zeros((2, n_fft // 2 + 1), np.complex64)
    out = np.zeros((1, 2, sound.shape[-1]), np.float32)
    for start in range(0, sound.shape[-1], hop):
        stft.analyse(sound[:, start : start + hop], spectrum)
        stft.synthesise(spectrum[None], out[..., start : start + hop])
    # float32 transforms keep about 2^-22 of full scale.
    np.testing.assert_allclose(
        out[0][:, stft.delay :], sound[:, : sound.shape[-1] - stft.delay], atol=2e-6
    )


def test_sqrt_hann_at_half_overlap_is_its_own_dual():
    window = analysis_window("sqrt_hann", 2048)
    np.testing.assert_allclose(dual_window(window, 1024), window, atol=1e-6)


def test_unknown_window_is_refused():
    with pytest.raises(ValueError, match="kaiser"):
        analysis_window("kaiser", 64)


def test_ring_carries_a_stream_across_its_seam():
    ring = RingBuffer((2,), 100)
    sound = music(0.05)
    out, parts = np.zeros((2, 21), np.float32), []
    for start in range(0, 2100, 30):
        ring.write(sound[:, start : start + 30])
        while ring.read(out):
            parts.append(out.copy())
    np.testing.assert_array_equal(np.concatenate(parts, axis=-1), sound[:, :2100])


def test_ring_reader_ahead_of_the_writer_never_sees_late_samples():
    ring = RingBuffer((1,), 64)
    out = np.zeros((1, 4), np.float32)
    assert not ring.read(out)
    ring.advance(4)  # the block was missed
    ring.write(np.arange(8, dtype=np.float32)[None])  # its first half comes too late
    assert ring.read(out)
    assert out.tolist() == [[4, 5, 6, 7]]


def test_ring_tells_an_overrun_and_goes_on_after_it():
    ring = RingBuffer((1,), 8)
    out = np.zeros((1, 4), np.float32)
    for start in range(0, 12, 4):
        ring.write(np.arange(start, start + 4, dtype=np.float32)[None])
    assert ring.overrun
    assert not ring.read(out)
    ring.advance(8)
    assert ring.read(out)
    assert out.tolist() == [[8, 9, 10, 11]]


def test_ring_gap_is_never_read():
    ring = RingBuffer((1,), 16)
    out = np.zeros((1, 4), np.float32)
    ring.write(np.ones((1, 4), np.float32))
    ring.skip_to(8)
    ring.write(np.full((1, 4), 3, np.float32))
    assert not ring.read(out)
    ring.advance(8)
    assert ring.read(out)
    assert (out == 3).all()


def test_ring_refuses_no_capacity():
    with pytest.raises(ValueError, match="capacity"):
        RingBuffer((1,), 0)


@pytest.mark.parametrize("delay", [0, 1, 63, 64, 1000])
def test_delay_line_is_exact(delay):
    line = DelayLine(2, delay, 64)
    sound = music(0.1)[:, : 64 * 60]
    out = np.zeros_like(sound)
    for start in range(0, sound.shape[-1], 64):
        line.process(sound[:, start : start + 64], out[:, start : start + 64])
    np.testing.assert_array_equal(out[:, delay:], sound[:, : sound.shape[-1] - delay])
    assert not out[:, :delay].any()


def test_mixer_reaches_a_new_gain_within_one_block_without_a_step():
    mixer = StemMixer(2, 1, 100, np.array([1.0, 0.0]))
    stems, out = np.ones((2, 1, 100), np.float32), np.zeros((1, 100), np.float32)
    mixer.mix(stems, out)
    assert (out == 1.0).all()
    mixer.set_gain(1, 1.0)
    mixer.mix(stems, out)
    steps = np.diff(np.concatenate([[1.0], out[0]]))
    np.testing.assert_allclose(steps, 0.01, atol=1e-6)
    mixer.mix(stems, out)
    assert (out == 2.0).all()


def test_decibels():
    assert db_to_gain(0.0) == 1.0
    assert db_to_gain(-20.0) == pytest.approx(0.1)
    assert db_to_gain(-np.inf) == 0.0


def test_sanitizer_mends_and_counts():
    samples = np.array([[0.5, np.nan, np.inf, -np.inf, 1e30]], np.float32)
    assert Sanitizer((1, 5)).clean(samples) == 3
    assert samples.tolist() == [[0.5, 0.0, 0.0, 0.0, MAX_AMPLITUDE]]


@pytest.mark.parametrize(
    ("source", "target"), [(48_000, 44_100), (44_100, 48_000), (8_000, 44_100)]
)
def test_resampled_stream_is_the_same_sound(source, target):
    seconds = 1.0
    tone = np.sin(2 * np.pi * 1000 * np.arange(int(source * seconds)) / source)
    resampler = StreamResampler(source, target, 1)
    tone = tone.astype(np.float32)[None]
    parts = [resampler.process(tone[:, s : s + 500]) for s in range(0, tone.shape[-1], 500)]
    parts.append(resampler.process(tone[:, :0], last=True))
    out = np.concatenate(parts, axis=-1)[0]
    assert len(out) == pytest.approx(seconds * target, abs=1)
    expected = np.sin(2 * np.pi * 1000 * np.arange(len(out)) / target)
    # The ends ring where the tone starts and stops; soxr HQ keeps 100 dB in between.
    np.testing.assert_allclose(out[1000:-1000], expected[1000:-1000], atol=1e-4)


def test_equal_rates_pass_through():
    sound = music(0.1)
    assert StreamResampler(44_100, 44_100, 2).process(sound) is sound
