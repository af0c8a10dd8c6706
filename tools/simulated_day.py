"""A day of live sound in simulated time: two devices on two clocks, and what goes wrong with them.

    python tools/simulated_day.py [--hours 24] [--seed 0] [--model center-cut]

A real session runs between a simulated input and output, block by block, as fast as the machine
can. The input's clock wanders within ±200 ppm of the output's. Callbacks come late, input devices
lose blocks, outputs stand still, and the model misses its time, all at random, by the seed. Every
block is looked at: how long the sound took from one device to the other against how long it took
at the last start, and whether what the session counts is what was done to it. Exit code 1 if it
took more than 4 ms longer at any moment, if a count is wrong, or if memory grew.
"""

from __future__ import annotations

import argparse
import math
import random
import resource
import sys
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from streamsep.audio.devices.jitter_buffer import JitterBuffer
from streamsep.models import find_model
from streamsep.realtime import Session
from streamsep.separation import Separator, load_separator

FRAMES = 1_024
DRIFT_PPM, WANDER_PPM = 200.0, 2.0  # of the input's clock at most, and within a minute
JITTER_S = 0.003
LONGEST_LATE_S, LONGEST_GAP_S = 0.3, 2.0  # beyond the slack; of an input or output
# The two threads hand over so seldom, which makes a day short: by far less than the slack, so that
# only what is held up on purpose comes too late.
CATCH_UP_BLOCKS, SLACK_BLOCKS = 16, 40
# How often an hour.
LATE_HOPS, LOST_INPUTS, STILL_OUTPUTS = 60.0, 6.0, 3.0
MOST_ADDED_S = 0.004
WAIT_S = 60.0  # for one block: far beyond what any takes
GROWTH_MB = 4.0


class GatedSeparator:
    """A separator whose next block can be held up, until it is let go."""

    def __init__(self, separator: Separator) -> None:
        self._separator = separator
        self.spec, self.stems = separator.spec, separator.stems
        self.block_size, self.delay = separator.block_size, separator.delay
        self.provider, self.slack = separator.provider, separator.slack
        self.open = threading.Event()
        self.open.set()
        self.done = 0  # blocks
        self._changed = threading.Condition()

    def process(self, block: np.ndarray, out: np.ndarray) -> None:
        self.open.wait()
        self._separator.process(block, out)
        with self._changed:
            self.done += 1
            self._changed.notify()

    def wait_for(self, blocks: int) -> None:
        """Wait until so many are done: what `Session.wait_idle` polls for."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.done >= blocks, WAIT_S)

    def reset(self) -> None:
        self._separator.reset()


@dataclass
class Day:
    """What was seen of it.

    Attributes
    ----------
    done, counted
        What happened and what the session counted: ``dropouts`` and ``glitches``, in blocks.
    events
        How often each kind of trouble was made.
    added_ms
        The most by which the way between the devices was longer, and shorter, than at a start.
    latency_ms, reported_ms
        The longest way between the devices, and what is declared of it.
    grown_mb
        Of memory, since the first tenth.
    """

    seconds: float = 0.0
    cpu_s: float = 0.0
    done: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    added_ms: tuple[float, float] = (0.0, 0.0)
    latency_ms: float = 0.0
    reported_ms: float = 0.0
    grown_mb: float = 0.0

    def wrong(self) -> list[str]:
        """Return what isn't as it should be."""
        found = []
        if max(self.added_ms) > 1e3 * MOST_ADDED_S:
            found.append(f"{max(self.added_ms):.2f} ms were added, and 4 may be")
        if self.latency_ms > self.reported_ms + 1e3 * MOST_ADDED_S:
            found.append(f"{self.latency_ms:.1f} ms long, {self.reported_ms:.1f} ms declared")
        if self.done != self.counted:
            found.append(f"done {dict(self.done)}, counted {dict(self.counted)}")
        if self.grown_mb > GROWTH_MB:
            found.append(f"memory grew by {self.grown_mb:.1f} MB")
        return found


class InputClock:
    """When the blocks of an input are full, by a clock that wanders; and when samples came in."""

    def __init__(self, rate: int, chance: random.Random) -> None:
        self._rate, self._chance = rate, chance
        self.drift_ppm = chance.uniform(-DRIFT_PPM, DRIFT_PPM)
        self._ends: deque[tuple[int, float]] = deque(maxlen=1_000)  # position, time
        self.position, self.arrival_s = 0, 0.0
        self.advance()

    def advance(self, *, lost: bool = False) -> None:
        """Go on to the next block; a lost one takes its time and is never written."""
        if not lost and self.arrival_s:
            self.position += FRAMES
            self._ends.append((self.position, self.arrival_s))
        block_s = FRAMES / (self._rate * (1.0 + 1e-6 * self.drift_ppm))
        step = WANDER_PPM * math.sqrt(block_s / 60.0) * self._chance.gauss(0.0, 1.0)
        self.drift_ppm = min(max(self.drift_ppm + step, -DRIFT_PPM), DRIFT_PPM)
        self.arrival_s += block_s

    def time_of(self, position: int) -> float:
        """Return when the samples up to a position had come in."""
        end, time_s = next(e for e in self._ends if e[0] >= position)
        return time_s - (end - position) / self._rate


