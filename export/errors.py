"""What can go wrong while a model is made; the base class prints it as one clear line."""

from __future__ import annotations

from streamsep.errors import StreamsepError


class DataError(StreamsepError):
    """Songs, stems or a prepared folder that are missing, empty, odd or unreadable."""

    exit_code = 9


class CheckpointError(StreamsepError):
    """A checkpoint that is missing, damaged, or of another network."""

    exit_code = 10


class VerificationError(StreamsepError):
    """An exported graph that doesn't compute what the trained network computes."""

    exit_code = 11
