"""``streamsep config``: the file with your own defaults and profiles."""

from __future__ import annotations

import os

import click

from streamsep.cli.echo import echo
from streamsep.cli.profiles import config_path, template
from streamsep.errors import ConfigError, OutputError


@click.group()
def command() -> None:
    """Write the configuration file, or say where it is.

    It holds options of live under names of your own: live --profile NAME starts from them,
    and from those of the profile "default" always.
    """


@command.command()
def path() -> None:
    """Say where the configuration file is, there or not."""
    echo(config_path())


@command.command()
def init() -> None:
    """Write a configuration file with every option of live in it, documented."""
    from streamsep.cli.live import command as live

    target = config_path()
    if os.path.exists(target):
        raise ConfigError(
            f"{target} is there already",
            expected="no file",
            remedy="edit it, or move it away first",
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(template(live), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{target} can't be written ({error.strerror})",
            expected="a writable folder",
            remedy="make it so, then try again",
        ) from error
    echo(f"{target} written; every option in it is still a comment")
