"""The change from one model to another while the music plays, beside the audio thread."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from streamsep.errors import ModelError, as_streamsep_error
from streamsep.events import EventLog
from streamsep.realtime.block_processor import BlockProcessor
from streamsep.realtime.loaded_model import LoadedModel
from streamsep.realtime.model_crossfade import ModelCrossfade
from streamsep.realtime.pipeline import Pipeline
from streamsep.separation import Separator

# CUDA graphs are captured in the first runs of a thread. Elsewhere the second run is as any other,
# and somebody waits for those that take long.
WARM_UP_RUNS, WARM_UP_S, FEWEST_RUNS = 8, 0.15, 2
PATIENCE_S = 15.0  # for a model that is too slow to be faded in
# Between two looks at whether it plays; a block that has begun is over by the next.
WATCH_S = 0.02


def warm_up_runs(separator: Separator) -> int:
    """Return how often a separator is to be run on silence before it is heard."""
    if separator.provider != "CPU":
        return WARM_UP_RUNS
    enough = math.ceil(WARM_UP_S * separator.spec.sample_rate / separator.block_size)
    return max(FEWEST_RUNS, min(enough, WARM_UP_RUNS))


class ModelChange:
    """Loads and warms up a model on a thread of its own, and has it faded in.

    Parameters
    ----------
    processor
        Where it is to play.
    new_pipeline
        Builds what a model plays through.
    events
        Where it is noted that a model stays.
    """

    def __init__(
        self,
        processor: BlockProcessor,
        new_pipeline: Callable[[LoadedModel], Pipeline],
        events: EventLog,
    ) -> None:
        self._processor, self._new_pipeline, self._events = processor, new_pipeline, events
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    @property
    def under_way(self) -> bool:
        """Whether another model is about to take over."""
        return self._thread is not None and self._thread.is_alive()

    def start(
        self, load: Callable[[], LoadedModel], taken_over: Callable[[LoadedModel], None]
    ) -> None:
        """Begin a change, unless one is under way; returns at once.

        Parameters
        ----------
        load
            Returns the model, on that thread.
        taken_over
            Called there once it alone is heard.
        """
        if self.under_way:
            return
        self._thread = threading.Thread(
            target=self._change, args=(load, taken_over), name="streamsep-switch", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End what is under way, and wait for that."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _change(
        self, load: Callable[[], LoadedModel], taken_over: Callable[[LoadedModel], None]
    ) -> None:
        old = self._processor.pipeline
        try:
            model = load()
            _check_alike(model.separator, old.separator)
            new = self._new_pipeline(model)
            new.inference.start(warm_up_runs(model.separator))
        except Exception as error:  # of others' code too: the music goes on as it was
            ours = as_streamsep_error(error, "the other model")
            self._events.add(f"the model stays: {ours}")
            return
        if self._faded_in(old, new):
            old.inference.stop()
            taken_over(model)
            return
        new.inference.stop()
        why = new.inference.fault or f"{model.separator.spec.name} doesn't keep up here"
        self._events.add(f"the model stays: {why}")

    def _faded_in(self, old: Pipeline, new: Pipeline) -> bool:
        """Have the audio thread fade over, and say whether it has; give up when it takes long."""
        processor = self._processor
        processor.crossfade = ModelCrossfade(old, new, new.dry.shape[-1])
        deadline = time.monotonic() + PATIENCE_S
        while processor.crossfade is not None and not self._closing.wait(WATCH_S):
            if processor.held:  # the song stands still, and the fade with it
                deadline = time.monotonic() + PATIENCE_S
            if time.monotonic() > deadline or new.inference.fault is not None:
                processor.crossfade = None
                break
        self._closing.wait(WATCH_S)  # the block that may have begun with it
        return processor.pipeline is new


def _check_alike(new: Separator, old: Separator) -> None:
    has = (new.stems, new.spec.channels, new.spec.sample_rate)
    needs = (old.stems, old.spec.channels, old.spec.sample_rate)
    if has != needs:
        raise ModelError(
            f"{new.spec.name} gives {', '.join(has[0])} in {has[1]} channels at {has[2]} Hz",
            expected=f"{', '.join(needs[0])} in {needs[1]} channels at {needs[2]} Hz",
            remedy="start anew with that model",
        )
