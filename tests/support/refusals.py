"""What a command says when it refuses."""

import re
from typing import NamedTuple


class Refusal(NamedTuple):
    """The parts that every error has; see streamsep/errors.py."""

    what: str
    expected: str
    remedy: str


def refusal(done, code):
    """Return the message of a command that must have ended in nothing but that."""
    ended = done.code if hasattr(done, "code") else done.returncode
    assert (ended, done.stdout) == (code, ""), done
    (line,) = done.stderr.splitlines()
    parts = re.fullmatch(r"streamsep: (\S.*?); expected (\S.*?); (\S.*)", line)
    assert parts is not None, line
    return Refusal(*parts.groups())
