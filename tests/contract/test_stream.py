"""Invariants 1, 4 and 6 through the public stream: any chunks, rates and channels."""

import numpy as np
import pytest

import streamsep
from streamsep.errors import ArgumentError
from testing.signals import music

TOLERANCE = 1e-4


def run(stream, sound, sizes):
    parts, start = [], 0
    for size in sizes:
        parts.append(stream.feed(sound[:, start : start + size]))
        start += size
    parts.append(stream.flush())
    return {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}


def sizes_of(kind, total):
    if kind == "random":
        return np.random.default_rng(3).integers(0, 7_000, total // 1_000).tolist()
    return [kind] * (total // kind + 1)


@pytest.fixture
def model(unet_shaped_model):
    return streamsep.load(unet_shaped_model, device="cpu")


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
def test_streaming_equals_the_whole_at_once(model, rate, channels):
    sound = music(0.7, sample_rate=rate, channels=channels)
    whole = streamsep.separate(sound, rate, model=model)
    assert np.abs(whole["vocals"]).max() > 0.02
    with model.stream(sample_rate=rate, channels=channels) as stream:
        for kind in (64, 1_000, 5_000, "random", sound.shape[-1]):  # flush begins anew
            stems = run(stream, sound, sizes_of(kind, sound.shape[-1]))
            assert list(stems) == ["vocals", "beat"]
            for name, stem in stems.items():
                assert (stem.shape, stem.dtype) == (sound.shape, np.float32)
                np.testing.assert_allclose(stem, whole[name], atol=TOLERANCE)
            np.testing.assert_allclose(sum(stems.values()), sound, atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 100, 20_001])
@pytest.mark.parametrize("rate", [22_050, 44_100, 384_000])
def test_as_many_samples_come_out_as_went_in(model, rate, count):
    with model.stream(sample_rate=rate) as stream:
        stems = run(stream, np.zeros((2, count), np.float32), [count])
        assert [stem.shape for stem in stems.values()] == [(2, count)] * 2
        assert [stem.shape for stem in stream.flush().values()] == [(2, 0)] * 2


def test_the_latency_is_what_a_chunk_waits_for_at_most(model):
    with model.stream() as stream:
        fed = came = 0
        for _ in range(3 * model.latency // 100):
            fed += 100
            came += stream.feed(np.zeros((2, 100), np.float32))["beat"].shape[-1]
            assert fed - came < model.latency
        assert came > 0


def test_streams_of_one_model_know_nothing_of_each_other(model):
    first, second = music(0.5), music(0.5, seed=1)
    expected = [streamsep.separate(sound, 44_100, model=model) for sound in (first, second)]
    with model.stream() as one, model.stream(sample_rate=44_100) as other:
        parts = [[], []]
        for start in range(0, first.shape[-1], 3_000):
            piece = slice(start, start + 3_000)
            parts[0].append(one.feed(first[:, piece])["beat"])
            parts[1].append(other.feed(second[:, piece])["beat"])
        parts[0].append(one.flush()["beat"])
        parts[1].append(other.flush()["beat"])
    for part, stems in zip(parts, expected, strict=True):
        np.testing.assert_allclose(np.concatenate(part, axis=-1), stems["beat"], atol=TOLERANCE)


def test_a_stream_that_was_left_in_the_middle_leaves_nothing_for_the_next(model):
    sound = music(0.5)
    with model.stream() as stream:
        stream.feed(music(0.3, seed=4))
    with model.stream() as stream:
        stems = run(stream, sound, [sound.shape[-1]])
    whole = streamsep.separate(sound, 44_100, model=model)
    np.testing.assert_allclose(stems["vocals"], whole["vocals"], atol=TOLERANCE)


def test_a_buffer_may_be_used_again(model):
    """As in a loop that reads into one array."""
    sound = music(0.5)
    buffer, parts = np.zeros((2, 441), np.float32), []
    with model.stream() as stream:
        for start in range(0, sound.shape[-1], 441):
            buffer[...] = sound[:, start : start + 441]
            parts.append(stream.feed(buffer)["beat"])
            buffer[...] = 9.0
        parts.append(stream.flush()["beat"])
    whole = streamsep.separate(sound, 44_100, model=model)
    np.testing.assert_allclose(np.concatenate(parts, axis=-1), whole["beat"], atol=TOLERANCE)


def test_names_choose(model):
    with model.stream(stems=["accompaniment"]) as stream:
        assert stream.stems == ("beat",)
        assert list(stream.feed(music(0.1))) == ["beat"]
    with pytest.raises(streamsep.ModelError, match="no drums"):
        model.stream(stems=["drums"])


def test_mono_comes_without_an_axis_too(model):
    sound = music(0.4, channels=1)
    with model.stream(channels=1) as stream:
        parts = [stream.feed(sound[0])["vocals"], stream.flush()["vocals"]]
    expected = streamsep.separate(sound, 44_100, model=model)["vocals"]
    np.testing.assert_allclose(np.concatenate(parts, axis=-1), expected, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("chunk", "says"),
    [
        (np.zeros((512, 2), np.float32), r"\(512, 2\), .*C = 2.*array.T"),
        (np.zeros((1, 512), np.float32), "1 channels of 512 samples; expected .* C = 2"),
        (np.zeros(512, np.float32), "1 channels of 512 samples; expected .* C = 2"),
        (np.zeros((2, 512), np.int32), "array of int32; .*divide it by 2147483648"),
        (np.full((2, 5), np.inf), "NaN or Inf at sample 0"),
    ],
)
def test_a_chunk_of_no_use_is_refused_and_changes_nothing(model, chunk, says):
    sound = music(0.3)
    with model.stream() as stream:
        parts = [stream.feed(sound[:, :5_000])["beat"]]
        with pytest.raises(ArgumentError, match=says):
            stream.feed(chunk)
        parts += [stream.feed(sound[:, 5_000:])["beat"], stream.flush()["beat"]]
    whole = streamsep.separate(sound, 44_100, model=model)
    np.testing.assert_allclose(np.concatenate(parts, axis=-1), whole["beat"], atol=TOLERANCE)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (dict(sample_rate=1_000), "the sample rate is 1000"),
        (dict(channels=6), "the number of channels is 6; expected 1 or 2 channels"),
        (dict(channels=0), "the number of channels is 0"),
        (dict(channels=True), "the number of channels is True"),
    ],
)
def test_a_stream_of_no_use_is_refused(model, arguments, says):
    with pytest.raises(ArgumentError, match=says):
        model.stream(**arguments)


def test_a_closed_stream_says_so(model):
    stream = model.stream()
    stream.close()
    stream.close()
    for use in (stream.flush, lambda: stream.feed(music(0.1))):
        with pytest.raises(ArgumentError, match="the stream is closed"):
            use()
