"""From a model to what a session plays: its separator, with what changes the song behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamsep.effects.effect_plugins import BeatEffects, load_effect
from streamsep.effects.key import KeyChanger
from streamsep.errors import ArgumentError, ModelError
from streamsep.live.config import LiveConfig
from streamsep.models import Model
from streamsep.realtime import LoadedModel
from streamsep.realtime.mix_bus import OWN_BUSES
from streamsep.separation import Separator, gains_for, load_separator
from streamsep.separation.with_effects import SeparatorWithEffects, StemEffect


class ModelLoader:
    """Loads the models of a live run, each with effects of its own.

    The effects of all of them are loaded at once, on the thread that makes this: VST3 plugins
    load on the main thread only.

    Parameters
    ----------
    config
        Says which effects, which key and how much slack.
    models
        All that may be asked for.

    Attributes
    ----------
    schedule
        How the model that was loaded last is run here, where that was measured; else nothing.

    Raises
    ------
    EffectError
        If a plugin can't be loaded.
    """

    def __init__(self, config: LiveConfig, models: Sequence[Model]) -> None:
        self._config, self.schedule = config, ""
        self._plugins = {model: [load_effect(wish) for wish in config.effect] for model in models}

    def load(self, model: Model, semitones: int | None) -> LoadedModel:
        """Load a model, to play in a key that is ``semitones`` away.

        Raises
        ------
        ModelError, BackendError
            If it can't be had, or doesn't tell apart what the effects need.
        ArgumentError
            If effects leave no stem that is to be played or recorded.
        """
        separator = load_separator(model, device=self._config.device)
        schedule = getattr(separator, "schedule", None)
        self.schedule = f"{separator.spec.name} {schedule}" if schedule else ""
        loaded = self._with_effects(separator, self._plugins[model], semitones)
        self._check_stems(separator, loaded.separator)
        return loaded

    def _with_effects(
        self, separator: Separator, plugins: list[Any], semitones: int | None
    ) -> LoadedModel:
        """Put behind a separator what changes the song; without any of it nothing is added."""
        sizes = (separator.spec.sample_rate, separator.spec.channels, separator.block_size)
        effects: list[StemEffect] = [BeatEffects(plugins, *sizes)] if plugins else []
        key = None if semitones is None else KeyChanger(semitones, *sizes)
        if key is not None:
            effects.append(key)
        schedule = getattr(separator, "schedule", None)
        slack = max(self._config.slack, schedule.slack if schedule else 0)
        if effects:
            gains_for("vocals", separator.stems)
            separator = SeparatorWithEffects(separator, effects)
        return LoadedModel(separator, key, sum(effect.delay for effect in effects), slack)

    def _check_stems(self, separator: Separator, played: Separator) -> None:
        """Refuse stems that the model doesn't tell apart, or that effects make one of."""
        for name in {self._config.stem, *self._config.record_stems}.difference(OWN_BUSES):
            gains_for(name, separator.stems)
            try:
                gains_for(name, played.stems)
            except ModelError as error:
                raise ArgumentError(
                    f"another key and effects leave no {name} apart, only "
                    f"{' and '.join(played.stems)}",
                    expected="one of these",
                    remedy="record or play these, or leave key and effects out",
                    settings=("key", "effect"),
                ) from error
