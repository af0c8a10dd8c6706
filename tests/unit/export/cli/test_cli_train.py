"""The whole path by its commands, on two made-up songs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest
import torch

from export.cli import main
from export.data.manifest import MANIFEST_NAME
from export.errors import CheckpointError, DataError
from export.recipes.live import onnx_import
from export.recipes.tutorial.trained_network import load_checkpoint
from streamsep.errors import BackendError
from streamsep.separation import load_separator
from tests.unit.export.conftest import narrow_live_network


@pytest.fixture(autouse=True)
def _few_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a network back with the norms of one batch: its runs are of one step."""
    monkeypatch.setattr(onnx_import, "BATCHES", 1)


@pytest.fixture
def data(make_song: Callable[..., Path], tmp_path: Path) -> Path:
    make_song("one", seconds=6.5, vocals=880, drums=110)
    songs = make_song("two", seconds=6.5, vocals=990, drums=130)
    out = tmp_path / "data"
    main(["prepare", "--songs", str(songs), "--out", str(out), "--valid", "songs-two"])
    return out


def arguments(data: Path, out: Path, *more: str) -> list[str]:
    return [
        "train",
        "--data",
        str(data),
        "--out",
        str(out),
        "--width",
        "0.01",
        "--batch",
        "1",
        "--valid-excerpts",
        "1",
        "--threads",
        "1",
        *more,
    ]


def fails(arguments: list[str]) -> int | str | None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return stop.value.code


