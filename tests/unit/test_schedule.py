"""Stride and trim of a whole-window model by the machine's speed."""

import re

import numpy as np
import pytest
import soundfile as sf

from streamsep.errors import BackendError
from streamsep.separation import load_separator
from streamsep.separation.schedule import choose_schedule
from testing.signals import music
from tests.support import models
from tests.support.commands import TAKES

HOP_S = 1024 / 44_100
SPEC = models.make_spec(
    n_fft=6144,
    dim_f=2048,
    window="hann",
    feature="complex",
    output="complex",
    mode="sliding",
    frames_per_run=256,
    lookahead_frames=3,
)


@pytest.fixture
def song(tmp_path):
    sf.write(tmp_path / "song.wav", music(1.5).T, 44_100, subtype="FLOAT")
    return tmp_path / "song.wav"


@pytest.mark.parametrize(
    ("run_s", "stride", "trim"),
    [
        (0.001, 1, 3),  # a GPU: every hop; trimmed as far as half an FFT reaches
        (0.100, 7, 3),  # 1.5 x 100 ms are 6.5 hops
        (1.000, 65, 16),  # a slow processor: late anyhow, so a quarter is trimmed
        (1.970, 128, 32),  # the longest stride, half the window
    ],
)
def test_the_shortest_stride_that_leaves_headroom(run_s, stride, trim):
    schedule = choose_schedule(SPEC, run_s)
    assert (schedule.stride_frames, schedule.trim_frames) == (stride, trim)
    assert 1.5 * run_s <= stride * HOP_S
    assert schedule.slack / 44_100 == pytest.approx(1.5 * run_s, abs=1 / 44_100)


def test_too_slow_says_how_much():
    with pytest.raises(BackendError, match=r"takes 7\.93 s .* 4\.0 times too slow") as caught:
        choose_schedule(SPEC, 4 * 128 * HOP_S / 1.5)
    assert "streamsep separate" in caught.value.remedy


def test_the_loaded_separator_goes_at_the_pace_measured(tmp_path):
    path = models.mdx(tmp_path / "mdx.onnx")
    separator = load_separator(path, device="cpu")
    schedule, spec = separator.schedule, separator.spec
    assert separator.block_size == schedule.stride_frames * 1024
    assert separator.delay == spec.n_fft - 1024 + schedule.trim_frames * 1024
    assert schedule.latency == separator.delay + separator.block_size + schedule.slack


@pytest.mark.slow
def test_live_says_the_pace_and_plays_in_time(tmp_path, command, song):
    path = models.mdx(tmp_path / "mdx.onnx", dim_f=2049)
    for number in range(TAKES):
        out = tmp_path / f"out{number}.wav"
        live = ["live", "--input", song, "--output", out, "--stem", "vocals", "--plain"]
        done = command(*live, "--model", path, "--device", "cpu")
        assert done.code == 0, done.stderr
        pace = (
            r"test runs in \d+ ms here: every \d+ frames, the newest \d+ trimmed, \d+\.\d\d s late"
        )
        assert re.search(pace, done.stdout)
        if "dropouts 0" in done.stdout.splitlines()[-2]:
            break  # else the machine was too busy: a missed block of vocals is silence
    # The graph gives back what it gets.
    np.testing.assert_allclose(sf.read(out)[0], sf.read(song)[0], atol=1e-5)


def test_a_machine_too_slow_is_told_before_the_music(tmp_path, command, song, monkeypatch):
    monkeypatch.setattr("streamsep.separation.load.measure_run", lambda *arguments: 9.0)
    path = models.mdx(tmp_path / "mdx.onnx", frames=256)
    out = tmp_path / "out.wav"
    done = command("live", "--input", song, "--output", out, "--model", path)
    assert done.code == 7
    assert done.stderr.startswith("streamsep: test takes 9.00 s here for what live has 1.98 s at")
    assert "4.5 times too slow" in done.stderr
    assert not out.exists()
