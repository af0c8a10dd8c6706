"""The messages that clients send: which there are, what they hold and who may send them.

One JSON object a message, `docs/control.md` describes them. What comes in is data: nothing of it
is taken before it was checked here.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from streamsep.dsp.decibels import HIGHEST_GAIN_DB
from streamsep.effects.key import HIGHEST, LOWEST
from streamsep.errors import ArgumentError, StreamsepError

VERSION = 1
Role = Literal["guest", "host"]

MAX_MESSAGE = 4_096  # bytes: the longest that any command needs is a tenth of it
MAX_NAME = 40  # characters of a singer's name
MAX_QUERY = 100
LONGEST_S = 24 * 3_600.0
LOWEST_GAIN_DB = -120.0  # and below is silence
# Joins the parts of an emoji, and chooses its picture: the invisible characters of use in a name.
JOINERS = "\u200d\ufe0f"


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number in a range; ``whole`` ones are ints."""

    low: float
    high: float
    whole: bool = False
    optional: bool = False

    def check(self, name: str, value: Any) -> float | int:
        """Return the number, or raise ArgumentError."""
        kinds = (int,) if self.whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise _refused(name, value, str(self))
        if not math.isfinite(value) or not self.low <= value <= self.high:
            raise _refused(name, value, str(self))
        return value if self.whole else float(value)

    def __str__(self) -> str:
        return f"a {'whole ' if self.whole else ''}number, {self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text of at most so many characters, without what would steer its reader."""

    longest: int
    optional: bool = False
    empty: bool = False

    def check(self, name: str, value: Any) -> str:
        """Return the text in its composed form, or raise ArgumentError."""
        if not isinstance(value, str):
            raise _refused(name, value, str(self))
        text = clean_text(value)
        if len(text) > self.longest or not (text or self.empty):
            raise _refused(name, value, str(self))
        return text

    def __str__(self) -> str:
        return f"a text of {0 if self.empty else 1} to {self.longest} characters"


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    optional: bool = False

    def check(self, name: str, value: Any) -> bool:
        """Return it, or raise ArgumentError."""
        if not isinstance(value, bool):
            raise _refused(name, value, str(self))
        return value

    def __str__(self) -> str:
        return "true or false"


Field = Number | Text | Flag
ID = Number(1, 2**53, whole=True)


@dataclass(frozen=True, slots=True)
class Command:
    """What a message of one type holds, and who may send it.

    Attributes
    ----------
    fields
        By their names.
    who
        ``guest`` for everybody, ``host`` for the host alone, ``singer`` for the host and for
        whose song plays.
    """

    fields: Mapping[str, Field]
    who: Literal["guest", "singer", "host"] = "host"


PLAYER_COMMANDS: dict[str, Command] = {
    "pause": Command({}),
    "resume": Command({}),
    "seek": Command({"seconds": Number(0.0, LONGEST_S)}),
    "restart": Command({}),
    "next": Command({}, "singer"),
    "previous": Command({}),
    "loop": Command(
        {
            "start": Number(0.0, LONGEST_S, optional=True),
            "end": Number(0.0, LONGEST_S, optional=True),
        }
    ),
    "gain": Command({"fader": Text(60), "db": Number(LOWEST_GAIN_DB, HIGHEST_GAIN_DB)}),
    "guide": Command({"percent": Number(0.0, 100.0)}, "singer"),
    "key": Command({"semitones": Number(LOWEST, HIGHEST, whole=True)}, "singer"),
    "bypass": Command({"on": Flag()}),
    "voice": Command({"preset": Text(20)}),
    "state": Command({}, "guest"),
}
PARTY_COMMANDS: dict[str, Command] = {
    "search": Command({"query": Text(MAX_QUERY, empty=True)}, "guest"),
    "add": Command({"song": ID, "singer": Text(MAX_NAME)}, "guest"),
    "remove": Command({"entry": ID}, "guest"),  # a guest's own ones; see Room
    "move": Command({"entry": ID, "before": Number(0, 2**53, whole=True)}),
}


@dataclass(frozen=True, slots=True)
class Client:
    """Who sends: what they may, and the public half of what tells them from others."""

    role: Role
    identity: str


@dataclass(frozen=True, slots=True)
class Request:
    """A checked message: its type, its fields, the sender's number for the reply."""

    type: str
    values: Mapping[str, Any]
    number: int | None = None


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Return the JSON object of a message.

    Raises
    ------
    ArgumentError
        If it is none, or too long.
    """
    if len(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")) > (
        MAX_MESSAGE
    ):
        raise ArgumentError(
            "the message is too long",
            expected=f"at most {MAX_MESSAGE} bytes",
            remedy="send less at once",
        )
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ArgumentError(
            "the message is no JSON object",
            expected='an object such as {"type": "pause"}',
            remedy="docs/control.md has them all",
        )
    return found


def check_request(message: Mapping[str, Any], commands: Mapping[str, Command]) -> Request:
    """Return a message as one of these commands.

    Raises
    ------
    ArgumentError
        If there is no such command, or a field is missing, unknown or out of its range.
    """
    name = message.get("type")
    if not isinstance(name, str) or name not in commands:
        raise _refused("type", name, "one of " + ", ".join(commands))
    number = number_of(message)
    fields = commands[name].fields
    if unknown := sorted(message.keys() - fields.keys() - {"type", "id"}):
        raise ArgumentError(
            f"{name} has no field {clean_text(unknown[0])[:60]!r}",
            expected=", ".join(fields) or "none",
            remedy="docs/control.md has them all",
        )
    values: dict[str, Any] = {}
    for field, kind in fields.items():
        if field in message and message[field] is not None:
            values[field] = kind.check(field, message[field])
        elif not kind.optional:
            raise _refused(field, None, str(kind))
    return Request(name, values, number)


def number_of(message: Mapping[str, Any]) -> int | None:
    """Return the sender's number of a message, None where it has none of use."""
    number = message.get("id")
    if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**53:
        return number
    return None


def clean_text(text: str) -> str:
    """Return a text composed, on one line, without invisible characters that steer its display.

    Control characters, line ends and changes of direction become spaces; joined emoji stay.
    """
    kept = (
        c if c in JOINERS or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else " "
        for c in unicodedata.normalize("NFC", text)
    )
    return " ".join("".join(kept).split())


def error_message(error: StreamsepError, number: int | None) -> dict[str, Any]:
    """Return what a sender is told of a message that was refused."""
    return {
        "type": "error",
        "id": number,
        "what": error.what,
        "expected": error.expected,
        "remedy": error.remedy,
    }


def encode(message: Mapping[str, Any]) -> str:
    """Return a message as one line of JSON; numbers that JSON lacks are null."""
    return json.dumps(_finite(message), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _refused(name: str, value: Any, expected: str) -> ArgumentError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
    return ArgumentError(
        f"{name} is {shown}", expected=expected, remedy="docs/control.md says what each may be"
    )
