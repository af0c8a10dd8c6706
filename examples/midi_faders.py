"""Move faders with a MIDI controller: python examples/midi_faders.py SOCKET [PORT | FILE.mid].

SOCKET is what `streamsep live --control SOCKET` or `streamsep party … --control SOCKET` was given;
PORT a MIDI input of this machine, which needs python-rtmidi, or a file of MIDI events.
"""

import json
import socket
import sys
from collections.abc import Iterator
from typing import Any

import mido

# Control change numbers, as the knobs of many controllers send them, and what each one moves.
FADERS = {7: "master", 21: "beat", 22: "mic"}
GUIDE = 23
# Notes of the lowest pads.
COMMANDS = {36: "pause", 37: "resume", 38: "restart", 39: "next"}
LOWEST_DB = -40.0


def request(message: Any) -> dict[str, Any] | None:
    """Return what a MIDI message asks for, None where it is nothing."""
    if message.type == "note_on" and message.velocity and message.note in COMMANDS:
        return {"type": COMMANDS[message.note]}
    if message.type != "control_change":
        return None
    share = message.value / 127.0
    if message.control == GUIDE:
        return {"type": "guide", "percent": 100.0 * share}
    if message.control in FADERS:
        db = LOWEST_DB * (1.0 - share) if share else -120.0
        return {"type": "gain", "fader": FADERS[message.control], "db": db}
    return None


def events(source: str | None) -> Iterator[Any]:
    """Yield the messages of a MIDI input, or of a file in its time."""
    if source is not None and source.endswith(".mid"):
        yield from mido.MidiFile(source).play()
    else:
        yield from mido.open_input(source)


def main(path: str, source: str | None = None) -> None:
    """Send what comes in, and print what is refused."""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(path)
        answers = control.makefile(encoding="utf-8")
        for message in events(source):
            if (wish := request(message)) is None:
                continue
            control.sendall(json.dumps(wish).encode() + b"\n")
            for line in answers:  # news come between
                answer = json.loads(line)
                if answer["type"] == "error":
                    print(f"{wish['type']}: {answer['what']}", file=sys.stderr)
                if answer["type"] in ("reply", "error"):
                    break


if __name__ == "__main__":
    main(*sys.argv[1:])
