"""RealtimeSession: a model in the audio callback of somebody else's program."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np

from streamsep.errors import ArgumentError
from streamsep.models import BUILTIN
from streamsep.realtime.interpreter import low_latency_interpreter
from streamsep.realtime.latency import DEFAULT_SLACK
from streamsep.realtime.session import Session
from streamsep.realtime.stats import SessionStats
from streamsep.separation import gains_for
from streamsep.separation.model import Model, ModelSource, load
from streamsep.types import Float32

MAX_BLOCK = 65_536  # 1.5 s at 44.1 kHz: nothing live is slower


class RealtimeSession:
    """Takes the voice out, or whatever is asked for, between a stream's input and its output.

    A context manager: entering it starts the thread that runs the model, leaving it ends that
    thread and raises what went wrong meanwhile. In between `callback` belongs to an audio stream
    of yours. Nothing else of the process is changed, unless ``tune_interpreter`` asks for it.

    Parameters
    ----------
    model
        See `streamsep.load`; a loaded Model, or what it can be loaded by.
    block_size
        Samples per call of `callback`, n. Smaller is sooner, larger is safer.
    stem
        What is heard: ``"beat"``, which is all but the vocals, or one of the model's stems.
    slack
        Samples of time that a run of the model may be late, at the model's rate; adds to the
        latency. A model that asks for more gets it.
    device
        See `streamsep.load`.
    tune_interpreter
        While the session runs, shorten Python's thread switch interval to 0.5 ms and freeze the
        garbage collector: both for the whole process. Fewer blocks are late where other threads
        are busy.

    Raises
    ------
    ArgumentError
        If a size is of no use.
    ModelError
        If there is no such model, or it doesn't give such a stem.
    BackendError
        If the device can't be had, or the model can't run live on this machine.

    Examples
    --------
    >>> with streamsep.RealtimeSession("live", block_size=512) as session:
    ...     with sounddevice.Stream(callback=session.callback, **session.stream_settings):
    ...         input("Enter ends")
    """

    def __init__(
        self,
        model: ModelSource | Model = BUILTIN[0],
        *,
        block_size: int = 512,
        stem: str = "beat",
        slack: int = DEFAULT_SLACK,
        device: str = "auto",
        tune_interpreter: bool = False,
    ) -> None:
        for name, value, least in (("block_size", block_size, 1), ("slack", slack, 0)):
            if isinstance(value, bool) or not least <= value <= MAX_BLOCK or value != int(value):
                raise ArgumentError(
                    f"{name} is {value!r}",
                    expected=f"a whole number of samples, {least} to {MAX_BLOCK}",
                    remedy="512 and 1024 are usual",
                )
        loaded = load(model, device=device)
        gains = gains_for(stem, loaded.stems)
        self._spec, self._frames = loaded.spec, block_size
        self._shape = (block_size, loaded.spec.channels)
        self._tune_interpreter = tune_interpreter
        self._misuse: ArgumentError | None = None
        self._held = ExitStack()
        try:
            separator = self._held.enter_context(loaded.separator(offline=False))
            self._session = Session(
                separator,
                device_frames=block_size,
                slack=max(slack, separator.slack),
                gains=gains,
            )
        except BaseException:
            self._held.close()
            raise

    @property
    def stream_settings(self) -> dict[str, Any]:
        """What an audio stream has to be opened with: ``sounddevice.Stream(**settings)``.

        ``samplerate`` in Hz, ``blocksize`` in samples, ``channels`` of input and output, and
        ``dtype`` ``"float32"``.
        """
        return {
            "samplerate": self._spec.sample_rate,
            "blocksize": self._frames,
            "channels": self._spec.channels,
            "dtype": "float32",
        }

    @property
    def latency(self) -> int:
        """Samples from ``indata`` to ``outdata`` of `callback`, exact; known from the start."""
        return self._session.latency.session

    def callback(
        self, indata: Float32, outdata: Float32, frames: int, time: object, status: object
    ) -> None:
        """Do a stream's whole work: for ``sounddevice.Stream(callback=…)``.

        It never raises and never waits: a block that the model is late for is the delayed
        original, and what goes wrong is silence and an error that `check` raises.

        Parameters
        ----------
        indata
            (block_size, C) float32 at the model's rate, full scale ±1.
        outdata
            (block_size, C) float32, overwritten.
        frames, time
            As PortAudio gives them; not used.
        status
            True when the audio system lost samples: counted.
        """
        if indata.shape != self._shape or indata.dtype != np.float32:
            self._refuse(indata, outdata)
        else:
            self._session.process_block(indata, outdata, bool(status))

    def _refuse(self, indata: Float32, outdata: Float32) -> None:
        outdata.fill(0)
        if self._misuse is None:
            self._misuse = ArgumentError(
                f"the callback got {indata.shape} of {indata.dtype}",
                expected=f"{self._shape} of float32",
                remedy="open the stream with **session.stream_settings",
            )

    def set_gain(self, name: str, db: float) -> None:
        """Move a fader, without a click; from any thread.

        Parameters
        ----------
        name
            ``"vocals"`` for what is heard of them beside the beat, ``"beat"`` for the song, or
            ``"master"`` for all of it.
        db
            In decibels; ``-inf`` mutes.

        Raises
        ------
        ValueError
            For an unknown name, NaN or +inf.
        """
        self._session.set_gain(name, db)

    def set_bypass(self, bypass: bool) -> None:
        """Play the original, equally delayed, in place of the stem."""
        self._session.set_bypass(bypass)

    def stats(self) -> SessionStats:
        """Return counters, levels and times now; at most ten times a second, from one thread."""
        return self._session.snapshot()

    def check(self) -> None:
        """Raise what went wrong in `callback` or in the model's thread, if anything did.

        Raises
        ------
        StreamsepError
            ArgumentError for a block of another shape or type than `stream_settings` says,
            SessionError for what broke, or the model's own error.
        """
        if self._misuse is not None:
            raise self._misuse
        self._session.check()

    def __enter__(self) -> RealtimeSession:
        if self._tune_interpreter:
            self._held.enter_context(low_latency_interpreter())
        self._held.enter_context(self._session)
        return self

    def __exit__(self, kind: object, *exception: object) -> None:
        self._held.close()
        if kind is None:
            self.check()
