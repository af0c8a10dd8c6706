"""Training the live model: draws by seed, a falling loss, and a resumed run that is the same."""

import pickle
from dataclasses import replace

import numpy as np
import onnx
import pytest
import soundfile as sf
import torch
from onnx import numpy_helper

from export.data.manifest import Track
from export.data.track_pools import SONG
from export.engine.checkpoint import read_content
from export.engine.fabric import make_fabric
from export.engine.loop import Budget, Trainer
from export.engine.training_step import TrainingStep
from export.errors import CheckpointError, DataError, VerificationError
from export.onnx_graph.variant import read_spec, write_variant
from export.recipes.live import mixing
from export.recipes.live.features import planes
from export.recipes.live.graph import build_causal
from export.recipes.live.low_rank import input_statistics, truncate_rank
from export.recipes.live.mixing import ITEM_SAMPLES, SHARES, StereoMixer
from export.recipes.live.network import CausalConfig
from export.recipes.live.onnx_export import (
    live_spec,
    read_live,
    verify_live,
    write_live,
    write_live_variant,
)
from export.recipes.live.onnx_import import read_start
from export.recipes.live.recipe import Recipe
from export.recipes.live.task import LiveTask
from streamsep.models.integrity import is_intact, kept_self_test
from streamsep.separation import ChunkedSeparator, load_separator
from tests.support.cases import one_of_many

RECIPE = Recipe(
    network=CausalConfig(channels=(4, 4, 4, 4), recurrent_levels=(3,), hidden=8),
    batch_size=2,
    learning_rate=1e-2,
    valid_every=4,
    valid_items=6,
)
PLACES = range(RECIPE.batch_size)


def test_draws_depend_on_seed_step_and_place_alone(tmp_path, tracks, mixer):
    first = mixer.sample(3, 1)
    assert all(side.shape == (2, ITEM_SAMPLES) and side.dtype == np.float32 for side in first)
    mixer.sample(4, 0)
    for again, side in zip(mixer.sample(3, 1), first, strict=True):
        np.testing.assert_array_equal(again, side)
    other = StereoMixer(tmp_path, tracks, seed=2).sample(3, 1)
    assert not np.array_equal(sum(other), sum(first))


@pytest.mark.slow
@pytest.mark.parametrize("songs", one_of_many([True, False]))
def test_some_items_lack_a_voice_and_some_a_band(tmp_path, tracks, songs):
    mixer = StereoMixer(tmp_path, tracks if songs else tracks[1:], seed=1)
    items = [mixer.sample(step, 0) for step in range(120)]
    silent = np.array([[not side.any() for side in item] for item in items]).mean(axis=0)
    # Shares of 0.12 and 0.06 of 120 draws, within three standard deviations.
    assert 0.03 < silent[0] < 0.21
    assert 0 < silent[1] < 0.12
    assert all(np.isfinite(side).all() for item in items for side in item)


def test_voice_and_band_of_a_song_change_speed_together(tmp_path):
    """Of a song whose band is its voice once more, every true item is twice the same."""
    rng = np.random.default_rng(2)
    sound = 0.1 * rng.standard_normal((6 * 44_100, 2))
    sf.write(tmp_path / "one.wav", sound, 44_100, subtype="PCM_16")
    files = dict.fromkeys(("vocals", "drums", "accompaniment"), "one.wav")
    song = Track("song", "song", "train", len(sound), 0.0, files)
    shares = replace(SHARES, items={SONG: 1.0})
    pool = StereoMixer(tmp_path, [song], seed=3, shares=shares)
    items = [pool.sample(step, 0) for step in range(8)]
    for vocals, band in items:
        # Of equal phase at whatever speed; levels differ.
        assert np.corrcoef(vocals[0], band[0])[0, 1] > 0.999
    lengths = {np.flatnonzero(vocals[0])[-1] for vocals, _ in items}
    assert lengths == {ITEM_SAMPLES - 1}


def test_one_stem_of_a_band_can_be_the_band(tmp_path, monkeypatch):
    tone = np.sin(2 * np.pi * np.array([[300.0], [3_000.0]]) * np.arange(4 * 44_100) / 44_100)
    for name, wave in zip(("bass", "drums"), tone, strict=True):
        sf.write(tmp_path / f"{name}.wav", 0.2 * np.stack([wave, wave], 1), 44_100)
    sf.write(tmp_path / "accompaniment.wav", 0.2 * np.stack([tone.sum(0)] * 2, 1), 44_100)
    sf.write(tmp_path / "vocals.wav", 0.2 * np.stack([tone[0]] * 2, 1), 44_100)
    files = {n: f"{n}.wav" for n in ("bass", "drums", "accompaniment")}
    band = Track("band", "accompaniment", "train", 4 * 44_100, 0.0, files)
    voice = Track("voice", "voice", "train", 4 * 44_100, 0.0, {"vocals": "vocals.wav"})
    monkeypatch.setattr(mixing, "ONE_STEM_CHANCE", 1.0)
    monkeypatch.setattr(mixing, "SECOND_BAND_CHANCE", 0.0)
    pool = StereoMixer(tmp_path, [band, voice], seed=1, stems=("drums",))
    alone = 0
    for step in range(12):
        whole, drums = pool._band(np.random.default_rng(step))
        if not drums.any():
            alone += 1  # the bass
        else:
            np.testing.assert_array_equal(whole, drums)
    assert 0 < alone < 12


