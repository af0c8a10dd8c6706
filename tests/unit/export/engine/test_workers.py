"""Processes that draw batches: what is said when one of them dies, or gives none."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from export.data.audio import Audio
from export.engine import loop
from export.engine.loop import Budget, Trainer
from export.errors import DataError
from export.recipes.tutorial.task import TutorialTask
from tests.unit.export.recipes.tutorial.test_training import CONFIG, Tones


class Dying(Tones):
    """Kills the process that it draws in, as one is killed that takes too much memory."""

    def sample(self, step: int, position: int, batch_size: int = 1) -> tuple[Audio, Audio]:
        if step == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().sample(step, position, batch_size)


class Hanging(Tones):
    """Waits for what doesn't come."""

    def sample(self, step: int, position: int, batch_size: int = 1) -> tuple[Audio, Audio]:
        time.sleep(3600)
        raise AssertionError


def run(folder: Path, sampler: Tones) -> None:
    Trainer(TutorialTask(CONFIG, sampler, sampler), folder, workers=1).run(Budget(steps=3))


@pytest.mark.slow
def test_a_process_that_dies_ends_the_run_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a process that draws batches gives none") as caught:
        run(tmp_path, Dying())
    assert "killed" in str(caught.value).lower()
    assert "memory" in caught.value.remedy


@pytest.mark.slow
def test_a_process_that_hangs_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "WORKER_SECONDS", 0.5)
    with pytest.raises(DataError, match=r"timed out after 0\.5 seconds"):
        run(tmp_path, Hanging())
