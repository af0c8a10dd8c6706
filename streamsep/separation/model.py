"""Model: what was loaded by its name, ready to give as many streams as are wanted."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import EntryPoint
from pathlib import Path

from streamsep.errors import ArgumentError, StreamsepError
from streamsep.models import BUILTIN, find_model
from streamsep.models.quality import AUTO, best_file
from streamsep.onnx_file import read_metadata
from streamsep.separation.backend import DEVICES
from streamsep.separation.combination import Combination, combined
from streamsep.separation.load import load_separator
from streamsep.separation.separator import Separator, SeparatorFactory
from streamsep.separation.stream import Stream
from streamsep.spec import ModelSpec, SeparatorSpec

# A name as for the command line, a file, a package's entry point, or what makes separators.
ModelSource = str | os.PathLike[str] | EntryPoint | SeparatorFactory
Models = ModelSource | list[ModelSource] | tuple[ModelSource, ...]  # one, or several together


class Model:
    """A loaded model; `load` makes it.

    It may be used by several threads, and give several streams at a time: each has an engine of
    its own, with its own memory of what it heard. Engines are kept for the next one.

    Parameters
    ----------
    source
        See `load`; or a `Combination` of several, which is for files alone.
    device
        ``"auto"``, ``"cuda"`` or ``"cpu"``.

    Attributes
    ----------
    spec
        Name, sample rate and channels; of a model file its whole `ModelSpec`.
    stems
        Names of what it gives, such as ``("vocals", "beat")``. The last one is the residual:
        what the others leave of the mixture.
    provider
        Where it runs, such as ``"CPU"`` or ``"CUDA"``.
    """

    def __init__(
        self, source: ModelSource | Combination = BUILTIN[0], *, device: str = "auto"
    ) -> None:
        if device not in DEVICES:
            raise ArgumentError(
                f"the device is {device!r}",
                expected=" or ".join(map(repr, DEVICES)),
                remedy="choose one of these",
            )
        self._source = source if isinstance(source, Combination) else _found(source)
        self._device = device
        self._idle: dict[tuple[bool, bool], list[Separator]] = {}  # by whether offline, and waiting
        self._lock = threading.Lock()
        # At once, so that what is wrong with it is said here. (Of a whole-window graph the
        # offline engine: the live one is timed first, and a slow machine refuses it.)
        first = isinstance(self._source, Combination) or _whole_window(self._source)
        with self.separator(offline=first) as separator:
            self.spec: SeparatorSpec = separator.spec
            self.stems: tuple[str, ...] = separator.stems
            self.provider: str = separator.provider

    @property
    def sample_rate(self) -> int:
        """Of the model, in Hz. A stream takes any rate and converts to this one and back."""
        return self.spec.sample_rate

    @property
    def latency(self) -> int:
        """Samples at `sample_rate` from a sample's way into a stream to its way out, at most.

        What a live session and its devices add isn't in it.

        Raises
        ------
        BackendError
            If the model can't run live on this machine.
        """
        with self.separator(offline=False) as separator:
            return separator.block_size + separator.delay

    def stream(
        self,
        *,
        sample_rate: int | None = None,
        channels: int | None = None,
        stems: Sequence[str] | str | None = None,
    ) -> Stream:
        """Open a stream: chunks of any size in, stems out as soon as they are ready.

        Parameters
        ----------
        sample_rate
            Of what will be fed and of what comes out, in Hz, 8,000 to 384,000.  [default: the
            model's]
        channels
            Of both: 1, which comes back as 1, or the model's.  [default: the model's]
        stems
            Names to give, such as ``["beat"]``.  [default: all]

        Returns
        -------
        Stream
            Each call opens another, independent of the rest; close it, or use it in a ``with``.

        Raises
        ------
        ArgumentError
            If the rate or the number of channels is of no use.
        ModelError
            If the model can't give a stem.
        BackendError
            If the model can't run live on this machine.
        """
        held = ExitStack()
        separator = held.enter_context(self.separator(offline=False, wait=True))
        try:
            return Stream(
                separator,
                sample_rate=sample_rate,
                channels=channels,
                stems=stems,
                release=held.close,
            )
        except BaseException:
            held.close()
            raise

    @contextmanager
    def separator(self, *, offline: bool, wait: bool | None = None) -> Iterator[Separator]:
        """Have an engine, reset, for one user alone: what streams and sessions run.

        Parameters
        ----------
        offline
            Nobody waits for the sound: the engine for files. Otherwise that for live sound.
        wait
            See `load_separator`.  [default: as ``offline``]

        Raises
        ------
        ModelError, BackendError
            As `load_separator` does.
        """
        # Only a prior is waited for.
        wait = offline or bool(wait and getattr(self.spec, "prior", ""))
        with self._lock:
            idle = self._idle.setdefault((offline, wait), [])
            separator = idle.pop() if idle else None
        if separator is None:
            separator = load_separator(
                self._source, device=self._device, offline=offline, wait=wait
            )
        try:
            yield separator
        finally:
            with suppress(StreamsepError):  # what can't be reset isn't used again
                separator.reset()
                with self._lock:
                    idle.append(separator)


def load(
    model: Models | Model = BUILTIN[0],
    *,
    device: str = "auto",
    blend: str | None = None,
    two_pass: ModelSource | None = None,
) -> Model:
    """Load a model, or several that separate together.

    Parameters
    ----------
    model
        ``"auto"``, the best built-in one that is there; a name as ``streamsep models list`` shows
        them (``"studio"``, ``"live"``, ``"fast"``, ``"light"``, ``"tutorial"``, an imported model,
        a package's separator); the path of an ONNX file; or a function that is called with
        `SeparatorOptions` and returns a `Separator` of your own. A Model is returned as it is. A
        list of several is blended; that, and a second pass, is for whole sounds and files.
    device
        ``"auto"`` takes CUDA where it really runs, ``"cuda"`` insists, ``"cpu"`` never tries.
    blend
        How several models are: ``"mean"`` of their waveforms, or in each bin of the spectrum the
        one with the ``"max"`` or ``"min"`` magnitude. Of the vocals; the beat is the rest.
        [default: mean]
    two_pass
        Another model, for a second pass over the beat: the vocals that are left there go with
        the others.

    Returns
    -------
    Model
        With ``stems``, ``latency``, ``sample_rate``, ``spec`` and `Model.stream`.

    Raises
    ------
    ModelError
        If there is no such model, it breaks its contract, or several don't give the same stems.
    BackendError
        If ``"cuda"`` can't be had.
    ArgumentError
        If there is no such device or blend, or models are to be combined that can't.

    Examples
    --------
    >>> model = streamsep.load("live")
    >>> model.stems
    ('vocals', 'beat')
    """
    if isinstance(model, Model):
        if blend is not None or two_pass is not None:
            raise ArgumentError(
                "a model that is loaded already was to be combined with others",
                expected="their names",
                remedy="name all of them when you load",
            )
        return model
    several = model if isinstance(model, list | tuple) else [model]
    found = combined(
        [_found(source) for source in several],
        blend=blend,
        second=None if two_pass is None else _found(two_pass),
    )
    return Model(found, device=device)


def _found(source: ModelSource) -> Path | EntryPoint | SeparatorFactory:
    if isinstance(source, str):
        return best_file() if source == AUTO else find_model(source)
    return Path(source) if isinstance(source, os.PathLike) else source


def _whole_window(source: Path | EntryPoint | SeparatorFactory) -> bool:
    """Say whether it is a graph over whole windows whose live engine has to be timed."""
    if not isinstance(source, Path):
        return False
    return ModelSpec.from_metadata(read_metadata(source)).looks_both_ways
