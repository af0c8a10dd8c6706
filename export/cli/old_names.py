"""Commands, options and choices go on working under the names they had; help shows today's."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import click


class RenamedOption(click.Option):
    """An option that is also understood under the name it had.

    Parameters
    ----------
    old_name
        As it was written, with its dashes.
    """

    def __init__(self, param_decls: Sequence[str], old_name: str, **attributes: Any) -> None:
        # After the others: click calls the parameter after the first of its long names.
        super().__init__([*param_decls, old_name], **attributes)
        self.old_name = old_name

    def get_help_record(self, context: click.Context) -> tuple[str, str] | None:
        """Return how help shows the option: without its old name."""
        shown = copy(self)
        shown.opts = [name for name in self.opts if name != self.old_name]
        return click.Option.get_help_record(shown, context)


class RenamedChoice(click.Choice[str]):
    """A choice of which some are also understood under the names they had.

    Parameters
    ----------
    old_names
        What they were called, and what they are called today.
    """

    def __init__(self, choices: Sequence[str], old_names: dict[str, str]) -> None:
        super().__init__(choices)
        self._old_names = old_names

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> str:
        """Return today's name of what was given."""
        return super().convert(self._old_names.get(value, value), parameter, context)


def add_old_command(group: click.Group, command: click.Command, old_name: str) -> None:
    """Let a group know a command by the name it had, too, without showing it."""
    hidden = copy(command)
    hidden.hidden = True
    group.add_command(hidden, old_name)