class Simulation:
    """One session between the devices; `run` is all of it."""

    def __init__(self, separator: Separator, seed: int, often: float) -> None:
        self._chance, self._often = random.Random(seed), often
        self._rate = separator.spec.sample_rate
        self._gate = GatedSeparator(separator)
        self._buffer = JitterBuffer(
            separator.spec.channels,
            FRAMES,
            sample_rate=self._rate,
            buffered=FRAMES,
            two_clocks=True,
        )
        self._session = Session(
            self._gate,
            device_frames=FRAMES,
            slack=SLACK_BLOCKS * FRAMES,
            device_in=self._buffer.latency,
        )
        self._clock = InputClock(self._rate, self._chance)
        sound = np.random.default_rng(seed).uniform(0.1, 0.2, (separator.spec.channels, FRAMES))
        self._sound = sound.astype(np.float32)  # nowhere silent: silence is what was lost
        self.day = Day(reported_ms=1e3 * self._buffer.latency / self._rate)
        self._lost_s = self._still = self._late = 0.0
        self._blocks = 0
        self._reference: float | None = None

    def run(self, seconds: float) -> Day:
        """Play so long; raises the session's faults."""
        shape = (FRAMES, self._sound.shape[0])
        self._in, self._out = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        blocks = math.ceil(seconds * self._rate / FRAMES)
        early_mb, started = 0.0, time.process_time()
        with self._session as session:
            for index in range(blocks):
                self._write_until(index * FRAMES / self._rate)
                if self._buffer.ready():
                    self._block(index * FRAMES / self._rate)
                if index == blocks // 10:
                    early_mb = _memory_mb()
            self._gate.open.set()
            session.check()
            counted = session.snapshot()
        day = self.day
        day.counted = +Counter(dropouts=counted.dropouts, glitches=counted.device_glitches)
        day.done = +day.done
        day.seconds, day.cpu_s = blocks * FRAMES / self._rate, time.process_time() - started
        day.grown_mb = _memory_mb() - early_mb
        return day

    def _happens(self, an_hour: float) -> bool:
        an_hour *= self._often
        return self._chance.random() < an_hour * FRAMES / self._rate / 3_600

    def _write_until(self, now: float) -> None:
        late_s = self._chance.uniform(0.0, JITTER_S)
        while self._clock.arrival_s + late_s < now:
            if self._lost_s <= 0 and self._happens(LOST_INPUTS):
                self._lost_s = self._chance.uniform(0.0, LONGEST_GAP_S)
                self._buffer.lost()
                self.day.events["input lost blocks"] += 1
            if self._lost_s > 0:
                self._lost_s -= FRAMES / self._rate
                self._clock.advance(lost=True)
                continue
            self._buffer.write(self._sound, self._clock.arrival_s)
            self._clock.advance()

    def _block(self, now: float) -> None:
        if self._still <= 0 and self._happens(STILL_OUTPUTS):
            self._still = self._chance.uniform(0.0, LONGEST_GAP_S)
            self.day.events["output stood still"] += 1
        still = self._still > 0
        self._still -= FRAMES / self._rate
        status = self._buffer.read(self._in, -math.inf if still else now)
        silent = not self._in.any()
        self.day.done["glitches"] += status != 0
        if silent and not status:
            self.day.done["silence that nobody counts"] += 1
        self._follow(now, broken=silent or status != 0)
        self._hold_up()
        lead = self._session.latency.buffering + self._session.latency.slack
        ready = lead + self._gate.done * self._gate.block_size
        self.day.done["dropouts"] += ready < (self._blocks + 1) * FRAMES
        self._session.process_block(self._in, self._out, status)
        self._blocks += 1
        if self._gate.open.is_set() and self._blocks % CATCH_UP_BLOCKS == 0:
            self._catch_up()

    def _catch_up(self) -> None:
        self._gate.wait_for(self._blocks * FRAMES // self._gate.block_size)
        self._session.wait_idle()  # what is done is handed over too

    def _hold_up(self) -> None:
        """Let the model be late for a while, at times."""
        if self._late > 0:
            self._late -= FRAMES / self._rate
            if self._late <= 0:
                self._gate.open.set()
                self._catch_up()
        elif self._happens(LATE_HOPS):
            slack_s = SLACK_BLOCKS * FRAMES / self._rate
            self._late = slack_s + self._chance.uniform(-LONGEST_LATE_S, LONGEST_LATE_S)
            self._catch_up()
            self._gate.open.clear()
            self.day.events["model was late"] += 1

    def _follow(self, now: float, *, broken: bool) -> None:
        if broken:
            self._reference = None
            return
        way_s = now - self._clock.time_of(self._buffer.position)
        if self._reference is None:
            self._reference = way_s
        added_ms = 1e3 * (way_s - self._reference)
        low, high = self.day.added_ms
        self.day.added_ms = min(low, added_ms), max(high, added_ms)
        self.day.latency_ms = max(self.day.latency_ms, 1e3 * way_s)


def _memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def simulate(separator: Separator, seconds: float, seed: int, *, often: float = 1.0) -> Day:
    """Run a session for so long in simulated time, with trouble so many times as often."""
    return Simulation(separator, seed, often).run(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="center-cut")
    asked = parser.parse_args()
    separator = load_separator(find_model(asked.model), device="cpu")
    day = simulate(separator, 3_600 * asked.hours, asked.seed)
    print(f"{day.seconds / 3_600:.1f} hours of sound in {day.cpu_s:.0f} s of computing")
    print("; ".join(f"{what}: {count}" for what, count in sorted(day.events.items())))
    print(f"counted {dict(day.counted)}, done {dict(day.done)}")
    low, high = day.added_ms
    print(
        f"added latency {low:+.2f} to {high:+.2f} ms, at most {day.latency_ms:.1f} ms in all",
        end="",
    )
    print(f" of {day.reported_ms:.1f} ms declared; memory +{day.grown_mb:.1f} MB")
    wrong = day.wrong()
    print("\n".join(wrong) or "nothing added, nothing grew, nothing miscounted")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
