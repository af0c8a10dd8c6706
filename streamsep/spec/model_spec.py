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
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from streamsep.errors import ModelError
from streamsep.spec.spec_checks import MAX_METADATA_BYTES, bad_field, check_spec

SCHEMA = 7
# 1 lacked any_frames, 2 interleave, 3 feature_gain, 4 prior and graph, 5 karaoke and waveforms, 6
# multichannel_wiener.
READABLE = (1, 2, 3, 4, 5, 6, SCHEMA)
METADATA_KEY = "streamsep"
FEATURES_INPUT = "features"
ESTIMATE_OUTPUT = "estimate"
FREE_AXIS = "frames"

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
    multichannel_wiener
        Whether the one stem's masks over left and right are turned into spectra by a multichannel
        Wiener filter (`separation.multichannel_wiener`), which tells directions apart, in place of
        a product. Directions are learnt from the masks of whole windows: its own or its prior's.
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
    multichannel_wiener: bool = False
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        """Refuse what no engine could run.

        Raises
        ------
        ModelError
            Naming the field, its value and the allowed values.
        """
        check_spec(self)

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
            raise bad_field("metadata", f"{len(text)} bytes", f"at most {MAX_METADATA_BYTES}")
        try:
            values = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise bad_field("metadata", f"not JSON ({error})", "a JSON object") from error
        if not isinstance(values, dict):
            raise bad_field("metadata", type(values).__name__, "a JSON object")
        return cls(**_coerce(values))


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
        raise bad_field("schema", values.get("schema"), f"{allowed} (this version of streamsep)")
    if missing := sorted(required - values.keys()):
        raise bad_field("metadata", f"missing {', '.join(missing)}", "every field of ModelSpec")
    if unknown := sorted(values.keys() - known):
        raise bad_field(
            "metadata", f"carrying unknown {', '.join(unknown)}", "only ModelSpec's fields"
        )
    values = dict(values)
    try:
        values["stems"] = tuple(values["stems"])
        values["states"] = tuple(
            StateSpec(str(s["input"]), str(s["output"]), tuple(s["shape"]))
            for s in values.get("states", ())
        )
    except (TypeError, KeyError) as error:
        raise bad_field(
            "metadata", f"malformed ({error!r})", "lists of stems and states"
        ) from error
    return values