@pytest.mark.slow
def test_short_steps_take_pieces_of_few_items(mixer, monkeypatch):
    task = LiveTask(replace(RECIPE, batch_size=3), mixer, mixer)
    drawn = []
    sample = mixer.sample
    monkeypatch.setattr(mixer, "sample", lambda *at: drawn.append(at) or sample(*at))
    batches = [task.batch(step, range(3)) for step in range(12)]
    short = [b for b in batches if b.shape[-1] < ITEM_SAMPLES]
    assert 0 < len(short) < 12
    assert all(b.shape[:3] == (3, 2, 2) for b in batches)
    assert len(drawn) == 2 * len(short) + 3 * (12 - len(short))
    for batch in short:
        assert not torch.equal(batch[0], batch[2])  # two pieces of one item


def test_what_draws_goes_to_other_processes_without_the_network(mixer):
    task = LiveTask(RECIPE, mixer, mixer)
    pickled = pickle.dumps(task.batch)
    assert len(pickled) < 10_000  # the network's weights alone are more
    assert torch.equal(pickle.loads(pickled)(3, PLACES), task.batch(3, PLACES))


def test_a_pool_without_voices_is_an_error(tmp_path, tracks):
    with pytest.raises(DataError, match="no voice"):
        StereoMixer(tmp_path, tracks[2:], seed=0)


def make_run(folder, mixer, **options):
    return Trainer(LiveTask(RECIPE, mixer, mixer), folder, **options)


@pytest.mark.slow
def test_the_loss_falls_and_a_resumed_run_is_the_same(tmp_path, mixer):
    done = make_run(tmp_path / "whole", mixer).run(Budget(steps=12))
    assert [r["step"] for r in done.history] == [4, 8, 12]
    assert done.history[-1]["valid_loss"] < 0.97 * done.history[0]["valid_loss"]

    # The same steps in two parts. (The schedule looks at the share of 12 in both.)
    def stop_after_eight(progress):
        if progress.step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_run(tmp_path / "parts", mixer, validated=stop_after_eight).run(Budget(steps=12))
    make_run(tmp_path / "parts", mixer).run(Budget(steps=12), resume=True)
    whole, resumed = (read_content(tmp_path / name / "last.pt") for name in ("whole", "parts"))
    assert resumed["step"] == whole["step"] == 12
    for name, value in whole["average"].items():
        torch.testing.assert_close(resumed["average"][name], value, rtol=0, atol=0)


@pytest.mark.slow
def test_some_steps_are_seen_through_the_fast_window(mixer):
    task = LiveTask(RECIPE, mixer, mixer)
    task._fast_window.zero_()
    sources = torch.ones(1, 2, 2, 4_096)
    blind = [not task._spectra(sources, step)[0].any() for step in range(100)]
    assert 0.2 < np.mean(blind) < 0.5  # 0.35, within three standard deviations


