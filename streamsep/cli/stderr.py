"""Standard error for this program alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

STDERR = 2


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Let what C libraries write to standard error go nowhere.

    PortAudio and ALSA do, from threads of their own, whenever a device goes, and libmpg123 of files
    that aren't MP3: over the screen, and between the lines of a log. What matters of it comes as
    an error or event of ours.
    """
    before = sys.stderr
    if not _writes_to(before, STDERR):  # closed, or caught by who called us
        yield
        return
    before.flush()
    with open(os.devnull, "w") as nowhere, os.fdopen(os.dup(STDERR), "w", buffering=1) as stderr:
        stderr.reconfigure(encoding=before.encoding, errors=before.errors)
        sys.stderr = stderr
        os.dup2(nowhere.fileno(), STDERR)
        try:
            yield
        finally:
            sys.stderr = before
            stderr.flush()
            os.dup2(stderr.fileno(), STDERR)


def _writes_to(stream: TextIO | None, number: int) -> bool:
    try:
        return stream is not None and stream.fileno() == number
    except (OSError, ValueError):
        return False
