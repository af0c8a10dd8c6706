"""What decoders give: pieces of sound in any form, and gaps between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from streamsep.types import Float32

JOINED = "another file begins in it, and goes on in its place"


class DecodeError(Exception):
    """Sound that can't be decoded; `AudioReader` says where."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Sound (C, n) with its rate and its speakers, by FFmpeg's names."""

    sound: Float32
    sample_rate: int
    speakers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """Time without sound; ``lost`` where there was some that can't be had."""

    seconds: float
    why: str
    lost: bool


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that the decoder met here, to be said."""

    text: str
    lost: bool = False


class Decoder(Protocol):
    """Decodes one file.

    Attributes
    ----------
    length_s
        How long the file seems to be, 0 where nothing tells.
    promised_s
        How long it says it is, or None where it says nothing, or only guesses.
    start_s
        When the sound begins by the time of the file, known once the first piece has come.
    tags
        Title, artist and so on, by FFmpeg's names.
    """

    length_s: float
    promised_s: float | None

    @property
    def start_s(self) -> float:
        """See above."""

    @property
    def tags(self) -> dict[str, str]:
        """See above."""

    def decoded(self) -> Iterator[Piece | Gap | Remark]:
        """Decode to the end, whatever the header says of it.

        Raises
        ------
        DecodeError
            If nothing more can be had, before the end.
        """

    def close(self) -> None:
        """Close the file."""
