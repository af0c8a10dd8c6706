"""Work on several files at the same time, that whoever waits for it can end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TypeVar

Worker = TypeVar("Worker")
Job = TypeVar("Job")

# Windows hears Ctrl-C only between two waits.
WAIT_S = 0.2
NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # the last not on Windows
ENDS = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]


class Stopped(Exception):  # noqa: N818  # no error: the end of a thread that isn't wanted any more
    """Leaves a file that is under way, the way an error does."""


def run_parallel(
    workers: Sequence[Worker],
    jobs: Sequence[Job],
    work: Callable[[Worker, Job, Callable[[], None]], None],
) -> None:
    """Do jobs, as many at a time as there are workers; to be called on the main thread.

    Threads do: onnxruntime and numpy let each other run. Whatever ends the wait (Ctrl-C, SIGTERM,
    a bug in a thread) ends them all, at the next call of what ``work`` gets as its last
    argument, and nothing half-written stays.
    """
    free: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        free.put(worker)
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Stopped

    def one(job: Job) -> None:
        worker = free.get()
        try:
            with suppress(Stopped):
                check()
                work(worker, job, check)
        finally:
            free.put(worker)

    news: SimpleQueue[Future[None] | None] = SimpleQueue()
    with _signals_as_news(news), ThreadPoolExecutor(len(workers)) as pool:
        try:
            for job in jobs:
                pool.submit(one, job).add_done_callback(news.put)
            done = 0
            while done < len(jobs):
                with suppress(Empty):
                    future = news.get(timeout=WAIT_S)
                    if future is None:
                        break
                    future.result()
                    done += 1
        finally:
            stop.set()


@contextmanager
def _signals_as_news(news: SimpleQueue[Future[None] | None]) -> Iterator[None]:
    """Put None for each signal that would end the program, and obey the first at the end.

    An exception out of a signal, raised wherever the main thread happens to be, may leave a lock of
    the pool locked, and its threads waiting for that for ever. (This queue may be used by a
    signal's handler.)
    """
    came: list[Callable[[], object]] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(partial(before[number], number, frame))
        news.put(None)

    # What is ignored stays so.
    handlers = {int(number): signal.getsignal(number) for number in ENDS}
    before = {number: handler for number, handler in handlers.items() if callable(handler)}
    try:
        for number in before:
            signal.signal(number, note)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            came[0]()
