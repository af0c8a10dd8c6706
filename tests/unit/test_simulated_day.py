"""A short day of tools/simulated_day.py: what goes wrong on purpose is counted exactly."""

import pytest

from streamsep.models import find_model
from streamsep.separation import load_separator
from tools import simulated_day

SECONDS, OFTEN = 45.0, 60.0


@pytest.fixture
def separator():
    return load_separator(find_model("center-cut"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_adds_more_than_4_ms_and_every_count_is_exact(separator, seed):
    day = simulated_day.simulate(separator, SECONDS, seed, often=OFTEN)
    # All kinds of trouble came, or the rest would show nothing.
    assert len(day.events) == 3
    assert set(day.done) == {"dropouts", "glitches"}
    assert day.counted == day.done
    assert max(day.added_ms) <= 1e3 * simulated_day.MOST_ADDED_S
    assert day.latency_ms <= day.reported_ms


@pytest.mark.slow
def test_without_trouble_nothing_is_counted(separator):
    day = simulated_day.simulate(separator, 20.0, 0, often=0.0)
    assert (dict(day.events), dict(day.done), dict(day.counted)) == ({}, {}, {})


def test_a_count_that_is_wrong_a_latency_that_grew_and_memory_are_told():
    day = simulated_day.Day(
        done=simulated_day.Counter(dropouts=2),
        counted=simulated_day.Counter(dropouts=1),
        added_ms=(0.0, 5.0),
        latency_ms=200.0,
        reported_ms=100.0,
        grown_mb=50.0,
    )
    assert len(day.wrong()) == 4
    assert simulated_day.Day().wrong() == []