@pytest.mark.slow
def test_recalibrated_norms_fit_the_averaged_weights(mixer):
    """What a batch norm divides by must be what it meets: unit variance after it."""
    task = LiveTask(RECIPE, mixer, mixer)
    for norm in (m for m in task.average.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        norm.running_var.fill_(1e4)
    task.recalibrate_batch_norm()
    seen = []
    norm = task.average.encoders[0].norm
    norm.register_forward_hook(lambda module, given, out: seen.append(out.std().item()))
    mixture, _ = task._spectra(task.batch(3, PLACES), 3)
    with torch.no_grad():
        task.average.logits(planes(mixture))
    assert not norm.training
    # One batch of two items against the mean over sixteen; 1e4 left as it was would give 0.01.
    assert 0.3 < seen[0] < 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "tolerance", "lookahead", "rank"),
    one_of_many(
        [
            # Weights rounded to 1/254 of the largest of 32.
            ("int8", 2e-2, 2, 2),
            # Float32 sums in another order; a forgotten norm or gate is a hundred times that.
            ("fp32", 1e-4, 0, None),
            ("fp32", 1e-4, 2, 2),
        ]
    ),
)
def test_a_model_file_gives_its_network_back(
    tmp_path, mixer, monkeypatch, precision, tolerance, lookahead, rank
):
    recipe = replace(RECIPE, network=replace(RECIPE.network, lookahead=lookahead))
    Trainer(LiveTask(recipe, mixer, mixer), tmp_path / "run").run(Budget(steps=3))
    live = read_live(tmp_path / "run" / "last.pt")
    if rank:
        heard = input_statistics(live.network, LiveTask(recipe, mixer, mixer).spectra(0, 4))
        live.network.load_state_dict(truncate_rank(live.network.state_dict(), rank, heard))
    for module in live.network.band_recurrences.values():  # as made it adds nothing
        torch.nn.init.normal_(module.out.weight, std=0.3)
    path = tmp_path / "live.onnx"
    wave = 0.1 * np.random.default_rng(1).standard_normal((2, 30_000)).astype(np.float32)
    write_live(live, live_spec(live, name="live"), path, wave, precision)
    task = LiveTask(recipe, mixer, mixer)
    task.start_from(read_start(path, task))
    mixture = next(task.spectra(7, 1))
    with torch.no_grad():
        got, expected = (n.logits(planes(mixture)) for n in (task.average, live.network))
    torch.testing.assert_close(got, expected, atol=tolerance, rtol=0)
    norms = [m for m in task.average.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    before = {n: n.running_var.clone() for n in norms}
    monkeypatch.setattr(
        "export.recipes.live.task.CALIBRATION_ITEMS", 32
    )  # as many as it was read with
    task.recalibrate_batch_norm()
    for norm in norms:
        # They divide by what they meet, as after any training: within what two draws of a few
        # items differ by. Norms that nobody fitted would hold 1, which is up to a thousand off.
        assert (norm.running_var / before[norm]).log().abs().max() < 1.1


@pytest.mark.slow
def test_a_network_with_one_recurrent_level_more_begins_as_the_one_without(tmp_path, mixer):
    make_run(tmp_path / "run", mixer).run(Budget(steps=3))
    content = read_content(tmp_path / "run" / "last.pt")
    more = replace(RECIPE, network=replace(RECIPE.network, recurrent_levels=(2, 3)))
    task = LiveTask(more, mixer, mixer)
    task.start_from(content)
    mixture = next(task.spectra(7, 1))
    live = read_live(tmp_path / "run" / "last.pt")
    with torch.no_grad():
        got, expected = (n.logits(planes(mixture)) for n in (task.average, live.network))
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    resumed = LiveTask(more, mixer, mixer)
    resumed.restore(task.state())
    assert resumed.learning_rate == task.learning_rate == 0.5 * RECIPE.learning_rate
    TrainingStep(make_fabric(), task)(task.batch(0, PLACES), 0, 1e-3)
    assert task.model.band_recurrences["2"].out.weight.abs().max() > 0
    wider = replace(RECIPE, network=replace(RECIPE.network, hidden=12))
    with pytest.raises((ValueError, RuntimeError)):
        LiveTask(wider, mixer, mixer).start_from(content)


@pytest.mark.slow
def test_a_network_that_looks_ahead_begins_with_one_that_does_not(tmp_path, mixer):
    make_run(tmp_path / "run", mixer).run(Budget(steps=3))
    content = read_content(tmp_path / "run" / "last.pt")
    late = LiveTask(replace(RECIPE, network=replace(RECIPE.network, lookahead=2)), mixer, mixer)
    late.start_from(content)
    live = read_live(tmp_path / "run" / "last.pt").network
    for network in (late.average, live):
        # The bottleneck is all that hears later frames at first.
        torch.nn.init.zeros_(network.projection.weight)
    mixture = next(late.spectra(7, 1))
    with torch.no_grad():
        got, expected = (n.logits(planes(mixture)) for n in (late.average, live))
    torch.testing.assert_close(got, expected[:, :, :-2], atol=1e-5, rtol=0)
    train = TrainingStep(make_fabric(), late)
    losses = [train(late.batch(step, PLACES), step, 1e-3) for step in range(2)]
    assert all(np.isfinite(losses))
    assert late.model.decoders[0].skip.weight[:, :, 1:].abs().max() > 0
    assert np.isfinite(late.validate()["loss"])


def test_nothing_to_resume_is_an_error(tmp_path, mixer):
    with pytest.raises(CheckpointError, match=r"last\.pt"):
        make_run(tmp_path / "new", mixer).run(Budget(steps=1), resume=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "hop"),
    one_of_many([("fp32", 1024), ("int8", 256), ("fp16", 1024), ("int8", 1024)], tested=2),
)
def test_a_checkpoint_becomes_a_model_that_runs(tmp_path, mixer, precision, hop):
    make_run(tmp_path / "run", mixer).run(Budget(steps=2))
    live = read_live(tmp_path / "run" / "last.pt")
    assert live is not None
    wave = 0.1 * np.random.default_rng(1).standard_normal((2, 30_000)).astype(np.float32)
    path = tmp_path / "live.onnx"
    write_live(live, live_spec(live, hop, name="live"), path, wave, precision)
    assert is_intact(path)
    separator = load_separator(path, device="cpu")
    # 46.4 ms at most: the live model's brief. 11.6 ms: the fast one's.
    assert separator.delay + separator.block_size == 2 * hop
    assert separator.spec.interleave * hop == 1_024
    with torch.no_grad():
        live.network.head.bias.add_(0.01 if precision == "fp32" else 1.0)
    with pytest.raises(VerificationError, match="differ"):
        verify_live(path, live, wave)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_every_hop_has_one_graph(tmp_path, mixer, precision):
    """A variant made of a file gives what the checkpoint's own file of that hop does."""
    make_run(tmp_path / "run", mixer).run(Budget(steps=1))
    live = read_live(tmp_path / "run" / "last.pt")
    wave = 0.1 * np.random.default_rng(1).standard_normal((2, 30_000)).astype(np.float32)
    card = {"licence": "CC0-1.0", "training_data": "noise", "git_commit": "abc"}
    for hop, name, score in ((1024, "slow", 1.5), (256, "fast", 1.25)):
        spec = live_spec(live, hop, name=name, scores={"usdr": score}, **card)
        write_live(live, spec, tmp_path / f"{name}.onnx", wave, precision)
    slow, fast, made = (tmp_path / f"{name}.onnx" for name in ("slow", "fast", "made"))
    graphs = [onnx.load(path).graph.SerializeToString() for path in (slow, fast)]
    assert graphs[0] == graphs[1]
    write_live_variant(slow, made, 256, name="fast", scores={"usdr": 1.25})
    assert read_spec(made) == replace(read_spec(fast), graph="slow")
    assert made.stat().st_size < 10_000
    separators = [ChunkedSeparator(load_separator(path, device="cpu")) for path in (fast, made)]
    np.testing.assert_array_equal(*(s.feed(wave) for s in separators))
    write_live_variant(made, tmp_path / "again.onnx", 1024, name="slow", scores={"usdr": 1.5})
    assert read_spec(tmp_path / "again.onnx") == replace(read_spec(slow), graph="slow")
    assert kept_self_test(made) == kept_self_test(fast) == kept_self_test(slow)
    write_live_variant(slow, made, 512, name="half")
    spec = read_spec(made)
    assert (spec.hop_length, spec.interleave, spec.window) == (512, 2, "asymmetric")
    assert (dict(spec.scores), spec.licence) == ({}, "CC0-1.0")  # scores are another window's
    assert load_separator(made, device="cpu").delay == 512


