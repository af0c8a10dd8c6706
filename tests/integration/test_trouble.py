"""Trouble while the music plays: a sound server that dies, comes back, or hangs."""

import re
import signal
import time

import numpy as np
import pytest
import soundfile as sf

from tests.integration.conftest import RATE
from tests.integration.takes import PCM_24, span
from tests.support.alignment import locate
from tests.support.commands import Live
from tests.support.servers import pulse_server, wait_until

AWAY_S = 3.0


@pytest.fixture
def own_server():
    with pulse_server() as server:
        yield server


def plays_and_listens(server):
    """Whether something plays on B and something listens to A."""
    return server.streams("sink-inputs", "B") and server.streams("source-outputs", "A.monitor")


def test_after_a_server_has_died_and_come_back_the_music_goes_on(
    own_server, short_song, identity_model, tmp_path
):
    recorded = tmp_path / "recording.wav"
    first = short_song.sound[:, :RATE]
    with Live(
        tmp_path, "--input", "pulse", "--output", "pulse", "--record", recorded,
        "--model", identity_model, "--plain", env=own_server.env(),
    ) as live:  # fmt: skip
        live.wait_until_running()
        before = time.monotonic()
        own_server.play(short_song.path, "A")
        own_server.kill()
        time.sleep(AWAY_S)
        own_server.start()
        wait_until(lambda: plays_and_listens(own_server), "the streams of live")
        with own_server.recording("B.monitor") as heard:
            time.sleep(2.0)  # an output that has just been opened fills its buffer first
            between = time.monotonic() - before
            own_server.play(short_song.path, "A")
            heard.wait_for(RATE)
            output = heard.sound()
        assert live.end(signal.SIGINT) == 0, live.stderr
    assert not [line for line in live.stderr.splitlines() if line.startswith("streamsep")]
    assert "Traceback" not in live.stderr
    # It is heard again, sample for sample, and recorded.
    start = locate(first[0], output[0])
    np.testing.assert_array_equal(span(output, start, RATE), first)
    sound = sf.read(recorded, dtype="float32", always_2d=True)[0].T
    one = locate(first[0], sound[0, : len(sound[0]) // 2])
    other = locate(first[0], sound[0, one + RATE :]) + one + RATE
    for start in (one, other):
        np.testing.assert_allclose(span(sound, start, RATE), first, atol=PCM_24, rtol=0)
    # Silence stands for the gap, so that time stays true: without it AWAY_S would be missing.
    # How long players take to start is the machine's affair.
    assert other - one == pytest.approx(between * RATE, abs=AWAY_S / 2 * RATE)
    gaps = re.findall(r"gap of (\d+\.\d) s at \d+:\d\d\.\d: (\w+) 'pulse' is back", live.stdout)
    assert {kind for _, kind in gaps} == {"input", "output"}
    assert all(float(gap) >= AWAY_S for gap, _ in gaps)


def test_a_server_that_hangs_holds_nothing_up(own_server, identity_model, tmp_path):
    """PortAudio's calls hang with it, and may not take the program along."""
    recorded = tmp_path / "recording.wav"
    with Live(
        tmp_path, "--input", "pulse", "--output", "pulse", "--record", recorded,
        "--model", identity_model, env=own_server.env(),
    ) as live:  # fmt: skip
        live.wait_until_running()
        own_server.processes[0].send_signal(signal.SIGSTOP)
        try:
            time.sleep(AWAY_S)
            recording = recorded.stat().st_size
            time.sleep(1.0)
            assert recorded.stat().st_size > recording  # time goes on
            assert live.end(signal.SIGINT) == 0, live.stderr
        finally:
            own_server.processes[0].send_signal(signal.SIGCONT)
    assert f"{recorded}: " in live.stdout
