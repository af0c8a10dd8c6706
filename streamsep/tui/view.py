"""The live line, as a pure function of a snapshot."""

from __future__ import annotations

import math

from streamsep.realtime.stats import SessionStats

METER_FLOOR_DB = -60.0
METER_CELLS = 12


def status_lines(stats: SessionStats) -> str:
    """Return two lines of at most 80 columns: sound, then timing."""
    latency = stats.latency
    measured = (
        "…"
        if stats.measured_latency is None
        else f"{latency.ms(latency.device_in + stats.measured_latency + latency.device_out):.0f}"
    )
    # Before the first hop there is nothing to tell.
    hop = (
        "…"
        if math.isnan(stats.hop_p50_ms)
        else (f"{stats.hop_p50_ms:.1f}/{stats.hop_p99_ms:.1f} of {stats.hop_budget_ms:.0f} ms")
    )
    sound = (
        f"{clock(stats.seconds)}  in {meter(stats.level_in_db)}  out {meter(stats.level_out_db)}"
    )
    timing = (
        f"latency {latency.ms(latency.total):.0f} ms (measured {measured})  "
        f"hop {hop}  "
        f"dropouts {stats.dropouts + stats.device_glitches}  {stats.provider}"
    )
    return f"{sound}\n{timing}"


def meter(level_db: float) -> str:
    """Return a bar and a figure for a peak level in dBFS, always equally wide."""
    share = (max(level_db, METER_FLOOR_DB) - METER_FLOOR_DB) / -METER_FLOOR_DB
    filled = min(round(share * METER_CELLS), METER_CELLS)
    figure = "  -inf" if math.isinf(level_db) else f"{level_db:6.1f}"
    return f"{'█' * filled}{'░' * (METER_CELLS - filled)}{figure} dB"


def clock(seconds: float) -> str:
    """Return m:ss, or h:mm:ss from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
