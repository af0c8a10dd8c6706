"""What a ModelSpec may say: kinds, bounds, and a check of each field that names it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from streamsep.errors import ModelError

if TYPE_CHECKING:
    from streamsep.spec.model_spec import ModelSpec

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


def bad_field(name: str, value: object, expected: str) -> ModelError:
    """Return the error that names a field, its value and the allowed ones."""
    return ModelError(
        f"model {name} is {value}",
        expected=expected,
        remedy="export the model again with 'python -m export onnx'",
    )


def check_spec(spec: ModelSpec) -> None:
    """Refuse what no engine could run, field by field.

    Raises
    ------
    ModelError
        Naming the field, its value and the allowed values.
    """
    for name in ("name", "licence", "training_data", "git_commit", "origin", "prior", "graph"):
        text = getattr(spec, name)
        # It is printed: a terminal would obey what isn't printable.
        if not isinstance(text, str) or not all(c.isprintable() or c == "\n" for c in text):
            raise bad_field(name, repr(text), "printable text")
    for name in ("prior", "graph"):
        # A file chooses it: it mustn't lead to another folder.
        if (text := getattr(spec, name)) and not STEM_NAME.fullmatch(text):
            raise bad_field(name, repr(text), "a name of letters, digits, '_' and '-'")
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
            raise bad_field(name, repr(getattr(spec, name)), " or ".join(allowed))
    if spec.n_fft % 2 and spec.feature != "waveform":
        raise bad_field("n_fft", spec.n_fft, "an even number")
    if spec.feature.startswith("log1p_magnitude_lrms") and spec.channels != 2:
        raise bad_field("channels", spec.channels, f"2 for the feature {spec.feature}")
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
            raise bad_field(f"{name} shape", shape, f"at most {MAX_WINDOW_ELEMENTS} numbers")
    if not isinstance(spec.scores, Mapping) or not all(
        isinstance(v, int | float) and math.isfinite(v) for v in spec.scores.values()
    ):
        raise bad_field("scores", spec.scores, "a mapping of names to finite numbers")


def _check_range(spec: ModelSpec, name: str, low: int, high: int) -> None:
    value = getattr(spec, name)
    if type(value) is not int or not low <= value <= high:
        raise bad_field(name, repr(value), f"an integer from {low} to {high}")


def _check_number(spec: ModelSpec, name: str, low: float, high: float) -> None:
    value = getattr(spec, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise bad_field(name, repr(value), f"a number from {low:g} to {high:g}")


def _check_stems(spec: ModelSpec) -> None:
    stems = spec.stems
    # They become parts of file names.
    if not 1 <= len(stems) <= MAX_STEMS or not all(
        isinstance(s, str) and STEM_NAME.fullmatch(s) for s in stems
    ):
        raise bad_field("stems", stems, f"1 to {MAX_STEMS} names of letters, digits, '_' and '-'")
    if len({*stems, spec.residual}) != len(stems) + 1:
        raise bad_field("stems", stems, f"distinct names other than '{spec.residual}'")


def _check_complex(spec: ModelSpec) -> None:
    for kind in OF_A_KIND:
        kinds = spec.feature == kind, spec.output == kind
        sliding = spec.mode == "sliding" or kind == "waveform"
        if any(kinds) and not (all(kinds) and sliding):
            raise bad_field(
                "feature, output and mode",
                f"{spec.feature}, {spec.output}, {spec.mode}",
                f"{kind}, {kind} and sliding together",
            )
    _check_range(spec, "dim_f", 0, spec.bins if spec.feature == "complex" else 0)
    _check_number(spec, "compensate", 0.5, 2.0)
    _check_number(spec, "feature_gain", MIN_FEATURE_GAIN, MAX_FEATURE_GAIN)


def _check_waveform(spec: ModelSpec) -> None:
    if type(spec.karaoke) is not bool:
        raise bad_field("karaoke", repr(spec.karaoke), "true or false")
    _check_number(spec, "level_db", -60.0, 0.0)
    if spec.feature != "waveform":
        _check_range(spec, "samples_per_run", 0, 0)
        _check_range(spec, "padding_frames", 0, 0)
        _check_range(spec, "spectrum_n_fft", 0, 0)
        return
    _check_range(spec, "stride_frames", 1, 1)
    if spec.any_frames:
        raise bad_field("any_frames", True, "false for waveforms, whose windows are of one size")
    _check_range(spec, "n_fft", spec.hop_length, 2 * spec.hop_length)
    frames = spec.frames_per_run
    _check_range(
        spec, "samples_per_run", frames * spec.hop_length, (frames + 1) * spec.hop_length - 1
    )
    _check_range(spec, "spectrum_n_fft", 0, min(MAX_N_FFT, spec.samples_per_run))
    if spec.spectrum_n_fft % 8:
        raise bad_field("spectrum_n_fft", spec.spectrum_n_fft, "a multiple of 8")
    if spec.mode == "stateful":
        for name in ("padding_frames", "spectrum_n_fft"):
            _check_range(spec, name, 0, 0)
        _check_range(spec, "samples_per_run", spec.hop_length, spec.hop_length)
        _check_range(spec, "n_fft", spec.hop_length, spec.hop_length)
        if spec.normalise != "none":
            raise bad_field("normalise", repr(spec.normalise), "none where there are states")
        return
    # A frame to give, and one to fade into the next.
    _check_range(spec, "padding_frames", 0, frames - 2)
    _check_range(spec, "lookahead_frames", 0, frames - spec.padding_frames - 2)


def _check_mode(spec: ModelSpec) -> None:
    if type(spec.any_frames) is not bool:
        raise bad_field("any_frames", repr(spec.any_frames), "true or false")
    if spec.prior and (spec.mode, spec.output) != ("stateful", "mask"):
        raise bad_field("prior", repr(spec.prior), "none but for a stateful model of masks")
    if type(spec.multichannel_wiener) is not bool:
        raise bad_field("multichannel_wiener", repr(spec.multichannel_wiener), "true or false")
    if spec.multichannel_wiener and (spec.output, spec.channels, len(spec.stems)) != ("mask", 2, 1):
        raise bad_field("multichannel_wiener", True, "false but for one stem's masks in stereo")
    if spec.multichannel_wiener and spec.mode == "stateful" and not spec.prior:
        raise bad_field("multichannel_wiener", True, "false but for whole windows or with a prior")
    if spec.mode == "sliding":
        if spec.states:
            raise bad_field("states", f"{len(spec.states)} in a sliding graph", "none")
        _check_range(spec, "lookahead_frames", 0, spec.frames_per_run - 1)
        _check_range(spec, "interleave", 1, 1)
        return
    if spec.interleave > 1 and (spec.lag_frames or not spec.any_frames):
        raise bad_field(
            "interleave", spec.interleave, "1 where there is look-ahead or no any_frames"
        )
    if spec.stride_frames != spec.frames_per_run:
        raise bad_field("stride_frames", spec.stride_frames, "frames_per_run in a stateful graph")
    for state in spec.states:
        sizes_ok = all(type(n) is int and n > 0 for n in state.shape)
        if not state.shape or not sizes_ok or math.prod(state.shape) > MAX_STATE_ELEMENTS:
            raise bad_field(f"state '{state.input}' shape", state.shape, "fixed positive sizes")
    names = [n for s in spec.states for n in (s.input, s.output)]
    if len(set(names)) != len(names):
        raise bad_field("states", names, "distinct input and output names")
