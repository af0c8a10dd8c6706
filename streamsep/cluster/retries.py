"""Calls over a network, made again after what passes by itself."""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

TRIES = 6
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 20.0  # at most; each wait is a random share of that
# What a second call won't change. (A disk may get free, but not within seconds.)
LASTING = {
    *(errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EISDIR, errno.ENOTDIR),
    *(errno.EEXIST, errno.EROFS, errno.ENAMETOOLONG, errno.EDQUOT, errno.EINVAL),
}
# Packages of stores that have errors of their own, no OSError.
CLIENTS = {"aiohttp", "aiobotocore", "botocore", "gcsfs", "google", "azure", "urllib3", "requests"}


def is_passing(error: Exception) -> bool:
    """Say whether a call that failed so may succeed when it is made again."""
    if isinstance(error, OSError):
        kinds = FileNotFoundError | PermissionError | FileExistsError | IsADirectoryError
        return error.errno not in LASTING and not isinstance(error, kinds)
    kind = type(error)
    return kind.__module__.split(".")[0] in CLIENTS and "Credentials" not in kind.__name__


def with_retries(
    call: Callable[[], Result],
    *,
    tries: int = TRIES,
    sleep: Callable[[float], object] = time.sleep,
    share: Callable[[], float] = random.random,
) -> Result:
    """Return what a call gives, after at most so many tries.

    The waits between them double and are random, so that a thousand workers don't come back to a
    store that was overrun all at once.

    Parameters
    ----------
    call
        May be made several times.
    tries
        At most; what the last of them raises is raised.
    sleep, share
        The clock to wait on, and the source of chance, 0 to 1.
    """
    longest_s = FIRST_WAIT_S
    for left in range(tries - 1, -1, -1):
        try:
            return call()
        except Exception as error:
            if not left or not is_passing(error):
                raise
        sleep(share() * longest_s)
        longest_s = min(2 * longest_s, LONGEST_WAIT_S)
    raise ValueError(f"{tries} tries")
