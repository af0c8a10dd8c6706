"""Reading, separating and writing go on at the same time, however long a model's blocks are."""

import threading

import numpy as np

from streamsep.offline.stem_blocks import stem_blocks
from testing.servers import wait_until
from testing.signals import music
from tests.support.separators import SPEC, Halves

RATE = SPEC.sample_rate
BLOCK_S = 4


class Gated(Halves):
    """Waits within each block until it is let go on."""

    block_size = BLOCK_S * RATE

    def __init__(self):
        super().__init__()
        self.begun, self.gate = threading.Semaphore(0), threading.Semaphore(0)

    def process(self, block, out):
        self.begun.release()
        self.gate.acquire()
        super().process(block, out)


def test_a_whole_block_is_read_while_one_is_separated_and_separated_while_one_is_written():
    separator, read = Gated(), []
    sound = music(3.0 * BLOCK_S)

    def chunks():
        for start in range(0, sound.shape[-1], RATE // 4):
            read.append(start)
            yield sound[:, start : start + RATE // 4]

    blocks = stem_blocks(separator, chunks(), sample_rate=RATE, channels=2)
    parts = []
    reader = threading.Thread(target=lambda: parts.append(next(blocks)))
    reader.start()
    separator.begun.acquire()
    wait_until(lambda: len(read) >= 2 * BLOCK_S * 4, "the second block's chunks")
    separator.gate.release()
    reader.join()
    # Of what was made only the first part was taken, and the second block is begun.
    assert parts[0].shape[-1] < RATE
    assert separator.begun.acquire(timeout=60.0)
    separator.gate.release(2)
    parts += blocks
    np.testing.assert_array_equal(np.concatenate(parts, axis=-1), np.stack([sound / 2, sound / 2]))
