"""Which model plays in which situation, and why."""

from dataclasses import replace

import pytest

from streamsep.live.model_choice import Situation, choose, ruled_out
from streamsep.separation.schedule import RunSchedule

GONE = "studio.onnx isn't installed"


def schedule(latency_s):
    return RunSchedule(0.015, 2, 3, 1_000, 44_100, round(latency_s * 44_100))


def situation(listening, **changes):
    """A machine that is up to everything, and the best model 0.25 s late on it."""
    good = dict(cores=4, memory=8e9, schedule=schedule(0.25))
    return Situation(listening=listening, **(good | changes))


@pytest.mark.parametrize(
    ("listening", "changes", "model", "mode", "why"),
    [
        ("offline", {}, "studio", "offline", "best"),
        ("offline", dict(schedule=None, cores=1), "studio", "offline", "best"),
        ("offline", dict(problems={"studio": GONE}), "live", "offline", GONE),
        ("offline", dict(memory=3e8), "light", "offline", "500 MB of memory, and 300 MB are free"),
        ("file", {}, "studio", "read ahead", "read ahead"),
        ("file", dict(schedule=schedule(3.0), cores=1), "studio", "read ahead", "read ahead"),
        ("file", dict(schedule=None), "live", "live", "too slow"),
        ("file", dict(problems={"studio": GONE}), "live", "live", GONE),
        ("file", dict(low_latency=True), "live", "live", "least latency"),
        ("file", dict(memory=3e8), "light", "live", "of memory"),
        ("file", dict(memory=None), "studio", "read ahead", "best"),
        ("loopback", {}, "studio", "nearly live", "250 ms late"),
        ("loopback", dict(schedule=schedule(0.31)), "live", "live", "0.31 s late"),
        ("loopback", dict(schedule=None), "live", "live", "too slow"),
        ("loopback", dict(cores=1), "light", "live", "2 cores"),
        ("loopback", dict(low_latency=True), "live", "live", "least latency"),
        ("mic", {}, "live", "live", "at once"),
        ("mic", dict(cores=1), "light", "live", "at once"),
        ("mic", dict(problems={"studio": GONE}), "live", "live", "at once"),
        ("mic", dict(problems={"live": "live.onnx is damaged"}), "fast", "live", "damaged"),
    ],
)
def test_each_situation_has_its_model(listening, changes, model, mode, why):
    choice = choose(situation(listening, **changes))
    assert (choice.model, choice.mode) == (model, mode)
    assert why in choice.reason
    assert str(choice) == f"model {model}: {choice.reason}"


def test_speed_is_asked_for_only_where_it_decides():
    for listening in ("file", "loopback", "offline"):
        assert ruled_out(situation(listening, schedule=None)) == ""
    assert ruled_out(situation("mic"))
    assert ruled_out(replace(situation("file"), low_latency=True))


def test_where_nothing_is_of_use_the_standard_model_says_so_itself():
    names = ("studio", "live", "fast", "light", "tutorial")
    choice = choose(situation("file", problems={name: f"{name} is gone" for name in names}))
    assert choice.model == "live"
    assert choice.reason == "; ".join(f"{name} is gone" for name in names)
