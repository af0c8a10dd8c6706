"""``streamsep party``: songs from some folders, a phone in every hand, words on the wall."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from streamsep.cli.echo import echo
from streamsep.cli.lasting_output import never_wait_for_readers
from streamsep.cli.live import ended_by_signals
from streamsep.cli.number_types import Finite
from streamsep.cli.options import device_option, mic_gain_option, models_option, with_options
from streamsep.effects.voice import VOICE_EFFECTS
from streamsep.events import Event, EventLog
from streamsep.live.config import GUIDE_RANGE, LiveConfig
from streamsep.live.player import LivePlayer
from streamsep.models import FoundModel
from streamsep.remote.hosting import (
    DEFAULT_CACHE_GB,
    DEFAULT_PORT,
    PartyConfig,
    PartyHost,
)
from streamsep.remote.invitation import code_text
from streamsep.remote.server import Where

DEFAULTS = LiveConfig()


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--lan",
    is_flag=True,
    help="Let phones in the same network connect; else only this machine can.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port of the pages; 0 takes any that is free.",
)
@click.option(
    "--control",
    type=click.Path(path_type=Path),
    metavar="SOCKET",
    help="Also take commands from scripts, by a Unix socket of this name.",
)
@click.option(
    "--new-code",
    is_flag=True,
    help="Let nobody in again who had the code of an earlier evening.",
)
@click.option(
    "--output",
    default=DEFAULTS.output,
    show_default=True,
    metavar="DEVICE|null",
    help="Where it plays.",
)
@click.option(
    "--mic",
    multiple=True,
    metavar="DEVICE|FILE[:left|:right|:N]",
    help="A microphone to sing into, as with live. May be given again.",
)
@click.option(
    "--voice-effects",
    type=click.Choice(VOICE_EFFECTS),
    default=DEFAULTS.voice_effects,
    show_default=True,
    help="What the voices get at first.",
)
@mic_gain_option
@click.option(
    "--score/--no-score",
    default=True,
    show_default=True,
    help="With a microphone: compare who sings with the song's own vocals.",
)
@click.option(
    "--guide",
    type=Finite(*GUIDE_RANGE),
    metavar="PERCENT",
    help="Let so much of the vocals be heard at first.  [default: 0]",
)
@click.option(
    "--key/--no-key",
    default=True,
    show_default=True,
    help="Let the key be changed, at 60 ms more of latency.",
)
@models_option
@device_option
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where songs are kept that were separated before their turn.  [default: beside the "
    "configuration]",
)
@click.option(
    "--cache-size",
    type=Finite(min=0),
    default=DEFAULT_CACHE_GB,
    show_default=True,
    metavar="GB",
    help="How large that may become; 0 separates all songs while they play.",
)
def command(
    folders: tuple[Path, ...],
    models: tuple[str | FoundModel, ...],
    output: str,
    mic: tuple[str, ...],
    voice_effects: str,
    mic_gain: tuple[float, ...],
    score: bool,
    guide: float | None,
    key: bool,
    device: str,
    lan: bool,
    port: int,
    control: Path | None,
    new_code: bool,
    cache: Path | None,
    cache_size: float,
) -> None:
    """Sing: songs from FOLDERS, queued from phones, played here without their voice.

    Prints a QR code to join by, and the addresses of the host's page and of the screen for the
    wall. End it with Ctrl-C; the queue is there again the next time.
    """
    never_wait_for_readers()
    config = LiveConfig(
        input=(),
        output=output,
        mic=mic,
        voice_effects=voice_effects,
        mic_gain=mic_gain,
        guide=guide,
        key=0 if key else None,
        model=models,
        device=device,
        score=bool(mic) and score,
        tune_process=True,
    )
    party = PartyConfig(
        folders=folders,
        where=Where(port=port, lan=lan, socket=control),
        cache=cache,
        cache_gb=cache_size,
        fresh_tokens=new_code,
    )
    events = EventLog(_say)
    player = LivePlayer(config, events=events)
    with player, ended_by_signals(player):
        with PartyHost(party, player, partial(echo, err=True)) as host:
            _invite(host, lan=lan)
            player.wait()
        player.stop()


def _invite(host: PartyHost, *, lan: bool) -> None:
    """Print where to go; the code only where somebody sees it."""
    if sys.stdout.isatty():
        click.echo(code_text(host.join_address))
    echo(f"guests:  {host.join_address}")
    echo(f"host:    {host.host_address}")
    echo(f"screen:  {host.screen_address}")
    if not lan:
        echo("only this machine can connect; --lan lets phones in the same network join")


def _say(event: Event) -> None:
    echo(f"{event.text}{with_options(event.settings)}", err=event.kind != "report")
