"""The models of a live run: those that were named, or chosen after a look at the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from streamsep.errors import BackendError, ModelError
from streamsep.live.config import LiveConfig
from streamsep.live.machine import cores_here, free_memory, run_schedule
from streamsep.live.model_choice import Choice, Listening, Situation, choose, ruled_out
from streamsep.models import FoundModel, find_model
from streamsep.models.quality import (
    BEST,
    BY_QUALITY,
    LIGHTER,
    builtin_file,
    file_problem,
    place_of_auto,
)
from streamsep.separation import Separator, load_separator


@dataclass(frozen=True, slots=True, kw_only=True)
class RunModels:
    """Which models a run has.

    Attributes
    ----------
    separator
        The one that plays first, open.
    models
        Those to change between, that one first.
    lighter
        To which model to step down from which, where that is left to us.
    choice
        What was chosen and why, unless the user named it.
    """

    separator: Separator
    models: tuple[FoundModel, ...]
    lighter: Mapping[FoundModel, FoundModel] = field(default_factory=dict)
    choice: Choice | None = None


def open_model(model: FoundModel, config: LiveConfig) -> Separator:
    """Load a model by itself, the way that suits the input: no latency of a file's is heard.

    Raises
    ------
    ModelError, BackendError
        If it can't be had.
    """
    return load_separator(model, device=config.device, read_ahead=config.listening == "file")


def open_run_models(config: LiveConfig) -> RunModels:
    """Find the models of a run, and open the first one.

    Raises
    ------
    ModelError, BackendError
        If it can't be had.
    """
    names = config.named_models
    place = place_of_auto(names)
    if place is None:
        named = _found(names)
        return RunModels(separator=open_model(named[0], config), models=named)
    choice, separator = _choose_and_open(config)
    chosen = _file_of(choice.model)
    there = {name: path for name in BY_QUALITY if (path := builtin_file(name))}
    before = _found(names[:place])
    after = _found(names[place + 1 :])
    circle = (*before, chosen, *after, *(() if len(names) > 1 else there.values()))
    return RunModels(
        separator=open_model(before[0], config) if before else separator,
        models=tuple(dict.fromkeys(circle)),
        lighter=_steps_down(there),
        choice=choice,
    )


def _steps_down(there: Mapping[str, Path]) -> dict[FoundModel, FoundModel]:
    steps: dict[FoundModel, FoundModel] = {}
    for name, path in there.items():
        lighter = LIGHTER.get(name)
        while lighter is not None and lighter not in there:
            lighter = LIGHTER.get(lighter)
        if lighter is not None:
            steps[path] = there[lighter]
    return steps


def _found(names: tuple[str | FoundModel, ...]) -> tuple[FoundModel, ...]:
    found = (find_model(name) if isinstance(name, str) else name for name in names)
    return tuple(dict.fromkeys(found))


def _file_of(name: str) -> FoundModel:
    return builtin_file(name) or find_model(name)


def choose_for_files() -> tuple[FoundModel, Choice]:
    """Choose a model for files that are only separated, which may take their time.

    Raises
    ------
    ModelError
        If no built-in model is installed.
    """
    situation = _here("offline")
    if problem := file_problem(BEST):
        situation = replace(situation, problems={**situation.problems, BEST: problem})
    choice = choose(situation)
    return _file_of(choice.model), choice


def _choose_and_open(config: LiveConfig) -> tuple[Choice, Separator]:
    """Choose; how fast the best model runs is measured where it may be the choice."""
    situation = _here(config.listening, low_latency=config.low_latency)
    if not ruled_out(situation):
        situation, separator = _with_measured_best(situation, config)
        choice = choose(situation)
        if choice.model == BEST and separator is not None:
            return choice, separator
    choice = choose(situation)
    return choice, open_model(_file_of(choice.model), config)


def _here(listening: Listening, *, low_latency: bool = False) -> Situation:
    """Return what is known without a model's file being read."""
    absent = [name for name in BY_QUALITY if builtin_file(name) is None]
    return Situation(
        listening=listening,
        low_latency=low_latency,
        cores=cores_here(),
        memory=free_memory(),
        problems={name: file_problem(name) for name in absent},
    )


def _with_measured_best(
    situation: Situation, config: LiveConfig
) -> tuple[Situation, Separator | None]:
    problem = file_problem(BEST)
    separator = None
    if not problem:
        try:
            separator = open_model(_file_of(BEST), config)
            return replace(situation, schedule=run_schedule(separator)), separator
        except (ModelError, BackendError) as error:
            problem = error.what
    return replace(situation, problems={**situation.problems, BEST: problem}), separator
