"""The models of a live run: which one plays, which comes next, which is lighter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from streamsep.events import EventLog
from streamsep.models import Model, builtin_models, model_name
from streamsep.onnx_file import read_metadata
from streamsep.realtime import LoadedModel, Session
from streamsep.realtime.stats import LateSeconds
from streamsep.spec import ModelSpec


class ModelSwitcher:
    """Changes over from model to model, and says when a lighter one would do better.

    Parameters
    ----------
    models
        What they are; the first one plays.
    load
        Makes of one what a session runs.
    events
        Where the advice goes.
    """

    def __init__(
        self, models: Sequence[Model], load: Callable[[Model], LoadedModel], events: EventLog
    ) -> None:
        self._models, self._load, self._events = tuple(models), load, events
        self._playing = self._tried = 0
        self._late = LateSeconds()

    @property
    def several(self) -> bool:
        """Whether there is one to change to."""
        return len(self._models) > 1

    def next(self, session: Session) -> None:
        """Change over to the next one, unless a change is under way; a failed one is left out."""
        if session.changing:
            return
        circle = [(self._tried + step) % len(self._models) for step in (1, 2)]
        follower = circle[circle[0] == self._playing]
        self._tried = follower

        def plays() -> None:
            self._playing = follower

        session.switch_model(lambda: self._load(self._models[follower]), plays)

    def watch(self, seconds: float, dropouts: int) -> None:
        """Look at the session's time and count; advise after three late seconds in a row."""
        if not self._late.three_in_a_row(seconds, dropouts):
            return
        lighter = lighter_model(self._models[self._playing], self._models)
        if lighter is None:
            advice = "a larger slack may help, or closing other programs"
        elif lighter in [m for m in self._models if isinstance(m, Path)]:  # others don't compare
            advice = f"the model {model_name(lighter)} is lighter: change over to it"
        else:
            advice = f"the model {model_name(lighter)} is lighter"
        self._events.add(f"late for three seconds: {advice}")


def lighter_model(playing: Model, others: Sequence[Model]) -> Path | None:
    """Return the lightest of ``others`` and the built-in models, if it is lighter than ``playing``.

    Of what plugins do, nothing is known.
    """
    if not isinstance(playing, Path):
        return None
    known = {playing, *others, *builtin_models().values()}
    work = {path: _work(path) for path in known if isinstance(path, Path) and path.is_file()}
    lightest = min(work, key=lambda path: work[path])
    return lightest if work[lightest] < _work(playing) else None


def _work(path: Path) -> float:
    """Guess how much a model has to do: the bytes of its weights, as often a second as it runs."""
    spec = ModelSpec.from_metadata(read_metadata(path))
    return path.stat().st_size * spec.sample_rate / (spec.hop_length * spec.stride_frames)
