"""What clients send is data: taken as it is described, or refused in one line."""

import json

import pytest

from streamsep.errors import ArgumentError
from streamsep.remote.protocol import (
    MAX_MESSAGE,
    PARTY_COMMANDS,
    PLAYER_COMMANDS,
    check_request,
    clean_text,
    encode,
    parse_object,
)

COMMANDS = {**PLAYER_COMMANDS, **PARTY_COMMANDS}


def checked(**message):
    return check_request(message, COMMANDS)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", '"pause"', "null", b"\xff\xfe", "[" * 4_000, "x" * (MAX_MESSAGE + 1)],
)
def test_what_is_no_object_is_refused(text):
    with pytest.raises(ArgumentError):
        parse_object(text)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": None},
        {"type": ["pause"]},
        {"type": "__init__"},
        {"type": "shutdown"},
        {"type": "pause", "extra": 1},
        {"type": "seek"},
        {"type": "seek", "seconds": -1},
        {"type": "seek", "seconds": True},
        {"type": "seek", "seconds": "10"},
        {"type": "seek", "seconds": float("nan")},
        {"type": "seek", "seconds": float("inf")},
        {"type": "key", "semitones": 1.5},
        {"type": "key", "semitones": 7},
        {"type": "gain", "fader": "beat", "db": 25},
        {"type": "bypass", "on": 1},
        {"type": "add", "song": "../../etc/passwd", "singer": "A"},
        {"type": "add", "song": 2**60, "singer": "A"},
        {"type": "add", "song": 1, "singer": ""},
        {"type": "add", "song": 1, "singer": " \n\u202e"},
        {"type": "add", "song": 1, "singer": "x" * 41},
        {"type": "search", "query": "x" * 101},
    ],
)
def test_what_no_command_takes_is_refused_in_one_line(message):
    with pytest.raises(ArgumentError) as error:
        check_request(message, COMMANDS)
    assert len(str(error.value)) < 400
    assert str(error.value).isprintable()


def test_a_request_keeps_its_number_and_only_one_that_is_of_use():
    assert checked(type="pause", id=7).number == 7
    assert [checked(type="pause", id=n).number for n in (True, -1, "7", 2**60)] == [None] * 4


def test_optional_fields_may_be_missing_or_null():
    assert checked(type="loop").values == {}
    assert checked(type="loop", start=None, end=None).values == {}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),  # data: the page shows it so
        ("a\u202eb", "a b"),  # would turn round what follows
        ("a\x1b[31m\nb\x00", "a [31m b"),
        ("👩‍👩‍👧 sings ❤️", "👩‍👩‍👧 sings ❤️"),
        ("שלום", "שלום"),
        ("e\u0301", "é"),
        ("\ud800x", "x"),
    ],
)
def test_a_text_is_one_line_that_steers_nothing(text, kept):
    assert clean_text(text) == kept


def test_numbers_that_json_lacks_are_null():
    line = encode({"faders": {"beat": float("-inf")}, "levels": [float("nan"), 1.5]})
    assert json.loads(line) == {"faders": {"beat": None}, "levels": [None, 1.5]}
