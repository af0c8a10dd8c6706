"""What commands, options and choices were called before still works, and help shows today's."""

from __future__ import annotations

import pytest

from export.cli import cli, main
from export.cli.prepare import prepare
from export.cli.train import train


@pytest.mark.parametrize(("old", "new"), [("blend", "average"), ("narrow", "low-rank")])
def test_a_command_is_the_same_under_its_old_name(
    capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    assert cli.commands[old].callback is cli.commands[new].callback
    main([old, "--help"])
    assert "--out" in capsys.readouterr().out
    main(["--help"])
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line[:2] == "  "]
    assert new in listed
    assert old not in listed


def test_options_of_prepare_keep_their_old_names(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--sing", "people", "--lossy", "a*", "--codec-augmentation", "b*", "--out", "data"]
    params = prepare.make_context("prepare", given).params
    assert [path.name for path in params["sing"]] == ["people"]
    assert params["lossy"] == ("a*", "b*")
    main(["prepare", "--help"])
    words = capsys.readouterr().out.split()
    assert {"--singing-synthesis", "--codec-augmentation"} <= set(words)
    assert not {"--sing", "--lossy", "--sing,", "--lossy,"} & set(words)


def test_the_live_recipe_keeps_its_old_name(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("live", "builtin"):
        params = train.make_context("train", ["--recipe", name, "--out", "run"]).params
        assert params["network"] == "live"
    with pytest.raises(SystemExit):
        main(["train", "--recipe", "neither", "--out", "run"])
    message = capsys.readouterr().err
    assert "'tutorial', 'live'" in message
    assert "builtin" not in message
