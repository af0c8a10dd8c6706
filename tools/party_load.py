"""What phones cost the music, and how long a search takes: python tools/party_load.py.

The same song plays with no phone and with --phones that send all the time, in turn, each time
through a player and a party of its own; printed are a hop's p99, its ratio, and the dropouts of
both. Then a library of --songs is scanned and searched. On a machine with other work only the
ratio and the times of the processor say something.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import soundfile as sf
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from streamsep import LivePlayer
from streamsep.remote.hosting import PartyConfig, PartyHost
from streamsep.remote.server import Where
from streamsep.remote.song_library import SongLibrary

RATE = 44_100
EVERY_S = 0.1  # between two messages of a phone, as of a fader that is drawn
QUERIES = ("l", "love", "love night", "rain 77", "nobody", "")
WORDS = ("love", "night", "blue", "rain", "river", "heart", "fire", "dance", "summer", "moon")


class Signs:
    """What tells the phones' process to end, and this one that they are there."""

    def __init__(self) -> None:
        self.ending = multiprocessing.Event()
        self.joined = multiprocessing.Semaphore(0)


def phones(address: str, token: str, count: int, signs: Signs) -> None:
    """Be so many phones, in a process of their own, until told to end."""
    threads = [
        threading.Thread(target=phone, args=(address, token, n, signs)) for n in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def phone(address: str, token: str, number: int, signs: Signs) -> None:
    """Search, ask and add without a pause, and hear all news."""
    with connect(address, close_timeout=0.2, open_timeout=60) as socket:
        socket.send(json.dumps({"type": "join", "token": token, "client": f"phone {number}"}))
        socket.recv()
        signs.joined.release()
        turn = 0
        while not signs.ending.wait(EVERY_S):
            wish = {"type": "search", "query": QUERIES[turn % len(QUERIES)]}
            try:
                socket.send(
                    json.dumps(wish if turn % 2 else {"type": "guide", "percent": turn % 100})
                )
                while True:
                    socket.recv(timeout=0)
            except TimeoutError:
                turn += 1
            except WebSocketException:
                return


def player_of(model: str) -> LivePlayer:
    """Return a player as `streamsep party` has it."""
    return LivePlayer(input=(), output="null", model=model, key=0, tune_process=True)


def play(folder: Path, model: str, seconds: float, count: int) -> tuple[float, int, float]:
    """Play a song with so many phones: p99 of a hop in ms, dropouts, CPU seconds a second."""
    signs = Signs()
    with ExitStack() as stack:
        player = stack.enter_context(player_of(model))
        where, state = Where(port=0), folder / "state"
        config = PartyConfig(folders=(folder,), where=where, state=state, cache_gb=0.0)
        host = stack.enter_context(PartyHost(config, player, print))
        address, _, token = host.host_address.partition("/#")
        player.play(folder / "song.flac")
        crowd = multiprocessing.Process(
            target=phones, args=(address.replace("http", "ws") + "/ws", token, count, signs)
        )
        crowd.start()
        for _ in range(count):
            signs.joined.acquire()
        before, cpu, begun = player.stats().dropouts, time.process_time(), time.monotonic()
        time.sleep(seconds)
        share = (time.process_time() - cpu) / (time.monotonic() - begun)
        stats = player.stats()
        signs.ending.set()
        crowd.join()
        assert crowd.exitcode == 0, "the phones have failed"
        return stats.hop_p99_ms, stats.dropouts - before, share


def search(folder: Path, count: int) -> None:
    """Scan and search a library of empty files with many names."""
    rng = np.random.default_rng(0)
    for number in range(count):
        place = folder / f"{number % 500}"
        if number < 500:
            place.mkdir(parents=True)
        words = rng.choice(WORDS, 4)
        (place / f"{words[0]} {words[1]} - {words[2]} {words[3]} {number}.mp3").touch()
    state = folder.parent / "library.db"
    library = SongLibrary([folder], state, print)
    begun = time.process_time()
    library.start()
    library.wait()
    print(f"{len(library):,} songs scanned in {time.process_time() - begun:.1f} s of the processor")
    library.close()
    begun = time.process_time()
    library = SongLibrary([folder], state, print)
    print(f"started again in {1e3 * (time.process_time() - begun):.0f} ms")
    for query in QUERIES:
        begun = time.process_time()
        found = library.search(query)
        took_ms = 1e3 * (time.process_time() - begun)
        print(f"  {query!r}: {len(found)} in {took_ms:.1f} ms")
    library.close()


def main() -> None:
    """Measure both."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--phones", type=int, default=30)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--songs", type=int, default=50_000)
    options.add_argument("--model", default="live")
    wanted = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        music = Path(name) / "music"
        music.mkdir()
        noise = np.random.default_rng(1).uniform(-0.3, 0.3, (10 * RATE, 2))
        sf.write(music / "song.flac", np.tile(noise, (12, 1)), RATE)
        found: dict[int, list[tuple[float, int, float]]] = {0: [], wanted.phones: []}
        for _ in range(wanted.rounds):
            for count, takes in found.items():
                takes.append(play(music, wanted.model, wanted.seconds, count))
        for count, takes in found.items():
            p99, dropouts, share = (np.median(values) for values in zip(*takes, strict=True))
            print(
                f"{count} phones: hop p99 {p99:.1f} ms, {dropouts:.0f} dropouts, "
                f"{100 * share:.0f} % of a core"
            )
        quiet, loaded = (np.median([take[0] for take in takes]) for takes in found.values())
        print(f"ratio of p99: {loaded / quiet:.2f}")
        search(Path(name) / "library", wanted.songs)


if __name__ == "__main__":
    main()
