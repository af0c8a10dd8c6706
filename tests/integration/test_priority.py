"""Real-time scheduling: for the time of a context, and for the threads started in it.

Here, since whatever needs no sound server is tested without real-time scheduling.
"""

import os
import threading

import pytest

from streamsep.priority import OTHERS, promoted


def scheduling():
    return os.sched_getscheduler(0), os.sched_getparam(0).sched_priority


def granted():
    """Whether this process may have it at all, asked of the system itself."""
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(OTHERS))
    except OSError:
        return False
    os.sched_setscheduler(0, *before)
    return True


@pytest.mark.parametrize("fails", [False, True])
def test_threads_of_a_context_are_promoted_and_it_ends_with_it(fails):
    before, seen = scheduling(), []
    try:
        with promoted(OTHERS):
            thread = threading.Thread(target=lambda: seen.append(scheduling()))
            thread.start()
            thread.join()
            if fails:
                raise ValueError
    except ValueError:
        assert fails
    assert seen == [(os.SCHED_RR, OTHERS) if granted() else before]
    assert scheduling() == before
