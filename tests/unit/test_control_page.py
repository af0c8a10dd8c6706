"""docs/control.md names each command, field, news and limit that there is."""

import re

import pytest

from streamsep.remote.connection import BURST, REQUESTS_PER_S
from streamsep.remote.protocol import MAX_MESSAGE, MAX_NAME, PARTY_COMMANDS, PLAYER_COMMANDS
from streamsep.remote.script_socket import MAX_SCRIPTS
from streamsep.remote.server import MAX_CLIENTS, MAX_STRANGERS
from streamsep.remote.singers_queue import MAX_ENTRIES, MAX_OF_ONE
from testing.examples import ROOT

PAGE = (ROOT / "docs" / "control.md").read_text(encoding="utf-8")
ROWS = {
    name: cells
    for line in PAGE.splitlines()
    if line.startswith("| `")
    for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
    for name in re.findall(r"`(\w+)`", cells[0])
}
WHO = {"guest": "all", "singer": "host, or whose song plays", "host": "host"}


@pytest.mark.parametrize(("name", "command"), [*PLAYER_COMMANDS.items(), *PARTY_COMMANDS.items()])
def test_each_command_has_its_row_with_its_fields_and_who_may_send_it(name, command):
    _, fields, who, _ = ROWS[name]
    assert {field for field in command.fields if f"`{field}`" in fields} == set(command.fields)
    allowed = {WHO[command.who]} | ({"host, or whose it is"} if name == "remove" else set())
    assert who in allowed


def test_the_limits_are_those_that_hold():
    limits = PAGE.partition("## Limits")[2]
    for number in (f"{MAX_MESSAGE:,}", BURST, round(REQUESTS_PER_S), MAX_CLIENTS, MAX_STRANGERS):
        assert str(number) in limits
    for number in (MAX_SCRIPTS, MAX_ENTRIES, MAX_OF_ONE):
        assert str(number) in limits
    assert f"1 to {MAX_NAME} characters" in PAGE
