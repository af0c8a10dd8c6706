"""Which model comes next, and when another one is recommended."""

from types import SimpleNamespace

import numpy as np
import onnx
import onnx.numpy_helper
import pytest

from streamsep.events import EventLog
from streamsep.live.model_switcher import ModelSwitcher, lighter_model
from streamsep.models import find_model
from streamsep.realtime.stats import LateSeconds
from tests.support import models


def test_three_late_seconds_in_a_row_are_told_once():
    late = LateSeconds()
    told = [late.three_in_a_row(t / 10, max(0, t - 20)) for t in range(100)]
    assert [index / 10 for index, value in enumerate(told) if value] == [5.0]  # 2 to 5 were late


def test_a_good_second_in_between_starts_anew():
    late = LateSeconds()
    counts = [0, 1, 2, 2, 3, 4, 4, 5]
    assert not any(late.three_in_a_row(second, count) for second, count in enumerate(counts))


@pytest.fixture
def files(tmp_path):
    """Return a function that writes a model with so many bytes of weights more than it needs."""

    def make(name, size):
        path = models.constant_mask(tmp_path / f"{name}.onnx")
        model = onnx.load(path)
        filling = onnx.numpy_helper.from_array(np.zeros(size, np.uint8), "filling")
        model.graph.initializer.append(filling)
        onnx.save(model, path)
        return path

    return make


def test_the_lightest_known_model_is_named(files):
    heavy, small = files("heavy", 20_000_000), files("small", 10)
    assert lighter_model(heavy, [heavy]) == find_model("tutorial")
    assert lighter_model(heavy, [heavy, small]) == small
    assert lighter_model(small, [heavy, small]) is None
    # The tutorial's file is the larger one of the two, but runs a fourth as often.
    assert lighter_model(find_model("live"), []) == find_model("tutorial")
    assert lighter_model(find_model("tutorial"), []) is None


def advice(known):
    events = EventLog()
    switcher = ModelSwitcher(known, lambda model: None, events)
    for second in range(6):
        switcher.watch(second, 10 * second)
    return [event.text for event in events.latest()]


def test_what_is_advised(files):
    heavy, small = files("heavy", 20_000_000), files("small", 10)
    assert advice([heavy]) == ["late for three seconds: the model tutorial is lighter"]
    assert advice([heavy, small]) == [
        "late for three seconds: the model small is lighter: change over to it"
    ]
    assert advice([small, heavy]) == [
        "late for three seconds: a larger slack may help, or closing other programs"
    ]


def test_a_plugin_is_never_weighed_against_a_file(files):
    small, heavy = files("small", 10), files("heavy", 20_000_000)
    cut = find_model("center-cut")
    assert advice([cut, small]) == [
        "late for three seconds: a larger slack may help, or closing other programs"
    ]
    assert advice([heavy, cut, small]) == [
        "late for three seconds: the model small is lighter: change over to it"
    ]


def test_models_follow_each_other_in_a_circle(files):
    known = [files(name, 1) for name in "abc"]
    played = []
    session = SimpleNamespace(changing=False, switch_model=lambda load, plays: (load(), plays()))
    switcher = ModelSwitcher(known, lambda model: played.append(model.stem), EventLog())
    for _ in range(4):
        switcher.next(session)
    assert played == ["b", "c", "a", "b"]
    # One that doesn't take over is left out, and so is what plays.
    session.switch_model = lambda load, plays: load()
    for _ in range(3):
        switcher.next(session)
    assert played[4:] == ["c", "a", "c"]
    session.changing = True
    switcher.next(session)
    assert len(played) == 7
