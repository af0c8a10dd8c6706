from pathlib import Path

import numpy as np
import pytest
import torch

from export.engine.checkpoint import BEST_NAME, LAST_NAME, read_content, write_content
from export.engine.curve import draw_curve
from export.engine.fabric import make_fabric
from export.engine.loop import Budget, Trainer
from export.engine.metrics import usdr
from export.engine.schedule import learning_rate_factor
from export.errors import CheckpointError
from export.recipes.tutorial.evaluator import validate
from export.recipes.tutorial.network import NetworkConfig
from export.recipes.tutorial.task import TutorialTask
from export.recipes.tutorial.train_config import TrainConfig
from export.recipes.tutorial.trained_network import load_checkpoint
from streamsep.evaluation.metrics import song_usdr
from tests.unit.export.tones import Tones

CONFIG = TrainConfig(
    width=1 / 128, batch_size=2, learning_rate=3e-3, valid_every=2, valid_excerpts=2
)


def trainer(folder: Path, config: TrainConfig = CONFIG, *, bf16: bool = False) -> Trainer:
    task = TutorialTask(config, Tones(), Tones())
    return Trainer(task, folder, fabric=make_fabric(bf16=bf16))


@pytest.mark.slow
def test_resuming_equals_never_having_stopped(tmp_path: Path) -> None:
    done = trainer(tmp_path / "a").run(Budget(steps=6))
    trainer(tmp_path / "b").run(Budget(steps=3))
    assert trainer(tmp_path / "b").run(Budget(steps=6), resume=True).step == done.step == 6
    through, resumed = (read_content(tmp_path / name / LAST_NAME) for name in "ab")
    for name, weight in through["weights"].items():
        assert torch.equal(weight, resumed["weights"][name]), name
    moments = zip(
        through["optimizer"]["state"].values(), resumed["optimizer"]["state"].values(), strict=True
    )
    assert all(torch.equal(a["exp_avg_sq"], b["exp_avg_sq"]) for a, b in moments)
    assert resumed["best_loss"] == through["best_loss"]


