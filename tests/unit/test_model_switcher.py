"""Which model comes next, and when another one is recommended."""

from itertools import pairwise
from pathlib import Path
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
        switcher.watch(SimpleNamespace(changing=False, seconds=second, dropouts=10 * second))
    return [event.text for event in events.latest()]


# What is said of being late: where nothing lighter is known, and where there is something.
NOTHING_LIGHTER = "late for three seconds: a larger slack may help, or closing other programs"
LIGHTER = "late for three seconds: the model {} is lighter"
CHANGE_OVER = LIGHTER + ": change over to it"


def test_what_is_advised(files):
    heavy, small = files("heavy", 20_000_000), files("small", 10)
    assert advice([heavy]) == [LIGHTER.format("tutorial")]
    assert advice([heavy, small]) == [CHANGE_OVER.format("small")]
    assert advice([small, heavy]) == [NOTHING_LIGHTER]


def test_a_plugin_is_never_weighed_against_a_file(files):
    small, heavy = files("small", 10), files("heavy", 20_000_000)
    cut = find_model("center-cut")
    assert advice([cut, small]) == [NOTHING_LIGHTER]
    assert advice([heavy, cut, small]) == [CHANGE_OVER.format("small")]


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


class Machine:
    """A session on a machine that is too slow for all but some models."""

    def __init__(self, names, keeps_up, fails=()):
        self.paths = {name: Path(f"{name}.onnx") for name in names}
        self.playing, self.fails, self._keeps_up = names[0], fails, keeps_up
        self.changing, self.seconds, self.dropouts = False, 0, 0
        self._change = lambda: None
        self.events, self.played = EventLog(), []

    def switch_model(self, load, plays):
        def change():
            name = load()
            self.played.append(name)
            if name not in self.fails:
                self.playing = name
                plays()

        self.changing, self._change = True, change

    def go_on(self, switcher, seconds, change_takes=5):
        """Let time pass, looked at ten times a second."""
        left = change_takes
        for tenth in range(10 * seconds):
            if tenth % 10 == 0:
                self.seconds += 1
                self.dropouts += 0 if self.playing in self._keeps_up else 10
                left -= self.changing
            if self.changing and left == 0:
                self._change()
                self.changing, left = False, change_takes
            switcher.watch(self)

    def switcher(self, steps):
        lighter = {self.paths[a]: self.paths[b] for a, b in pairwise(steps)}
        models = [*self.paths.values()]
        return ModelSwitcher(models, lambda model: model.stem, self.events, lighter)


def test_a_machine_that_doesn_t_keep_up_steps_down_by_itself_and_says_so():
    machine = Machine(("studio", "live", "light"), keeps_up={"light"})
    switcher = machine.switcher(("studio", "live", "light"))
    machine.go_on(switcher, 3)
    assert machine.played == []  # the first second is the beginning
    machine.go_on(switcher, 30)
    assert machine.played == ["live", "light"]
    assert [event.text for event in machine.events.latest()] == [
        f"late for three seconds: stepping down to the model {name}" for name in ("live", "light")
    ]


def test_one_that_keeps_up_stays():
    machine = Machine(("studio", "live"), keeps_up={"studio", "live"})
    machine.go_on(machine.switcher(("studio", "live")), 60)
    assert (machine.played, machine.events.latest()) == ([], ())


def test_a_change_under_way_is_waited_for_however_late_it_makes_the_music():
    machine = Machine(("studio", "live", "light"), keeps_up={"live"})
    machine.go_on(machine.switcher(("studio", "live", "light")), 60, change_takes=20)
    assert machine.played == ["live"]


def test_a_step_that_comes_to_nothing_is_not_tried_again():
    machine = Machine(("studio", "live", "light"), keeps_up={"light"}, fails={"live"})
    machine.go_on(machine.switcher(("studio", "live", "light")), 60)
    assert machine.played == ["live", "light"]


def test_back_by_hand_to_what_was_too_much_and_down_again():
    machine = Machine(("studio", "live", "light"), keeps_up={"live", "light"})
    switcher = machine.switcher(("studio", "live", "light"))
    machine.go_on(switcher, 20)
    assert machine.playing == "live"
    switcher.next(machine)
    machine.go_on(switcher, 10)
    switcher.next(machine)
    machine.go_on(switcher, 30)
    assert machine.played == ["live", "light", "studio", "live"]


def test_at_the_end_of_the_steps_there_is_advice(files):
    heavy, small = files("heavy", 20_000_000), files("small", 10)
    events = EventLog()
    switcher = ModelSwitcher([small, heavy], lambda model: None, events, {heavy: small})
    for second in range(6):
        switcher.watch(SimpleNamespace(changing=False, seconds=second, dropouts=10 * second))
    assert [event.text for event in events.latest()] == [NOTHING_LIGHTER]
