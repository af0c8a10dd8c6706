"""Numbers on the command line that nobody can work with: refused where they are read."""

import click
import pytest

from export.cli import cli as export
from streamsep.cli import cli as streamsep
from streamsep.cli.number_types import Decibels

ODD = ("nan", "inf", "-inf", "1e999", "1e308", "-1e308", "NaN(1)", "0x1p3")


def numbers(command, names):
    """All options and arguments of a command, and of those in it, that are numbers."""
    context = click.Context(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from numbers(command.get_command(context, name), [*names, name])
        return
    for option in command.params:
        if option.type in (click.INT, click.FLOAT) or isinstance(
            option.type, click.IntRange | click.FloatRange
        ):
            yield " ".join([*names, option.opts[-1]]), option, context


@pytest.mark.parametrize("program", [streamsep, export], ids=["streamsep", "export"])
def test_no_option_of_any_command_takes_what_is_no_finite_number(program):
    found = list(numbers(program, []))
    assert len(found) > 10
    taken = [(name, odd) for name, *option in found for odd in ODD if takes(*option, odd)]
    assert taken == []


def takes(option, context, odd):
    if isinstance(option.type, Decibels) and odd.startswith("-"):
        return False  # which mutes
    try:
        option.type_cast_value(context, (odd,) if option.multiple else odd)
    except click.BadParameter:
        return False
    return True


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "song.wav", "--start", "1e308"),
        ("inspect", "song.wav", "--seconds", "nan"),
        ("party", "songs", "--cache-size", "1e300"),
        ("models", "import", "model.onnx", "--compensate", "nan"),
    ],
    ids=" ".join,
)
def test_it_is_said_in_the_words_of_the_option(command, arguments):
    done = command(*arguments)
    assert done.code == 2
    assert f"Invalid value for '{arguments[-2]}'" in done.stderr
