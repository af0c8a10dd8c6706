"""``streamsep config``: the file with your own defaults and profiles."""

from __future__ import annotations

import os

import click

from streamsep.audio.files.output_folder import make_folder
from streamsep.audio.files.part_files import whole_file
from streamsep.cli.echo import echo
from streamsep.cli.profiles import config_path, template
from streamsep.errors import ConfigError


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
    make_folder(target.parent)
    with whole_file(target) as part:
        part.write_text(template(live), encoding="utf-8")
    echo(f"{target} written; every option in it is still a comment")
