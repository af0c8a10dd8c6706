"""Devices of a sound server: classes 1 and 2."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile as sf

from failed_inputs.programs import (
    MODEL,
    RATE,
    environment,
    live,
    noise,
    run,
    says,
    told,
    tone,
    with_path,
)
from failed_inputs.table import Verdict, case
from testing.servers import SoundServer, pipewire_server, pulse_server, wait_until

SERVERS: dict[str, Callable[[], contextlib.AbstractContextManager[SoundServer]]] = {
    "PulseAudio": pulse_server,
    "PipeWire": pipewire_server,
}


def pulled(place: Path, kind: str) -> Verdict:
    noise(place / "song.wav", 30.0, 3)
    with SERVERS[kind]() as server:
        modules = [
            server.pactl("load-module", "module-null-sink", "sink_name=ROOM").stdout.strip(),
            server.pactl(
                "load-module", "module-remap-source", "source_name=VOICE", "master=ROOM.monitor"
            ).stdout.strip(),
        ]
        server.pactl("set-default-source", "B.monitor")
        with live(
            place,
            server,
            *("--input", "song.wav", "--output", "pulse", "--mic", "pulse"),
            *("--record", "take.wav", "--record-stems", "mic,mix"),
            source="VOICE",
            sink="B",
        ):
            for module in reversed(modules):
                server.pactl("unload-module", module)
            time.sleep(4.0)
    mic, mix = (
        float(np.abs(sf.read(place / name)[0]).max()) for name in ("take.mic.wav", "take.wav")
    )
    heard = np.abs(sf.read(place / "take.mic.wav", always_2d=True)[0]).max(axis=1)
    seconds = float(np.sum(heard > 1e-3) / RATE)
    line = says(place, "would hear")
    right = seconds < 0.2 and mix < 0.9 and bool(line)
    return right, f"song in the mic for {seconds:.3f} s (peak {mic:.2f}), mix {mix:.2f}; a line"


def refused(place: Path, kind: str) -> Verdict:
    tone(place / "song.wav", 5.0)
    with SERVERS[kind]() as server:
        server.pactl("set-default-source", "B.monitor")
        env = server.env(source=None, sink=None) | {"PYTHONPATH": environment()["PYTHONPATH"]}
        files = ("--input", "song.wav", "--output", "pulse", "--mic", "pulse")
        done = run("live", *files, *MODEL, cwd=place, env=env)
    return done.code == 5 and "would hear" in done.last, f"exit {done.code}; {done.last[:80]}"


def muted(place: Path, kind: str) -> Verdict:
    with (
        SERVERS[kind]() as server,
        live(place, server, "--input", "loopback", source=None, sink=None),
    ):
        state = server.pactl("get-sink-mute", "streamsep").stdout.strip()
        server.pactl("set-sink-mute", "streamsep", "1")
        line = told(place, "is muted in the sound server")
    return "no" in state and bool(line), f"at the start {state}; {line}"


def same_number(place: Path, kind: str) -> Verdict:
    tone(place / "song.wav", 60.0)
    with (
        SERVERS[kind]() as server,
        live(place, server, "--input", "loopback", source=None, sink=None) as process,
        subprocess.Popen(
            [
                "paplay",
                f"--property=application.process.id={process.pid}",
                str(place / "song.wav"),
            ],
            env=server.env(sink="streamsep"),
        ) as player,
    ):
        wait_until(lambda: server.streams("sink-inputs", "streamsep"), "the player")
        time.sleep(1.5)
        stays = bool(server.streams("sink-inputs", "streamsep"))
        player.kill()
    return stays, "it stays on our sink" if stays else "it was moved off our sink"


def named(place: Path, kind: str) -> Verdict:
    tone(place / "song.wav", 20.0)
    with (
        SERVERS[kind]() as server,
        live(place, server, "--input", "song.wav", "--output", "pulse", source=None, sink="A"),
    ):
        time.sleep(1.0)
        stream = server.streams("sink-inputs", "A")[0].split()[0]
        server.pactl("move-sink-input", stream, "B")
        line, change = told(place, "output 'pulse' (A)"), told(place, "plays on 'B' now")
    return bool(line) and bool(change), f"{line}; {change}"


FILTERS = {
    "an equaliser": ("module-remap-sink", "sink_name=OUT", "master=B"),
    "a combined output": ("module-combine-sink", "sink_name=OUT", "slaves=A,B"),
}


def filtered(place: Path, kind: str) -> Verdict:
    tone(place / "song.wav", 5.0)
    files = ("--input", "song.wav", "--output", "pulse", "--mic", "pulse")
    codes = []
    with SERVERS[kind]() as server:
        for module in FILTERS.values():
            number = server.pactl("load-module", *module).stdout.strip()
            time.sleep(0.5)
            env = with_path(server.env(source="B.monitor", sink="OUT"))
            done = run("live", *files, "--voice-effects", "off", *MODEL, cwd=place, env=env)
            server.pactl("unload-module", number)
            codes.append((done.code, "which hears the output" in done.last))
    return codes == [(5, True)] * 2, f"exit {codes[0][0]} and {codes[1][0]}; {done.last[:80]}"


def device_muted(place: Path, kind: str) -> Verdict:
    tone(place / "song.wav", 20.0)
    options = ("--input", "song.wav", "--output", "pulse", "--mic", "pulse")
    with SERVERS[kind]() as server:
        server.pactl("set-source-mute", "A.monitor", "1")
        with live(place, server, *options, "--voice-effects", "off"):
            time.sleep(1.0)
            server.pactl("set-sink-mute", "B", "1")
            lines = [told(place, line) for line in ("'A.monitor' is muted", "output: 'B' is muted")]
    return all(lines), "; ".join(lines)


for _kind in SERVERS:
    for _what, _judge in (
        ("the mic's source unloaded while it plays", pulled),
        ("the only source is the monitor of what we play on", refused),
        ("the sink streamsep muted", muted),
        ("a player with our process number", same_number),
        ("the devices in use are named, and a change", named),
        ("played on through filters, whose monitor is the mic", filtered),
        ("the microphone muted, and the loudspeakers", device_muted),
    ):
        case(1, f"{_what} ({_kind})")(partial(_judge, kind=_kind))


for _value in (np.nan, np.inf, 1e30):

    @case(2, f"one sample of {_value:g} in a mic's file, with effects")
    def bad_mic(place: Path, value: float = _value) -> Verdict:
        voice = 0.1 * np.sin(2 * np.pi * 440 * np.arange(4 * RATE) / RATE).astype(np.float32)
        voice[RATE] = value
        sf.write(place / "mic.wav", np.stack([voice, voice], axis=-1), RATE, subtype="FLOAT")
        tone(place / "song.wav", 4.0)
        done = run(
            *("live", "--input", "song.wav", "--mic", "mic.wav", "--voice-effects", "stage"),
            *("--output", "null", "--record", "take.wav", *MODEL),
            cwd=place,
        )
        take = sf.read(place / "take.wav", always_2d=True)[0]
        peak = float(np.abs(take).max())
        line = next((each for each in done.err.splitlines() if "mic.wav" in each), "")
        right = np.isfinite(take).all() and 0.05 < peak < 0.9 and bool(line)
        return bool(right), f"peak {peak:.2f}, {len(take) / RATE:.1f} s, exit {done.code}; {line}"

    @case(2, f"samples of {_value:g} in a mic's stream, with effects (PulseAudio)")
    def bad_stream(place: Path, value: float = _value) -> Verdict:
        voice = 0.1 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE).astype(np.float32)
        voice[RATE // 2 :: RATE] = value
        np.stack([voice, voice], axis=-1).tofile(place / "mic.raw")
        tone(place / "song.wav", 30.0)
        with (
            pulse_server() as server,
            live(
                place,
                server,
                *("--input", "song.wav", "--output", "pulse", "--mic", "pulse"),
                *("--voice-effects", "stage", "--record", "take.wav"),
                source="A.monitor",
                sink="B",
            ),
        ):
            subprocess.run(
                ["pacat", "--format=float32le", "--rate=44100", "--channels=2",
                 str(place / "mic.raw")],
                env=server.env(sink="A"),
                check=True,
            )  # fmt: skip
            time.sleep(2.0)
        take = sf.read(place / "take.wav", always_2d=True)[0]
        peak, end = float(np.abs(take).max()), float(np.abs(take[-RATE // 2 :]).max())
        right = np.isfinite(take).all() and peak < 1.0 and 0.005 < end < 0.9
        line = says(place, "no sound")
        return bool(right), f"peak {peak:.2f}, at the end {end:.2f}; {line[:60] or 'no line'}"
