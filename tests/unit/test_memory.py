"""What is worked on at once stays small: long windows, long songs and their ends."""

import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest

from streamsep.separation import ChunkedSeparator, spectral_engine
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.overlapped import OverlappedSeparator
from streamsep.separation.stem_resampler import StemResampler
from testing.signals import music
from tests.support import models
from tests.support.separators import SPEC, Halves

CHANNELS = SPEC.channels


@contextmanager
def traced():
    """Yield a function that returns how many bytes more there were at most than at the start."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    yield lambda: tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()


@pytest.fixture
def path(tmp_path):
    """A model of whole windows, of any frames, by magnitudes and by where sounds come from."""
    return models.magnitude_mask(tmp_path / "soft.onnx", multichannel_wiener=True)


@pytest.mark.parametrize("windows", [1, 2])  # 57 new frames a run, three a group; 113, a prime
def test_frames_in_groups_become_to_the_bit_what_they_do_at_once(path, windows, monkeypatch):
    made = []
    for most in (1_000, spectral_engine.GROUP):
        monkeypatch.setattr(spectral_engine, "GROUP", most)
        engine = OverlappedSeparator(OnnxBackend(path, device="cpu", runs_at_once=windows))
        chunked = ChunkedSeparator(engine)
        made.append(np.concatenate([chunked.feed(music(4.0)), chunked.finish()], axis=-1))
    np.testing.assert_array_equal(*made)
    assert np.std(made[0][0]) > 0.01


def test_an_engine_holds_what_waits_and_a_few_frames_of_its_transforms(path):
    backend = OnnxBackend(path, device="cpu", runs_at_once=4)
    with traced() as most:
        engine = OverlappedSeparator(backend)
        held = most()
    waiting = engine._spectra.nbytes + engine._mixture._history.nbytes
    features = engine._planes.nbytes
    # Features, the estimate, and what mends that. Transforms of all 225 frames at once, and the
    # stem's spectra, would be 25 MB.
    assert held < waiting + 4 * features + 4e6


def test_the_residual_is_to_the_bit_what_stems_leave_of_the_input_in_pieces_of_any_size():
    sound, rate = music(2.0), SPEC.sample_rate
    stems = np.stack([sound / 3, np.zeros_like(sound)])
    way_out = StemResampler(SPEC, 2, sample_rate=rate, channels=CHANNELS)
    noted, given, parts = 0, 0, []
    random = np.random.default_rng(1)
    while given < sound.shape[-1]:
        more = int(random.integers(0, 9_000))
        way_out.note(sound[:, noted : noted + more])
        noted = min(noted + more, sound.shape[-1])
        end = int(random.integers(given, noted + 1))
        parts.append(way_out.process(stems[..., given:end]))
        given = end
    parts.append(way_out.process(stems[..., :0], last=True))
    made = np.concatenate(parts, axis=-1)
    np.testing.assert_array_equal(made[0], stems[0])
    np.testing.assert_array_equal(made[1], sound - stems[0])


def test_what_waits_for_its_stems_is_not_copied():
    piece, pieces = 10_000, 200
    way_out = StemResampler(SPEC, 2, sample_rate=SPEC.sample_rate, channels=CHANNELS)
    for _ in range(pieces):
        way_out.note(np.zeros((CHANNELS, piece), np.float32))
    with traced() as most:
        stems = way_out.process(np.zeros((2, CHANNELS, piece), np.float32))
        # What comes out, what is resampled, and half of one stem for another; not 16 MB of input.
        assert most() < 4 * stems.nbytes


def test_what_is_inside_at_the_end_of_a_song_comes_out_block_by_block():
    size, delay, fed = 50_000, 400_000, 70_000
    chunked = ChunkedSeparator(Halves(block_size=size, delay=delay))
    assert not chunked.feed(np.zeros((CHANNELS, fed), np.float32)).size
    count = 0
    with traced() as most:
        for stems in chunked.last_blocks():
            count += stems.shape[-1]
        # The block at hand, and the next one that is made meanwhile: of nine.
        assert most() < 2.1 * 2 * CHANNELS * size * 4
    assert count == fed
