"""One exit code, one meaning, over both houses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pytest

import streamsep.errors
from export.cli import main
from export.errors import CheckpointError, DataError, VerificationError
from streamsep.errors import (
    EXIT_INTERRUPTED,
    EXIT_TERMINATED,
    EXIT_USAGE,
    EffectError,
    LyricsError,
    StreamsepError,
)


def below(error: type[StreamsepError]) -> Iterator[type[StreamsepError]]:
    for kind in error.__subclasses__():
        yield kind
        yield from below(kind)


def test_a_code_of_its_own_is_nobody_elses() -> None:
    """A class without a code of its own means what its parent means."""
    owners = defaultdict(set)
    for kind in below(StreamsepError):
        if kind.__module__.split(".")[0] in ("streamsep", "export") and "exit_code" in vars(kind):
            owners[kind.exit_code].add(kind.__qualname__)
    assert {DataError, CheckpointError, VerificationError} < {*below(StreamsepError)}
    assert {EffectError, LyricsError} < {*below(StreamsepError)}
    assert {code: names for code, names in owners.items() if len(names) > 1} == {}
    # Success, any other error, and what signals end with.
    assert not {0, 1, EXIT_INTERRUPTED, EXIT_TERMINATED} & owners.keys()
    # A value of no use is wrong usage, whoever passes it.
    assert owners[EXIT_USAGE] == {"ArgumentError"}


def test_export_counts_from_twenty_on() -> None:
    codes = [e.exit_code for e in (DataError, CheckpointError, VerificationError)]
    assert codes == [20, 21, 22]
    ours = [e for e in vars(streamsep.errors).values() if isinstance(e, type)]
    assert max(e.exit_code for e in ours if issubclass(e, StreamsepError)) < 20


def test_a_command_ends_with_its_errors_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["low-rank", "absent.pt", "--data", "absent", "--out", "x.pt"])
    assert stop.value.code == 21
    assert capsys.readouterr().err.startswith("error: absent.pt ")
