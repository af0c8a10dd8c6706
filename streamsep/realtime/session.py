"""Session: everything between ``indata`` and ``outdata`` of an audio callback."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import numpy as np

from streamsep.dsp.decibels import to_db
from streamsep.dsp.sanitize import Sanitizer
from streamsep.errors import ModelError, SessionError, StreamsepError
from streamsep.events import EventLog
from streamsep.realtime.latency import LatencyReport
from streamsep.realtime.mix_bus import Microphone, MixBus, Tap
from streamsep.realtime.model_crossfade import ModelCrossfade
from streamsep.realtime.pipeline import Pipeline
from streamsep.realtime.stats import SessionStats
from streamsep.separation import Separator
from streamsep.types import Float32

# With Python's 5 ms a busy thread holds the audio callback up for longer than a device block.
SWITCH_INTERVAL_S = 0.0005
WARM_UP_RUNS = 8
MEASURE_EVERY_S = 1.0
SWITCH_PATIENCE_S = 15.0  # for a model that is too slow to be faded in


class Key(Protocol):
    """What can play the song in another key."""

    @property
    def semitones(self) -> int:
        """The key that was asked for last."""

    def set_key(self, semitones: int) -> None:
        """Ask for another."""


class LoadedModel(NamedTuple):
    """A separator with what was put after it; see `Session` for each."""

    separator: Separator
    key: Key | None = None
    effects_delay: int = 0
    slack: int = 1024


class Session:
    """Runs one separator live; a context manager.

    Entering it warms the model up, starts the inference thread, freezes the garbage collector and
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
        Linear gain of each stem in the song by name; stems not named are silent.
    microphone
        Mixed in by the mix bus; never goes through the model.
    key
        Moved by `set_key`: a part of ``separator``.
    effects_delay
        The part of ``separator.delay`` that key and plugins add, for the report.
    device_in, device_out
        Latency of the endpoint in samples, for the report.
    events
        Where to note what happens; the endpoint may add to it too.

    Attributes
    ----------
    drift_ppm
        Asked for the drift of the endpoint's clocks; set before the first block.
    device_latency
        Asked for what the endpoint's devices take together, in samples, None while not known;
        set before the first block.

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
        microphone: Microphone | None = None,
        key: Key | None = None,
        effects_delay: int = 0,
        device_in: int = 0,
        device_out: int = 0,
        events: EventLog | None = None,
    ) -> None:
        if device_frames < 1 or slack < 0:
            raise ValueError(f"device_frames {device_frames} and slack {slack} must be positive")
        spec = separator.spec
        self._frames, self._key = device_frames, key
        self._device_in, self._device_out = device_in, device_out
        self._pipeline = self._new_pipeline(LoadedModel(separator, key, effects_delay, slack))
        shape = (spec.channels, device_frames)
        self._crossfade: ModelCrossfade | None = None
        self._changing: threading.Thread | None = None
        self._closing = threading.Event()
        self._mix_bus = MixBus(
            separator.stems,
            *shape,
            gains={"beat": 1.0} if gains is None else gains,
            microphone=microphone,
        )
        self._sanitizer = Sanitizer(shape)
        self._in, self._scratch = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.drift_ppm: Callable[[], float | None] = lambda: None
        self.device_latency: Callable[[], int | None] = lambda: None
        self.events = events or EventLog()
        self.events.clock = lambda: self._blocks * device_frames / spec.sample_rate
        self._fault: Exception | None = None
        self._blocks = self._dropouts = self._glitches = self._bad_samples = 0
        self._peak_in = self._peak_out = 0.0
        self._measured: int | None = None
        self._measured_at = 0.0

    def _new_pipeline(self, loaded: LoadedModel) -> Pipeline:
        return Pipeline(
            loaded.separator,
            device_frames=self._frames,
            slack=loaded.slack,
            device_in=self._device_in,
            device_out=self._device_out,
            effects_delay=loaded.effects_delay,
        )

    @property
    def latency(self) -> LatencyReport:
        """The report, known from the start.

        Its devices' part is what they declare until it has been measured. Once another model
        plays it is another one.
        """
        report, measured = self._pipeline.latency, self.device_latency()
        return report if measured is None else report.between_devices(measured)

    def __enter__(self) -> Session:
        self._pipeline.inference.start(WARM_UP_RUNS)
        self._switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        gc.collect()
        gc.freeze()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.set()
        if self._changing is not None:
            self._changing.join()
        self._pipeline.inference.stop()
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
        # Last, or both threads would contend for Python's lock while the sound is waited for.
        for pipeline in self._pipelines():
            pipeline.wake()

    def _process(self, indata: Float32, outdata: Float32, status: int) -> None:
        self._glitches += status != 0
        np.copyto(self._in, indata.T)
        self._bad_samples += self._sanitizer.clean(self._in)
        self._peak_in = max(self._peak_in, self._peak(self._in))
        pipeline, crossfade = self._pipeline, self._crossfade
        pipeline.feed(self._in)
        stems = pipeline.stems if pipeline.take(self._in) else None
        self._dropouts += stems is None
        np.copyto(self._mix_bus.dry, pipeline.dry)
        if crossfade is not None:
            crossfade.feed(self._in)
            if crossfade.mix(self._in, stems, pipeline.dry):
                stems = crossfade.stems
                np.copyto(self._mix_bus.dry, crossfade.dry)
            if crossfade.complete:
                self._pipeline, self._crossfade = crossfade.new, None
        out = self._mix_bus.process(stems)
        self._peak_out = max(self._peak_out, self._peak(out))
        np.copyto(outdata, out.T)
        self._blocks += 1

    def _peak(self, block: Float32) -> float:
        np.abs(block, out=self._scratch)
        return float(self._scratch.max())

    def set_gain(self, fader: str, gain_db: float) -> None:
        """Move a fader, in decibels (``-inf`` mutes), without a click.

        ``guide`` is what is heard of the vocals, ``beat`` the song, ``mic`` the microphone and
        ``master`` all of it.

        Raises
        ------
        ValueError
            For an unknown fader, NaN or +inf.
        """
        self._mix_bus.set_gain(fader, gain_db)

    @property
    def key(self) -> int | None:
        """The key that was asked for last, in semitones; None where it can't be changed."""
        return None if self._key is None else self._key.semitones

    def set_key(self, semitones: int) -> None:
        """Play the song in another key, -6 to 6 semitones away; latency stays as it is.

        Raises
        ------
        ValueError
            For any other key, or where the session was made without one.
        """
        if self._key is None:
            raise ValueError("the key can't be changed: the session was made without one")
        self._key.set_key(semitones)

    def set_bypass(self, bypass: bool) -> None:
        """Play the delayed original in the song's place, at the same moment in the music.

        The beat fader, the microphone and the master fader go on as before.
        """
        self._mix_bus.set_bypass(bypass)

    def add_tap(self, bus: str, tap: Tap) -> None:
        """Let ``tap`` listen to a stem, ``beat``, ``mic`` (before the faders) or ``mix``.

        Raises
        ------
        ModelError
            If there is no such stem.
        """
        self._mix_bus.add_tap(bus, tap)

    @property
    def changing(self) -> bool:
        """Whether another model is about to take over."""
        return self._changing is not None and self._changing.is_alive()

    def switch_model(
        self, load: Callable[[], LoadedModel], plays: Callable[[], None] = lambda: None
    ) -> None:
        """Change over to another model while the music plays; returns at once.

        On a thread of its own the model is loaded and warmed up. It listens for a second before
        it is faded in. What came of it is an event.

        Parameters
        ----------
        load
            Returns a separator with the same stems, channels and sample rate, and what belongs
            to it; all becomes the session's own. Not called while another change is under way.
        plays
            Called once it has taken over.
        """
        if self.changing:
            return
        self._changing = threading.Thread(
            target=self._switch_model, args=(load, plays), name="streamsep-switch", daemon=True
        )
        self._changing.start()

    def _switch_model(self, load: Callable[[], LoadedModel], plays: Callable[[], None]) -> None:
        old = self._pipeline
        try:
            loaded = load()
            self._check_alike(loaded.separator)
            new = self._new_pipeline(loaded)
            new.inference.start(WARM_UP_RUNS)
        except StreamsepError as error:
            self.events.add(f"the model stays: {error}")
            return
        name = loaded.separator.spec.name
        self._crossfade = ModelCrossfade(old, new, self._frames)
        deadline = time.monotonic() + SWITCH_PATIENCE_S
        while self._crossfade is not None and not self._closing.wait(0.02):
            if time.monotonic() > deadline or new.inference.fault is not None:
                self._crossfade = None
                break
        self._closing.wait(0.02)  # the block that may have begun with it
        if self._pipeline is not new:
            new.inference.stop()
            why = new.inference.fault or f"{name} doesn't keep up here"
            self.events.add(f"the model stays: {why}")
            return
        old.inference.stop()
        self._measured, self._key = None, loaded.key
        plays()
        latency = self.latency
        self.events.add(f"{name} plays now, {latency.ms(latency.total):.0f} ms in all")

    def _check_alike(self, separator: Separator) -> None:
        old, new = self._pipeline.separator, separator
        has = (new.stems, new.spec.channels, new.spec.sample_rate)
        needs = (old.stems, old.spec.channels, old.spec.sample_rate)
        if has != needs:
            raise ModelError(
                f"{new.spec.name} gives {', '.join(has[0])} in {has[1]} channels at {has[2]} Hz",
                expected=f"{', '.join(needs[0])} in {needs[1]} channels at {needs[2]} Hz",
                remedy="start anew with that model",
            )

    def wait_idle(self, timeout_s: float = 10.0) -> None:
        """Wait until the inference thread has caught up: for endpoints that keep no real time.

        Raises
        ------
        SessionError
            If it doesn't within ``timeout_s`` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while not all(pipeline.inference.idle for pipeline in self._pipelines()):
            if time.monotonic() > deadline:
                raise SessionError(
                    f"a block took more than {timeout_s:g} s",
                    expected="a model that runs in real time",
                    remedy="try a lighter model",
                )
            time.sleep(0.0001)

    def _pipelines(self) -> tuple[Pipeline, ...]:
        crossfade = self._crossfade
        return (self._pipeline,) if crossfade is None else (self._pipeline, crossfade.new)

    def check(self) -> None:
        """Raise what went wrong on the audio or inference thread, if anything did.

        Raises
        ------
        StreamsepError
            The fault itself, or a SessionError around it.
        """
        fault = self._fault or self._pipeline.inference.fault
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
            latest, self._measured_at = self._pipeline.meter.measure(), now
            # Silence measures nothing; the last figure still stands.
            self._measured = self._measured if latest is None else latest
        p50, p99 = self._pipeline.inference.hop_times.percentiles_ms(50, 99)
        peak_in, peak_out, self._peak_in, self._peak_out = self._peak_in, self._peak_out, 0.0, 0.0
        rate = self.latency.sample_rate
        return SessionStats(
            seconds=self._blocks * self._frames / rate,
            level_in_db=to_db(peak_in),
            level_out_db=to_db(peak_out),
            level_mic_db=to_db(self._mix_bus.take_mic_peak()),
            faders=self._mix_bus.faders,
            bypass=self._mix_bus.bypass,
            key=self.key,
            latency=self.latency,
            measured_latency=self._measured,
            hop_p50_ms=p50,
            hop_p99_ms=p99,
            hop_budget_ms=1_000.0 * self._pipeline.separator.block_size / rate,
            dropouts=self._dropouts,
            device_glitches=self._glitches,
            mic_latency=self._mix_bus.mic_latency,
            mic_glitches=self._mix_bus.mic_lost,
            bad_samples=self._bad_samples,
            provider=self._pipeline.separator.provider,
            model=self._pipeline.separator.spec.name,
            drift_ppm=self.drift_ppm(),
            events=self.events.latest(),
        )
