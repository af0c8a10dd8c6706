"""Session: everything between ``indata`` and ``outdata`` of an audio callback."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamsep.dsp.crossfade import DryWetSwitch
from streamsep.dsp.delay import DelayLine
from streamsep.dsp.mixer import StemMixer, db_to_gain
from streamsep.dsp.ring import RingBuffer
from streamsep.dsp.sanitize import Sanitizer
from streamsep.errors import SessionError, StreamsepError
from streamsep.realtime.latency import LatencyMeter, LatencyReport, buffering_samples
from streamsep.realtime.stats import SessionStats, to_db
from streamsep.realtime.worker import Worker
from streamsep.separation import Separator

Float32 = NDArray[np.float32]

# With Python's 5 ms a busy thread holds the audio callback up for longer than a device block.
SWITCH_INTERVAL_S = 0.0005
INPUT_RING_S = 4.0
WARM_UP_RUNS = 8
MEASURE_EVERY_S = 1.0


class Tap(Protocol):
    """Something that listens to the output, such as a recorder."""

    def push(self, block: Float32) -> None:
        """Take (C, N) on the audio thread: no waiting, no I/O."""


class Session:
    """Runs one separator live; a context manager.

    Entering it warms the model up, starts the worker thread, freezes the garbage collector and
    shortens Python's thread switch interval; leaving it puts all of that back.

    Parameters
    ----------
    separator
        Becomes the session's own.
    device_frames
        Samples per `process_block`, n, at the model's rate.
    slack
        Samples of time that a run may take beyond one device block.
    gains
        Linear gain for each stem by name; stems not named are silent.
    device_in, device_out
        Latency of the endpoint in samples, for the report.

    Attributes
    ----------
    taps
        Listeners to the output; set before the first block.
    latency
        The report, known from the start.

    Raises
    ------
    ValueError
        For an unknown stem or sizes below one.
    """

    def __init__(
        self,
        separator: Separator,
        *,
        device_frames: int,
        slack: int = 1024,
        gains: Mapping[str, float] | None = None,
        device_in: int = 0,
        device_out: int = 0,
    ) -> None:
        if device_frames < 1 or slack < 0:
            raise ValueError(f"device_frames {device_frames} and slack {slack} must be positive")
        spec = separator.spec
        self._separator, self._frames = separator, device_frames
        self.taps: Sequence[Tap] = ()
        # A separator may do without an STFT and its delay.
        stft = min(spec.n_fft - spec.hop_length, separator.delay)
        self.latency = LatencyReport(
            sample_rate=spec.sample_rate,
            device_in=device_in,
            buffering=buffering_samples(separator.block_size, device_frames),
            slack=slack,
            stft=stft,
            lookahead=separator.delay - stft,
            device_out=device_out,
        )
        shape = (spec.channels, device_frames)
        self._input_ring = RingBuffer((spec.channels,), int(INPUT_RING_S * spec.sample_rate))
        lead = self.latency.buffering + slack
        self._output_ring = RingBuffer(
            (len(separator.stems), spec.channels), lead + 2 * separator.block_size + device_frames
        )
        self._output_ring.skip_to(0)
        self._output_ring.write(np.zeros((len(separator.stems), spec.channels, lead), np.float32))
        self._worker = Worker(separator, self._input_ring, self._output_ring)
        self._dry_delay = DelayLine(spec.channels, self.latency.session, device_frames)
        self._mixer = StemMixer(
            len(separator.stems), spec.channels, device_frames, self._initial_gains(gains)
        )
        self._sanitizer = Sanitizer(shape)
        self._meter = LatencyMeter(self.latency.session, device_frames)
        self._switch = DryWetSwitch(spec.channels, device_frames)
        self._in, self._dry, self._wet, self._scratch = (
            np.zeros(shape, np.float32) for _ in range(4)
        )
        self._stems = np.zeros((len(separator.stems), *shape), np.float32)
        self._bypass = False
        self._fault: Exception | None = None
        self._blocks = self._dropouts = self._glitches = self._bad_samples = 0
        self._peak_in = self._peak_out = 0.0
        self._measured: int | None = None
        self._measured_at = 0.0

    def _initial_gains(self, gains: Mapping[str, float] | None) -> Float32:
        names = self._separator.stems
        asked = {"beat": 1.0} if gains is None else dict(gains)
        if unknown := sorted(asked.keys() - set(names)):
            raise ValueError(f"no stem {', '.join(unknown)} among {', '.join(names)}")
        return np.array([asked.get(name, 0.0) for name in names], np.float32)

    def __enter__(self) -> Session:
        self._worker.warm_up(WARM_UP_RUNS)
        self._switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        gc.collect()
        gc.freeze()
        self._worker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._worker.stop()
        gc.unfreeze()
        sys.setswitchinterval(self._switch_interval)

    def process_block(self, indata: Float32, outdata: Float32, status: int) -> None:
        """The audio callback's whole body: never raises, never waits.

        Parameters
        ----------
        indata
            (device_frames, C) float32 at the model's rate.
        outdata
            (device_frames, C) float32, overwritten.
        status
            Non-zero when the audio system lost samples.
        """
        try:
            self._process(indata, outdata, status)
        except Exception as error:  # the main thread raises it; here is silence
            outdata.fill(0.0)
            self._fault = error

    def _process(self, indata: Float32, outdata: Float32, status: int) -> None:
        self._glitches += status != 0
        np.copyto(self._in, indata.T)
        self._bad_samples += self._sanitizer.clean(self._in)
        self._peak_in = max(self._peak_in, self._peak(self._in))
        self._input_ring.write(self._in)
        self._worker.wake()
        self._dry_delay.process(self._in, self._dry)
        out = self._switch.choose(self._next_wet(), self._dry, bypass=self._bypass)
        self._meter.push(self._in, self._scratch)
        self._peak_out = max(self._peak_out, self._peak(out))
        for tap in self.taps:
            tap.push(out)
        np.copyto(outdata, out.T)
        self._blocks += 1

    def _next_wet(self) -> Float32 | None:
        """Return the mix of the stems that are due, or None; their plain sum goes to scratch."""
        if not self._output_ring.read(self._stems):
            self._output_ring.advance(self._frames)
            self._dropouts += 1
            self._scratch.fill(0.0)
            return None
        np.sum(self._stems, axis=0, out=self._scratch)
        self._mixer.mix(self._stems, self._wet)
        return self._wet

    def _peak(self, block: Float32) -> float:
        np.abs(block, out=self._scratch)
        return float(self._scratch.max())

    def set_gain(self, stem: str, gain_db: float) -> None:
        """Move a stem's fader, in decibels (``-inf`` mutes); reached within one device block.

        Raises
        ------
        ValueError
            For an unknown stem.
        """
        if stem not in self._separator.stems:
            raise ValueError(f"no stem {stem} among {', '.join(self._separator.stems)}")
        self._mixer.set_gain(self._separator.stems.index(stem), db_to_gain(gain_db))

    def set_bypass(self, bypass: bool) -> None:
        """Play the delayed original instead, at the same moment in the music."""
        self._bypass = bypass

    def wait_idle(self, timeout_s: float = 10.0) -> None:
        """Wait until the worker has caught up: for endpoints that keep no real time.

        Raises
        ------
        SessionError
            If it doesn't within ``timeout_s`` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while not self._worker.idle:
            if time.monotonic() > deadline:
                raise SessionError(
                    f"a block took more than {timeout_s:g} s",
                    expected="a model that runs in real time",
                    remedy="try a lighter model",
                )
            time.sleep(0.0001)

    def check(self) -> None:
        """Raise what went wrong on the audio or worker thread, if anything did.

        Raises
        ------
        StreamsepError
            The fault itself, or a SessionError around it.
        """
        fault = self._fault or self._worker.fault
        if fault is None:
            return
        if isinstance(fault, StreamsepError):
            raise fault
        raise SessionError(
            f"the session broke: {type(fault).__name__}: {fault}",
            expected="audio processing without errors",
            remedy="please report this with the command that led to it",
        ) from fault

    def snapshot(self) -> SessionStats:
        """Return the state of things now; call it from one thread, at most 10 times a second."""
        now = time.monotonic()
        if now - self._measured_at > MEASURE_EVERY_S:
            latest, self._measured_at = self._meter.measure(), now
            # Silence measures nothing; the last figure still stands.
            self._measured = self._measured if latest is None else latest
        p50, p99 = self._worker.hop_times.percentiles_ms(50, 99)
        peak_in, peak_out, self._peak_in, self._peak_out = self._peak_in, self._peak_out, 0.0, 0.0
        rate = self.latency.sample_rate
        return SessionStats(
            seconds=self._blocks * self._frames / rate,
            level_in_db=to_db(peak_in),
            level_out_db=to_db(peak_out),
            latency=self.latency,
            measured_latency=self._measured,
            hop_p50_ms=p50,
            hop_p99_ms=p99,
            hop_budget_ms=1_000.0 * self._separator.block_size / rate,
            dropouts=self._dropouts,
            device_glitches=self._glitches,
            bad_samples=self._bad_samples,
            provider=self._separator.provider,
            model=self._separator.spec.name,
        )
