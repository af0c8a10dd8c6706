"""Fixtures of the unit tests."""

import sys
from dataclasses import dataclass

import pytest

from streamsep.audio.endpoint import TimerSink
from streamsep.cli import main


@dataclass(frozen=True)
class Finished:
    """What a command came to."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture(autouse=True)
def patient_clock(monkeypatch):
    """A player without a device doesn't ask for a second of sound at once on a busy machine.

    No model could keep up with that, and each block would be counted as missed.
    """
    monkeypatch.setattr(TimerSink, "HELD_S", 0.1)


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
