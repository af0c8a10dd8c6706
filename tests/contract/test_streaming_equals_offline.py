"""Invariants 1 and 6: streaming equals the whole file at once, and lengths are kept."""

import numpy as np
import pytest
from scipy.signal import get_window

from streamsep.separation import ChunkedSeparator, load_separator
from testing.signals import music
from tests.support import models

# The invariant's own bound: 1e-4 of full scale. Float32 transforms stay far below it.
TOLERANCE = 1e-4


def whole_file_vocals(mixture: np.ndarray, lag: int) -> np.ndarray:
    """Batch STFT in float64, the reference mask, batch overlap-add: no code of ours."""
    n_fft, hop, count = 2048, 1024, mixture.shape[-1]
    window = np.sqrt(get_window("hann", n_fft))
    padded = np.pad(mixture.astype(np.float64), ((0, 0), (hop, n_fft + (lag + 9) * hop)))
    starts = range(0, padded.shape[-1] - n_fft + 1, hop)
    frames = np.stack([padded[:, s : s + n_fft] * window for s in starts], axis=1)
    spectra = np.fft.rfft(frames)
    features = np.log1p(np.abs(spectra)).transpose(0, 2, 1)
    masked = spectra * models.reference_mask(features, lag).transpose(0, 2, 1)
    out = np.zeros_like(padded)
    for index, start in enumerate(starts):
        out[:, start : start + n_fft] += np.fft.irfft(masked[:, index]) * window
    return out[:, hop : hop + count]


def stream(separator, mixture, sizes):
    chunked, parts, start = ChunkedSeparator(separator), [], 0
    for size in sizes:
        parts.append(chunked.feed(mixture[:, start : start + size]))
        start += size
    assert start >= mixture.shape[-1]
    parts.append(chunked.finish())
    return np.concatenate(parts, axis=-1)


def chunk_sizes(total, kind):
    if kind == "random":
        return list(np.random.default_rng(7).integers(1, 9_000, total // 1_000))
    return [kind] * (total // kind + 1)


@pytest.fixture(params=["causal", "lookahead", "sliding", "sliding by 3 strides"])
def engine(request, tmp_path):
    """A separator and the lag of its reference mask."""
    path = tmp_path / "model.onnx"
    if request.param == "causal":
        models.lookahead_mask(path, frames=1, lookahead=1)
        return load_separator(path, device="cpu"), 1
    if request.param == "lookahead":
        models.lookahead_mask(path, frames=4, lookahead=8)
        return load_separator(path, device="cpu"), 5
    models.windowed_mask(path, frames=32, stride=4, lag=5)
    blocks = 3 if "3" in request.param else 1
    return load_separator(path, device="cpu", stride_blocks=blocks), 5


@pytest.mark.parametrize("kind", [64, 1024, 4096, 5000, "random"])
def test_streaming_equals_offline_for_any_chunks(engine, kind):
    separator, lag = engine
    mixture = music(1.3)
    stems = stream(separator, mixture, chunk_sizes(mixture.shape[-1], kind))
    assert stems.shape == (2, *mixture.shape)
    vocals = whole_file_vocals(mixture, lag)
    assert np.abs(vocals).max() > 0.05  # the comparison is about something
    assert np.abs(stems[0] - vocals).max() < TOLERANCE
    assert np.abs(stems[1] - (mixture - vocals)).max() < TOLERANCE


def whole_file_vocals_at_once(mixture: np.ndarray, hop: int, interleave: int) -> np.ndarray:
    """The same for `models.remembering_mask` behind an asymmetric window."""
    n_fft, count = 2048, mixture.shape[-1]
    rise, fall = (get_window("hann", 2 * half) for half in (n_fft - hop, hop))
    window = np.sqrt(np.concatenate([rise[: n_fft - hop], fall[hop:]]))
    padded = np.pad(mixture.astype(np.float64), ((0, 0), (n_fft - hop, n_fft)))
    starts = range(0, padded.shape[-1] - n_fft + 1, hop)
    spectra = np.fft.rfft(np.stack([padded[:, s : s + n_fft] * window for s in starts], axis=1))
    features = np.log1p(np.abs(spectra))
    before = np.pad(features, ((0, 0), (interleave, 0), (0, 0)))[:, : len(starts)]
    masked = spectra / (1 + np.exp(1 - (features + before) / 2))
    out = np.zeros_like(padded)
    # What makes a Hann window of the frame's end, and adds up to one.
    synthesis = get_window("hann", 2 * hop) / window[-2 * hop :]
    for index, start in enumerate(starts):
        part = np.fft.irfft(masked[:, index])[:, -2 * hop :] * synthesis
        out[:, start + n_fft - 2 * hop : start + n_fft] += part
    return out[:, n_fft - hop : n_fft - hop + count]


@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.parametrize(("hop", "interleave"), [(256, 4), (512, 2), (512, 1)])
def test_frames_dealt_out_to_streams_are_those_of_the_whole_file(
    tmp_path, hop, interleave, offline
):
    path = models.remembering_mask(
        tmp_path / "model.onnx", hop_length=hop, interleave=interleave, window="asymmetric"
    )
    separator = load_separator(path, device="cpu", offline=offline)
    if not offline:
        assert separator.delay + separator.block_size == 2 * hop
    mixture = music(1.3)
    vocals = whole_file_vocals_at_once(mixture, hop, interleave)
    for _ in range(2):  # the second time after a start in the middle of a round
        stems = stream(separator, mixture, chunk_sizes(mixture.shape[-1], 5_000))
        assert np.abs(vocals).max() > 0.05
        assert np.abs(stems[0] - vocals).max() < TOLERANCE
        assert np.abs(stems.sum(axis=0) - mixture).max() < TOLERANCE


@pytest.mark.parametrize("length", [0, 1, 1023, 1024, 4096, 12_289])
def test_output_is_as_long_as_the_input(engine, length):
    separator, _ = engine
    mixture = music(1.0)[:, :length]
    assert stream(separator, mixture, [length]).shape == (2, 2, length)


def test_a_second_stream_through_the_same_separator_is_the_first(engine):
    separator, _ = engine
    mixture = music(0.7)
    first = stream(separator, mixture, [mixture.shape[-1]])
    np.testing.assert_array_equal(stream(separator, mixture, [mixture.shape[-1]]), first)


def test_delay_is_where_an_impulse_comes_out(engine):
    separator, _ = engine
    size = separator.block_size
    count = -(-(separator.delay + 3000) // size)
    mixture = np.zeros((2, size * count), np.float32)
    mixture[:, 1234] = 1.0
    out = np.zeros((2, 2, size), np.float32)
    total = []
    for start in range(0, mixture.shape[-1], size):
        separator.process(mixture[:, start : start + size], out)
        total.append(out.sum(axis=0))
    assert (
        np.abs(np.concatenate(total, axis=-1)).argmax(axis=-1).tolist()
        == [1234 + separator.delay] * 2
    )


def test_the_issue_s_figure_for_the_tutorial_s_network(unet_shaped_model):
    """Look-ahead 8 in blocks of 4 is 10,240 samples (232 ms) from first sample to first out."""
    separator = load_separator(unet_shaped_model, device="cpu")
    assert separator.delay + separator.block_size == 10_240
