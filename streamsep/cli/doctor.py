"""``streamsep doctor``: what works here, what doesn't, and what to do about it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import click
import numpy as np
import onnxruntime as ort

from streamsep.audio.capture.null_sink import leftover_names
from streamsep.audio.capture.virtual_cable import VirtualCable
from streamsep.audio.devices.device_list import list_devices, load_sounddevice
from streamsep.audio.endpoint import TimerSink
from streamsep.cli.options import device_option, live_model_option
from streamsep.errors import BackendError, StreamsepError
from streamsep.live.config import LiveConfig
from streamsep.models import Model, model_name
from streamsep.realtime import Session
from streamsep.realtime.interpreter import low_latency_interpreter
from streamsep.separation import Separator, load_separator
from streamsep.spec import ModelSpec
from streamsep.types import Float32

CHECK_S = 0.5
LIVE = LiveConfig()  # checked as live runs it


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: fine, worth knowing, or in the way; with what to do."""

    mark: str  # "ok", "note" or "bad"
    what: str
    remedy: str = ""


@click.command()
@live_model_option
@device_option
def command(model: Model, device: str) -> None:
    """Check sound, model and speed on this machine, and say what to do about each."""
    worst = 0
    for finding in examine(model, device):
        click.echo(f"{finding.mark:>4}  {finding.what}")
        if finding.remedy:
            click.echo(f"      → {finding.remedy}")
        worst = max(worst, finding.mark == "bad")
    if worst:
        raise SystemExit(1)


def examine(model: Model, device: str) -> Iterator[Finding]:
    """Yield the findings, cheapest first."""
    try:
        yield from _sound()
    except StreamsepError as error:
        yield Finding("bad", error.what, error.remedy)
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
    for kind, count, hint in (
        ("input", sum(d.inputs > 0 for d in devices), "connect a microphone or a sound server"),
        ("output", sum(d.outputs > 0 for d in devices), "connect speakers or a sound server"),
    ):
        if count:
            yield Finding("ok", f"{kind} devices: {count}")
        else:
            yield Finding("note", f"{kind} devices: none", f"{hint}; files work without")


def _loopback() -> Iterator[Finding]:
    """Say whether ``--input loopback`` works here, and what a killed run has left."""
    try:
        if sys.platform == "linux":
            left = leftover_names()
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


def _cuda(model: Model) -> Finding:
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
