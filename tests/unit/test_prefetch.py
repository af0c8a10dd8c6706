"""Work on another thread: the same items, the same errors, and nothing left running."""

import threading

import pytest

from streamsep.offline.prefetch import prefetch


class Count:
    """Numbers up to ``stop``, noting how far it came, on which thread, and whether it ended."""

    def __init__(self, stop, error=None):
        self.made, self.closed, self.threads = 0, False, set()
        self._stop, self._error = stop, error

    def __call__(self):
        try:
            for number in range(self._stop):
                self.made += 1
                self.threads.add(threading.get_ident())
                yield number
            if self._error:
                raise self._error
        finally:
            self.closed = True


def test_items_come_in_order_from_one_other_thread():
    count = Count(100)
    assert list(prefetch(count(), 4)) == list(range(100))
    assert len(count.threads) == 1
    assert threading.get_ident() not in count.threads


def test_an_error_comes_after_the_items_before_it():
    items = prefetch(Count(3, ZeroDivisionError("here"))(), 4)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        next(items)


def test_who_stops_early_leaves_no_thread_and_no_open_generator():
    count, threads = Count(1_000_000), threading.active_count()
    items = prefetch(count(), 3)
    assert next(items) == 0
    items.close()
    assert count.closed
    assert count.made <= 5  # the one taken, three ahead, one under way
    assert threading.active_count() <= threads  # some may have ended meanwhile
