"""Separators as a plugin might bring them: a good one, and each way to get it wrong."""

import sys
from types import SimpleNamespace

import numpy as np

from streamsep import SeparatorSpec
from streamsep.separation import ChunkedSeparator

SPEC = SeparatorSpec("halves", 44_100, 2)
number = 5


class Halves:
    """Gives half of the input to each stem; ``changes`` replace its attributes."""

    stems = ("vocals", "beat")
    provider = "CPU"
    spec, block_size, delay = SPEC, 512, 0

    def __init__(self, **changes):
        for name, value in changes.items():
            setattr(self, name, value)

    def process(self, block, out):
        np.multiply(block, 0.5, out=out[0])
        np.copyto(out[1], out[0])

    def reset(self):
        pass


def good(options):
    return Halves()


def patient(options):
    return Halves(slack=5_000)


def odd_slack(options):
    return Halves(slack=-1)


def raising(options):
    raise ValueError("no luck\x1b[31m today\nand more on another line")


def leaving(options):
    sys.exit(0)


def nothing(options):
    return None


def plain_spec(options):
    return Halves(spec=SimpleNamespace(name="halves", sample_rate=44_100, channels=2))


def low_rate(options):
    return Halves(spec=SeparatorSpec("halves", 1, 2))


def no_channels(options):
    return Halves(spec=SeparatorSpec("halves", 44_100, 0))


def no_name(options):
    return Halves(spec=SeparatorSpec("bell\a", 44_100, 2))


def path_stems(options):
    return Halves(stems=("vocals", "../beat"))


def one_stem(options):
    return Halves(stems=("beat",))


def same_stems(options):
    return Halves(stems=("beat", "beat"))


def no_block(options):
    return Halves(block_size=0)


def long_block(options):
    return Halves(block_size=200_000)


def odd_delay(options):
    return Halves(delay=0.5)


def early(options):
    return Halves(delay=1)


class Doubling(Halves):
    def process(self, block, out):
        out[:] = block


class Returning(Halves):
    def process(self, block, out):
        return np.stack([block, 0 * block])


class Poisoned(Halves):
    def process(self, block, out):
        super().process(block, out)
        out[1, 0, 3] = np.inf


class Misshapen(Halves):
    def process(self, block, out):
        out[...] = np.zeros((2, 512, 2), np.float32)


class Remembering(Halves):
    """Has an echo in one stem that the other takes back, and no reset."""

    past = np.zeros((2, 512), np.float32)

    def process(self, block, out):
        out[0] = self.past
        np.subtract(block, self.past, out=out[1])
        self.past = 0.5 * self.past + 0.5 * block


class FailingLater(Halves):
    """Holds what its trial and a session's warming up ask of it, and fails half a second later."""

    calls = 0

    def process(self, block, out):
        self.calls += 1
        if self.calls > 60:
            raise ZeroDivisionError("division by zero")
        super().process(block, out)


class TurningBad(FailingLater):
    """The same, but without a word."""

    def process(self, block, out):
        try:
            super().process(block, out)
        except ZeroDivisionError:
            out[:] = block


def doubling(options):
    return Doubling()


def returning(options):
    return Returning()


def poisoned(options):
    return Poisoned()


def misshapen(options):
    return Misshapen()


def remembering(options):
    return Remembering()


def failing_later(options):
    return FailingLater()


def turning_bad(options):
    return TurningBad()


def first_stem(separator, mixture, sizes):
    """The first stem (C, N) of a mixture in chunks of these sizes, whose stems sum to it."""
    chunked, parts, start = ChunkedSeparator(separator), [], 0
    while start < mixture.shape[-1]:
        size = next(sizes)
        parts.append(chunked.feed(mixture[:, start : start + size]))
        start += size
    stems = np.concatenate([*parts, chunked.finish()], axis=-1)
    np.testing.assert_allclose(stems.sum(axis=0), mixture, atol=1e-6)  # one sum of float32
    return stems[0]
