"""Work that goes on while its results are used."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(items: Generator[Item, None, None], count: int) -> Generator[Item, None, None]:
    """Yield ``items``, which are made on a thread of their own, a few ahead.

    Decoders, onnxruntime and encoders let other threads run meanwhile. What is raised there is
    raised here in its place; whoever stops early waits until the item under way is done.

    Parameters
    ----------
    items
        Used by that thread alone.
    count
        How many are made at most before the first of them is asked for.
    """
    made: SimpleQueue[tuple[Item] | BaseException | None] = SimpleQueue()
    room, stop = threading.Semaphore(count), threading.Event()

    def make() -> None:
        try:
            with closing(items):
                for item in items:
                    made.put((item,))
                    room.acquire()
                    if stop.is_set():
                        return
            made.put(None)
        except BaseException as error:
            made.put(error)

    thread = threading.Thread(target=make, name="streamsep-prefetch", daemon=True)
    thread.start()
    try:
        while (got := made.get()) is not None:
            if isinstance(got, BaseException):
                raise got
            yield got[0]
            room.release()
    finally:
        stop.set()
        room.release()
        thread.join()
