"""Totals by machine, and as Prometheus reads them."""

import re

import pytest

from streamsep.cluster.orders import Outcome
from streamsep.cluster.ray import workers_that_fit
from streamsep.cluster.throughput import Throughput
from streamsep.errors import AudioFileError


@pytest.fixture
def totals():
    times = iter([100.0, 110.0, 110.0])
    totals = Throughput(4, clock=lambda: next(times))
    totals.add(Outcome(seconds=2.0, sound_s=60.0, node="a"))
    totals.add(Outcome(seconds=2.0, sound_s=20.0, node="a"))
    totals.add(Outcome(seconds=4.0, sound_s=20.0, node='b"\n\\'))
    error = AudioFileError("x", expected="y", remedy="z")
    totals.add(Outcome(error, seconds=1.0, node="a"))
    return totals


def test_each_machine_has_its_own_speed(totals):
    assert totals.nodes["a"].times_real_time == 16.0  # 80 s in 5
    assert totals.times_real_time == 10.0  # 100 s in the 10 that have passed
    assert totals.done == 4
    assert totals.lines[0].startswith("a: 2 songs, 1 failed, 80 s of sound in 5 s of work, 16.0")


def test_prometheus_reads_it(totals):
    text = totals.prometheus(workers=3)
    assert text.endswith("\n")
    sample = r'streamsep_[a-z_]+(\{node="(?:[^"\\\n]|\\["\\n])*"\})? [0-9.e+-]+'
    for line in text.splitlines():
        assert line.startswith(("# HELP ", "# TYPE ")) or re.fullmatch(sample, line), line
    assert "streamsep_workers 3" in text
    assert 'streamsep_songs_done_total{node="a"} 2' in text
    assert 'streamsep_sound_seconds_total{node="b\\"\\n\\\\"} 20' in text


@pytest.mark.parametrize(
    ("node", "share", "count"),
    [
        ({"CPU": 8.0}, 0.0, 8),
        ({"CPU": 8.0, "GPU": 1.0}, 0.25, 4),
        ({"CPU": 16.0, "GPU": 1.0}, 0.1, 10),
        ({"CPU": 8.0, "GPU": 1.0}, 0.75, 1),  # what is left of a GPU is of no use
        ({"CPU": 2.0, "GPU": 4.0}, 1.0, 2),
        ({"CPU": 8.0}, 1.0, 0),
        ({"memory": 1.0}, 0.0, 0),
    ],
)
def test_workers_fit_a_machine_by_its_cores_and_gpus(node, share, count):
    assert workers_that_fit(node, share) == count
