"""Models that take sound as it is and give sound: Demucs, RoFormers, HS-TasNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamsep.errors import ModelError
from streamsep.spec import ModelSpec, StateSpec
from streamsep.stem_names import canonical_stem

LONG_HOP, LONG_WINDOW = 1_024, 8_192  # samples: the hop of windows as long as that or longer
MOST_CHANNELS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveformParameters:
    """What a graph doesn't say about itself; None for what isn't known.

    Attributes
    ----------
    stems
        What it estimates, each by any of its names, in the output's order.
    window
        Samples a run, where the graph takes any number.
    hop_length
        New samples of a run; of a long window what it is moved by multiples of.
    context
        Samples before the new ones, where the window's end is made up; else it ends with the new
        ones.
    padding
        What that end is made of: see `ModelSpec`.
    lookahead
        Newest samples of a window that are left out live, at the least.
    normalise, level_db
        See `ModelSpec`.
    sample_rate
        In Hz.
    """

    stems: tuple[str, ...] | None = None
    window: int | None = None
    hop_length: int | None = None
    context: int | None = None
    padding: str | None = None
    lookahead: int | None = None
    normalise: str | None = None
    level_db: float | None = None
    sample_rate: int | None = None


AS_SAID = ("padding", "normalise", "level_db", "sample_rate")  # what a spec calls alike
DEFAULT = WaveformParameters(
    padding="silence", normalise="none", level_db=-12.0, sample_rate=44_100
)
FOUR = ("drums", "bass", "other", "vocals")
STEMGEN_STEMS = ("drums", "bass", "vocals", "other")
# By the input's name and how many stems there are: StemgenRT's later graphs, of 512 or 128 samples.
STATEFUL = {("audio_chunk", 4): WaveformParameters(stems=STEMGEN_STEMS)}
NEXT = ("next_{}", "{}_next", "{}_out", "new_{}")  # what a state's output is called
# By the input's name, where it tells something, its samples, and how many stems there are.
KNOWN_WAVEFORMS = {
    ("audio", 2_560, 4): WaveformParameters(
        stems=STEMGEN_STEMS,
        hop_length=512,
        context=1_024,
        padding="mirror_hold",
        normalise="rms",
    ),
    ("", 343_980, 4): WaveformParameters(stems=FOUR),
    ("", 343_980, 6): WaveformParameters(stems=(*FOUR, "guitar", "piano")),
}


def is_waveform(shape: Sequence[object]) -> bool:
    """Say whether an input of this shape is sound, [1, C, N] or [C, N]."""
    return len(shape) in (2, 3) and shape[-2] in (*range(1, MOST_CHANNELS + 1), *_free(shape[-2]))


def n_fft_of_spectra(shape: Sequence[object]) -> int:
    """Return n_fft of the spectra that Demucs' network takes, [1, 4, n_fft / 2, frames].

    Raises
    ------
    ModelError
        If it isn't said.
    """
    bins = shape[-2]
    if not isinstance(bins, int):
        raise ModelError(
            f"the graph takes spectra of any size, {_told(shape)}",
            expected="how many bins there are",
            remedy="export it again with fixed sizes",
        )
    return 2 * bins


def paired_states(
    inputs: Mapping[str, Sequence[object]], outputs: Mapping[str, Sequence[object]]
) -> tuple[StateSpec, ...]:
    """Return the states of a graph: inputs that an output of the same sizes has a name like.

    Parameters
    ----------
    inputs, outputs
        Shapes by the ports' names.
    """
    return tuple(
        StateSpec(name, after, tuple(size for size in shape if isinstance(size, int)))
        for name, shape in inputs.items()
        for after in (pattern.format(name) for pattern in NEXT)
        if after in outputs
        and list(outputs[after]) == list(shape)
        and all(isinstance(size, int) for size in shape)
    )


def stateful_spec(
    name: str,
    taken: tuple[str, Sequence[object]],
    output: Sequence[object],
    states: tuple[StateSpec, ...],
    given: WaveformParameters,
    *,
    origin: str,
    licence: str,
) -> ModelSpec:
    """Return the spec of a graph that takes new samples and states; see `waveform_spec`.

    Raises
    ------
    ModelError
        If its sizes are free, or its stems or delay unknown.
    """
    port, shape = taken
    samples, count = shape[-1], _stem_count(output)
    if not isinstance(samples, int) or count is None:
        raise ModelError(
            f"the graph takes {_told(shape)} and gives {_told(output)}",
            expected="fixed sizes where there are states",
            remedy="export it again with fixed sizes",
        )
    known = _filled(given, STATEFUL.get((port, count), DEFAULT), DEFAULT)
    stems = _named(known.stems, count)
    delay = samples if known.lookahead is None and (port, count) in STATEFUL else known.lookahead
    if delay is None or delay % samples:
        raise ModelError(
            f"by how much the output of {samples} samples is late isn't known"
            + (f": {delay} is said" if delay else ""),
            expected="0, or a multiple of the graph's samples",
            remedy="give the samples that its maker says it trails its input by",
            settings=("lookahead",),
        )
    return ModelSpec(
        name=name,
        sample_rate=known.sample_rate or 0,
        channels=shape[-2] if isinstance(shape[-2], int) else MOST_CHANNELS,
        stems=tuple(map(canonical_stem, stems)),
        n_fft=samples,
        hop_length=samples,
        window="hann",
        feature="waveform",
        output="waveform",
        mode="stateful",
        frames_per_run=1,
        stride_frames=1,
        lookahead_frames=delay // samples,
        states=states,
        samples_per_run=samples,
        licence=licence,
        origin=origin,
    )


def _named(stems: tuple[str, ...] | None, count: int | None) -> tuple[str, ...]:
    """Return a name for each stem."""
    names = stems or (("vocals",) if count in (None, 1) else None)
    if names is None or count not in (None, len(names)):
        raise ModelError(
            f"the graph gives {count} stems, and {len(names or ())} are named",
            expected="a name for each, in the order of its output",
            remedy="give the stems as its maker lists them, such as drums,bass,other,vocals",
            settings=("stem",),
        )
    return names


def waveform_spec(
    name: str,
    taken: tuple[str, Sequence[object]],
    output: Sequence[object],
    given: WaveformParameters,
    *,
    origin: str,
    licence: str,
    spectrum_n_fft: int = 0,
) -> ModelSpec:
    """Return the spec of a graph from sound to stems.

    Parameters
    ----------
    name
        What the model is called from now on.
    taken
        Name and shape of its input, [1, C, N] or [C, N]; what isn't an integer is free.
    output
        Shape of its output, [1, S, C, N] or [S, C, N]; empty if it isn't known.
    given
        What was said of it, which goes before what is known of such graphs.
    origin, licence, spectrum_n_fft
        As in the spec.

    Raises
    ------
    ModelError
        If something isn't known, or doesn't fit.
    """
    port, shape = taken
    count = _stem_count(output)
    samples = shape[-1] if isinstance(shape[-1], int) else given.window
    if samples is None:
        raise ModelError(
            f"the graph takes any number of samples, {_told(shape)}",
            expected="the samples of a window",
            remedy="give the window that it was trained with, such as 343980 for 7.8 s",
            settings=("window",),
        )
    if given.window not in (None, samples):
        raise ModelError(
            f"the graph takes {samples} samples, and the window given is {given.window}",
            expected="the graph's own window",
            remedy="leave the window out",
            settings=("window",),
        )
    known = _filled(given, _known(port, samples, count) or DEFAULT, DEFAULT)
    stems = _named(known.stems, count)
    hop = known.hop_length or (LONG_HOP if samples >= LONG_WINDOW else max(1, samples // 4))
    padding = _padding_frames(samples, hop, known.context)
    if known.padding != DEFAULT.padding and not padding:
        raise ModelError(
            f"the padding is {known.padding}, and the window has no end that is made up",
            expected="how many samples come before the new ones in it",
            remedy="give the context too, or no padding",
            settings=("context",),
        )
    as_said: dict[str, Any] = {name: getattr(known, name) for name in AS_SAID}
    channels = shape[-2] if isinstance(shape[-2], int) else MOST_CHANNELS
    try:
        return ModelSpec(
            name=name,
            channels=channels,
            stems=tuple(map(canonical_stem, stems)),
            # A frame to fade over; a window with an end that is made up has its own way.
            n_fft=hop if padding else 2 * hop,
            hop_length=hop,
            window="hann",
            feature="waveform",
            output="waveform",
            mode="sliding",
            frames_per_run=samples // hop,
            stride_frames=1,
            # At least the newest sound that isn't covered by all frames of the spectra.
            lookahead_frames=-(-max(known.lookahead or 0, 3 * spectrum_n_fft // 8) // hop),
            samples_per_run=samples,
            padding_frames=padding,
            spectrum_n_fft=spectrum_n_fft,
            **as_said,
            licence=licence,
            origin=origin,
        )
    except ModelError as error:
        raise ModelError(
            error.what,
            expected=error.expected,
            remedy="check stems, hop and context against what its maker says",
            settings=("stem", "hop", "context"),
        ) from error


def _free(size: object) -> tuple[object, ...]:
    return () if isinstance(size, int) else (size,)


def _stem_count(output: Sequence[object]) -> int | None:
    """Return how many stems there are, None if the graph doesn't say."""
    size = output[-3] if len(output) >= 3 else None
    return size if isinstance(size, int) else None


def _known(port: str, samples: int, count: int | None) -> WaveformParameters | None:
    for (name, length, stems), known in KNOWN_WAVEFORMS.items():
        if length == samples and name in ("", port) and count in (None, stems):
            return known
    return None


def _filled(*sources: WaveformParameters) -> WaveformParameters:
    """Return parameters that are each the first one's that has it."""
    return WaveformParameters(
        **{
            name: next((v for s in sources if (v := getattr(s, name)) is not None), None)
            for name in WaveformParameters.__dataclass_fields__
        }
    )


def _padding_frames(samples: int, hop: int, context: int | None) -> int:
    if context is None:
        return 0
    frames, rest = divmod(samples - context - hop, hop)
    if frames < 0 or rest:
        raise ModelError(
            f"{context} samples of context and {hop} new ones leave {samples - context - hop} of "
            f"the window's {samples}",
            expected="none, or as many as a multiple of the hop",
            remedy="check hop and context against what its maker says",
            settings=("hop", "context"),
        )
    return frames


def _told(shape: Sequence[object]) -> str:
    return f"[{', '.join('any' if _free(size) else str(size) for size in shape)}]"
