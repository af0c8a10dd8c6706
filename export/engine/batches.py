"""Batches in order, drawn ahead: on a thread, or in processes."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader, Dataset

from export.engine.draw import Draw
from export.errors import DataError
from streamsep.errors import OutputError, StreamsepError, first_line

AHEAD = 3  # batches
WORKER_SECONDS = 600.0  # for a batch, before which a shard may have to come from a slow store
# Bytes of the temporary folder's path: a socket's has 107, and the rest is multiprocessing's.
LONGEST_FOLDER = 107 - len("/pymp-12345678/listener-12345678")


def draw_ahead(draw: Draw, step: int, places: range, workers: int) -> Generator[Any]:
    """Yield the batches of a step and those after it, without end.

    Parameters
    ----------
    workers
        Processes that draw; with none a thread does.

    Raises
    ------
    StreamsepError
        What the drawing raises.
    """
    if workers:
        return _from_processes(_Batches(draw, places), step, workers)
    return _from_thread(draw, step, places)


@contextmanager
def workers_watched() -> Iterator[None]:
    """Say in one line that a process that draws died or hangs: torch does so at any moment.

    Raises
    ------
    DataError
        If so.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader"):  # what torch's loader itself says
            raise
        raise DataError(
            f"a process that draws batches gives none: {first_line(error).rstrip('. ')}",
            expected=f"a batch of each within {WORKER_SECONDS:.0f} s",
            remedy="see that memory suffices: take fewer processes, smaller batches or shards",
        ) from error


@dataclass(frozen=True, slots=True)
class _Batches(Dataset[Any]):
    """Batches by step, as torch's loader takes them."""

    draw: Draw
    places: range

    def __getitem__(self, step: int) -> Any:
        try:
            return self.draw(step, self.places)
        except StreamsepError as error:  # which the loader of another process would make text of
            return error


def _from_thread(draw: Draw, step: int, places: range) -> Generator[Any]:
    with ThreadPoolExecutor(1, "streamsep-reader") as reader:
        steps = itertools.count(step)

        def begin() -> Future[Any]:
            return reader.submit(draw, next(steps), places)

        ahead = deque(begin() for _ in range(AHEAD))
        try:
            while True:
                yield ahead.popleft().result()
                ahead.append(begin())
        finally:
            reader.shutdown(cancel_futures=True)


def _from_processes(batches: _Batches, step: int, workers: int) -> Generator[Any]:
    _check_temporary_folder()
    loader: DataLoader[Any] = DataLoader(
        batches,
        batch_size=None,
        sampler=itertools.count(step),
        num_workers=workers,
        prefetch_factor=AHEAD,
        timeout=WORKER_SECONDS,
        # Not forked: locks that threads of ours hold just then (a store's, onnxruntime's) would be
        # held for ever in the fork. Nor does a process that is started anew touch our GPU.
        multiprocessing_context="spawn",
    )
    for batch in loader:  # closed with this: the loader then ends its processes
        if isinstance(batch, StreamsepError):
            raise batch
        yield batch


def _check_temporary_folder() -> None:
    """Refuse a folder in which no socket fits: batches come through one, and would never arrive."""
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) > LONGEST_FOLDER:
        raise OutputError(
            f"processes that draw batches can't have sockets in {folder}",
            expected=f"a folder for temporary files of at most {LONGEST_FOLDER} bytes",
            remedy="set TMPDIR to a shorter path",
        )
