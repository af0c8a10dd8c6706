"""Invariants 4 and 7: stems sum to the delayed input; silence stays silence; no NaN comes out."""

import numpy as np
import pytest

from streamsep.separation import load_separator
from testing.signals import music
from tests.support import models

SHAPES = [
    pytest.param(dict(), id="causal"),
    pytest.param(dict(frames_per_run=4, stride_frames=4, lookahead_frames=8), id="lookahead"),
    pytest.param(
        dict(mode="sliding", frames_per_run=16, stride_frames=4, lookahead_frames=8), id="sliding"
    ),
    pytest.param(dict(stems=("drums", "bass", "vocals")), id="three stems"),
    pytest.param(dict(output="log1p_magnitude"), id="log1p"),
    pytest.param(dict(feature="log1p_magnitude_lrms"), id="left, right, mid, side"),
    pytest.param(dict(feature="log1p_magnitude_lrms_mid"), id="and the mid itself"),
]


def run(separator, mixture):
    size, parts = separator.block_size, []
    out = np.zeros((len(separator.stems), 2, size), np.float32)
    for start in range(0, mixture.shape[-1] - size + 1, size):
        separator.process(np.ascontiguousarray(mixture[:, start : start + size]), out)
        parts.append(out.copy())
    return np.concatenate(parts, axis=-1)


@pytest.mark.parametrize("changes", SHAPES)
def test_stems_sum_to_the_delayed_input(tmp_path, changes):
    separator = load_separator(models.constant_mask(tmp_path / "m.onnx", 0.3, **changes))
    mixture = music(1.0)
    stems = run(separator, mixture)
    delayed = mixture[:, : stems.shape[-1] - separator.delay]
    assert np.abs(stems[0]).max() > 0.01
    # Summing float32 stems rounds once per stem: a few units in the last place of full scale.
    np.testing.assert_allclose(stems.sum(axis=0)[:, separator.delay :], delayed, atol=3e-7)


@pytest.mark.parametrize("changes", SHAPES[:3])
def test_an_empty_estimate_leaves_the_beat_bit_exact(tmp_path, changes):
    separator = load_separator(models.constant_mask(tmp_path / "m.onnx", 0.0, **changes))
    mixture = music(1.0)
    stems = run(separator, mixture)
    np.testing.assert_array_equal(
        stems[-1][:, separator.delay :], mixture[:, : stems.shape[-1] - separator.delay]
    )


@pytest.mark.parametrize("value", [0.0, 1.0, 50.0])
@pytest.mark.parametrize("output", ["mask", "log1p_magnitude"])
def test_silence_in_silence_out_whatever_the_model_believes(tmp_path, value, output):
    separator = load_separator(models.constant_mask(tmp_path / "m.onnx", value, output=output))
    assert not run(separator, np.zeros((2, 20_480), np.float32)).any()


def test_log1p_estimates_never_exceed_the_mixture(tmp_path):
    path = models.constant_mask(tmp_path / "m.onnx", 15.0, output="log1p_magnitude")
    separator = load_separator(path)
    mixture = music(1.0)
    stems = run(separator, mixture)
    # An estimate far above the mixture takes all of it: the vocals are the delayed mixture.
    delayed = mixture[:, : stems.shape[-1] - separator.delay]
    np.testing.assert_allclose(stems[0][:, separator.delay :], delayed, atol=1e-6)


@pytest.mark.parametrize("offline", [False, True])
def test_a_model_that_gives_nan_gives_silent_vocals_and_recovers(tmp_path, offline):
    """0/0 inside the graph for one hop; its state would carry the NaN on for ever."""
    spec = models.make_spec(states=(models.StateSpec("memory", "memory_next", (2, 1025, 1)),))
    text = """
    broken (float[2,1025,1] features, float[2,1025,1] memory)
        => (float[1,2,1025,1] estimate, float[2,1025,1] memory_next) {
        limit = Constant <value_float: float = 4.0> ()
        bent = Sub(limit, features)
        root = Sqrt(bent)
        zero = Constant <value_float: float = 0.0> ()
        poison = Mul(root, zero)
        memory_next = Add(memory, poison)
        axis = Constant <value_ints: ints = [0]> ()
        half = Constant <value_float: float = 0.5> ()
        mask = Add(memory_next, half)
        estimate = Unsqueeze(mask, axis)
    }"""
    path = models.save(text, tmp_path / "nan.onnx", spec.to_metadata())
    separator = load_separator(path, offline=offline)
    quiet = 0.001 * np.random.default_rng(1).standard_normal((2, 20_480)).astype(np.float32)
    mixture = quiet.copy()
    mixture[:, 9_000] += 100.0  # log1p of its spectrum is above 4: sqrt of a negative number
    stems = run(separator, mixture)
    assert np.isfinite(stems).all()
    # Four hops later neither the STFT nor the residual's delay holds the impulse any more.
    # Files are a run later, and one more run was under way when it was seen.
    late = separator.delay
    settled = 13_312 + late + (late - 1_024)
    np.testing.assert_allclose(
        stems[0][:, settled:], 0.5 * quiet[:, settled - late : -late], atol=1e-6
    )


@pytest.mark.parametrize("feature_gain", [1.0, 100.0])
def test_the_fourth_plane_is_the_side(tmp_path, feature_gain):
    """A mask of log(1 + g |side|): none where left equals right, and its own value elsewhere."""
    changes = dict(feature="log1p_magnitude_lrms", feature_gain=feature_gain)
    path = models.one_plane(tmp_path / "m.onnx", 3, **changes)
    separator = load_separator(path)
    tone = np.sin(2 * np.pi * 1_000 * np.arange(20_480) / 44_100).astype(np.float32)
    assert not run(separator, 0.5 * np.stack([tone, tone]))[0].any()
    separator.reset()
    opposite = run(separator, 0.01 * np.stack([tone, -tone]))[0][:, 4_096:-1_024]
    # |side| = |left| here; its peak bin holds about 0.01/2 of the window's sum.
    gain = np.abs(opposite).max() / 0.01
    window_sum = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)).sum()
    expected = np.log1p(feature_gain * 0.005 * window_sum)
    assert gain == pytest.approx(expected, rel=0.15)  # 15 %: scalloping


@pytest.mark.parametrize(("index", "part"), [(4, np.real), (5, np.imag)])
def test_the_last_two_planes_are_the_mid_itself(tmp_path, index, part):
    """As a mask, on a tone whose frames are all alike: ten of its periods are a hop."""
    changes = dict(feature="log1p_magnitude_lrms_mid", feature_gain=100.0)
    separator = load_separator(models.one_plane(tmp_path / "m.onnx", index, **changes))
    tone = 0.001 * np.sin(2 * np.pi * 20 * np.arange(20_480) / 2_048 + 0.5).astype(np.float32)
    window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048))
    spectrum = np.fft.rfft(window * tone[:2048])
    frame = window * np.fft.irfft(spectrum * part(spectrum))
    expected = frame[:1024] + frame[1024:]
    got = run(separator, np.stack([tone, tone]))[0][:, -1024:]
    assert np.abs(expected).max() > 1e-4
    # Float32 through two transforms: six digits of a peak of about 5e-4.
    np.testing.assert_allclose(got, [expected, expected], atol=3e-9)
    separator.reset()
    assert not run(separator, np.stack([tone, -tone]))[0].any()