@pytest.mark.slow
def test_from_stems_to_a_verified_model(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    main(arguments(data, run, "--mix", "--head", "gated", "--steps", "1", "--device", "cpu"))
    assert {p.name for p in run.iterdir()} == {"best.pt", "last.pt", "curve.png"}
    shown = capsys.readouterr().err
    assert "valid_loss" in shown
    assert "usdr_rest" in shown
    main(arguments(data, run, "--steps", "2", "--resume"))  # by the checkpoint's recipe
    last = load_checkpoint(run / "last.pt")
    assert last.step == 2
    assert last.train.head == "gated"
    assert [r["step"] for r in last.history] == [1, 2]
    checkpoint, model = str(run / "best.pt"), str(tmp_path / "m.onnx")
    main(["onnx", "--checkpoint", checkpoint, "--out", model, "--precision", "int8"])
    main(
        [
            "verify",
            model,
            "--checkpoint",
            checkpoint,
            "--steps",
            "8",
            "--audio",
            str(tmp_path / "songs" / "one" / "vocals.wav"),
        ]
    )
    assert "SNR" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_isnt_overwritten_by_accident(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(arguments(data, tmp_path / "run", "--steps", "1"))
    capsys.readouterr()
    code = fails(arguments(data, tmp_path / "run", "--steps", "1"))
    assert code == CheckpointError.exit_code
    assert "--resume" in capsys.readouterr().err


def test_what_is_missing_is_said_in_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert fails(arguments(data, out)) == 2
    assert "--steps, --minutes" in capsys.readouterr().err
    for folder, what in ((tmp_path / "absent", MANIFEST_NAME), (tmp_path, MANIFEST_NAME)):
        assert fails(arguments(folder, out, "--steps", "1")) == DataError.exit_code
        message = capsys.readouterr().err
        assert what in message
        assert message.count("\n") == 1
    code = fails(arguments(data, out, "--steps", "1", "--stems", "other"))
    assert code == DataError.exit_code
    assert "other" in capsys.readouterr().err
    code = fails(arguments(data, tmp_path / "none", "--steps", "1", "--resume"))
    assert code == CheckpointError.exit_code
    assert "last.pt" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ["", "[]", '{"schema": 99, "tracks": []}', '{"schema": 1, "tracks": []}']
)
def test_damaged_manifests_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (tmp_path / MANIFEST_NAME).write_text(content)
    code = fails(arguments(tmp_path, tmp_path / "run", "--steps", "1"))
    assert code == DataError.exit_code
    assert MANIFEST_NAME in capsys.readouterr().err


def test_without_held_out_tracks_there_is_no_training(
    make_song: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    songs, out = make_song("one", vocals=880, drums=110), tmp_path / "data"
    main(["prepare", "--songs", str(songs), "--out", str(out)])
    assert fails(arguments(out, tmp_path / "run", "--steps", "1")) == DataError.exit_code
    assert "--valid" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_isnt_there_is_an_error(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = fails(arguments(data, tmp_path / "run", "--steps", "1", "--device", "cuda"))
    assert code == BackendError.exit_code
    assert "--device cpu" in capsys.readouterr().err


@pytest.mark.slow
def test_the_live_model_from_stems_to_a_verified_file(
    data: Path, narrow: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, model = tmp_path / "run", tmp_path / "live.onnx"
    live = [
        "train",
        "--recipe",
        "live",
        "--data",
        str(data),
        "--out",
        str(run),
        "--valid-excerpts",
        "1",
    ]
    stems = ["--stems", "vocals,drums", "--batch", "2"]
    main([*live, *stems, "--steps", "1", "--device", "cpu", "--threads", "1"])
    assert {p.name for p in run.iterdir()} == {"best.pt", "last.pt", "curve.png"}
    assert "valid_loss" in capsys.readouterr().err
    main([*live, "--steps", "2", "--resume"])  # with the stems of the checkpoint
    main(["onnx", "--checkpoint", str(run / "last.pt"), "--out", str(model)])
    main(["verify", str(model), "--checkpoint", str(run / "last.pt")])
    assert load_separator(model, device="cpu").stems == ("vocals", "drums", "rest")
    assert fails([*live, "--steps", "3"]) == CheckpointError.exit_code


@pytest.mark.slow
def test_a_second_run_begins_with_the_first_and_is_averaged_with_it(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    narrow_live_network(monkeypatch, 128)  # whose matrices are most of the file
    first, second, both = (tmp_path / name for name in ("first", "second", "both.pt"))
    live = [
        "train",
        "--recipe",
        "live",
        "--data",
        str(data),
        "--valid-excerpts",
        "1",
        "--batch",
        "2",
        "--steps",
        "1",
        "--device",
        "cpu",
        "--threads",
        "1",
    ]
    main([*live, "--out", str(first), "--seed", "1"])
    main([*live, "--out", str(second), "--seed", "2", "--start", str(first / "last.pt")])
    main(["average", str(first / "last.pt"), str(second / "last.pt"), "--out", str(both)])
    one, two, mean = (
        torch.load(path)["average"]["projection.weight"]
        for path in (first / "last.pt", second / "last.pt", both)
    )
    # One step moves a weight by its rate at most; two seeds' are a hundred times that apart.
    assert 0 < (one - two).abs().max() < 2e-3
    torch.testing.assert_close(mean, (one + two) / 2)
    more = [str(first / "last.pt"), str(second / "last.pt"), "--share", "0.75"]
    main(["average", *more, "--out", str(tmp_path / "more.pt")])
    unequal = torch.load(tmp_path / "more.pt")["average"]["projection.weight"]
    torch.testing.assert_close(unequal, 0.25 * one + 0.75 * two)
    # What a run before the fine spectrum lacks adds nothing there, so half of it is left.
    old = torch.load(first / "last.pt")
    for name in [name for name in old["average"] if name.startswith("fine.")]:
        del old["average"][name]
    del old["recipe"]["network"]["fine"]
    torch.save(old, tmp_path / "old.pt")
    for pair in (("old.pt", "second/last.pt"), ("second/last.pt", "old.pt")):
        main(["average", *(str(tmp_path / name) for name in pair), "--out", str(tmp_path / "x.pt")])
        mixed = torch.load(tmp_path / "x.pt")
        new = torch.load(second / "last.pt")["average"]
        assert mixed["recipe"]["network"]["fine"]
        assert new["fine.out.weight"].any()
        torch.testing.assert_close(mixed["average"]["fine.out.weight"], new["fine.out.weight"] / 2)
        torch.testing.assert_close(mixed["average"]["fine.real"], new["fine.real"])
    main(["onnx", "--checkpoint", str(tmp_path / "old.pt"), "--out", str(tmp_path / "old.onnx")])
    capsys.readouterr()
    runs = [str(first / "last.pt"), str(both), str(first / "last.pt")]
    main(["score", *runs, "--data", str(data), "--items", "4"])
    head, columns, *rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert head[:2] == ["4", "mixes"]
    assert columns == ["loss", "stems", "rest", "untouched", "checkpoint"]
    assert [row[-1] for row in rows] == runs
    assert rows[0] == rows[2] != rows[1]  # the same mixes every time
    cut = ["--data", str(data), "--rank", "16", "--out", str(tmp_path / "narrow.pt")]
    main(["low-rank", str(both), *cut])
    narrow = torch.load(tmp_path / "narrow.pt")["average"]["projection.weight"]
    assert torch.linalg.matrix_rank(narrow, rtol=1e-5) == 16
    for name in ("narrow", "both"):
        paths = [str(tmp_path / f"{name}{suffix}") for suffix in (".pt", ".onnx")]
        main(["onnx", "--checkpoint", paths[0], "--out", paths[1]])
    sizes = [(tmp_path / f"{name}.onnx").stat().st_size for name in ("narrow", "both")]
    assert sizes[0] < 0.75 * sizes[1]
    assert fails(["low-rank", str(tmp_path / "no.pt"), *cut]) == CheckpointError.exit_code
    # A model file does as well as a checkpoint.
    third = tmp_path / "third"
    main([*live, "--out", str(third), "--bf16", "--start", str(tmp_path / "both.onnx")])
    after = torch.load(third / "last.pt")["average"]["projection.weight"]
    assert 0 < (after - mean).abs().max() < 2e-3
    for start in (tmp_path / "text.pt", tmp_path / "missing.onnx", __file__):
        broken = [*live, "--out", str(tmp_path / "no"), "--start", str(start)]
        assert fails(broken) == CheckpointError.exit_code
    (tmp_path / "text.pt").write_text("no checkpoint")
    assert (
        fails(["average", str(both), str(tmp_path / "text.pt"), "--out", str(both)])
        == CheckpointError.exit_code
    )
    assert (
        fails(["score", str(tmp_path / "text.pt"), "--data", str(data)])
        == CheckpointError.exit_code
    )
    assert (
        fails(
            [
                *live[:1],
                "--data",
                str(data),
                "--out",
                str(first),
                "--steps",
                "1",
                "--start",
                str(both),
            ]
        )
        == click.UsageError.exit_code
    )
    assert "--recipe live" in capsys.readouterr().err


@pytest.mark.slow
def test_the_fixed_recipes_rate_grows_with_the_root_of_its_batch(
    data: Path, narrow: None, tmp_path: Path
) -> None:
    kept = {}
    for name, more in (("own", []), ("quarter", ["--batch", "2"])):
        main(
            [
                "train",
                "--recipe",
                "live",
                "--data",
                str(data),
                "--out",
                str(tmp_path / name),
                "--valid-excerpts",
                "1",
                "--steps",
                "1",
                "--device",
                "cpu",
                "--threads",
                "1",
                *more,
            ]
        )
        kept[name] = torch.load(tmp_path / name / "last.pt")["recipe"]
    assert (kept["own"]["batch_size"], kept["quarter"]["batch_size"]) == (8, 2)
    assert kept["quarter"]["learning_rate"] == kept["own"]["learning_rate"] / 2


def test_the_fixed_recipe_refuses_what_it_would_ignore(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in (["--width", "0.5"], ["--mix"], ["--lr", "1"]):
        out = str(tmp_path / "run")
        assert (
            fails(
                [
                    "train",
                    "--recipe",
                    "live",
                    "--data",
                    str(data),
                    "--out",
                    out,
                    "--steps",
                    "1",
                    *option,
                ]
            )
            == 2
        )
        assert option[0] in capsys.readouterr().err
    assert fails(["train", "--out", out, "--steps", "1"]) == 2
    assert "--data, --musdb" in capsys.readouterr().err
