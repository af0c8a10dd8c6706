"""A recording is as long as its run, whatever stopped the program or its server meanwhile."""

import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest
import soundfile as sf

from testing.servers import pipewire_server, pulse_server, wait_until
from tests.integration.conftest import RATE
from tests.support.cases import one_of_many
from tests.support.commands import COMMAND, PATIENCE_S

# When a line is written, and read, on a busy machine; what had been lost up to then would show as
# much more than that.
READ_S = 0.3


@pytest.fixture(params=one_of_many(["PulseAudio", "PipeWire"]))
def own_server(request):
    with pulse_server(at_once=True) if request.param == "PulseAudio" else pipewire_server() as own:
        yield own


class Follower:
    """Reads a program's lines, and notes when each came."""

    def __init__(self, process):
        self.records = []
        self._process = process
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._process.stdout:
            self.records.append((time.monotonic(), json.loads(line)))

    def zero_s(self):
        """When its clock was at zero, by the earliest of the next two lines."""
        begin = len(self.records)
        wait_until(lambda: len(self.records) > begin + 1, "two lines")
        return min(at - record["time_s"] for at, record in self.records[begin:])


@pytest.mark.parametrize("kind", one_of_many(["file", "loopback"]))
def test_what_pauses_cost_is_made_up_for_and_said(
    own_server, endless, identity_model, tmp_path, kind
):
    recorded = tmp_path / "take.wav"
    input_ = ["--input", endless, "--output", "pulse"]
    if kind == "loopback":
        input_ = ["--input", "loopback", "--capture", "paplay"]
    with own_server.player(endless, "A"), (tmp_path / "errors").open("w") as errors:
        process = subprocess.Popen(
            [*COMMAND, "live", *input_, "--record", recorded, "--model", identity_model, "--json"],
            env=own_server.env(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            follower = Follower(process)
            wait_until(lambda: follower.records, "the first line")
            time.sleep(4.0)  # until the output has settled
            before = follower.zero_s()
            for pause_s in (0.4, 0.5, 0.6, 2.0):
                os.kill(process.pid, signal.SIGSTOP)
                time.sleep(pause_s)
                os.kill(process.pid, signal.SIGCONT)
                time.sleep(1.5)
            assert follower.zero_s() == pytest.approx(before, abs=READ_S)
            process.send_signal(signal.SIGINT)
            ended = time.monotonic()
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
    assert sf.info(recorded).frames / RATE == pytest.approx(ended - before, abs=2 * READ_S)
    stood_still = [
        event["gap_s"]
        for _, record in follower.records
        for event in record["events"]
        if re.match("output .* stood still", event["text"])
    ]
    # The long one, and most of the others: what each buffer had is played meanwhile.
    assert 1.5 < sum(stood_still) < 3.5 + 4 * READ_S
