"""The screen of the real program in a real terminal: what it shows, and what keys do."""

import re
import signal
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from testing.servers import wait_until
from tests.support import models, vst3
from tests.support.terminal import Terminal

RATE = 44_100
LYRICS = "[00:00.00]A line to sing\n[00:01.00]and the last one\n"


@pytest.fixture
def song(tmp_path):
    """A minute, never played to its end: a sine of -6 dB in the twelfth of 24 bands."""
    time = np.arange(60 * RATE) / RATE
    sine = 10 ** (-6 / 20) * np.sin(2 * np.pi * 1_016 * time)
    sf.write(tmp_path / "song.wav", np.stack([sine, sine], axis=-1), RATE)
    (tmp_path / "song.lrc").write_text(LYRICS)
    return tmp_path / "song.wav"


@pytest.fixture
def arguments(song, tmp_path):
    """Of a run in which all of the song is vocals, and all of them are heard."""
    model = models.constant_mask(tmp_path / "all.onnx", 1.0)
    return (
        "--input",
        song,
        "--output",
        "null",
        "--model",
        model,
        "--guide",
        100,
        "--lyrics",
        song.with_suffix(".lrc"),
    )


@pytest.fixture
def terminal(tmp_path):
    with Terminal(tmp_path, 80, 24) as opened:
        yield opened


@pytest.fixture
def playing(terminal, arguments):
    """A terminal in which live plays the song."""
    terminal.before = terminal.settings()
    terminal.live(*arguments)
    terminal.wait_for("hop p50", "(measured 0)")
    assert terminal.alternate_screen
    assert not terminal.cursor_visible
    return terminal


def assert_put_back(terminal, code: int) -> str:
    text = terminal.wait_for(f"exit code {code}")
    assert not terminal.alternate_screen
    assert terminal.cursor_visible
    assert terminal.settings() == terminal.before
    return text


def without_times(text: str) -> str:
    """What a terminal shows, with what differs between runs as #."""
    text = re.sub(r" 0:\d\d / 1:00$", " #", text, flags=re.MULTILINE)
    text = re.sub(r"p50 [\d.]+, p99 [\d.]+ ", "p50 #, p99 # ", text)
    return re.sub(r"dropouts \d+", "dropouts #", text).rstrip() + "\n"


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
def test_exact_text(tmp_path, arguments, columns, rows):
    """The sine stands still, and so does the screen, unless a block was missed just then."""
    expected = (Path(__file__).parent / "screens" / f"{columns}x{rows}.txt").read_text()
    with Terminal(tmp_path, columns, rows) as terminal:
        terminal.live(*arguments)
        terminal.wait_for("♪ and the last one", "(measured 0)")
        with suppress(AssertionError):  # the one below says more
            wait_until(lambda: without_times(terminal.text) == expected, "the expected screen")
        assert without_times(terminal.text) == expected


def test_keys_are_heard_and_q_puts_the_terminal_back(playing):
    playing.press(*["Down"] * 10)
    # Half of a sine of -6 dB.
    playing.wait_for("▸ guide", " 50 % ", "-12.0 dB")
    playing.press("g")
    playing.wait_for(" 0 % ")
    playing.press("g", "Right", "Down", "Down", "Down")
    playing.wait_for(" 50 % ", "▸ beat", " -3.0 dB", "-15.0 dB")
    playing.press("b")
    playing.wait_for("BYPASS", " -9.0 dB")
    playing.press("Left", "Left", "Up", "b")
    playing.wait_for("▸ master", " 1.0 dB", "-14.0 dB")
    playing.press("Space")
    playing.wait_for("♪ A line to sing")
    playing.press(".", ".", ".", ",")
    playing.wait_for("♪ and the last one", "shift +0.2 s")
    playing.press("q")
    text = assert_put_back(playing, 0)
    # The screen is gone, its figures stay.
    assert re.match(r"0:\d\d  latency 0 ms .* dropouts \d+  CPU", text.replace("\n", ""))


def test_ctrl_z_gives_the_terminal_back_until_fg(playing):
    playing.press("C-z")
    playing.wait_for("Stopped")
    assert playing.settings() == playing.before
    assert playing.cursor_visible
    playing.type("fg")
    playing.wait_for("▸ guide")
    playing.press("b")
    playing.wait_for("BYPASS")
    playing.press("C-c")
    wait_until(lambda: not playing.alternate_screen, "the end")
    assert playing.settings() == playing.before


def test_sigterm_puts_the_terminal_back(playing):
    playing.send(signal.SIGTERM)
    assert_put_back(playing, 0)


def test_an_error_puts_the_terminal_back_and_is_said_there(terminal, arguments, tmp_path):
    damaged = tmp_path / "damaged.flac"
    sf.write(damaged, np.random.default_rng(0).uniform(-0.1, 0.1, (4 * RATE, 2)), RATE)
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    terminal.before = terminal.settings()
    terminal.live("--input", damaged, *arguments[2:])
    terminal.wait_for("▸ guide")
    said = "".join(assert_put_back(terminal, 12).split())  # lines break anywhere
    assert "itendsafter" in said
    assert "streamsep:notallsoundof" in said


def test_m_changes_over_to_the_next_model_and_back(terminal, song, tmp_path):
    """The second one answers later than what was read ahead for the first; back is no later."""
    near = models.constant_mask(tmp_path / "near.onnx", 1.0, name="near")
    late = dict(name="far", frames_per_run=4, stride_frames=4, lookahead_frames=8)
    far = models.constant_mask(tmp_path / "far.onnx", 1.0, **late)
    terminal.before = terminal.settings()
    terminal.live("--input", noise(song), "--output", "null", "--model", f"{near},{far}")
    terminal.wait_for("near on CPU", "latency 0 ms", "(measured 0)")
    terminal.press("m")
    terminal.wait_for("far on CPU", "latency 186 ms", "(measured 186)")
    terminal.press("m")
    terminal.wait_for("near on CPU", "latency 186 ms", "(measured 186)")
    terminal.press("q")
    assert_put_back(terminal, 0)


def test_a_vst3_plugin_goes_along_with_a_change_of_models(terminal, song, tmp_path):
    """Such plugins can't be loaded while another one is there, but on the main thread."""
    near = models.constant_mask(tmp_path / "near.onnx", 0.0, name="near")
    late = dict(name="far", frames_per_run=4, stride_frames=4, lookahead_frames=8)
    far = models.constant_mask(tmp_path / "far.onnx", 0.0, **late)
    terminal.before = terminal.settings()
    terminal.live(
        "--input",
        song,
        "--output",
        "null",
        "--model",
        f"{near},{far}",
        "--effect",
        f"{vst3.build(tmp_path)}:wet=0.25",
    )
    for name in ("near", "far", "near"):
        terminal.wait_for(f"{name} on CPU", "-12.0 dB")  # half of -6 dB
        terminal.press("m")
    terminal.press("q")
    assert_put_back(terminal, 0)


def noise(song):
    """A song whose every place is unlike any other: a delay can be measured."""
    sf.write(song, np.random.default_rng(1).uniform(-0.3, 0.3, (60 * RATE, 2)), RATE)
    return song
