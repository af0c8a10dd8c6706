"""The command line: one module per command, imported only when it is called."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from types import FrameType

import click

from streamsep import __version__
from streamsep.cli.echo import echo
from streamsep.cli.lasting_output import keep_standard_output
from streamsep.cli.stderr import quiet_libraries
from streamsep.errors import EXIT_INTERRUPTED, as_streamsep_error

COMMANDS = {
    "live": "Take the voice out of what plays now, and play the rest.",
    "party": "Sing together: a phone in every hand, words on the wall.",
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


def _ended(number: int, frame: FrameType | None) -> None:
    """End as an exception would, so that whoever is writing a file can clear up."""
    sys.exit(128 + number)


def main() -> None:
    """Run the command line; errors end in one line on stderr and an exit code of their own."""
    _open_standard_streams()
    signal.signal(signal.SIGTERM, _ended)
    # Whoever wants a lost terminal to end nothing has it ignored, as nohup does.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _ended)
    try:
        with quiet_libraries():
            keep_standard_output()
            _run()
    finally:
        _leave_what_hangs()


def _leave_what_hangs() -> None:
    """End the process at once where PortAudio hangs: it would crash while that is taken down."""
    devices = sys.modules.get("streamsep.audio.devices.reconnecting_stream")
    if devices is None or not devices.hangs():
        return
    ending = sys.exc_info()[1]
    code = ending.code if isinstance(ending, SystemExit) else 1 if ending else 0
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code if isinstance(code, int) else bool(code))


def _open_standard_streams() -> None:
    """Have something open under the first three numbers, else files of ours would get these."""
    with suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(number)


def _run() -> None:
    try:
        cli.main(prog_name="streamsep", standalone_mode=False)
    except click.exceptions.Abort:
        echo("streamsep: interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        echo("streamsep: interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except Exception as foreign:
        if os.environ.get("STREAMSEP_TRACEBACK"):
            raise
        ours = as_streamsep_error(foreign, "streamsep met an error of its own or of a library")
        options = ""
        if ours.settings:
            from streamsep.cli.options import with_options

            options = with_options(ours.settings)
        echo(f"streamsep: {ours}{options}", err=True)
        sys.exit(ours.exit_code)
