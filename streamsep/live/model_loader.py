"""From a model to what a session plays: its separator, with what changes the song behind it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from streamsep.effects.effect_plugins import BeatEffects, load_effect
from streamsep.effects.key import KeyChanger
from streamsep.errors import ArgumentError, ModelError
from streamsep.live.config import LiveConfig
from streamsep.live.model_probe import open_model
from streamsep.models import FoundModel
from streamsep.realtime import LoadedModel
from streamsep.realtime.latency import buffering_samples
from streamsep.realtime.microphone_lane import mic_number
from streamsep.realtime.mix_bus import OWN_BUSES
from streamsep.separation import Separator, gains_for
from streamsep.separation.with_effects import SeparatorWithEffects, StemEffect


class ModelLoader:
    """Loads the models of a live run, each with effects of its own.

    Where the input is a file, it is read ahead and no latency is heard. So slack stretches that
    of every session: to a whole number of device blocks, and to that of the latest model so far.
    A change between models then is none between moments of the song.

    Parameters
    ----------
    config
        Says which input, effects, key and slack.
    models
        All that may be asked for. Their effects are loaded at once, on the thread that makes
        this: VST3 plugins load on the main thread only.
    say
        Told, on the inference thread, what is wrong with effects.
    prepared
        Has each model replaced, before the effects, by what uses it.

    Raises
    ------
    EffectError
        If a plugin can't be loaded.
    """

    def __init__(
        self,
        config: LiveConfig,
        models: Collection[FoundModel],
        say: Callable[[str], object] = lambda text: None,
        prepared: Callable[[Separator], Separator] = lambda separator: separator,
    ) -> None:
        self._prepared = prepared
        self._say = say
        self._config, self._read_ahead = config, config.listening == "file"
        self._latency = 0  # of a session with the latest model so far, in samples
        self._plugins = {model: [load_effect(wish) for wish in config.effect] for model in models}

    def load(
        self, model: FoundModel, semitones: int | None, separator: Separator | None = None
    ) -> LoadedModel:
        """Load a model with its effects, to play in a key that is ``semitones`` away.

        Parameters
        ----------
        model
            Which.
        semitones
            None where the key can't be changed.
        separator
            The model by itself, if it is open already.

        Raises
        ------
        ModelError, BackendError
            If it can't be had, or doesn't tell apart what the effects need.
        ArgumentError
            If effects leave no stem that is to be played or recorded.
        """
        separator = self._prepared(separator or open_model(model, self._config))
        loaded = self._with_effects(separator, self._plugins[model], semitones)
        self._check_stems(separator, loaded.separator)
        return loaded

    def _with_effects(
        self, separator: Separator, plugins: list[Any], semitones: int | None
    ) -> LoadedModel:
        """Put behind a separator what changes the song; without any of it nothing is added."""
        sizes = (separator.spec.sample_rate, separator.spec.channels, separator.block_size)
        effects: list[StemEffect] = [BeatEffects(plugins, *sizes, self._say)] if plugins else []
        key = None if semitones is None else KeyChanger(semitones, *sizes)
        if key is not None:
            effects.append(key)
        slack = max(self._config.slack, separator.slack)
        if effects:
            gains_for("vocals", separator.stems)
            separator = SeparatorWithEffects(separator, effects)
        if self._read_ahead:
            slack += self._stretch(separator, slack)
        return LoadedModel(separator, key, sum(effect.delay for effect in effects), slack)

    def _stretch(self, separator: Separator, slack: int) -> int:
        frames = self._config.block
        latency = buffering_samples(separator.block_size, frames) + slack + separator.delay
        self._latency = max(self._latency, latency + -latency % frames)
        return self._latency - latency

    def _check_stems(self, separator: Separator, played: Separator) -> None:
        """Refuse stems that the model doesn't tell apart, or that effects make one of."""
        wanted = {self._config.stem, *self._config.record_stems}.difference(OWN_BUSES)
        for name in (each for each in wanted if mic_number(each) is None):
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
