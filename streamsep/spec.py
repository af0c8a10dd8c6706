"""ModelSpec: the single truth about a model, stored as JSON in the ONNX file's metadata.

The graph's contract, for C channels, B = n_fft // 2 + 1 bins and T = ``frames_per_run`` frames:

- input ``features`` float32 (P, B, T), P planes computed from the mixture as ``feature`` says:
  ``magnitude``, |X| of each channel; ``log1p_magnitude``, log(1 + ``feature_gain`` |X|) of each;
  ``log1p_magnitude_lrms``, that of left, right, their half sum and their half difference; or
  ``log1p_magnitude_lrms_mid``, these four and then real and imaginary part of the half sum;
- output ``estimate`` float32 (S, C, B, T), one entry per name in ``stems``, as ``output`` says;
- stateful only: for each state one input and one output of the same shape, all starting at zero.

``complex`` is the contract of MDX-Net, as feature and output together, for F = ``dim_f`` bins
from 0 on: one input float32 (1, 2C, F, T) and one output float32 (S, 2C, F, T) of any names,
planes left real, left imaginary, right real, right imaginary; the output times ``compensate``
is the stem's own spectrum. With several stems in one graph the output is (1, S, 2C, F, T). The
input's spectra are multiplied by ``feature_gain``, the output's divided by it.

``waveform``, as feature and output together, takes sound as it is: one input float32 (C, N) for
N = ``samples_per_run`` and one output float32 (S, C, N), both with or without a first axis of
size 1. Its frames are ``hop_length`` samples, T of them fit into N, and n_fft - hop_length samples
are what a run is faded into the next over. A *stateful* one takes N = ``hop_length`` new samples,
with its states, and gives those of ``lookahead_frames`` runs before. With ``spectrum_n_fft`` it
is Demucs' network alone, and the transform around it is ours (`separation.window_spectrum`):
another input float32 (1, 2C, F, T') takes spectra, another output (1, S, 2C, F, T') gives some,
whose sound is added.

Ports of both may be float16.

In a *stateful* graph the estimate at position j belongs to the frame ``lag_frames`` before the
features at position j. In a *sliding* graph estimate j belongs to features j of the same window.
With ``any_frames`` T is a free size of the name ``frames``: one run of k · T frames of a stateful
graph gives what k runs of T do, and a sliding graph takes windows of any multiple of T.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from streamsep.errors import ModelError

SCHEMA = 6
# 1 lacked any_frames, 2 interleave, 3 feature_gain, 4 prior and graph, 5 karaoke and waveforms.
READABLE = (1, 2, 3, 4, 5, SCHEMA)
METADATA_KEY = "streamsep"
FEATURES_INPUT = "features"
ESTIMATE_OUTPUT = "estimate"
FREE_AXIS = "frames"

WINDOWS = ("hann", "sqrt_hann", "asymmetric")
FEATURES = (
    "magnitude",
    "log1p_magnitude",
    "log1p_magnitude_lrms",
    "log1p_magnitude_lrms_mid",
    "complex",
    "waveform",
)
OUTPUTS = ("mask", "log1p_magnitude", "complex", "waveform")
OF_A_KIND = ("complex", "waveform")  # a feature that is the output too
PADDINGS = ("silence", "mirror", "mirror_hold")
NORMALISATIONS = ("none", "rms", "standard")
MODES = ("stateful", "sliding")

# Bounds against hostile or broken files: a spec decides how much memory we allocate.
MAX_N_FFT = 65_536
MAX_CHANNELS = 8
MAX_STEMS = 16
MAX_FRAMES = 4_096
MAX_STREAMS = 16
MAX_STATE_ELEMENTS = 16_777_216
MAX_WINDOW_ELEMENTS = 67_108_864
MAX_METADATA_BYTES = 1_048_576
MIN_FEATURE_GAIN, MAX_FEATURE_GAIN = 1e-3, 1e6
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 8_000, 384_000
STEM_NAME = re.compile(r"[\w-]{1,40}")
SUFFIX = ".onnx"


@dataclass(frozen=True, slots=True)
class StateSpec:
    """One recurrent or convolutional state: its graph input, its graph output, its shape."""

    input: str
    output: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SeparatorSpec:
    """What a session needs to know of a separator, whatever it works by.

    Attributes
    ----------
    name
        What the screen and reports call it.
    sample_rate
        In Hz.
    channels
        Of the mixture, and of each stem.
    """

    name: str
    sample_rate: int
    channels: int

    @property
    def transform_delay(self) -> int:
        """Samples of the separator's delay that a transform takes; the rest is look-ahead."""
        return 0


