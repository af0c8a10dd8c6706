"""The command line: one module per command, imported only when it is called."""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from types import FrameType

import click

from streamsep import __version__
from streamsep.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, StreamsepError

COMMANDS = {
    "live": "Take the voice out of what plays now, and play the rest.",
    "separate": "Split sound files into stems, faster than they play.",
    "inspect": "Draw spectrograms and levels of a file, its beat and its vocals.",
    "evaluate": "Score a model on songs whose true stems are known.",
    "models": "List, describe, import, check and remove models.",
    "config": "Keep options of live under names of your own.",
    "devices": "List the audio devices.",
    "doctor": "Check sound, model and speed on this machine, and say what to do.",
}


class LazyGroup(click.Group):
    """Knows its commands by name and imports one only to run it or to show its own help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import ``streamsep.cli.<name>`` and return its ``command``."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"streamsep.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="streamsep")
def cli() -> None:
    """Take the voice out of music while it plays."""


def _terminated(signum: int, frame: FrameType | None) -> None:
    """End as an exception would, so that whoever is writing a file can clear up."""
    sys.exit(EXIT_TERMINATED)


def main() -> None:
    """Run the command line; errors end in one line on stderr and an exit code of their own."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        cli.main(prog_name="streamsep", standalone_mode=False)
    except StreamsepError as error:
        from streamsep.cli.options import with_options

        click.echo(f"streamsep: {error}{with_options(error.settings)}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        click.echo("streamsep: interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo("streamsep: interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
