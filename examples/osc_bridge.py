"""Take OSC messages: python examples/osc_bridge.py SOCKET [PORT].

SOCKET is what `streamsep live --control SOCKET` or `streamsep party … --control SOCKET` was given.
On UDP port PORT of this machine it takes /gain/beat -6, /guide 40, /key 2, /seek 30, /pause …
"""

import json
import socket
import sys
from typing import Any

from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer

# What the number behind an address means.
FIELDS = {"seek": "seconds", "guide": "percent", "key": "semitones", "voice": "preset"}


def request(address: str, *values: Any) -> dict[str, Any]:
    """Return what an OSC message asks for."""
    name, *rest = address.strip("/").split("/", 1)
    if name == "gain" and rest and values:
        return {"type": "gain", "fader": rest[0], "db": values[0]}
    if name in FIELDS and values:
        return {"type": name, FIELDS[name]: values[0]}
    return {"type": name}


def main(path: str, port: str = "9000") -> None:
    """Send what comes in, until Ctrl-C; print what is refused."""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(path)
        answers = control.makefile(encoding="utf-8")

        def take(address: str, *values: Any) -> None:
            control.sendall(json.dumps(request(address, *values)).encode() + b"\n")
            for line in answers:  # news come between
                answer = json.loads(line)
                if answer["type"] == "error":
                    print(f"{address}: {answer['what']}", file=sys.stderr)
                if answer["type"] in ("reply", "error"):
                    break

        dispatcher = Dispatcher()
        dispatcher.set_default_handler(take)
        with BlockingOSCUDPServer(("127.0.0.1", int(port)), dispatcher) as server:
            print(f"OSC on 127.0.0.1:{server.server_address[1]}", flush=True)
            server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
