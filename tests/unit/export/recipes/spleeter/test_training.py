"""Teaching Spleeter's U-Net: a falling loss, an anchor, and a resumed run that is the same."""

from dataclasses import replace

import pytest
import torch

from export.data.track_pools import SONG, VOCAL_FREE
from export.engine.checkpoint import read_content
from export.engine.fabric import make_fabric
from export.engine.loop import Budget, Trainer
from export.engine.training_step import TrainingStep
from export.recipes.live.mixing import StereoMixer
from export.recipes.spleeter.features import stft
from export.recipes.spleeter.network import BINS, ROWS
from export.recipes.spleeter.pair import Pair
from export.recipes.spleeter.task import SHARES, Recipe, SpleeterTask, read_recipe, rows
from export.recipes.spleeter.weights import build
from tests.unit.export.recipes.spleeter.conftest import NARROW, random_arrays

RECIPE = Recipe(learning_rate=2e-2, batch_size=1, valid_every=4, valid_items=2)
PLACES = range(RECIPE.batch_size)


def make_pair():
    return Pair(*(build(random_arrays(NARROW, seed)) for seed in (2, 3)))


def make_task(mixer, recipe=RECIPE, pair=None):
    return SpleeterTask(recipe, build(random_arrays(NARROW, 0)), mixer, mixer, pair)


@pytest.mark.slow
def test_the_loss_falls_and_a_resumed_run_is_the_same(tmp_path, narrow, mixer):
    recipe, pair = replace(RECIPE, anchor=0.1), make_pair()
    task = make_task(mixer, recipe, pair)
    before = task.validate()["loss"]
    done = Trainer(task, tmp_path / "whole").run(Budget(steps=8))
    assert [r["step"] for r in done.history] == [4, 8]
    assert done.history[-1]["valid_loss"] < 0.9 * before

    def stop_after_four(progress):
        if progress.step == 4:
            raise KeyboardInterrupt

    first = Trainer(make_task(mixer, recipe, pair), tmp_path / "parts", validated=stop_after_four)
    with pytest.raises(KeyboardInterrupt):
        first.run(Budget(steps=8))
    # The checkpoint has its recipe, and the pair.
    again = make_task(mixer, replace(RECIPE, learning_rate=1.0))
    Trainer(again, tmp_path / "parts").run(Budget(steps=8), resume=True)
    assert again.recipe == recipe
    whole, resumed = (read_content(tmp_path / name / "last.pt") for name in ("whole", "parts"))
    assert resumed["step"] == whole["step"] == 8
    for name, value in whole["average"].items():
        torch.testing.assert_close(resumed["average"][name], value, rtol=0, atol=0)


@pytest.mark.slow
def test_an_anchor_holds_it_to_the_pair(narrow, mixer):
    """With all weight on it, the masks come nearer to the pair's."""
    pair = make_pair()
    task = make_task(mixer, replace(RECIPE, anchor=100.0), pair)
    mixture = stft(task.batch(0, PLACES)).sum(1)[..., :64]

    def distance():
        with torch.no_grad():
            wanted = pair.masks(rows(mixture))
            return (task.model.logits(rows(mixture)).sigmoid() - wanted).square().mean().item()

    before = distance()
    train = TrainingStep(make_fabric(), task)
    for step in range(8):
        train(task.batch(step, PLACES), step, 1e-2)
    assert distance() < 0.8 * before
    with pytest.raises(ValueError, match="pair"):
        make_task(mixer, replace(RECIPE, anchor=1.0))


def test_a_pair_is_the_mean_below_11_khz_and_the_vocals_network_above(narrow):
    pair = make_pair()
    x = 10 * torch.rand(1, 2, 64, ROWS, generator=torch.manual_seed(0))
    masks = pair.masks(x)
    with torch.no_grad():
        v = pair.vocals.logits(x).sigmoid()
        a = pair.accompaniment.logits(x[..., :BINS]).sigmoid()
    torch.testing.assert_close(masks[..., :BINS], (v[..., :BINS] + 1 - a) / 2, rtol=0, atol=1e-6)
    torch.testing.assert_close(masks[..., BINS:], v[..., BINS:], rtol=0, atol=1e-6)
    assert not any(p.requires_grad for p in pair.parameters())


def test_shares_decide_what_items_are(tmp_path, tracks):
    for items, silent in (({SONG: 0.0, VOCAL_FREE: 1.0}, True), ({SONG: 1.0}, False)):
        mixer = StereoMixer(tmp_path, tracks, seed=0, shares=replace(SHARES, items=items))
        assert all(mixer.sample(step, 0)[0].any() != silent for step in range(4))


@pytest.mark.slow
def test_a_recipe_is_kept_whole(narrow, mixer):
    recipe = replace(RECIPE, shares=replace(SHARES, items={SONG: 0.5}), anchor=0.0)
    assert read_recipe(make_task(mixer, recipe).state()) == recipe
