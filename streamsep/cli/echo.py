"""Lines to standard output and error, whatever became of these."""

from __future__ import annotations

import sys

import click

from streamsep.errors import printable


def echo(line: object, *, err: bool = False) -> None:
    """Print a line, and go on where that can't be: the work is worth more than its news.

    A reader that has gone, a full disk, a lost terminal or a closed stream end nothing. What the
    stream's encoding lacks is replaced.
    """
    text = printable(str(line))
    stream = sys.stderr if err else sys.stdout
    try:
        encoding = getattr(stream, "encoding", None) or "utf-8"
        click.echo(text.encode(encoding, "replace").decode(encoding), err=err)
    except (OSError, ValueError):  # the latter of a stream that was closed
        pass
