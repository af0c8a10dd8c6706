"""What is worked on at once stays small: long windows, long songs and their ends."""

import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest

from streamsep.dsp.stft import GROUP, StreamingSTFT
from streamsep.separation import ChunkedSeparator
from streamsep.separation.stem_resampler import StemResampler
from testing.signals import music
from tests.support.separators import SPEC, Halves

CHANNELS = SPEC.channels


@contextmanager
def traced():
    """Yield a function that returns how many bytes more there were at most than at the start."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    yield lambda: tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()


@pytest.mark.parametrize("window", ["hann", "asymmetric"])
@pytest.mark.parametrize("frames", [GROUP, 2 * GROUP + 5])
def test_frames_in_groups_are_to_the_bit_what_they_are_one_by_one(window, frames):
    n_fft, hop, stems = 512, 128, 2
    many, one = (
        StreamingSTFT(n_fft, hop, CHANNELS, stems=stems, window=window, frames=count)
        for count in (frames, 1)
    )
    sound = np.random.default_rng(0).uniform(-1, 1, (CHANNELS, 2 * frames * hop))
    for block in np.split(sound.astype(np.float32), 2, axis=-1):
        spectra, expected = (
            np.zeros((frames, CHANNELS, n_fft // 2 + 1), np.complex64) for _ in range(2)
        )
        out, expected_out = (
            np.zeros((stems, CHANNELS, frames * hop), np.float32) for _ in range(2)
        )
        many.analyse(block, spectra)
        many.synthesise(np.stack([spectra, 2 * spectra], axis=1), out)
        for frame in range(frames):
            place, which = slice(frame * hop, (frame + 1) * hop), slice(frame, frame + 1)
            one.analyse(block[:, place], expected[which])
            both = np.stack([expected[which], 2 * expected[which]], axis=1)
            one.synthesise(both, expected_out[..., place])
        np.testing.assert_array_equal(spectra, expected)
        np.testing.assert_array_equal(out, expected_out)
        assert np.std(out) > 0.1


def test_a_transform_holds_its_sound_and_few_frames():
    n_fft, hop, frames = 4096, 1024, 256
    with traced() as most:
        StreamingSTFT(n_fft, hop, CHANNELS, window="hann", frames=frames)
        held = most()
    sound = 2 * (frames * hop + n_fft) * CHANNELS * 4  # in, and out
    groups = 2 * GROUP * CHANNELS * n_fft * 4
    # Python's own, for rows of frames; all frames at once would be 17 MB.
    assert held < sound + groups + 1_000_000


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
