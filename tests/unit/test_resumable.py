"""An engine that goes on from another's state, or from its memory, gives what that would have."""

import io

import numpy as np
import pytest

from streamsep.models import find_model
from streamsep.separation import load_separator
from testing.signals import music
from tests.contract import test_waveform_stateful
from tests.contract.test_waveform import FOUR, WINDOW, imported
from tests.support import models
from tests.support.cases import one_fast
from tools import contract_graphs


def light(folder):
    return find_model("light")


def tutorial(folder):
    return find_model("tutorial")


def with_prior(folder, **changes):
    models.magnitude_mask(folder / "slow.onnx")
    return models.follower(folder / "quick.onnx", prior="slow", feature="magnitude", **changes)


def with_prior_s_directions(folder):
    return with_prior(folder, multichannel_wiener=True)


def with_directions(folder):
    return models.magnitude_mask(folder / "m.onnx", multichannel_wiener=True)


def interleaved(folder):
    return models.remembering_mask(folder / "m.onnx", interleave=4, hop_length=256)


def studio(folder):
    return find_model("studio")


def whole_windows(folder):
    return models.magnitude_mask(folder / "m.onnx")


def mdx(folder):
    kernel = np.zeros((4, 4, 3), np.float32)
    kernel[range(4), range(4)] = 0.25, 0.5, 0.25
    return models.mdx(folder / "m.onnx", kernel=kernel)


def windowed(folder):
    return models.windowed_mask(folder / "m.onnx", frames=16, stride=4, lag=3)


def waveform(folder):
    kernel = np.random.default_rng(0).uniform(-0.3, 0.3, (4, 65)).astype(np.float32)
    return imported(
        contract_graphs.waveform(folder / "m.onnx", samples=WINDOW, kernel=kernel), stems=FOUR
    )


def run(separator, blocks):
    stems = []
    for block in blocks:
        out = np.zeros((len(separator.stems), *block.shape), np.float32)
        separator.process(block, out)
        stems.append(out)
    return stems


def blocks_for(separator, count):
    size = separator.block_size
    sound = music(count * size / 44_100 + 0.1, seed=3)
    return [np.ascontiguousarray(sound[:, n * size : (n + 1) * size]) for n in range(count)]


def same(found, expected):
    return all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def waveform_with_states(folder):
    gains = ((0.5, 0.25), (1.0, 0.0), (0.0, -0.5), (0.125, 0.125))
    graph = contract_graphs.streaming(folder / "m.onnx", samples=128, gains=gains)
    return test_waveform_stateful.imported(graph)


CARRIED = [
    light,
    tutorial,
    with_prior,
    with_prior_s_directions,
    with_directions,
    interleaved,
    waveform_with_states,
    pytest.param(studio, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("make", CARRIED)
@pytest.mark.parametrize("offline", one_fast([True, False]))
def test_another_engine_goes_on_from_the_state_to_the_bit(make, offline, tmp_path):
    how = dict(device="cpu", offline=offline, stride_blocks=4, cores=1, wait=True)
    first, second = (load_separator(make(tmp_path), **how) for _ in range(2))
    assert first.memory is None
    blocks = blocks_for(first, 5 if offline else 41)
    cut = len(blocks) // 2  # (odd: the buffers of a state take turns)
    run(second, blocks[-1:])  # whatever it has heard
    run(first, blocks[:cut])
    file = io.BytesIO()
    np.savez(file, **first.state())
    file.seek(0)
    second.restore(dict(np.load(file, allow_pickle=False)))
    expected = run(first, blocks[cut:])
    assert np.abs(expected[-1][0]).max() > 0
    assert same(run(second, blocks[cut:]), expected)


@pytest.mark.parametrize(
    "make",
    one_fast([mdx, windowed, waveform, whole_windows], 3),
)
def test_another_engine_goes_on_after_hearing_what_its_memory_holds(make, tmp_path):
    first, second = (
        load_separator(make(tmp_path), device="cpu", offline=True, cores=1) for _ in range(2)
    )
    before = -(-first.memory // first.block_size)
    blocks = blocks_for(first, before + 5)
    expected = run(first, blocks)[-3:]
    found = run(second, blocks[-3 - before :])
    assert np.abs(expected[-1][0]).max() > 0
    assert same(found[-3:], expected)


def test_a_state_of_another_kind_is_refused(tmp_path):
    engines = [load_separator(make(tmp_path), offline=True) for make in (light, tutorial)]
    with pytest.raises(ValueError, match="the state has no"):
        engines[0].restore(engines[1].state())


def test_states_that_are_elsewhere_are_fetched_and_sent(tmp_path, monkeypatch):
    """Bound apart from our arrays, as on a GPU."""
    monkeypatch.setattr("streamsep.separation.bound_port.HERE", set())
    test_another_engine_goes_on_from_the_state_to_the_bit(interleaved, True, tmp_path)
