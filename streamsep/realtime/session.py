"""Session: everything between ``indata`` and ``outdata`` of an audio callback."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from streamsep.dsp.limiter import Limiter
from streamsep.errors import SessionError, StreamsepError
from streamsep.events import EventLog
from streamsep.realtime.block_processor import BlockProcessor
from streamsep.realtime.latency import DEFAULT_SLACK, LatencyReport
from streamsep.realtime.loaded_model import Key, LoadedModel
from streamsep.realtime.microphone_lane import Microphone, Tap
from streamsep.realtime.mix_bus import MixBus
from streamsep.realtime.model_change import ModelChange, warm_up_runs
from streamsep.realtime.monitor import Monitor
from streamsep.realtime.pipeline import Pipeline
from streamsep.realtime.stats import SessionStats, SongPosition
from streamsep.separation import Separator
from streamsep.types import Float32


class Session:
    """Runs one separator live; a context manager.

    Entering it warms the model up and starts the inference thread; leaving it ends that. The
    interpreter stays as it is: see `streamsep.realtime.interpreter` for what keeps callbacks on
    time in a process that is there for the music.

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
    microphones
        Mixed in by the mix bus; never go through the model.
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
    device_bad_samples
        Asked how many samples the device of ``input`` or ``microphone`` has silenced; set as these.
    song
        Asked where in which song it is; set as these.

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
        slack: int = DEFAULT_SLACK,
        gains: Mapping[str, float] | None = None,
        microphones: Sequence[Microphone] = (),
        key: Key | None = None,
        effects_delay: int = 0,
        device_in: int = 0,
        device_out: int = 0,
        events: EventLog | None = None,
    ) -> None:
        if device_frames < 1 or slack < 0:
            raise ValueError(f"device_frames {device_frames} and slack {slack} must be positive")
        self._frames, self._key = device_frames, key
        self._device_in, self._device_out = device_in, device_out
        self._mix_bus = MixBus(
            separator.stems,
            separator.spec.channels,
            device_frames,
            separator.spec.sample_rate,
            gains={"beat": 1.0} if gains is None else gains,
            microphones=microphones,
        )
        pipeline = self._new_pipeline(LoadedModel(separator, key, effects_delay, slack))
        self._processor = BlockProcessor(pipeline, self._mix_bus)
        self.events = events or EventLog()
        self.events.clock = lambda: self._processor.seconds
        self._monitor = Monitor(self._processor, self.events)
        self._change = ModelChange(self._processor, self._new_pipeline, self.events)
        self.drift_ppm: Callable[[], float | None] = lambda: None
        self.device_latency: Callable[[], int | None] = lambda: None
        self.device_bad_samples: Callable[[str], int] = lambda name: 0
        self.song: Callable[[], SongPosition | None] = lambda: None
        self._fault: Exception | None = None

    def _new_pipeline(self, model: LoadedModel) -> Pipeline:
        return Pipeline(
            model.separator,
            device_frames=self._frames,
            slack=model.slack,
            device_in=self._device_in,
            device_out=self._device_out,
            effects_delay=model.effects_delay,
        )

    @property
    def seconds(self) -> float:
        """Length of what has been processed since the clock started."""
        return self._processor.seconds

    @property
    def bad_samples(self) -> dict[str, int]:
        """Samples that were NaN, Inf or absurdly loud, and silenced, by what they came from."""
        mix_bus = self._mix_bus
        found = {
            "input": self._processor.bad_samples,
            "microphone": sum(lane.bad for lane in mix_bus.lanes),
            "stems": mix_bus.limiter.bad_samples,
        }
        # Devices silence them before they convert.
        return {name: n + self.device_bad_samples(name) for name, n in found.items()}

    @property
    def limiter(self) -> Limiter:
        """The mix's."""
        return self._mix_bus.limiter

    @property
    def dropouts(self) -> int:
        """Blocks that inference missed."""
        return self._processor.dropouts

    @property
    def latency(self) -> LatencyReport:
        """The report, known from the start.

        Its devices' part is what they declare until it has been measured. Once another model
        plays it is another one.
        """
        processor, measured = self._processor, self.device_latency()
        report = replace(processor.pipeline.latency, ahead=processor.ahead)
        return report if measured is None else report.between_devices(measured)

    def __enter__(self) -> Session:
        pipeline = self._processor.pipeline
        pipeline.inference.start(warm_up_runs(pipeline.separator))
        return self

    def __exit__(self, *exception: object) -> None:
        self._change.close()
        self._processor.pipeline.inference.stop()

    def process_block(
        self, indata: Float32, outdata: Float32, status: int, *, missed: bool = False
    ) -> None:
        """The audio callback's whole body: never raises, never waits.

        Parameters
        ----------
        indata
            (device_frames, C) float32 at the model's rate.
        outdata
            (device_frames, C) float32, overwritten.
        status
            Non-zero when the audio system lost samples.
        missed
            Time has gone by in which nothing was heard: there is silence in its place, and the song
            stands still, as in `hold`. Nothing is fed, and it takes next to no time.
        """
        try:
            self._processor.process(indata, outdata, status, missed=missed)
        except Exception as error:  # the main thread raises it; here is silence
            outdata.fill(0.0)
            self._fault = error
        try:
            # Last, or both threads would contend for Python's lock while the sound is waited for.
            self._processor.wake()
        except Exception as error:  # what is to be heard now is there already
            self._fault = error

    def hold(self, hold: bool) -> None:
        """Have the song stand still, to the sample, or go on; both by a short fade.

        The microphone is heard all the time, recordings and the session's time go on, and no block
        counts as missed.
        """
        self._processor.hold = hold

    def stand_still(self, stop: threading.Event) -> bool:
        """Hold the song and wait until it is held for sure; False where ``stop`` came first.

        Not for the audio thread: after this, and until it is let go, `read_ahead` may be called.
        """
        processor, before = self._processor, self._processor.clock
        processor.hold = True
        # A block that has begun may not have seen it yet; the next one has.
        while not (processor.held and processor.clock >= before + 2 * self._frames):
            if stop.wait(0.002):
                return False
        return True

    @property
    def held(self) -> bool:
        """Whether the song stands still: then the next block needs no input, and ignores it."""
        return self._processor.held

    @property
    def heard(self) -> int:
        """How many samples of all that was fed have come out, counted from its beginning."""
        return self._processor.heard

    @property
    def offset(self) -> int:
        """Samples by which its time is ahead of what was fed; less than none for a file."""
        return self._processor.offset

    def read_ahead(self, read: Callable[[Float32], object], stop: threading.Event) -> None:
        """Start anew with as much of a song as the session is late, while no clock plays it.

        That is before the first block, or while it is `held`. Nothing comes of it, so that, where
        the latency is a whole number of blocks, the first sample of the first block afterwards is
        the first that was read. The session's time stands still meanwhile.

        Parameters
        ----------
        read
            Fills (device_frames, C) with what comes next, however long that takes.
        stop
            Ends it early.

        Raises
        ------
        SessionError
            If inference stands still.
        """
        processor, frames, ahead = self._processor, self._frames, 0
        indata = np.zeros((frames, processor.pipeline.separator.spec.channels), np.float32)
        if not processor.clock:
            self._mix_bus.settle()
        processor.restart()
        self._wait_until(lambda: processor.restarted)
        while ahead + frames <= processor.pipeline.latency.session and not stop.is_set():
            read(indata)
            processor.prime(indata)
            processor.wake()
            ahead += frames
            self.wait_idle()
        processor.ahead = ahead

    def set_gain(self, fader: str, gain_db: float) -> None:
        """Move a fader, in decibels (``-inf`` mutes), without a click.

        ``guide`` is what is heard of the vocals, ``beat`` the song, ``mic`` the microphone,
        ``mic 2`` the second one, and ``master`` all of it.

        Raises
        ------
        ValueError
            For an unknown fader, NaN or +inf.
        """
        self._mix_bus.set_gain(fader, gain_db)

    @property
    def faders(self) -> dict[str, float]:
        """Each fader's position in decibels."""
        return self._mix_bus.faders

    @property
    def bypass(self) -> bool:
        """Whether the delayed original plays in the song's place."""
        return self._mix_bus.bypass

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
        """Let ``tap`` listen to a stem, ``beat``, ``mic``, ``mic 2`` (before faders) or ``mix``.

        Raises
        ------
        ModelError
            If there is no such stem.
        """
        self._mix_bus.add_tap(bus, tap)

    @property
    def changing(self) -> bool:
        """Whether another model is about to take over."""
        return self._change.under_way

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

        def taken_over(model: LoadedModel) -> None:
            self._monitor.forget_latency()
            self._key = model.key
            plays()
            latency, name = self.latency, model.separator.spec.name
            self.events.add(f"{name} plays now, {latency.ms(latency.total):.0f} ms in all")

        self._change.start(load, taken_over)

    def wait_idle(self, timeout_s: float = 10.0) -> None:
        """Wait until the inference thread has caught up: for endpoints that keep no real time.

        Raises
        ------
        SessionError
            If it doesn't within ``timeout_s`` seconds.
        """
        self._wait_until(
            lambda: all(pipeline.inference.idle for pipeline in self._processor.pipelines),
            timeout_s,
        )

    def _wait_until(self, done: Callable[[], bool], timeout_s: float = 10.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not done():
            if time.monotonic() > deadline:
                raise SessionError(
                    f"a block took more than {timeout_s:g} s",
                    expected="a model that runs in real time",
                    remedy="try a lighter model",
                )
            time.sleep(0.0001)

    def check(self) -> None:
        """Raise what went wrong on the audio or inference thread, if anything did.

        Raises
        ------
        StreamsepError
            The fault itself, or a SessionError around it.
        """
        fault = self._fault or self._processor.pipeline.inference.fault
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
        return self._monitor.snapshot(
            latency=self.latency,
            key=self.key,
            drift_ppm=self.drift_ppm(),
            bad_samples=sum(self.bad_samples.values()),
            song=self.song(),
        )
