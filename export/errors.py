"""What can go wrong while a model is made; the base class prints it as one clear line.

Exit codes from 20 on are export's, those below `streamsep.errors`': a script that runs both knows
from the number alone what was wrong.
"""

from __future__ import annotations

from streamsep.errors import StreamsepError


class DataError(StreamsepError):
    """Songs, stems or a prepared folder that are missing, empty, odd or unreadable."""

    exit_code = 20


class CheckpointError(StreamsepError):
    """A checkpoint that is missing, damaged, or of another network."""

    exit_code = 21


class VerificationError(StreamsepError):
    """An exported graph that doesn't compute what the trained network computes."""

    exit_code = 22
