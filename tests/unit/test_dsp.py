"""The building blocks: STFT, ring, delay, mixer, sanitizer, resampler."""

import numpy as np
import pytest

from streamsep.dsp.decibels import db_to_gain
from streamsep.dsp.delay import DelayLine
from streamsep.dsp.mixer import RAMP_SAMPLES, RampedMixer
from streamsep.dsp.resample import StreamResampler
from streamsep.dsp.ring import RingBuffer
from streamsep.dsp.sanitize import Sanitizer
from streamsep.dsp.stft import StreamingSTFT, analysis_window, dual_window
from testing.signals import music


@pytest.mark.parametrize("window", ["sqrt_hann", "hann", "asymmetric"])
@pytest.mark.parametrize(("n_fft", "hop"), [(2048, 1024), (2048, 512), (512, 128), (600, 200)])
@pytest.mark.parametrize("frames", [1, 5])
def test_stft_reconstructs_perfectly(window, n_fft, hop, frames):
    stft = StreamingSTFT(n_fft, hop, 2, window=window, frames=frames)
    sound = np.random.default_rng(0).uniform(-1, 1, (2, hop * 40)).astype(np.float32)
    spectra = np.zeros((frames, 2, n_fft // 2 + 1), np.complex64)
    out = np.zeros((1, 2, sound.shape[-1]), np.float32)
    for start in range(0, sound.shape[-1], hop * frames):
        block = slice(start, start + hop * frames)
        stft.analyse(sound[:, block], spectra)
        stft.synthesise(spectra[:, None], out[..., block])
        # The last frame of the call is the plain transform of the newest samples.
        newest = np.pad(sound[:, : block.stop], ((0, 0), (n_fft, 0)))[:, -n_fft:]
        np.testing.assert_allclose(
            spectra[-1], np.fft.rfft(newest * analysis_window(window, n_fft, hop)), atol=1e-4
        )
    # float32 transforms keep about 2^-22 of full scale.
    np.testing.assert_allclose(
        out[0][:, stft.delay :], sound[:, : sound.shape[-1] - stft.delay], atol=2e-6
    )


def test_sqrt_hann_at_half_overlap_is_its_own_dual():
    window = analysis_window("sqrt_hann", 2048, 1024)
    np.testing.assert_allclose(dual_window(window, 1024), window, atol=1e-6)


def test_an_asymmetric_window_answers_after_two_hops_and_hears_as_finely():
    stft = StreamingSTFT(2048, 256, 2, window="asymmetric")
    assert stft.delay + stft.hop_length == 512
    fast, slow = (
        np.abs(np.fft.rfft(analysis_window(name, 2048, hop), 65_536))
        for name, hop in (("asymmetric", 256), ("sqrt_hann", 1024))
    )
    # A tone's width in the spectrum: down by half from its peak, in 1/32 of a bin.
    widths = [np.count_nonzero(s > s[0] / 2) for s in (fast, slow)]
    assert widths[0] < 1.1 * widths[1]
    # As loud as the other: what a network has learnt of one is true of the other.
    energies = [
        np.sum(analysis_window(*w).astype(np.float64) ** 2)
        for w in (("asymmetric", 2048, 256), ("sqrt_hann", 2048, 1024))
    ]
    np.testing.assert_allclose(energies, 1024, rtol=1e-6)


def test_unknown_window_is_refused():
    with pytest.raises(ValueError, match="kaiser"):
        analysis_window("kaiser", 64, 32)


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


@pytest.mark.parametrize("size", [32, 500, 512, 4_096])
def test_a_gain_moves_along_a_line_whatever_the_block(size):
    """From one to three: no step is larger than the ramp's, and it arrives."""
    mixer = RampedMixer(1, size, np.array([1.0, 1.0]))
    sounds, out = np.ones((2, 1, size), np.float32), np.zeros((1, size), np.float32)
    mixer.mix(sounds, out)
    assert (out == 2.0).all()
    mixer.set_gain(1, 2.0)
    heard = [2.0]
    for _ in range(RAMP_SAMPLES // size + 1):
        mixer.mix(sounds, out)
        heard.extend(out[0])
    steps = np.diff(heard)
    assert steps.min() >= 0
    assert steps.max() < 1 / RAMP_SAMPLES + 1e-6  # float32 near three rounds to 2.4e-7
    assert heard[-1] == 3.0
    mixer.mix(sounds, out)
    assert (out == 3.0).all()


def test_a_ramp_that_is_turned_back_makes_no_step():
    mixer = RampedMixer(1, 64, np.array([0.0]))
    out, heard = np.zeros((1, 64), np.float32), [0.0]
    for gain in (1.0, 0.0, 0.5, 0.0, 1.0):
        mixer.set_gain(0, gain)
        for _ in range(3):
            mixer.mix(np.ones((1, 1, 64), np.float32), out)
            heard.extend(out[0])
    assert np.abs(np.diff(heard)).max() < 1 / RAMP_SAMPLES + 1e-6
    assert max(heard) > 0.3


def test_decibels():
    assert db_to_gain(0.0) == 1.0
    assert db_to_gain(-20.0) == pytest.approx(0.1)
    assert db_to_gain(-np.inf) == 0.0


def test_sanitizer_mends_and_counts():
    samples = np.array([[0.5, np.nan, np.inf, -np.inf, 1e30]], np.float32)
    assert Sanitizer((1, 5)).clean(samples) == 4
    assert samples.tolist() == [[0.5, 0.0, 0.0, 0.0, 0.0]]


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
