"""``streamsep doctor``: what works here, what doesn't, and what to do about it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnxruntime as ort

from streamsep.audio.capture.null_sink import check_loopback, leftover_names
from streamsep.audio.capture.virtual_cable import VirtualCable
from streamsep.audio.devices.device_list import (
    DEFAULT_NAMES,
    find_device,
    list_devices,
    load_sounddevice,
    why_no_devices,
)
from streamsep.audio.devices.microphone import MicrophoneStream, role_name
from streamsep.audio.devices.portaudio import DeviceInput, DeviceOutput
from streamsep.audio.devices.sound_server import ServerHangsError
from streamsep.audio.devices.stream_watch import refuse_hearing_ourselves
from streamsep.audio.endpoint import DuplexPump, TimerSink
from streamsep.audio.files.pipe_input import is_pipe
from streamsep.audio.files.playlist import is_playlist, read_playlist
from streamsep.audio.files.sound_file import AudioReader
from streamsep.cli.echo import echo
from streamsep.cli.options import device_option, live_model_option
from streamsep.errors import BackendError, StreamsepError
from streamsep.live.config import LOOPBACK, LiveConfig, is_file_name
from streamsep.models import FoundModel, model_name
from streamsep.realtime import Session
from streamsep.realtime.interpreter import low_latency_interpreter
from streamsep.separation import Separator, load_separator
from streamsep.spec import ModelSpec
from streamsep.types import Float32

CHECK_S = 0.5
# Devices play so many blocks of silence; a server may take two seconds to begin.
OPEN_BLOCKS, OPEN_S, WAIT_S = 8, 3.0, 0.02
RATE = 44_100
LIVE = LiveConfig()  # checked as live runs it


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: fine, worth knowing, or in the way; with what to do."""

    mark: str  # "ok", "note" or "bad"
    what: str
    remedy: str = ""


@click.command()
@click.option("--input", default=LIVE.input, metavar="DEVICE|loopback", help="As for live.")
@click.option("--output", default=LIVE.output, metavar="DEVICE", help="As for live.")
@click.option("--mic", multiple=True, metavar="DEVICE", help="As for live.")
@live_model_option
@device_option
def command(input: str, output: str, mic: tuple[str, ...], model: FoundModel, device: str) -> None:
    """Check sound, model and speed on this machine, and say what to do about each.

    Devices are opened as live opens them with the same options, and play silence.
    """
    worst = 0
    for finding in examine(LiveConfig(input=input, output=output, mic=mic), model, device):
        echo(f"{finding.mark:>4}  {finding.what}")
        if finding.remedy:
            echo(f"      → {finding.remedy}")
        worst = max(worst, finding.mark == "bad")
    if worst:
        raise SystemExit(1)


def examine(config: LiveConfig, model: FoundModel, device: str) -> Iterator[Finding]:
    """Yield the findings, cheapest first."""
    hangs = False
    try:
        yield from _sound()
        yield from _opened(config)
    except StreamsepError as error:
        yield Finding("bad", error.what, error.remedy)
        hangs = isinstance(error, ServerHangsError)
    if not hangs:  # or it would be waited for again
        yield from _loopback()
    yield Finding("ok", f"onnxruntime {ort.__version__}: CPU")
    try:
        separator = load_separator(model, device=device)
    except StreamsepError as error:
        yield Finding("bad", f"model: {error.what}", error.remedy)
        return
    spec = separator.spec
    known = f"{model} ({spec.licence})" if isinstance(spec, ModelSpec) else model_name(model)
    yield Finding("ok", f"model: {spec.name} {known}, on {separator.provider}")
    yield _cuda(model)
    yield _speed(separator)


def _sound() -> Iterator[Finding]:
    yield Finding("ok", f"PortAudio: {load_sounddevice().get_portaudio_version()[1]}")
    devices = list_devices()
    for kind, count in (
        ("input", sum(d.inputs > 0 for d in devices)),
        ("output", sum(d.outputs > 0 for d in devices)),
    ):
        if count:
            yield Finding("ok", f"{kind} devices: {count}")
        else:
            remedy = f"{why_no_devices(devices)}; files work without"
            yield Finding("note", f"{kind} devices: none", remedy)


def _opened(config: LiveConfig) -> Iterator[Finding]:
    """Open what live would open, and let it play silence for a moment."""
    devices = list_devices()
    wanted = {"output": config.output, "input": config.inputs[0]} | {
        role_name(index): name
        for index, name in enumerate(dict.fromkeys(c.device for c in config.microphones))
    }
    sizes: dict[str, Any] = {"sample_rate": RATE, "device_frames": config.block}
    with ExitStack() as stack:
        opened: dict[str, Any] = {}
        found = {}
        for role, name in wanted.items():
            kind = "output" if role == "output" else "input"
            none = not any(d.outputs if kind == "output" else d.inputs for d in devices)
            if name in (LOOPBACK, "null"):
                continue
            if is_file_name(name):
                yield from _file(role, name)
                continue
            if none and name in DEFAULT_NAMES[kind]:
                continue  # is said above
            try:
                found[role] = find_device(name, kind)
                if role != "output" and "output" in found:
                    refuse_hearing_ourselves({role: found[role]}, found["output"], settings={})
                if role == "output":
                    opened[role] = DeviceOutput(found[role], channels=2, **sizes)
                elif role == "input":
                    opened[role] = DeviceInput(found[role], channels=2, **sizes)
                else:
                    voices = [c.channel for c in config.microphones if c.device == name]
                    opened[role] = MicrophoneStream(found[role], voices, role=role, **sizes)
                stack.callback(opened[role].close)
            except StreamsepError as error:
                yield Finding("bad", error.what, error.remedy)
        yield from _played(opened)


