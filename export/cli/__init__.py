"""The commands of ``python -m export``, one module each.

Command modules import only click and paths at the top, and torch and the like when they run:
``--help`` answers at once.
"""

from __future__ import annotations

import sys

import click

from export.cli.average import average_runs
from export.cli.label import label_songs
from export.cli.low_rank import low_rank_run
from export.cli.old_names import add_old_command
from export.cli.prepare import prepare
from export.cli.score import score_runs
from export.cli.shard import shard_tracks
from export.cli.studio import studio
from export.cli.to_onnx import to_onnx, variant, verify
from export.cli.train import train
from streamsep.errors import EXIT_INTERRUPTED, StreamsepError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Make a model: prepare stems, shard, train, score, average, export to ONNX, verify."""


for command in (
    prepare,
    shard_tracks,
    train,
    score_runs,
    average_runs,
    low_rank_run,
    to_onnx,
    variant,
    verify,
    studio,
    label_songs,
):
    cli.add_command(command)
add_old_command(cli, average_runs, "blend")
add_old_command(cli, low_rank_run, "narrow")


def main(arguments: list[str] | None = None) -> None:
    """Run a command; end with one line and an exit code where the outside world is at fault."""
    try:
        cli.main(arguments, prog_name="python -m export", standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except StreamsepError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
