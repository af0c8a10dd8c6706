"""Separators from installed packages: made by a factory, held to the contract block by block."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import numpy as np

from streamsep.dsp.delay import DelayLine
from streamsep.errors import ModelError, StreamsepError, first_line
from streamsep.separation.schedule import LONGEST_STRIDE_S
from streamsep.spec import (
    MAX_CHANNELS,
    MAX_SAMPLE_RATE,
    MAX_STEMS,
    MIN_SAMPLE_RATE,
    STEM_NAME,
    SeparatorSpec,
)
from streamsep.types import Float32

if TYPE_CHECKING:
    from streamsep.separation.separator import Separator, SeparatorFactory, SeparatorOptions


# Of full scale. Stems made each by itself, in float32, sum to within 1e-6; a sample too early or
# too late is off by 1e-2 and more.
TOLERANCE = 1e-4
LONGEST_S = 60.0  # of a delay, and of a block that nobody waits for
PROOF_BLOCKS = 3  # beyond the delay


def load_plugin_separator(
    plugin: EntryPoint | SeparatorFactory, options: SeparatorOptions
) -> CheckedSeparator:
    """Ask a plugin for a separator, and try it on noise and on silence.

    Parameters
    ----------
    plugin
        A `SeparatorFactory`, or an entry point that names one.
    options
        What the factory is told.

    Raises
    ------
    ModelError
        If it can't be loaded, fails, gives what is no separator, or breaks the contract.
    StreamsepError
        Whatever the plugin itself raises of this kind.
    """
    maker = _maker(plugin)
    try:
        factory = plugin.load() if isinstance(plugin, EntryPoint) else plugin
        separator: Separator = factory(options)
        checked = CheckedSeparator(separator, maker, live=not options.offline)
    except StreamsepError:
        raise
    except (Exception, SystemExit) as error:
        raise _broken(maker, f"can't be loaded ({_told(error)})") from error
    checked.prove()
    return checked


class CheckedSeparator:
    """A Separator around a plugin's: whatever the plugin does wrong becomes a ModelError.

    Parameters
    ----------
    separator
        The plugin's; becomes this object's own.
    maker
        Who is to blame.
    live
        Whether somebody waits for the sound, which bounds the block.

    Attributes
    ----------
    spec, stems, block_size, delay, slack, provider
        As of a Separator; asked for once.
    schedule
        None: how often a plugin runs is its own business.

    Raises
    ------
    ModelError
        If one of them is out of bounds.
    """

    schedule = None

    def __init__(self, separator: Separator, maker: str, *, live: bool) -> None:
        for name, value, fits, expected in _claims(separator, live):
            if not fits:
                raise _broken(maker, f"has {name} {first_line(ValueError(repr(value)))}", expected)
        self.spec, self.stems = separator.spec, separator.stems
        self.block_size, self.delay = separator.block_size, separator.delay
        self.slack, self.provider = _slack(separator), separator.provider
        self._separator, self._maker = separator, maker
        shape = (self.spec.channels, self.block_size)
        self._mixture = DelayLine(self.spec.channels, self.delay, self.block_size)
        self._dry, self._sum = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def process(self, block: Float32, out: Float32) -> None:
        """Separate one block; see `Separator.process`.

        Raises
        ------
        ModelError
            If the plugin raises, or its stems don't sum to the delayed mixture.
        """
        self._mixture.process(block, self._dry)
        out.fill(np.nan)  # what isn't written is seen
        try:
            self._separator.process(block, out)
        except StreamsepError:
            raise
        except Exception as error:
            raise _broken(self._maker, f"failed while running ({_told(error)})") from error
        full_scale = max(1.0, float(self._dry.max()), -float(self._dry.min()))
        with np.errstate(invalid="ignore", over="ignore"):
            np.sum(out, axis=0, out=self._sum)
            np.subtract(self._sum, self._dry, out=self._sum)
            np.abs(self._sum, out=self._sum)
            off = float(self._sum.max())
        if not off <= TOLERANCE * full_scale:
            what = f"gives stems that are off by {off:.2g} in their sum"
            if not np.isfinite(off):
                what = "leaves stems unwritten, or NaN or Inf in them"
            raise _broken(self._maker, what, f"the mixture, {self.delay} samples late")

    def reset(self) -> None:
        """Start anew."""
        self._mixture.reset()
        try:
            self._separator.reset()
        except Exception as error:
            raise _broken(self._maker, f"failed at its reset ({_told(error)})") from error

    def prove(self) -> None:
        """Run on noise, and then on silence, which has to give silence.

        Raises
        ------
        ModelError
            If the contract is broken.
        """
        rng, silence = np.random.default_rng(0), np.zeros_like(self._dry)
        out = np.zeros((len(self.stems), *silence.shape), np.float32)
        blocks = self.delay // self.block_size + PROOF_BLOCKS
        for _ in range(blocks):
            self.process(rng.uniform(-0.5, 0.5, silence.shape).astype(np.float32), out)
        self.reset()
        loudest = 0.0
        for _ in range(blocks):
            self.process(silence, out)
            loudest = max(loudest, float(np.abs(out).max()))
        self.reset()
        if loudest > TOLERANCE:
            what = f"gives sounds of up to {loudest:.2g} for silence after its reset"
            raise _broken(self._maker, what, "silence in each stem")


def _maker(plugin: EntryPoint | SeparatorFactory) -> str:
    if isinstance(plugin, EntryPoint):
        return plugin.name if plugin.dist is None else f"{plugin.name} of {plugin.dist.name}"
    return getattr(plugin, "__qualname__", type(plugin).__qualname__)


def _claims(separator: Separator, live: bool) -> Iterator[tuple[str, object, bool, str]]:
    """Yield what a separator says of itself: name, value, whether it will do, and what would."""
    spec = separator.spec
    yield "spec", spec, isinstance(spec, SeparatorSpec), "a streamsep.SeparatorSpec"
    printable = isinstance(spec.name, str) and bool(spec.name) and spec.name.isprintable()
    yield "spec.name", spec.name, printable, "printable text"
    yield "spec.sample_rate", *_bounded(spec.sample_rate, MIN_SAMPLE_RATE, MAX_SAMPLE_RATE)
    yield "spec.channels", *_bounded(spec.channels, 1, MAX_CHANNELS)
    stems = separator.stems
    named = isinstance(stems, tuple) and all(
        isinstance(stem, str) and STEM_NAME.fullmatch(stem) for stem in stems
    )
    fits = named and len(set(stems)) == len(stems) and 2 <= len(stems) <= MAX_STEMS
    wanted = f"a tuple of 2 to {MAX_STEMS} different names of letters, digits, '_' and '-'"
    yield "stems", stems, fits, wanted
    longest = round((LONGEST_STRIDE_S if live else LONGEST_S) * spec.sample_rate)
    yield "block_size", *_bounded(separator.block_size, 1, longest)
    yield "delay", *_bounded(separator.delay, 0, round(LONGEST_S * spec.sample_rate))
    yield "slack", *_bounded(_slack(separator), 0, round(LONGEST_STRIDE_S * spec.sample_rate))
    provider = separator.provider
    yield "provider", provider, isinstance(provider, str) and provider.isprintable(), "its name"


def _slack(separator: Separator) -> int:
    return getattr(separator, "slack", 0)  # the contract came without it at first


def _bounded(value: object, low: int, high: int) -> tuple[object, bool, str]:
    fits = type(value) is int and low <= value <= high
    return value, fits, f"an integer from {low} to {high}"


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {first_line(error)}"


def _broken(
    maker: str, what: str, expected: str = "a separator that keeps its contract"
) -> ModelError:
    return ModelError(
        f"the separator {maker} {what}",
        expected=expected,
        remedy="tell those who made it, or choose another model",
    )
