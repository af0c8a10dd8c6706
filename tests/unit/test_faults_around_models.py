"""A model's file that changes while it plays: what has been loaded plays on."""

import os

import pytest

from tests.support import models
from tests.unit.test_model_switcher import NOTHING_LIGHTER, advice


def replace(path):
    new = path.with_name("new")
    new.write_bytes(b"no model")
    os.replace(new, path)


def truncate(path):
    os.truncate(path, 100)


@pytest.mark.parametrize("change", [replace, truncate, os.unlink])
def test_advice_to_a_machine_that_is_late_doesn_t_need_the_file(tmp_path, change):
    path = models.constant_mask(tmp_path / "model.onnx")
    change(path)
    assert advice([path]) == [NOTHING_LIGHTER]
