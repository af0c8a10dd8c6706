"""Stream: sound in chunks of any size, rate and channels into a dict of stems."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from streamsep.dsp.channels import match_channels
from streamsep.dsp.resample import StreamResampler
from streamsep.errors import ArgumentError
from streamsep.separation.audio_array import check_channels, check_sample_rate, check_sound
from streamsep.separation.chunked import ChunkedSeparator
from streamsep.separation.separator import Separator, stem_gains
from streamsep.separation.stem_resampler import StemResampler
from streamsep.stem_names import canonical_stem
from streamsep.types import Float32


class StemDict(dict[str, Float32]):
    """Stems by their names, (C, N) float32 each; the beat is found by its other names too."""

    def __missing__(self, name: str) -> Float32:
        canonical = canonical_stem(name, self)
        if canonical not in self:
            raise KeyError(f"{name!r} is none of the stems here: {', '.join(self)}")
        return self[canonical]


def stem_list(stems: Sequence[str] | str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the canonical names of the stems asked for, each once; all that are known for None.

    Raises
    ------
    ModelError
        If the model can't give one of them.
    ArgumentError
        If none is asked for.
    """
    if stems is None:
        return known
    names = (stems,) if isinstance(stems, str) else tuple(stems)
    if not names:
        raise ArgumentError(
            "no stem is asked for",
            expected=f"names among {', '.join(known)}",
            remedy="name one, or leave stems out for all of them",
        )
    stem_gains(names, known)
    return tuple(dict.fromkeys(canonical_stem(name, known) for name in names))


class Stream:
    """Separates sound that comes in chunks; a context manager, made by `Model.stream`.

    What comes out is aligned with what went in: the first sample of the stems belongs to the
    first sample fed, and after `flush` there are as many. The stems sum to the input, when all
    are asked for, within 1e-4 of full scale. Of chunks of any sizes the same comes.

    Parameters
    ----------
    separator
        Fresh or reset; the stream's own until it is closed.
    sample_rate
        Of what is fed and of what comes out, in Hz.
    channels
        C, of both: 1 or the model's.
    stems
        Names to give; None for all. The beat is the mixture without vocals, also of a model that
        tells more apart.
    release
        Called once, when the stream is closed.

    Attributes
    ----------
    sample_rate, channels, stems
        As asked for; the names are canonical.

    Raises
    ------
    ArgumentError
        If the rate or the number of channels is of no use.
    ModelError
        If the model can't give a stem.
    """

    def __init__(
        self,
        separator: Separator,
        *,
        sample_rate: int | None = None,
        channels: int | None = None,
        stems: Sequence[str] | str | None = None,
        release: Callable[[], object] = lambda: None,
    ) -> None:
        spec = separator.spec
        self.sample_rate = check_sample_rate(
            spec.sample_rate if sample_rate is None else sample_rate
        )
        self.channels = check_channels(spec.channels if channels is None else channels, spec)
        self.stems = stem_list(stems, separator.stems)
        self._separator, self._release = separator, release
        self._gains = (
            None if self.stems == separator.stems else stem_gains(self.stems, separator.stems)
        )
        self._closed = False
        self._start()

    def _start(self) -> None:
        separator, spec = self._separator, self._separator.spec
        self._chunked = ChunkedSeparator(separator)
        self._to_model = StreamResampler(self.sample_rate, spec.sample_rate, spec.channels)
        self._from_model = StemResampler(
            spec, len(separator.stems), sample_rate=self.sample_rate, channels=self.channels
        )

    def feed(self, chunk: ArrayLike) -> StemDict:
        """Take in sound and return what is ready of the stems.

        Parameters
        ----------
        chunk
            (C, N), or (N,) for one channel, float32 or float64, full scale ±1; N of any size, 0
            included. It is copied.

        Returns
        -------
        dict of str to Float32
            (C, n) for each stem; n is 0 while the model waits for more.

        Raises
        ------
        ArgumentError
            For another shape or type, NaN or Inf, saying what was expected; or when the stream
            is closed. The stream is as it was before.
        BackendError, ModelError
            If the model fails.
        """
        self._check_open()
        spec = self._separator.spec
        sound = check_sound(chunk, spec, channels=self.channels, what="the chunk")
        sound = sound.copy()  # a caller's buffer may be filled anew before its stems come
        self._from_model.note(sound)
        mixture = self._to_model.process(match_channels(sound, spec.channels))
        return self._named(self._from_model.process(self._chunked.feed(mixture)))

    def flush(self) -> StemDict:
        """Return what is still inside, and begin anew: what is fed next is another sound.

        Returns
        -------
        dict of str to Float32
            (C, n) for each stem; with what `feed` gave before as many samples as were fed.

        Raises
        ------
        ArgumentError
            When the stream is closed.
        BackendError, ModelError
            If the model fails.
        """
        self._check_open()
        silence = np.zeros((self._separator.spec.channels, 0), np.float32)
        mixture = self._to_model.process(silence, last=True)
        ready = (self._chunked.feed(mixture), self._chunked.finish())
        stems = self._from_model.process(np.concatenate(ready, axis=-1), last=True)
        self._start()
        return self._named(stems)

    def _named(self, stems: Float32) -> StemDict:
        if self._gains is not None:
            # (No matrix product: BLAS's threads would take the graph's core.)
            stems = np.einsum("ts,scn->tcn", self._gains, stems)
        return StemDict(zip(self.stems, stems, strict=True))

    def _check_open(self) -> None:
        if self._closed:
            raise ArgumentError(
                "the stream is closed",
                expected="one that is open",
                remedy="use it inside its with block, or open another with Model.stream",
            )

    def close(self) -> None:
        """Let the model go; what was not flushed is dropped. More than once does no harm."""
        if not self._closed:
            self._closed = True
            self._release()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
