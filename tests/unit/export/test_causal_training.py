"""Training the live model: draws by seed, a falling loss, and a resumed run that is the same."""

import numpy as np
import pytest
import soundfile as sf
import torch

from export.causal.mixing import ITEM_SAMPLES, StereoMixer
from export.causal.network import CausalConfig
from export.causal.train import Recipe, Run, random_curves
from export.causal.write import live_spec, read_live, verify_live, write_live
from export.data.manifest import Track
from export.errors import CheckpointError, DataError, VerificationError
from export.training.loop import Budget
from streamsep.separation import load_separator

RECIPE = Recipe(
    network=CausalConfig(patch=64, channels=(8, 8), memory_levels=(1,), hidden=8),
    batch_size=2, learning_rate=1e-2, valid_every=4, valid_items=2,
)  # fmt: skip


@pytest.fixture
def tracks(tmp_path):
    """A voice of warbling tones and a band of noise: a song, a solo, a vocal-free piece."""
    rng = np.random.default_rng(0)
    count = 4 * 44_100
    time = np.arange(count) / 44_100
    voice = 0.2 * np.sin(2 * np.pi * 400 * time + 5 * np.sin(2 * np.pi * 5 * time))
    band = 0.05 * rng.standard_normal((2, count))
    sounds = {"vocals": np.stack([voice, voice]), "accompaniment": band}
    for name, sound in sounds.items():
        sf.write(tmp_path / f"{name}.wav", sound.T, 44_100, subtype="PCM_16")
    kinds = {"song": tuple(sounds), "voice": ("vocals",), "accompaniment": ("accompaniment",)}
    return [
        Track(kind, kind, "train", count, 0.0, {name: f"{name}.wav" for name in names})
        for kind, names in kinds.items()
    ]


@pytest.fixture
def mixer(tmp_path, tracks):
    return StereoMixer(tmp_path, tracks, seed=1)


def test_draws_depend_on_seed_step_and_place_alone(tmp_path, tracks, mixer):
    first = mixer.sample(3, 1)
    assert all(side.shape == (2, ITEM_SAMPLES) and side.dtype == np.float32 for side in first)
    mixer.sample(4, 0)
    for again, side in zip(mixer.sample(3, 1), first, strict=True):
        np.testing.assert_array_equal(again, side)
    other = StereoMixer(tmp_path, tracks, seed=2).sample(3, 1)
    assert not np.array_equal(sum(other), sum(first))


def test_some_items_lack_a_voice_and_some_a_band(mixer):
    items = [mixer.sample(step, 0) for step in range(120)]
    silent = np.array([[not side.any() for side in item] for item in items]).mean(axis=0)
    # Shares of 0.12 and 0.05 of 120 draws, within three standard deviations.
    assert 0.03 < silent[0] < 0.21
    assert 0 < silent[1] < 0.12
    assert all(np.isfinite(side).all() for item in items for side in item)


def test_a_pool_without_voices_is_an_error(tmp_path, tracks):
    with pytest.raises(DataError, match="no voice"):
        StereoMixer(tmp_path, tracks[2:], seed=0)


def test_equaliser_curves_are_smooth_and_bounded():
    curves = 20 * np.log10(random_curves(np.random.default_rng(0), 20, 1025))
    assert np.abs(curves).max() <= 6.001
    assert (np.abs(curves).max(axis=1) < 1e-5).any()  # some are left flat
    assert np.abs(np.diff(curves, axis=1))[:, 10:].max() < 1.0


def make_run(folder, mixer, records):
    return Run(RECIPE, folder, mixer, mixer, records.append)


def test_the_loss_falls_and_a_resumed_run_is_the_same(tmp_path, mixer):
    records = []
    whole = make_run(tmp_path / "whole", mixer, records)
    whole.run(Budget(steps=16))
    assert [r["step"] for r in records] == [4, 8, 12, 16]
    assert records[-1]["valid_loss"] < 0.9 * records[0]["valid_loss"]
    # The same steps in two parts. (The schedule looks at the share of 16 in both.)
    def stop_at_seven(share, step, loss):
        if step == 7:
            raise KeyboardInterrupt

    part = Run(RECIPE, tmp_path / "parts", mixer, mixer, lambda record: None, stop_at_seven)
    with pytest.raises(KeyboardInterrupt):
        part.run(Budget(steps=16))
    part.save()
    resumed = make_run(tmp_path / "parts", mixer, [])
    resumed.resume()
    assert resumed.step == 7
    resumed.run(Budget(steps=16))
    for name, value in whole.average.state_dict().items():
        torch.testing.assert_close(resumed.average.state_dict()[name], value, rtol=0, atol=0)


def test_nothing_to_resume_is_an_error(tmp_path, mixer):
    with pytest.raises(CheckpointError, match=r"no .*last\.pt"):
        make_run(tmp_path / "new", mixer, []).resume()


def test_a_checkpoint_becomes_a_model_that_runs(tmp_path, mixer):
    make_run(tmp_path / "run", mixer, []).run(Budget(steps=2))
    live = read_live(tmp_path / "run" / "last.pt")
    assert live is not None
    assert live.step == 2
    wave = 0.1 * np.random.default_rng(1).standard_normal((2, 30_000)).astype(np.float32)
    path = tmp_path / "live.onnx"
    write_live(live.network, live_spec(live.network, name="live"), path, wave)
    separator = load_separator(path, device="cpu")
    # 46.4 ms at most: the live model's brief.
    assert separator.delay + separator.block_size == 2_048
    with torch.no_grad():
        live.network.head.bias.add_(0.01)
    with pytest.raises(VerificationError, match="differ"):
        verify_live(path, live.network, wave)


def test_other_files_are_no_live_checkpoint(tmp_path):
    (tmp_path / "text.pt").write_text("no checkpoint")
    torch.save({"weights": {}}, tmp_path / "other.pt")
    assert read_live(tmp_path / "text.pt") is None
    assert read_live(tmp_path / "other.pt") is None
    assert read_live(tmp_path / "missing.pt") is None
