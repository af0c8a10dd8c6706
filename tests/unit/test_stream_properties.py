"""What must hold for streams of any sizes, on sizes that hypothesis thinks of.

The same ones in every run: `pytest --hypothesis-profile=explore` looks for new ones.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streamsep import SeparatorSpec
from streamsep.dsp.delay import DelayLine
from streamsep.dsp.resample import StreamResampler
from streamsep.dsp.ring import RingBuffer
from streamsep.separation import ChunkedSeparator

CAPACITY = 48
RATES = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000)
counts = st.integers(1, CAPACITY)
chunk_sizes = st.lists(st.integers(0, 700), max_size=12)


def noise(channels, length, seed=0):
    sound = np.random.default_rng(seed).uniform(-1, 1, (channels, length))
    return sound.astype(np.float32)


def chunks_of(sound, sizes):
    """Split (C, N) into chunks of these sizes, and what is left."""
    return np.split(sound, np.minimum(np.cumsum(sizes, dtype=int), sound.shape[-1]), axis=-1)


class RingIsAStream(RuleBasedStateMachine):
    """A ring of which every sample is its own position: what is read must be where it is read."""

    def __init__(self):
        super().__init__()
        self.ring = RingBuffer((2,), CAPACITY)
        self.written = self.read_to = self.gap_end = 0

    @staticmethod
    def positions(start, count):
        row = np.arange(start, start + count, dtype=np.float32)
        return np.stack([row, -row])

    @rule(count=counts)
    def write(self, count):
        self.ring.write(self.positions(self.written, count))
        self.written += count

    @rule(count=st.integers(0, 2 * CAPACITY))
    def leave_a_gap(self, count):
        self.written += count
        self.gap_end = self.written
        self.ring.skip_to(self.written)

    @rule(count=st.integers(0, 2 * CAPACITY))
    def advance(self, count):
        self.ring.advance(count)
        self.read_to += count

    @rule(count=counts)
    def read(self, count):
        out = np.full((2, count), np.nan, np.float32)
        there = (
            self.read_to >= self.gap_end
            and self.read_to + count <= self.written
            and self.written - self.read_to <= CAPACITY
        )
        assert self.ring.read(out) == there
        if there:
            np.testing.assert_array_equal(out, self.positions(self.read_to, count))
            self.read_to += count
        else:
            assert np.isnan(out).all()  # nothing of what isn't there is shown

    @precondition(lambda self: self.ring.overrun)
    @rule()
    def go_on_after_an_overrun(self):
        late = self.written - CAPACITY - self.read_to
        self.ring.advance(late)
        self.read_to += late
        assert not self.ring.overrun

    @invariant()
    def positions_only_grow_by_what_was_done(self):
        assert (self.ring.write_position, self.ring.read_position) == (self.written, self.read_to)
        expected = 0 if self.read_to < self.gap_end else self.written - self.read_to
        assert self.ring.available == expected


TestRing = RingIsAStream.TestCase


@given(
    channels=st.integers(1, 8),
    delay=st.integers(0, 300),
    size=st.integers(1, 64),
    blocks=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_delay_line_gives_every_bit_so_many_samples_later(channels, delay, size, blocks, seed):
    bits = np.random.default_rng(seed).integers(0, 2**32, (channels, size * blocks), np.uint32)
    sound = bits.view(np.float32)  # NaN, Inf and denormal numbers among them
    line, out = DelayLine(channels, delay, size), np.zeros_like(sound)
    for _ in range(2):
        for start in range(0, size * blocks, size):
            line.process(sound[:, start : start + size], out[:, start : start + size])
        late = np.pad(bits, ((0, 0), (delay, 0)))[:, : size * blocks]
        np.testing.assert_array_equal(out.view(np.uint32), late)
        line.reset()


class Echo:
    """A separator whose stems are the input and nothing, ``delay`` samples late."""

    stems = ("vocals", "beat")
    provider = "CPU"

    def __init__(self, channels, block_size, delay):
        self.spec = SeparatorSpec("echo", 44_100, channels)
        self.block_size, self.delay = block_size, delay
        self.reset()

    def process(self, block, out):
        self._line.process(block, out[0])
        out[1].fill(0.0)

    def reset(self):
        self._line = DelayLine(self.spec.channels, self.delay, self.block_size)


@given(
    channels=st.integers(1, 3),
    block_size=st.integers(1, 300),
    delay=st.integers(0, 700),
    length=st.integers(0, 2_000),
    sizes=chunk_sizes,
)
def test_chunks_of_any_size_come_out_whole_and_in_their_place(
    channels, block_size, delay, length, sizes
):
    sound = noise(channels, length)
    chunked = ChunkedSeparator(Echo(channels, block_size, delay))
    parts, fed, given_back = [], 0, 0
    for chunk in chunks_of(sound, sizes):
        parts.append(chunked.feed(chunk))
        fed, given_back = fed + chunk.shape[-1], given_back + parts[-1].shape[-1]
        # Never more than came in, nor less than what a block and the delay may hold back.
        assert max(fed - delay - block_size + 1, 0) <= given_back <= fed
    parts.append(chunked.finish())
    stems = np.concatenate(parts, axis=-1)
    np.testing.assert_array_equal(stems[0], sound)
    assert stems.shape == (2, channels, length)
    assert not stems[1].any()


@given(
    source=st.sampled_from(RATES),
    target=st.sampled_from(RATES),
    channels=st.integers(1, 2),
    length=st.integers(0, 4_000),
    sizes=chunk_sizes,
)
def test_a_resampler_s_chunks_make_no_difference_and_lose_no_sample(
    source, target, channels, length, sizes
):
    sound = noise(channels, length)
    resampler = StreamResampler(source, target, channels)
    parts = [resampler.process(chunk) for chunk in chunks_of(sound, sizes)]
    parts.append(resampler.process(sound[:, :0], last=True))
    out = np.concatenate(parts, axis=-1)
    assert abs(out.shape[-1] - length * target / source) < 1
    whole = StreamResampler(source, target, channels).process(sound, last=True)
    np.testing.assert_allclose(out, whole, atol=1e-6)
