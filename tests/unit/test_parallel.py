"""Ctrl-C at any moment ends the work on several files, and never only half of it."""

import signal
import subprocess
import sys

import pytest

from streamsep.offline.parallel import run_parallel
from tests.support.commands import PATIENCE_S

# Sends itself Ctrl-C at the k-th line that the main thread executes while a job is under way, for
# every k there is.
EVERY_MOMENT = """
import signal, sys, threading, time
from streamsep.offline.parallel import run_parallel

def interrupted_at(moment):
    under_way, lines, begun, ended = threading.Event(), 0, [], []

    def work(worker, job, check):
        begun.append(job)
        under_way.set()
        try:
            for _ in range(5):
                time.sleep(0.001)
                check()
        finally:
            ended.append(job)

    def trace(frame, event, argument):
        nonlocal lines
        if event == "line" and under_way.is_set():
            lines += 1
            if lines == moment:
                signal.raise_signal(signal.SIGINT)
        return trace

    sys.settrace(trace)
    try:
        run_parallel(["one", "two"], ["a", "b", "c"], work)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
        assert threading.active_count() == 1
        assert sorted(begun) == sorted(ended)
    return False

moment = 1
while interrupted_at(moment):
    moment += 1
print(moment)
"""


@pytest.mark.slow
def test_ctrl_c_at_any_moment_ends_all_threads():
    # A thread that waits for ever for a lock ends the patience.
    done = subprocess.run(
        [sys.executable, "-c", EVERY_MOMENT], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


def test_a_bug_in_a_thread_ends_the_others_and_is_seen():
    def work(worker, job, check):
        if job == 0:
            raise ZeroDivisionError
        while True:
            check()

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError):
        run_parallel("ab", [1, 0, 2], work)
    assert signal.getsignal(signal.SIGINT) is handler