@pytest.mark.slow
def test_a_spec_of_another_graph_is_no_variant(tmp_path, mixer):
    make_run(tmp_path / "run", mixer).run(Budget(steps=1))
    live, path = read_live(tmp_path / "run" / "last.pt"), tmp_path / "live.onnx"
    wave = 0.1 * np.random.default_rng(1).standard_normal((2, 30_000)).astype(np.float32)
    write_live(live, live_spec(live, name="live"), path, wave)
    other = tmp_path / "other.onnx"
    other.write_bytes(b"from before")
    with pytest.raises(VerificationError, match="stems"):
        write_variant(path, replace(read_spec(path), stems=("drums",)), other)
    assert other.read_bytes() == b"from before"
    with pytest.raises(ValueError, match="hop 300"):
        write_live_variant(path, other, 300)


@pytest.mark.slow
def test_files_that_take_their_logarithms_otherwise_are_said(tmp_path, mixer):
    make_run(tmp_path / "run", mixer).run(Budget(steps=1))
    live, path = read_live(tmp_path / "run" / "last.pt"), tmp_path / "live.onnx"
    wave = 0.1 * np.random.default_rng(1).standard_normal((2, 30_000)).astype(np.float32)
    spec = live_spec(live, name="live")
    with pytest.raises(VerificationError, match="feature_gain is 1"):
        write_live(live, replace(spec, feature_gain=1.0), path, wave)
    model = build_causal(live.network, spec)
    model.graph.initializer.append(numpy_helper.from_array(np.float32([100]), "sharpen"))
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match="schema 3"):
        read_start(path, LiveTask(RECIPE, mixer, mixer))


def test_other_files_are_no_live_checkpoint(tmp_path):
    (tmp_path / "text.pt").write_text("no checkpoint")
    torch.save({"schema": 2, "weights": {}}, tmp_path / "other.pt")
    torch.save({"schema": 2, "average": {}}, tmp_path / "half.pt")
    assert read_live(tmp_path / "other.pt") is None
    for name in ("text", "missing", "half"):
        with pytest.raises(CheckpointError, match=f"{name}.pt"):
            read_live(tmp_path / f"{name}.pt")