def test_a_run_that_something_else_taught_is_refused(tmp_path: Path) -> None:
    trainer(tmp_path).run(Budget(steps=1))
    content = read_content(tmp_path / LAST_NAME)
    content["optimizer"]["param_groups"].append(content["optimizer"]["param_groups"][0])
    write_content(tmp_path / LAST_NAME, content)
    with pytest.raises(CheckpointError, match=r"last\.pt lacks or miscalls a field"):
        trainer(tmp_path).run(Budget(steps=2), resume=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker")  # on one core
def test_processes_draw_what_a_thread_draws(tmp_path: Path) -> None:
    trainer(tmp_path / "thread").run(Budget(steps=4))
    by_processes = trainer(tmp_path / "processes")
    by_processes.run(Budget(steps=1))
    by_processes.workers = 2
    by_processes.run(Budget(steps=4), resume=True)  # on from the second batch
    one, same = (load_checkpoint(tmp_path / n / LAST_NAME).weights for n in ("thread", "processes"))
    assert all(torch.equal(one[n], same[n]) for n in one)


def test_the_seed_decides_the_weights(tmp_path: Path) -> None:
    other = TrainConfig(**{**CONFIG.to_dict(), "seed": 1})  # type: ignore[arg-type]
    for name, config in (("a", CONFIG), ("b", CONFIG), ("c", other)):
        trainer(tmp_path / name, config).run(Budget(steps=1))
    one, same, different = (load_checkpoint(tmp_path / name / LAST_NAME).weights for name in "abc")
    assert all(torch.equal(one[n], same[n]) for n in one)
    assert not all(torch.equal(one[n], different[n]) for n in one)


@pytest.mark.slow
@pytest.mark.parametrize("head", ["direct", "gated"])
def test_it_learns_to_drop_the_low_tone(tmp_path: Path, head: str) -> None:
    config = TrainConfig(**{**CONFIG.to_dict(), "head": head, "valid_every": 15})  # type: ignore[arg-type]
    history = trainer(tmp_path, config).run(Budget(steps=45)).history
    assert history[-1]["valid_loss"] < history[0]["valid_loss"] / 2
    assert history[-1]["usdr_rest"] > history[-1]["usdr_untouched"]


@pytest.mark.slow
def test_the_best_checkpoint_has_the_lowest_validation_loss(tmp_path: Path) -> None:
    # A rate this high makes the loss go up and down.
    wild = TrainConfig(**{**CONFIG.to_dict(), "learning_rate": 0.3, "valid_every": 1})  # type: ignore[arg-type]
    last = trainer(tmp_path, wild).run(Budget(steps=8))
    losses = [r["valid_loss"] for r in last.history]
    best = load_checkpoint(tmp_path / BEST_NAME)
    assert last.best_loss == min(losses)
    assert losses.index(min(losses)) + 1 == best.step < last.step
    model = best.build()
    again = validate(model, Tones(), torch.hann_window(2048).sqrt(), 2)["loss"]
    assert again == pytest.approx(last.best_loss, rel=1e-4)  # windows differ by float rounding


def test_minutes_end_a_run(tmp_path: Path) -> None:
    state = trainer(tmp_path).run(Budget(minutes=0.5 / 60))
    assert state.step >= 1
    assert state.seconds >= 0.5
    assert (tmp_path / LAST_NAME).is_file()


def test_bf16_trains(tmp_path: Path) -> None:
    trainer(tmp_path, bf16=True).run(Budget(steps=2))
    weights = load_checkpoint(tmp_path / LAST_NAME).weights
    assert all(torch.isfinite(w).all() for w in weights.values())
    assert {w.dtype for w in weights.values()} == {torch.float32}


def test_a_validation_leaves_the_network_training_and_scores_both_sides(tmp_path: Path) -> None:
    torch.manual_seed(0)
    from export.recipes.tutorial.network import VocalModel

    model = VocalModel(NetworkConfig(width=1 / 128, head="gated"))
    scores = validate(model, Tones(), torch.hann_window(2048).sqrt(), 1)
    assert model.training
    assert set(scores) == {"loss", "usdr_target", "usdr_rest", "usdr_untouched"}


def test_usdr_is_the_energy_ratio_in_db() -> None:
    reference = torch.ones(2, 1000)
    estimate = torch.stack([torch.full((1000,), 0.9), torch.zeros(1000)])
    # The floor of 1e-7 against an energy of 10 is far below a thousandth of a dB.
    assert usdr(reference, estimate).tolist() == pytest.approx([20.0, 0.0], abs=1e-3)


@pytest.mark.parametrize("error", [0.0, 1e-6, 1e-4, 0.1])
def test_usdr_in_training_is_that_of_the_evaluation(error: float) -> None:
    """Down to an estimate without an error, where nothing but the floor is left."""
    song = np.random.default_rng(0).uniform(-1, 1, (2, 44_100)).astype(np.float32)
    estimate = song * np.float32(1 + error)
    rows = usdr(torch.from_numpy(song.reshape(1, -1)), torch.from_numpy(estimate.reshape(1, -1)))
    assert rows.tolist() == pytest.approx([song_usdr(song, estimate)], abs=1e-4)


def test_the_schedules() -> None:
    assert learning_rate_factor("constant", 0.9) == 1
    shares = [learning_rate_factor("cosine", s) for s in (0, 0.03, 0.5, 1)]
    assert 0 < shares[0] < shares[2] < shares[1] == 1
    assert shares[3] == pytest.approx(0.02)


@pytest.mark.slow
def test_the_curve_is_a_picture(tmp_path: Path) -> None:
    record = {"step": 1, "train_loss": 0.2, "valid_loss": 0.3, "usdr_rest": 3.0}
    draw_curve([record, {**record, "step": 2}], tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    draw_curve([], tmp_path / "empty.png")


@pytest.mark.parametrize("content", [None, b"", b"not a checkpoint"])
def test_what_is_no_checkpoint_is_said_so(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.pt"):
        load_checkpoint(path)


def test_checkpoints_of_another_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"schema": 99}, path)
    with pytest.raises(CheckpointError, match="schema 2"):
        load_checkpoint(path)
    trainer(tmp_path / "run").run(Budget(steps=1))
    content = torch.load(tmp_path / "run" / LAST_NAME, weights_only=True)
    del content["weights"]
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="weights"):
        load_checkpoint(path)
