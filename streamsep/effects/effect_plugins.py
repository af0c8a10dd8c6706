"""Effects that a user names: VST3 plugins, and pedalboard's own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from streamsep.dsp.delay import DelayLine
from streamsep.effects.board import Board
from streamsep.effects.extra import pedalboard
from streamsep.errors import EffectError
from streamsep.types import Float32

# pedalboard's effects that work as a stream and change neither pitch nor rate.
BUILT_IN = (
    "Bitcrush",
    "Chorus",
    "Clipping",
    "Compressor",
    "Delay",
    "Distortion",
    "Gain",
    "HighShelfFilter",
    "HighpassFilter",
    "LadderFilter",
    "Limiter",
    "LowShelfFilter",
    "LowpassFilter",
    "NoiseGate",
    "PeakFilter",
    "Phaser",
    "Reverb",
)


def load_effect(wish: str) -> Any:
    """Load what ``FILE.vst3:parameter=value,...`` or ``Name:parameter=value,...`` asks for.

    Raises
    ------
    EffectError
        If it can't be loaded, or a parameter isn't one of it or doesn't take the value.
    """
    match = re.fullmatch(r"(.*?\.vst3|[^:]*)(?::(.*))?", wish, re.IGNORECASE)
    assert match is not None  # the second form takes all that the first doesn't
    name, settings = match[1], match[2]
    plugin = _vst3(name) if name.lower().endswith(".vst3") else _built_in(name)
    for setting in filter(None, (settings or "").split(",")):
        _set(plugin, name, setting)
    return plugin


def _vst3(name: str) -> Any:
    pb = pedalboard()
    if not os.path.exists(name):
        raise EffectError(f"no plugin at {name}", expected="a VST3 plugin", remedy="check the path")
    try:
        plugin = pb.load_plugin(name)
    except Exception as error:  # plugins are others' code: anything may come
        why = " ".join(str(error).split())
        raise EffectError(
            f"the plugin {name} can't be loaded ({why})",
            expected="a VST3 effect for this system",
            remedy="try it in another host, or leave it out",
        ) from error
    if not plugin.is_effect:
        raise EffectError(
            f"the plugin {name} is an instrument",
            expected="an effect, with sound in and out",
            remedy="leave it out",
        )
    return plugin


def _built_in(name: str) -> Any:
    if name not in BUILT_IN:
        raise EffectError(
            f"no effect is called {name!r}",
            expected=f"a file FILE.vst3, or one of {', '.join(BUILT_IN)}",
            remedy="check the name",
        )
    return getattr(pedalboard(), name)()


def _parameters(plugin: Any) -> list[str]:
    """Return what can be set: a VST3's own list, or the settable properties of a built-in."""
    if hasattr(plugin, "parameters"):
        return list(plugin.parameters)
    kind = type(plugin)
    properties = {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}
    return [name for name, value in properties.items() if getattr(value, "fset", None)]


def _set(plugin: Any, name: str, setting: str) -> None:
    key, equals, text = (part.strip() for part in setting.partition("="))
    known = _parameters(plugin)
    if not equals or key not in known:
        raise EffectError(
            f"{name} has no parameter {key!r}" if equals else f"{setting!r} sets nothing",
            expected=f"parameter=value with one of {', '.join(known) or 'none'}",
            remedy="correct it or leave it out",
        )
    errors = []
    for value in _readings(text):
        try:
            setattr(plugin, key, value)
        except Exception as error:  # as above
            errors.append(" ".join(str(error).split()))
        else:
            return
    raise EffectError(
        f"{name} doesn't take {key}={text} ({errors[0]})",
        expected="a value in its range",
        remedy="correct it or leave it out",
    )


def _readings(text: str) -> list[Any]:
    """Return what a value may mean: a number, yes or no, a choice's name."""
    readings: list[Any] = [text]
    if text.lower() in ("true", "false"):
        readings.insert(0, text.lower() == "true")
    with suppress(ValueError):
        readings.insert(0, float(text))
    return readings


class BeatEffects:
    """Plugins on the beat, with the vocals held back as long; a stem effect.

    Parameters
    ----------
    plugins
        From `load_effect`.
    sample_rate, channels, block_size
        Of every block (2, C, N), vocals and beat.
    say
        See `Board`.
    """

    def __init__(
        self,
        plugins: Sequence[Any],
        sample_rate: int,
        channels: int,
        block_size: int,
        say: Callable[[str], object] = lambda text: None,
    ) -> None:
        self._board = Board(plugins, sample_rate, say)
        self.delay = self._board.settle(channels, block_size)
        self._vocals = DelayLine(channels, self.delay, block_size)

    def process(self, stems: Float32) -> None:
        """Replace (2, C, N) in place."""
        self._vocals.process(stems[0], stems[0])
        stems[1] = self._board(stems[1])

    def reset(self) -> None:
        """Start anew."""
        self._board.reset()
        self._vocals.reset()
