"""The figures of a running session, for whoever shows them."""

from __future__ import annotations

import time

from streamsep.dsp.decibels import to_db
from streamsep.events import EventLog
from streamsep.realtime.block_processor import BlockProcessor
from streamsep.realtime.latency import LatencyReport
from streamsep.realtime.stats import SessionStats, SongPosition

MEASURE_EVERY_S = 1.0


class Monitor:
    """Looks at what the audio and the inference thread count, from one other thread.

    Parameters
    ----------
    processor
        Whose counts they are.
    events
        Shown with them.
    """

    def __init__(self, processor: BlockProcessor, events: EventLog) -> None:
        self._processor, self._events = processor, events
        self._measured: int | None = None
        self._measured_at = 0.0

    def forget_latency(self) -> None:
        """Measure anew: another model plays."""
        self._measured = None

    def snapshot(
        self,
        *,
        latency: LatencyReport,
        key: int | None,
        drift_ppm: float | None,
        bad_samples: int,
        song: SongPosition | None,
    ) -> SessionStats:
        """Return the state of things now; at most 10 times a second."""
        processor, pipeline = self._processor, self._processor.pipeline
        mix_bus, separator = processor.mix_bus, pipeline.separator
        self._measure()
        p50, p99 = pipeline.inference.hop_times.percentiles_ms(50, 99)
        peak_in, peak_out = processor.take_peaks()
        levels_mics_db = {lane.name: to_db(lane.take_peak()) for lane in mix_bus.lanes}
        return SessionStats(
            seconds=processor.seconds,
            level_in_db=to_db(peak_in),
            level_out_db=to_db(peak_out),
            level_mic_db=max(levels_mics_db.values()),
            levels_mics_db=levels_mics_db,
            faders=mix_bus.faders,
            bypass=mix_bus.bypass,
            key=key,
            latency=latency,
            measured_latency=self._measured,
            hop_p50_ms=p50,
            hop_p99_ms=p99,
            hop_budget_ms=1_000.0 * separator.block_size / latency.sample_rate,
            dropouts=processor.dropouts,
            device_glitches=processor.glitches,
            mic_latency=mix_bus.mic_latency,
            mic_glitches=sum(lane.lost for lane in mix_bus.lanes),
            bad_samples=bad_samples,
            provider=separator.provider,
            model=separator.spec.name,
            drift_ppm=drift_ppm,
            events=self._events.latest(),
            song=song,
        )

    def _measure(self) -> None:
        now = time.monotonic()
        if now - self._measured_at > MEASURE_EVERY_S:
            latest, self._measured_at = self._processor.pipeline.meter.measure(), now
            # Silence measures nothing; the last figure still stands.
            self._measured = self._measured if latest is None else latest
