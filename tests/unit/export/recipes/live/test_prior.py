"""A live network beside a prior: its items, what it begins with, and its graph."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from export.constants import HOP_LENGTH
from export.engine.checkpoint import read_content
from export.engine.loop import Budget, Trainer
from export.errors import CheckpointError, DataError
from export.recipes.live import onnx_import
from export.recipes.live.features import planes, prior_planes
from export.recipes.live.mixing import ITEM_SAMPLES
from export.recipes.live.network import PRIOR_GAIN, CausalConfig
from export.recipes.live.onnx_export import MAX_ERROR, live_spec, read_live, write_live
from export.recipes.live.onnx_import import read_start
from export.recipes.live.prior import (
    ITEM_HOPS,
    PriorItem,
    TwoSpeedTask,
    check_prior,
    make_item,
)
from export.recipes.live.prior_items import NARROW_HZ, draw_item, shape_sources, write_items
from export.recipes.live.recipe import Recipe
from export.recipes.live.task import LiveTask
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.two_speed import MaskPrior, TwoSpeedSeparator
from tests.support import models

NETWORK = CausalConfig(channels=(4, 4, 4, 4), recurrent_levels=(3,), hidden=8, prior=True)
RECIPE = Recipe(network=NETWORK, batch_size=2, learning_rate=1e-2, valid_every=2, valid_items=2)


@pytest.fixture(autouse=True)
def _few_batches(monkeypatch):
    """Read a network back with the norms of few batches."""
    monkeypatch.setattr(onnx_import, "BATCHES", 2)


@pytest.fixture
def prior(tmp_path):
    """A model whose mask of each bin is its magnitude m / (m + 1)."""
    return OnnxBackend(models.magnitude_mask(tmp_path / "slow.onnx"), device="cpu")


@pytest.fixture
def items(tmp_path, mixer, prior):
    folder = tmp_path / "items"
    assert len(list(write_items(folder, mixer, prior, 3, seed=5))) == 3
    return folder


def make_task(items, mixer, recipe=RECIPE):
    return TwoSpeedTask(items, items, recipe, mixer, mixer)


@pytest.mark.parametrize(("every", "first"), [(2, 1), (4, 3), (4, 0)])
def test_an_item_knows_what_the_separator_would(tmp_path, prior, mixer, every, first):
    """The planes at each hop are those that the host gives the network there."""
    sources = 0.5 * mixer.sample(0, 0)
    item = make_item(sources, prior, every, first)
    told = prior_planes(item.newest(0, ITEM_HOPS, 0)).numpy()
    follower = OnnxBackend(models.follower(tmp_path / "quick.onnx", "slow"), device="cpu")
    host = TwoSpeedSeparator(follower, MaskPrior(prior, every, wait=True, first=first))
    mixture, out = sources.sum(0), np.zeros((2, 2, HOP_LENGTH), np.float32)
    for hop in range(ITEM_HOPS):
        part = slice(hop * HOP_LENGTH, (hop + 1) * HOP_LENGTH)
        host.process(np.ascontiguousarray(mixture[:, part]), out)
        heard = host.prior.planes
        # Masks are kept in steps of 1/255; at both ends of the logits these are large.
        sure = np.abs(heard) < 0.6
        np.testing.assert_allclose(told[..., hop][sure], heard[sure], atol=0.01)
        assert np.abs(told[..., hop] - heard).max() < 0.1


def test_the_newest_mask_at_the_edges_of_a_schedule():
    masks = np.arange(1, 6, dtype=np.uint8)[:, None, None] * np.full((1, 2, 1025), 40, np.uint8)
    item = PriorItem(np.zeros((2, 2, 1), np.int16), masks, every=4, first=2)

    def known(first, count, late):
        rows = item.newest(first, count, late)
        assert rows.shape == (2, 1025, count)
        assert (rows == rows[:1, :1]).all()
        return [round(255 * x / 40, 3) for x in rows[0, 0].tolist()]

    nothing = round(255 * 0.5 / 40, 3)
    # The first run begins with hop 2 and is known at hop 3, the second with 6, known at 7.
    assert known(0, 9, 0) == [nothing] * 3 + [1.0] * 4 + [2.0] * 2
    assert known(2, 3, 1) == [nothing] * 2 + [1.0]
    assert known(6, 2, 0) == [1.0, 2.0]
    assert known(18, 8, 0) == [4.0] + [5.0] * 7  # after the last run, its mask stays
    assert not prior_planes(item.newest(0, 3, 0)).any()  # nothing known is a logit of 0


def test_items_are_kept_as_they_were_drawn(tmp_path, items, mixer, prior):
    names = sorted(p.name for p in items.iterdir())
    assert names == ["5_0.npz", "5_1.npz", "5_2.npz"]
    kept, again = PriorItem.load(items / "5_1.npz"), draw_item(mixer, prior, 5, 1)
    np.testing.assert_array_equal(kept.sources, again.sources)
    np.testing.assert_array_equal(kept.masks, again.masks)
    assert (kept.every, kept.first) == (again.every, again.first)
    assert len(kept.masks) == len(range(kept.first, ITEM_HOPS + 1, kept.every))
    (items / "5_1.npz").unlink()
    made = list(write_items(items, mixer, prior, 4, seed=5))
    assert [p.name for p in made] == ["5_1.npz", "5_3.npz"]  # the others were there
    (items / "5_0.npz").write_bytes(b"PK no archive")
    with pytest.raises(DataError, match="5_0"):
        PriorItem.load(items / "5_0.npz")
    with pytest.raises(DataError, match="prior-items"):
        make_task(tmp_path / "empty", mixer)


def test_sources_have_equalisers_and_some_a_narrow_band():
    noise = np.random.default_rng(0).standard_normal((2, 2, ITEM_SAMPLES)).astype(np.float32)
    narrow = 0
    for seed in range(24):
        shaped = shape_sources(np.random.default_rng(seed), noise)
        assert np.abs(shaped).max() <= 0.9901
        level = np.abs(np.fft.rfft(shaped[0, 0]))
        top = level[int(NARROW_HZ[1] / 22_050 * len(level)) :]
        narrow += top.mean() < 0.05 * level.mean()
    assert 0 < narrow < 10  # 0.12 of 24


def test_only_a_model_of_the_right_masks_can_be_a_prior(tmp_path, prior):
    check_prior(prior.spec)
    other = OnnxBackend(models.magnitude_mask(tmp_path / "x.onnx", sample_rate=48_000))
    with pytest.raises(DataError, match="prior"):
        check_prior(other.spec)


@pytest.mark.slow
def test_training_with_items_and_resuming(tmp_path, items, mixer):
    done = Trainer(make_task(items, mixer), tmp_path / "whole").run(Budget(steps=4))
    assert all(np.isfinite(r["valid_loss"]) for r in done.history)

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trainer(make_task(items, mixer), tmp_path / "parts", validated=stop).run(Budget(steps=4))
    Trainer(make_task(items, mixer), tmp_path / "parts").run(Budget(steps=4), resume=True)
    whole, resumed = (read_content(tmp_path / name / "last.pt") for name in ("whole", "parts"))
    for name, value in whole["average"].items():
        torch.testing.assert_close(resumed["average"][name], value, rtol=0, atol=0)
    assert not torch.equal(whole["average"]["prior_gain"], torch.full((512,), PRIOR_GAIN))


def test_a_network_with_a_prior_begins_with_one_without(tmp_path, items, mixer):
    """Where the prior says nothing, its logits are what they were."""
    alone = LiveTask(replace(RECIPE, network=replace(NETWORK, prior=False)), mixer, mixer)
    for step in range(2):
        alone.train_step(alone.batch(step), step, 1e-2)
    task = make_task(items, mixer)
    task.start_from(alone.state())
    mixture = next(alone.spectra(7, 1))
    silent = torch.zeros(len(mixture), 2, *mixture.shape[2:])
    with torch.no_grad():
        expected = alone.average.logits(planes(mixture))
        got = task.average.logits(torch.cat([planes(mixture), silent], 1))
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    # Later it may be read back from its file, prior and all; but not without one.
    path, live = tmp_path / "live.onnx", tmp_path / "last.pt"
    torch.save({"schema": 2, **task.state()}, live)
    network = read_live(live)
    wave = 0.1 * np.random.default_rng(1).standard_normal((2, 40_000)).astype(np.float32)
    spec = live_spec(network, name="live")
    assert spec.prior == "studio"
    assert write_live(network, spec, path, wave) <= MAX_ERROR
    again = make_task(items, mixer)
    again.start_from(read_start(path, again))
    noise = torch.rand(silent.shape, generator=torch.manual_seed(0)) * 2 - 1
    given = torch.cat([planes(mixture), noise], 1)
    with torch.no_grad():
        got, expected = (n.logits(given) for n in (again.average, network.network))
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)
    with pytest.raises(CheckpointError, match="prior"):
        read_start(path, alone)
