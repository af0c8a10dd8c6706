"""A process that separates one song and gives way to all else: ``separate_ahead SONG FOLDER``.

It writes ``vocals.flac`` into the folder, and to standard output the share that is done.
"""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import suppress

from streamsep.errors import StreamsepError
from streamsep.offline.separate import separate_file


def give_way_to_all() -> None:
    """Run only when nothing else wants to, as far as the system lets that be said."""
    with suppress(OSError, AttributeError):
        os.nice(19)
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def separate_ahead(song: str, folder: str) -> None:
    """Separate a song; see the module.

    Raises
    ------
    StreamsepError
        As `separate_file`.
    """
    told = -1

    def tell(share: float) -> None:
        nonlocal told
        if (percent := int(100 * share)) != told:
            told = percent
            print(share, flush=True)

    give_way_to_all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what isn't in the song is told when it plays
        separate_file(song, folder + "/{stem}.flac", stems=["vocals"], progress=tell)


if __name__ == "__main__":
    try:
        separate_ahead(*sys.argv[1:3])
    except StreamsepError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
