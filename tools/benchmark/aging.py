"""Does a hop of the built-in model cost more after an hour, and does its memory grow?

    python -m benchmark.aging SECONDS

An engine is taken through so many seconds of sound, loud, quiet and none, as fast as it goes.
Then a fresh one takes turns with it, hop by hop, so that both see the same machine.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import numpy as np

from benchmark.child import memory_mb
from streamsep.models import find_model
from streamsep.separation import Separator, load_separator
from testing.signals import music

RATE = 44_100
TURNS = 2_000
SETTLED_S = 60.0  # memory counts from here


def timed(separator: Separator, block: np.ndarray, out: np.ndarray) -> float:
    started = time.perf_counter()
    separator.process(block, out)
    return time.perf_counter() - started


def main() -> None:
    seconds = float(sys.argv[1])
    aged = load_separator(find_model(None), device="cpu")
    size = aged.block_size
    count = 10 * RATE // size
    sound = music(10.0)[:, : count * size].copy()
    sound[:, -2 * RATE : -RATE] *= 1e-4
    sound[:, -RATE:] = 0.0
    blocks = [np.ascontiguousarray(b) for b in np.split(sound, count, axis=-1)]
    out = np.zeros((len(aged.stems), *blocks[0].shape), np.float32)
    hops = round(seconds * RATE / size)
    times = np.zeros(hops)
    settled, memory = round(min(SETTLED_S, seconds / 2) * RATE / size), None
    for hop in range(hops):
        times[hop] = timed(aged, blocks[hop % count], out)
        if hop == settled:
            memory = memory_mb("VmRSS")
    after = memory_mb("VmRSS")
    fresh = load_separator(find_model(None), device="cpu")
    for hop in range(settled):
        fresh.process(blocks[hop % count], out)
    pairs = []
    for turn in range(TURNS):
        block = blocks[turn % count]
        # Who comes first finds the block out of the cache: that is shared as well.
        first, second = (aged, fresh) if turn % 2 else (fresh, aged)
        one, two = timed(first, block, out), timed(second, block, out)
        pairs.append((one, two) if turn % 2 else (two, one))
    old, new = (statistics.median(column) for column in zip(*pairs, strict=True))
    growth = None if memory is None or after is None else after - memory
    print(
        json.dumps(
            {
                "seconds": seconds,
                "hops": hops,
                "ratio": old / new,
                "aged_ms": 1e3 * old,
                "fresh_ms": 1e3 * new,
                "first_ms": 1e3 * float(np.median(times[:settled])),
                "last_ms": 1e3 * float(np.median(times[-settled:])),
                "growth_mb": growth,
            }
        )
    )


if __name__ == "__main__":
    main()
