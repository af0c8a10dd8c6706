"""What a session is doing, for tests of how it is shown."""

import math
from dataclasses import replace

from streamsep.lyrics import LyricsMoment
from streamsep.realtime import LatencyReport, SessionStats
from streamsep.tui.view import Shown

STATS = SessionStats(
    seconds=83.4,
    level_in_db=-6.02,
    level_out_db=-14.5,
    level_mic_db=-20.3,
    faders={"guide": -6.02, "beat": 0.0, "mic": -3.0, "master": -math.inf},
    key=None,
    bypass=False,
    latency=LatencyReport(
        sample_rate=44_100,
        device_in=1536,
        buffering=4096,
        slack=1024,
        stft=1024,
        lookahead=5120,
        device_out=1536,
    ),
    measured_latency=11_264,
    hop_p50_ms=2.61,
    hop_p99_ms=3.44,
    hop_budget_ms=92.9,
    dropouts=1,
    device_glitches=2,
    mic_latency=None,
    mic_glitches=0,
    bad_samples=0,
    provider="CPU",
    model="vocals",
)
KEYS = [
    ("← →", "fader"),
    ("↑ ↓", "level"),
    ("g", "guide on/off"),
    ("b", "bypass"),
    ("space", "song begins"),
    (", .", "lyrics sooner, later"),
    ("q", "quit"),
]
SHOWN = Shown(
    STATS,
    held_db={"in": -3.0, "out": -9.0, "mic": -12.0},
    # Two hills, one at 250 Hz and a lower one at 2.5 kHz.
    spectrum_db=[
        max(-8.0 - 6.0 * abs(band - 5), -30.0 - 9.0 * abs(band - 15)) for band in range(24)
    ],
    microphone=True,
    recorded_s=61.0,
    lyrics=LyricsMoment("A line that is being sung", 6, "and the line after it", 3.2),
    lyrics_offset_s=0.3,
    message="something happened",
    fader="guide",
    keys=KEYS,
)
PLAIN = (
    "1:23  in   -6.0 dB  out  -14.5 dB  latency 325 ms (measured 325)  "
    "hop p50 2.6, p99 3.4 of 93 ms  dropouts 3  CPU"
)


class StillSession:
    """A session in which nothing moves but faders."""

    def __init__(self, stats=STATS):
        self.stats = stats

    def snapshot(self):
        return self.stats

    def set_gain(self, name, gain_db):
        self.stats = replace(self.stats, faders=self.stats.faders | {name: gain_db})

    def set_bypass(self, bypass):
        self.stats = replace(self.stats, bypass=bypass)

    def set_key(self, semitones):
        if semitones > 6:
            raise ValueError(semitones)
        self.stats = replace(self.stats, key=semitones)