@dataclass(frozen=True, slots=True)
class ModelSpec(SeparatorSpec):
    """What a model is and needs. Frames count STFT frames, all else is named in its unit.

    Attributes
    ----------
    stems
        Names of what the graph estimates, in output order.
    window
        Analysis window; synthesis uses what completes it (see ``dsp.stft``).
    frames_per_run
        T of the graph: frames that go in and come out per run.
    stride_frames
        The smallest time shift under which the graph is equivariant: a strided network
        only repeats itself every ``stride_frames``. Stateful: equal to ``frames_per_run``.
    lookahead_frames
        How many later frames the earliest estimate of a stride depends on.
    context_frames
        How many earlier frames an estimate may depend on; 0 when unbounded (recurrent).
    any_frames
        Whether a graph takes any multiple of ``frames_per_run`` at once.
    interleave
        Streams that the frames are dealt out to in turn, each with states of its own: to a
        stateful graph frames are ``interleave`` hops apart.
    feature_gain
        What magnitudes are multiplied by before 1 is added and the logarithm taken, or the
        spectra of a ``complex`` graph.
    dim_f
        Bins that a ``complex`` graph sees, from 0 on; 0 for all. Stems have nothing above.
    compensate
        Gain of a ``complex`` graph's stems.
    origin
        Where the file came from.
    prior
        Name of the sliding model whose masks correct those of this one, where a machine has time
        for both; its file is looked for beside this one.
    graph
        Name of the model whose graph this one runs, under this spec: its file is looked for beside
        this one, which holds no graph then. Empty for a graph of its own.
    karaoke
        Whether the vocals are the lead voice alone: a choir stays in the beat.
    samples_per_run
        N of a ``waveform`` graph; 0 for others.
    padding_frames
        How many of a ``waveform`` graph's frames come after the newest sample.
    padding
        What stands there: ``silence``; ``mirror``, the frame before, backwards; or
        ``mirror_hold``, the same, going over into the newest sample's value.
    normalise
        What is done to a ``waveform`` graph's window, and undone to what comes out: ``none``;
        ``rms``, it is brought to ``level_db``; ``standard``, to mean 0 and deviation 1.
    level_db
        In dBFS.
    spectrum_n_fft
        Samples a frame of the spectra that a ``waveform`` graph takes besides; 0 for none.
    """

    stems: tuple[str, ...]
    n_fft: int
    hop_length: int
    window: str
    feature: str
    output: str
    mode: str
    frames_per_run: int
    stride_frames: int
    lookahead_frames: int
    context_frames: int = 0
    states: tuple[StateSpec, ...] = ()
    licence: str = ""
    training_data: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    git_commit: str = ""
    any_frames: bool = False
    interleave: int = 1
    feature_gain: float = 1.0
    dim_f: int = 0
    compensate: float = 1.0
    origin: str = ""
    prior: str = ""
    graph: str = ""
    karaoke: bool = False
    samples_per_run: int = 0
    padding_frames: int = 0
    padding: str = "silence"
    normalise: str = "none"
    level_db: float = -12.0
    spectrum_n_fft: int = 0
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        """Refuse what no engine could run.

        Raises
        ------
        ModelError
            Naming the field, its value and the allowed values.
        """
        _check(self)

    @property
    def bins(self) -> int:
        """Number of frequency bins, ``n_fft // 2 + 1``."""
        return self.n_fft // 2 + 1

    @property
    def transform_delay(self) -> int:
        """What the transform there and back delays by, in samples; see `StreamingSTFT`.

        Of a ``waveform`` graph: the fade from run to run.
        """
        return self.hop_length if self.window == "asymmetric" else self.n_fft - self.hop_length

    @property
    def planes(self) -> int:
        """Feature planes that the graph takes."""
        return {
            "magnitude": self.channels,
            "log1p_magnitude": self.channels,
            "log1p_magnitude_lrms": 4,
            "log1p_magnitude_lrms_mid": 6,
            "complex": 2 * self.channels,
            "waveform": self.channels,
        }[self.feature]

    @property
    def features_shape(self) -> tuple[int, ...]:
        """Shape of what goes into the graph, (planes, bins, frames) or (channels, samples)."""
        if self.feature == "waveform":
            return (self.channels, self.samples_per_run)
        return (self.planes, self.dim_f or self.bins, self.frames_per_run)

    @property
    def estimate_shape(self) -> tuple[int, ...]:
        """Shape of what comes out of the graph: (stems, channels or planes, bins, frames), or
        (stems, channels, samples).
        """
        if self.output == "waveform":
            return (len(self.stems), *self.features_shape)
        planes = 2 * self.channels if self.output == "complex" else self.channels
        return (len(self.stems), planes, *self.features_shape[1:])

    @property
    def spectrum_shape(self) -> tuple[int, int, int]:
        """Shape of the spectra that go in besides, (planes, bins, frames)."""
        frames = -(-self.samples_per_run * 4 // self.spectrum_n_fft)
        return (2 * self.channels, self.spectrum_n_fft // 2, frames)

    @property
    def lag_frames(self) -> int:
        """How many frames an estimate trails the newest frame that went in."""
        return self.lookahead_frames - (self.stride_frames - 1)

    def graph_file(self, path: Path) -> Path:
        """Return the file with the graph of the model that is at ``path``."""
        return path.with_name(f"{self.graph}{SUFFIX}") if self.graph else path

    def prior_file(self, path: Path) -> Path:
        """Return the file of the prior of the model that is at ``path``."""
        return path.with_name(f"{self.prior}{SUFFIX}")

    @property
    def looks_both_ways(self) -> bool:
        """Whether it is a whole-window graph whose frames want context on both sides."""
        return self.mode == "sliding" and self.stride_frames == 1

    def batched(self, runs: int) -> ModelSpec:
        """Return what the graph is when it does so many runs in one, as ``any_frames`` allows.

        Of a sliding graph: with windows so many times as long.
        """
        frames = runs * self.frames_per_run
        if self.mode == "sliding":
            return replace(self, frames_per_run=frames)
        return replace(
            self,
            frames_per_run=frames,
            stride_frames=frames,
            lookahead_frames=self.lag_frames + frames - 1,
        )

    @property
    def residual(self) -> str:
        """Name of what is left when the estimated stems are taken from the mixture."""
        if self.stems == ("vocals",):
            return "beat"
        return "vocals" if self.stems == ("beat",) else "rest"

    def to_metadata(self) -> dict[str, str]:
        """Return the spec as ``metadata_props`` for the ONNX file."""
        return {METADATA_KEY: json.dumps(asdict(self), sort_keys=True)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> ModelSpec:
        """Read and validate the spec from an ONNX file's ``metadata_props``.

        Raises
        ------
        ModelError
            When the metadata is missing, not JSON, incomplete, or out of bounds.
        """
        text = metadata.get(METADATA_KEY)
        if text is None:
            raise ModelError(
                "the ONNX file has no streamsep metadata",
                expected=f"a '{METADATA_KEY}' entry in metadata_props",
                remedy="take it in with 'streamsep models import', or export it with "
                "'python -m export onnx'",
            )
        if len(text) > MAX_METADATA_BYTES:
            raise _bad("metadata", f"{len(text)} bytes", f"at most {MAX_METADATA_BYTES}")
        try:
            values = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise _bad("metadata", f"not JSON ({error})", "a JSON object") from error
        if not isinstance(values, dict):
            raise _bad("metadata", type(values).__name__, "a JSON object")
        return cls(**_coerce(values))


def _bad(name: str, value: object, expected: str) -> ModelError:
    return ModelError(
        f"model {name} is {value}",
        expected=expected,
        remedy="export the model again with 'python -m export onnx'",
    )


def _coerce(values: dict[str, Any]) -> dict[str, Any]:
    known = {item.name for item in fields(ModelSpec)}
    required = {
        "name",
        "sample_rate",
        "channels",
        "stems",
        "n_fft",
        "hop_length",
        "window",
        "feature",
        "output",
        "mode",
        "frames_per_run",
        "stride_frames",
        "lookahead_frames",
        "schema",
    }
    if values.get("schema") not in READABLE:
        allowed = " or ".join(map(str, READABLE))
        raise _bad("schema", values.get("schema"), f"{allowed} (this version of streamsep)")
    if missing := sorted(required - values.keys()):
        raise _bad("metadata", f"missing {', '.join(missing)}", "every field of ModelSpec")
    if unknown := sorted(values.keys() - known):
        raise _bad("metadata", f"carrying unknown {', '.join(unknown)}", "only ModelSpec's fields")
    values = dict(values)
    try:
        values["stems"] = tuple(values["stems"])
        values["states"] = tuple(
            StateSpec(str(s["input"]), str(s["output"]), tuple(s["shape"]))
            for s in values.get("states", ())
        )
    except (TypeError, KeyError) as error:
        raise _bad("metadata", f"malformed ({error!r})", "lists of stems and states") from error
    return values


def _check(spec: ModelSpec) -> None:
    """Field by field, so that the message can name the field."""
    for name in ("name", "licence", "training_data", "git_commit", "origin", "prior", "graph"):
        text = getattr(spec, name)
        # It is printed: a terminal would obey what isn't printable.
        if not isinstance(text, str) or not all(c.isprintable() or c == "\n" for c in text):
            raise _bad(name, repr(text), "printable text")
    for name in ("prior", "graph"):
        # A file chooses it: it mustn't lead to another folder.
        if (text := getattr(spec, name)) and not STEM_NAME.fullmatch(text):
            raise _bad(name, repr(text), "a name of letters, digits, '_' and '-'")
    _check_range(spec, "sample_rate", MIN_SAMPLE_RATE, MAX_SAMPLE_RATE)
    _check_range(spec, "channels", 1, MAX_CHANNELS)
    _check_range(spec, "n_fft", 16, MAX_N_FFT)
    overlap = 1 if spec.feature == "waveform" else 2
    _check_range(spec, "hop_length", 1, spec.n_fft // overlap)
    _check_range(spec, "frames_per_run", 1, MAX_FRAMES)
    _check_range(spec, "stride_frames", 1, spec.frames_per_run)
    _check_range(spec, "lookahead_frames", spec.stride_frames - 1, MAX_FRAMES)
    _check_range(spec, "context_frames", 0, 10**9)
    _check_range(spec, "interleave", 1, MAX_STREAMS)
    for name, allowed in (
        ("window", WINDOWS),
        ("feature", FEATURES),
        ("output", OUTPUTS),
        ("mode", MODES),
        ("padding", PADDINGS),
        ("normalise", NORMALISATIONS),
    ):
        if getattr(spec, name) not in allowed:
            raise _bad(name, repr(getattr(spec, name)), " or ".join(allowed))
    if spec.n_fft % 2 and spec.feature != "waveform":
        raise _bad("n_fft", spec.n_fft, "an even number")
    if spec.feature.startswith("log1p_magnitude_lrms") and spec.channels != 2:
        raise _bad("channels", spec.channels, f"2 for the feature {spec.feature}")
    _check_stems(spec)
    _check_mode(spec)
    _check_complex(spec)
    _check_waveform(spec)
    shapes: list[tuple[str, tuple[int, ...]]] = [
        ("input", spec.features_shape),
        ("output", spec.estimate_shape),
    ]
    if spec.spectrum_n_fft:
        shapes.append(("spectra", (len(spec.stems), *spec.spectrum_shape)))
    for name, shape in shapes:
        if math.prod(shape) > MAX_WINDOW_ELEMENTS:
            raise _bad(f"{name} shape", shape, f"at most {MAX_WINDOW_ELEMENTS} numbers")
    if not isinstance(spec.scores, Mapping) or not all(
        isinstance(v, int | float) and math.isfinite(v) for v in spec.scores.values()
    ):
        raise _bad("scores", spec.scores, "a mapping of names to finite numbers")


def _check_range(spec: ModelSpec, name: str, low: int, high: int) -> None:
    value = getattr(spec, name)
    if type(value) is not int or not low <= value <= high:
        raise _bad(name, repr(value), f"an integer from {low} to {high}")


def _check_number(spec: ModelSpec, name: str, low: float, high: float) -> None:
    value = getattr(spec, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise _bad(name, repr(value), f"a number from {low:g} to {high:g}")


def _check_stems(spec: ModelSpec) -> None:
    stems = spec.stems
    # They become parts of file names.
    if not 1 <= len(stems) <= MAX_STEMS or not all(
        isinstance(s, str) and STEM_NAME.fullmatch(s) for s in stems
    ):
        raise _bad("stems", stems, f"1 to {MAX_STEMS} names of letters, digits, '_' and '-'")
    if len({*stems, spec.residual}) != len(stems) + 1:
        raise _bad("stems", stems, f"distinct names other than '{spec.residual}'")


def _check_complex(spec: ModelSpec) -> None:
    for kind in OF_A_KIND:
        kinds = spec.feature == kind, spec.output == kind
        sliding = spec.mode == "sliding" or kind == "waveform"
        if any(kinds) and not (all(kinds) and sliding):
            raise _bad(
                "feature, output and mode",
                f"{spec.feature}, {spec.output}, {spec.mode}",
                f"{kind}, {kind} and sliding together",
            )
    _check_range(spec, "dim_f", 0, spec.bins if spec.feature == "complex" else 0)
    _check_number(spec, "compensate", 0.5, 2.0)
    _check_number(spec, "feature_gain", MIN_FEATURE_GAIN, MAX_FEATURE_GAIN)


def _check_waveform(spec: ModelSpec) -> None:
    if type(spec.karaoke) is not bool:
        raise _bad("karaoke", repr(spec.karaoke), "true or false")
    _check_number(spec, "level_db", -60.0, 0.0)
    if spec.feature != "waveform":
        _check_range(spec, "samples_per_run", 0, 0)
        _check_range(spec, "padding_frames", 0, 0)
        _check_range(spec, "spectrum_n_fft", 0, 0)
        return
    _check_range(spec, "stride_frames", 1, 1)
    if spec.any_frames:
        raise _bad("any_frames", True, "false for waveforms, whose windows are of one size")
    _check_range(spec, "n_fft", spec.hop_length, 2 * spec.hop_length)
    frames = spec.frames_per_run
    _check_range(
        spec, "samples_per_run", frames * spec.hop_length, (frames + 1) * spec.hop_length - 1
    )
    _check_range(spec, "spectrum_n_fft", 0, min(MAX_N_FFT, spec.samples_per_run))
    if spec.spectrum_n_fft % 8:
        raise _bad("spectrum_n_fft", spec.spectrum_n_fft, "a multiple of 8")
    if spec.mode == "stateful":
        for name in ("padding_frames", "spectrum_n_fft"):
            _check_range(spec, name, 0, 0)
        _check_range(spec, "samples_per_run", spec.hop_length, spec.hop_length)
        _check_range(spec, "n_fft", spec.hop_length, spec.hop_length)
        if spec.normalise != "none":
            raise _bad("normalise", repr(spec.normalise), "none where there are states")
        return
    # A frame to give, and one to fade into the next.
    _check_range(spec, "padding_frames", 0, frames - 2)
    _check_range(spec, "lookahead_frames", 0, frames - spec.padding_frames - 2)


def _check_mode(spec: ModelSpec) -> None:
    if type(spec.any_frames) is not bool:
        raise _bad("any_frames", repr(spec.any_frames), "true or false")
    if spec.prior and (spec.mode, spec.output) != ("stateful", "mask"):
        raise _bad("prior", repr(spec.prior), "none but for a stateful model of masks")
    if spec.mode == "sliding":
        if spec.states:
            raise _bad("states", f"{len(spec.states)} in a sliding graph", "none")
        _check_range(spec, "lookahead_frames", 0, spec.frames_per_run - 1)
        _check_range(spec, "interleave", 1, 1)
        return
    if spec.interleave > 1 and (spec.lag_frames or not spec.any_frames):
        raise _bad("interleave", spec.interleave, "1 where there is look-ahead or no any_frames")
    if spec.stride_frames != spec.frames_per_run:
        raise _bad("stride_frames", spec.stride_frames, "frames_per_run in a stateful graph")
    for state in spec.states:
        sizes_ok = all(type(n) is int and n > 0 for n in state.shape)
        if not state.shape or not sizes_ok or math.prod(state.shape) > MAX_STATE_ELEMENTS:
            raise _bad(f"state '{state.input}' shape", state.shape, "fixed positive sizes")
    names = [n for s in spec.states for n in (s.input, s.output)]
    if len(set(names)) != len(names):
        raise _bad("states", names, "distinct input and output names")
