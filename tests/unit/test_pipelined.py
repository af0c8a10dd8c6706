"""Files: the graph runs beside the transforms."""

import threading

import numpy as np
import pytest

from streamsep.errors import BackendError
from streamsep.separation import ChunkedSeparator, OnnxBackend
from streamsep.separation.stateful import PipelinedSeparator, StatefulSeparator
from testing.signals import music
from tests.support import models
from tests.support.backends import SlowBackend

WAIT_S = 10.0


class Refusal:
    """Stands at the backend seam: a real one that fails in one of its runs."""

    def __init__(self, real, run):
        self.spec, self.provider = real.spec, real.provider
        self.features, self.estimate = real.features, real.estimate
        self.reset = real.reset
        self._real, self._left = real, run

    def run(self, stream=0):
        self._left -= 1
        if self._left == 0:
            raise BackendError("no", expected="yes", remedy="again")
        self._real.run(stream)


@pytest.fixture
def path(tmp_path):
    return models.lookahead_mask(tmp_path / "model.onnx", frames=4, lookahead=8)


def blocks_of(separator):
    return music(2.0)[:, : 12 * separator.block_size].reshape(2, 12, -1).transpose(1, 0, 2)


def test_a_run_goes_on_while_the_next_block_is_transformed(path):
    let_go, begun = threading.Event(), threading.Event()

    def gate():
        begun.set()
        assert let_go.wait(WAIT_S)

    separator = PipelinedSeparator(SlowBackend(OnnxBackend(path, device="cpu"), gate))
    block = np.zeros((2, separator.block_size), np.float32)
    separator.process(block, np.zeros((2, *block.shape), np.float32))
    assert begun.wait(WAIT_S)  # and yet the call came back
    let_go.set()
    separator.reset()


def test_what_fails_is_raised_once_and_the_next_file_begins_anew(path):
    real = OnnxBackend(path, device="cpu")
    separator = PipelinedSeparator(Refusal(real, run=3))
    blocks = blocks_of(separator)
    out = np.zeros((2, *blocks[0].shape), np.float32)
    for block in blocks[:3]:
        separator.process(block, out)
    with pytest.raises(BackendError, match="no"):
        separator.process(blocks[3], out)
    separator.reset()
    song = np.concatenate(list(blocks), axis=-1)
    parts = []
    for each in (separator, StatefulSeparator(OnnxBackend(path, device="cpu"))):
        chunked = ChunkedSeparator(each)
        parts.append(np.concatenate([chunked.feed(song), chunked.finish()], axis=-1))
    np.testing.assert_array_equal(*parts)


def test_a_failure_nobody_asked_about_is_not_the_next_file_s(path):
    separator = PipelinedSeparator(Refusal(OnnxBackend(path, device="cpu"), run=1))
    blocks = blocks_of(separator)
    out = np.zeros((2, *blocks[0].shape), np.float32)
    separator.process(blocks[0], out)
    separator.reset()
    for block in blocks:
        separator.process(block, out)
    assert np.abs(out[0]).max() > 0.01
