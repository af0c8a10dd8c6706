"""Standard error for this program alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from streamsep.cli.lasting_output import lasting_text, writes_to

STDERR = 2


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Let what C libraries write to standard error go nowhere.

    PortAudio and ALSA do, from threads of their own, whenever a device goes, and libmpg123 of files
    that aren't MP3: over the screen, and between the lines of a log. What matters of it comes as
    an error or event of ours.
    """
    before = sys.stderr
    if not writes_to(before, STDERR):  # closed, or caught by who called us
        yield
        return
    before.flush()
    copy = os.dup(STDERR)
    with open(os.devnull, "w") as nowhere, lasting_text(copy, before) as stderr:
        sys.stderr = stderr
        os.dup2(nowhere.fileno(), STDERR)
        try:
            yield
        finally:
            sys.stderr = before
            stderr.flush()
            os.dup2(copy, STDERR)
            os.close(copy)
