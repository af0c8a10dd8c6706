"""The process of the server: networks, tokens, parsing and searches, away from the music.

Its first line of standard input says where to listen; see `ServerProcess`. It ends when that input
does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamsep.errors import StreamsepError
from streamsep.remote.access import Tokens
from streamsep.remote.invitation import address_of, code_rows
from streamsep.remote.library_search import LibrarySearch
from streamsep.remote.protocol import PARTY_COMMANDS, PLAYER_COMMANDS, Request
from streamsep.remote.server import RemoteServer, Where
from streamsep.remote.server_link import Local, ServiceLink
from streamsep.remote.service import Message


def serve_until_end(settings: Mapping[str, Any]) -> None:
    """Serve with these settings until standard input ends."""
    tokens = Tokens(**settings["tokens"])
    lan, socket = settings["lan"], settings["socket"]
    where = Where(port=settings["port"], lan=lan, socket=Path(socket) if socket else None)
    library = settings["library"]
    commands = PLAYER_COMMANDS if library is None else {**PLAYER_COMMANDS, **PARTY_COMMANDS}
    local: dict[str, Local] = {}
    if library is not None:
        local["search"] = _searches(LibrarySearch(Path(library)))
    link = ServiceLink(commands, sys.stdin, sys.stdout, local)

    def welcome() -> Message:
        if library is None:
            return {}
        address = address_of(server.port, tokens.guest, lan=lan)
        return {"join": {"address": address, "code": code_rows(address)}}

    server = RemoteServer(
        link,
        tokens,
        where,
        welcome=welcome,
        pages=library is not None,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    try:
        server.start()
    except StreamsepError as error:
        parts = {"what": error.what, "expected": error.expected, "remedy": error.remedy}
        print(json.dumps({"refused": {**parts, "settings": error.settings}}), flush=True)
        return
    print(json.dumps({"port": server.port}), flush=True)
    link.run()
    server.close()


def _searches(library: LibrarySearch) -> Local:
    def search(request: Request) -> Message:
        return {"songs": [song.told() for song in library.search(request.values["query"])]}

    return search


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who plays; this ends after it
    with suppress(OSError, AttributeError):  # started by a thread that goes before all others
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    serve_until_end(json.loads(sys.stdin.readline()))
    os._exit(0)  # whatever still waits for a phone