def _file(role: str, name: str) -> Iterator[Finding]:
    """Say whether a file can be read, unless that can be done only once."""
    path = Path(name)
    if role == "output" or name == "-" or is_pipe(path):
        return
    try:
        songs = read_playlist(path, lambda line: None) if is_playlist(name) else [path]
        for song in songs[:1]:
            AudioReader(song).close()
    except StreamsepError as error:
        yield Finding("bad", f"{role}: {error.what}", error.remedy)
    else:
        yield Finding("ok", f"{role}: {name} can be read")


def _played(opened: dict[str, Any]) -> Iterator[Finding]:
    """Say of each device whether it keeps time."""
    microphones = [each for each in opened.values() if isinstance(each, MicrophoneStream)]
    source = opened.get("input", Nothing())
    sink = opened.get("output", source)
    blocks, stop = 0, threading.Event()

    def count(indata: Float32, outdata: Float32, status: int) -> None:
        nonlocal blocks
        blocks += 1
        outdata.fill(0.0)
        if blocks >= OPEN_BLOCKS:
            stop.set()

    heard: set[MicrophoneStream] = set()
    ends = time.monotonic() + OPEN_S
    for microphone in microphones:
        microphone.listeners.append(partial(_note_heard, heard, microphone))
        microphone.start()
    if isinstance(sink, Nothing):
        blocks = 1
    else:
        timer = threading.Timer(OPEN_S, stop.set)
        timer.daemon = True
        timer.start()
        pump = DuplexPump(source, sink, device_frames=LIVE.block, channels=2)
        pump.run(count, stop)
        timer.cancel()
    while len(heard) < len(microphones) and time.monotonic() < ends:
        time.sleep(WAIT_S)
    for role, device in opened.items():
        works = device in heard if device in microphones else bool(blocks)
        if works:
            yield Finding("ok", f"opened: {device.in_use}")
        else:
            yield Finding(
                "bad",
                f"{role}: {device.in_use} opens and then stands still",
                "close what uses it, or choose another with 'streamsep devices'",
            )


def _note_heard(heard: set[MicrophoneStream], which: MicrophoneStream, sound: Float32) -> None:
    heard.add(which)


class Nothing:
    """Silence, where no input is to be opened."""

    latency, fault, finished, drift_ppm, measured = 0, None, False, None, None

    def ready(self) -> bool:
        """It is, always."""
        return True

    def start(self) -> None:
        """There is nothing to start."""

    def read(self, out: Float32, due: float | None = None) -> int:
        """Fill with silence."""
        out.fill(0.0)
        return 0

    def close(self) -> None:
        """There is nothing to close."""


def _loopback() -> Iterator[Finding]:
    """Say whether ``--input loopback`` works here, and what a killed run has left."""
    try:
        if sys.platform == "linux":
            left = leftover_names()
            check_loopback()
            yield Finding("ok", "loopback: through the sound server")
        else:
            left = []
            yield Finding("ok", f"loopback: '{VirtualCable(sys.platform).input.name}'")
    except StreamsepError as error:
        yield Finding("note", f"loopback: {error.what}", f"only if you want it: {error.remedy}")
        return
    for name in left:
        yield Finding(
            "note",
            f"loopback: the output '{name}' was left by a killed streamsep",
            "the next 'streamsep live' puts everything back",
        )


def _cuda(model: FoundModel) -> Finding:
    try:
        load_separator(model, device="cuda")
    except BackendError as error:
        return Finding("note", "CUDA: not usable here", f"only if you want it: {error.remedy}")
    return Finding("ok", "CUDA: works")


def _speed(separator: Separator) -> Finding:
    """Run half a second of noise through a real session, in real time."""
    session = Session(
        separator,
        device_frames=LIVE.block,
        slack=max(LIVE.slack, separator.slack),
        gains=dict.fromkeys(separator.stems, 1.0),
    )
    spec, stop = separator.spec, threading.Event()
    random = np.random.default_rng(0)
    noise = random.uniform(-0.5, 0.5, (LIVE.block, spec.channels)).astype(np.float32)
    left = max(int(CHECK_S * spec.sample_rate), 4 * session.latency.session) // LIVE.block

    def render(outdata: Float32, lost: int, due: float | None = None) -> None:
        nonlocal left
        session.process_block(noise, outdata, lost)
        left -= 1
        if left <= 0:
            stop.set()

    with session, low_latency_interpreter():
        TimerSink(spec.sample_rate, LIVE.block, spec.channels).run(render, stop)
        session.check()
        stats = session.snapshot()
    what = (
        f"speed: {stats.hop_p99_ms:.1f} ms (p99) of {stats.hop_budget_ms:.0f} ms a block, "
        f"{stats.dropouts} dropouts, latency {stats.latency.ms(stats.latency.session):.0f} ms "
        f"before devices, {os.cpu_count()} cores"
    )
    if stats.hop_p99_ms > stats.hop_budget_ms:
        return Finding("bad", what, "too slow to run live: try a lighter model or --device cuda")
    if stats.dropouts:
        return Finding("note", what, "close other programs, or use live with a larger --slack")
    return Finding("ok", what)
