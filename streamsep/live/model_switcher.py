"""The models of a live run: which one plays, which comes next, which is lighter."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from streamsep.errors import StreamsepError
from streamsep.events import EventLog
from streamsep.models import FoundModel, builtin_models, model_name
from streamsep.onnx_file import read_metadata
from streamsep.realtime import LoadedModel, Session
from streamsep.realtime.stats import LateSeconds
from streamsep.separation.schedule import PRIOR_STRIDES
from streamsep.spec import ModelSpec


class ModelSwitcher:
    """Changes over from model to model, and steps down to a lighter one, or says which would do.

    Parameters
    ----------
    models
        What they are; the first one plays.
    load
        Makes of one what a session runs.
    events
        Where the advice goes.
    lighter
        To which model to step down from which, without being told to.
    """

    def __init__(
        self,
        models: Sequence[FoundModel],
        load: Callable[[FoundModel], LoadedModel],
        events: EventLog,
        lighter: Mapping[FoundModel, FoundModel] | None = None,
    ) -> None:
        self._models, self._load, self._events = tuple(models), load, events
        self._lighter = lighter or {}
        self._playing = self._tried = self._models[0]
        self._step: FoundModel | None = None  # under way
        self._refused: set[FoundModel] = set()  # steps that didn't come to play
        self._late = LateSeconds()
        self._changing = False  # when last looked at

    @property
    def several(self) -> bool:
        """Whether there is one to change to."""
        return len(self._models) > 1

    def next(self, session: Session) -> None:
        """Change over to the next one, unless a change is under way; a failed one is left out."""
        if session.changing:
            return
        tried = self._models.index(self._tried) if self._tried in self._models else 0
        circle = [self._models[(tried + step) % len(self._models)] for step in (1, 2)]
        self._change(session, circle[circle[0] == self._playing])

    def _change(self, session: Session, follower: FoundModel) -> None:
        self._tried = follower

        def plays() -> None:
            self._playing = follower

        session.switch_model(lambda: self._load(follower), plays)

    def watch(self, session: Session) -> None:
        """Look whether blocks are missed; step down, or advise, after three late seconds in a row.

        Nothing is concluded while a change is under way: two models run then.
        """
        if session.changing or self._changing:
            self._changing = session.changing
            self._late = LateSeconds(session.seconds, session.dropouts)
            if self._step is not None and not self._changing:
                self._refused |= {self._step} - {self._playing}
                self._step = None
            return
        if not self._late.three_in_a_row(session.seconds, session.dropouts):
            return
        if step := self._next_lighter():
            name = model_name(step)
            self._events.add(f"late for three seconds: stepping down to the model {name}")
            self._changing, self._step = True, step
            self._change(session, step)
        else:
            self._events.add(f"late for three seconds: {self._advice()}")

    def _next_lighter(self) -> FoundModel | None:
        """Return the next model to step down to, but none that didn't come to play."""
        step = self._lighter.get(self._playing)
        while step in self._refused:
            step = self._lighter.get(step)
        return step

    def _advice(self) -> str:
        try:
            lighter = lighter_model(self._playing, self._models)
        except (StreamsepError, OSError):  # its file isn't what it was when it was loaded
            lighter = None
        if lighter is None:
            return "a larger slack may help, or closing other programs"
        if lighter in [m for m in self._models if isinstance(m, Path)]:  # others don't compare
            return f"the model {model_name(lighter)} is lighter: change over to it"
        return f"the model {model_name(lighter)} is lighter"


def lighter_model(playing: FoundModel, others: Sequence[FoundModel]) -> Path | None:
    """Return the lightest of ``others`` and the built-in models, if it is lighter than ``playing``.

    Of what plugins do, nothing is known.
    """
    if not isinstance(playing, Path):
        return None
    known = {playing, *others, *builtin_models().values()}
    work = {path: _work(path) for path in known if isinstance(path, Path) and os.path.isfile(path)}
    lightest = min(work, key=lambda path: work[path])
    return lightest if work[lightest] < _work(playing) else None


def _work(path: Path) -> float:
    """Guess how much a model has to do: the bytes of its weights, as often a second as it runs."""
    spec = ModelSpec.from_metadata(read_metadata(path))
    prior = spec.prior_file(path)
    beside = _work(prior) / PRIOR_STRIDES[-1] if spec.prior and os.path.isfile(prior) else 0.0
    size = spec.graph_file(path).stat().st_size
    return size * spec.sample_rate / (spec.hop_length * spec.stride_frames) + beside
