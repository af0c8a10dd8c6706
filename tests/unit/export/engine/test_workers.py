"""Processes that draw batches: what is said when one of them dies, or gives none."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.engine import batches
from export.engine.loop import Budget, Trainer
from export.errors import DataError
from export.recipes.tutorial.task import TutorialTask
from export.recipes.tutorial.train_config import TrainConfig
from streamsep.errors import OutputError
from tests.unit.export.tones import Dying, Hanging, Tones

CONFIG = TrainConfig(width=1 / 128, batch_size=2)


def run(folder: Path, sampler: Tones) -> None:
    Trainer(TutorialTask(CONFIG, sampler, sampler), folder, workers=1).run(Budget(steps=3))


@pytest.mark.slow
def test_a_process_that_dies_ends_the_run_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a process that draws batches gives none") as caught:
        run(tmp_path, Dying())
    assert "memory" in caught.value.remedy


@pytest.mark.slow
def test_a_process_that_hangs_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "WORKER_SECONDS", 0.5)
    with pytest.raises(DataError, match=r"timed out after 0\.5 seconds"):
        run(tmp_path, Hanging())


def test_a_temporary_folder_too_long_for_sockets_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("long" * 20)))
    with pytest.raises(OutputError, match="TMPDIR"):
        run(tmp_path, Tones())
