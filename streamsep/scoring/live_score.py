"""Score while it plays: taps on vocals and microphones, and a thread that judges them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from streamsep.dsp.ring import RingBuffer
from streamsep.errors import first_line
from streamsep.events import EventLog
from streamsep.scoring.judge import Judge
from streamsep.scoring.song_score import ScoreSnapshot
from streamsep.types import Float32


class BusTap:
    """Keeps what passes on a bus until it is judged; see `streamsep.realtime.mix_bus.Tap`."""

    def __init__(self, channels: int, capacity: int) -> None:
        self.ring = RingBuffer((channels,), capacity)

    def push(self, block: Float32) -> None:
        """Take (C, N) on the audio thread."""
        self.ring.write(block)


class LiveScore:
    """Has a judge hear vocals and microphones, on a thread of its own; a context manager.

    All taps are to be added before the first block, and get every block. What the thread is too
    late for counts for nobody.

    Parameters
    ----------
    judge
        Its own from now on.
    singers
        How many there are.
    sample_rate, channels, block_size
        Of the session.
    events
        Where it is noted if it fails; the music goes on.

    Attributes
    ----------
    vocals, microphones
        Taps.
    """

    BUFFER_S = 4.0
    POLL_S = 0.05

    def __init__(
        self,
        judge: Judge,
        singers: int,
        *,
        sample_rate: int,
        channels: int,
        block_size: int,
        events: EventLog,
    ) -> None:
        capacity = max(round(self.BUFFER_S * sample_rate), 4 * block_size)
        self.vocals = BusTap(channels, capacity)
        self.microphones: Sequence[BusTap] = [BusTap(channels, capacity) for _ in range(singers)]
        self._judge, self._events = judge, events
        self._chunk = np.zeros((channels, capacity // 8), np.float32)
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="streamsep-score", daemon=True)

    def __enter__(self) -> LiveScore:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Judge what is left, and end the last line."""
        self._stopping.set()
        self._thread.join()
        with self._lock:
            self._judge.end_line()

    def snapshot(self) -> ScoreSnapshot:
        """Return how the song's score stands; from any thread but the audio thread."""
        with self._lock:
            return self._judge.snapshot()

    def next_song(self) -> ScoreSnapshot:
        """Begin with another song; return how the last one ended."""
        with self._lock:
            return self._judge.next_song()

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self.POLL_S):
                self._drain()
            self._drain()
        except Exception as error:  # the score's, not the music's
            self._events.add(f"the score has failed ({first_line(error)})", kind="warning")

    def _drain(self) -> None:
        rings = [tap.ring for tap in (self.vocals, *self.microphones)]
        while (count := min(ring.available for ring in rings)) > 0:
            count = min(count, self._chunk.shape[-1])
            part = self._chunk[:, :count]
            sound = np.zeros((len(rings), count), np.float32)
            for ring, voice in zip(rings, sound, strict=True):
                if ring.read(part):
                    np.mean(part, axis=0, out=voice)
                else:  # overwritten before it was judged
                    ring.advance(count)
            with self._lock:
                self._judge.process(sound)
