"""Fixtures of the unit tests."""

import sys
from dataclasses import dataclass

import pytest

from streamsep.cli import main


@dataclass(frozen=True)
class Finished:
    """What a command came to."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def command(monkeypatch, capfd):
    """Run ``streamsep`` with arguments as its entry point does, in this process."""

    def run(*arguments) -> Finished:
        monkeypatch.setattr(sys, "argv", ["streamsep", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        return Finished(code, *capfd.readouterr())

    return run
