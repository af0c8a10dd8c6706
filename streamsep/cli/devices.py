"""``streamsep devices``: what there is to listen to and to play on."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from streamsep.audio.devices.device_list import DeviceInfo, list_devices
from streamsep.cli.echo import echo


@click.command()
def command() -> None:
    """List the audio devices: use a number, a name or part of a name with live."""
    devices = list_devices()
    Console(highlight=False).print(devices_table(devices))
    if devices:
        echo("'live --input loopback' hears other programs: see 'streamsep doctor'.")
    else:
        echo("No devices: connect one, or start a sound server (PulseAudio, PipeWire, JACK).")


def devices_table(devices: list[DeviceInfo]) -> Table:
    """Return the devices as a table; the defaults are what 'mic' and 'speakers' mean."""
    table = Table(box=None, pad_edge=False)
    for heading, justify in (
        ("", "right"),
        ("name", "left"),
        ("system", "left"),
        ("in", "right"),
        ("out", "right"),
        ("Hz", "right"),
        ("default", "left"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for device in devices:
        roles = [
            role
            for role, is_default in (
                ("mic", device.default_input),
                ("speakers", device.default_output),
            )
            if is_default
        ]
        table.add_row(
            str(device.index),
            device.name,
            device.host_api,
            str(device.inputs),
            str(device.outputs),
            str(device.sample_rate),
            ", ".join(roles),
        )
    return table
