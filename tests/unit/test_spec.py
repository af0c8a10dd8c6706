"""ModelSpec: what goes into an ONNX file comes out again, and nonsense is refused by name."""

import json
from dataclasses import asdict, replace

import pytest

from streamsep.errors import ModelError
from streamsep.spec import METADATA_KEY, ModelSpec, StateSpec

CAUSAL = ModelSpec(
    name="causal",
    sample_rate=44_100,
    channels=2,
    stems=("vocals",),
    n_fft=2048,
    hop_length=1024,
    window="sqrt_hann",
    feature="log1p_magnitude",
    output="mask",
    mode="stateful",
    frames_per_run=1,
    stride_frames=1,
    lookahead_frames=0,
    states=(StateSpec("h", "h_next", (1, 2, 64)),),
    scores={"beat_usdr_db": 7.5},
)
STRIDED = replace(CAUSAL, frames_per_run=4, stride_frames=4, lookahead_frames=8)


def test_metadata_round_trip():
    assert ModelSpec.from_metadata(CAUSAL.to_metadata()) == CAUSAL


def test_lag_is_what_remains_of_the_lookahead_within_a_block():
    assert CAUSAL.lag_frames == 0
    # Measured on the strided U-Net: look-ahead 8/7/6/5 for the four positions of a block.
    assert STRIDED.lag_frames == 5


def test_runs_taken_together_lag_no_more_than_one():
    """All that changes is how many frames go in and come out at once."""
    once, many = replace(STRIDED, any_frames=True), replace(STRIDED, any_frames=True).batched(8)
    assert (many.frames_per_run, many.stride_frames) == (32, 32)
    assert many.lag_frames == once.lag_frames == 5
    assert many.batched(1) == many
    assert once.batched(1) == once


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_files_of_older_schemas_still_load(schema):
    lacking = ("any_frames", "interleave", "feature_gain")[schema - 1 :]
    values = {k: v for k, v in asdict(CAUSAL).items() if k not in lacking}
    spec = ModelSpec.from_metadata({METADATA_KEY: json.dumps({**values, "schema": schema})})
    assert (spec.any_frames, spec.interleave, spec.feature_gain) == (False, 1, 1.0)
    assert spec == replace(CAUSAL, schema=schema)


def test_an_asymmetric_window_is_one_hop_late():
    fast = replace(CAUSAL, window="asymmetric", hop_length=256, any_frames=True, interleave=4)
    assert fast.transform_delay == 256
    assert fast.batched(32).lag_frames == 0


@pytest.mark.parametrize(
    ("stems", "residual"),
    [(("vocals",), "beat"), (("beat",), "vocals"), (("drums", "bass"), "rest")],
)
def test_residual_names(stems, residual):
    assert replace(CAUSAL, stems=stems).residual == residual


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sample_rate": 0}, "sample_rate"),
        ({"channels": True}, "channels"),
        ({"n_fft": 2**30}, "n_fft"),
        ({"n_fft": 1001, "hop_length": 300}, "n_fft"),
        ({"hop_length": 2048}, "hop_length"),
        ({"window": "kaiser"}, "window"),
        ({"feature": "mel"}, "feature"),
        ({"feature": "log1p_magnitude_lrms", "channels": 1}, "channels"),
        ({"feature": "log1p_magnitude_lrms_mid", "channels": 1}, "channels"),
        ({"output": "waveform"}, "output"),
        ({"feature": "complex"}, "feature, output and mode"),
        ({"output": "complex"}, "feature, output and mode"),
        ({"dim_f": 100}, "dim_f"),
        ({"compensate": 20.0}, "compensate"),
        ({"compensate": float("nan")}, "compensate"),
        ({"origin": 3}, "origin"),
        (
            {
                "n_fft": 65_536,
                "channels": 8,
                "frames_per_run": 4_096,
                "stride_frames": 4_096,
                "lookahead_frames": 4_095,
            },
            "input shape",
        ),
        ({"mode": "batch"}, "mode"),
        ({"stems": ()}, "stems"),
        ({"stems": ("../../home",)}, "stems"),
        ({"licence": "free\x1b[2J"}, "licence"),
        ({"stems": ("vocals", "vocals")}, "stems"),
        ({"stems": ("drums", "rest")}, "stems"),
        ({"frames_per_run": 2}, "stride_frames"),
        ({"lookahead_frames": -1}, "lookahead_frames"),
        ({"mode": "sliding"}, "states"),
        ({"any_frames": 1}, "any_frames"),
        ({"prior": "../studio"}, "prior"),
        ({"prior": "studio", "output": "log1p_magnitude"}, "prior"),
        ({"graph": "../light"}, "graph"),
        ({"graph": "light.onnx"}, "graph"),
        ({"graph": 5}, "graph"),
        ({"prior": "studio", "mode": "sliding", "states": ()}, "prior"),
        ({"interleave": 0}, "interleave"),
        ({"feature_gain": 0.0}, "feature_gain"),
        ({"feature_gain": float("nan")}, "feature_gain"),
        ({"feature_gain": True}, "feature_gain"),
        ({"interleave": 10**6, "any_frames": True}, "interleave"),
        ({"interleave": 4}, "interleave"),
        ({"interleave": 4, "any_frames": True, "lookahead_frames": 1}, "interleave"),
        ({"mode": "sliding", "states": (), "interleave": 2}, "interleave"),
        ({"states": (StateSpec("h", "n", (2**30,)),)}, "state 'h'"),
        ({"states": (StateSpec("h", "h", (1,)),)}, "states"),
        ({"scores": {"sdr": float("nan")}}, "scores"),
    ],
)
def test_out_of_bounds_fields_are_refused_by_name(change, named):
    with pytest.raises(ModelError, match=named):
        replace(CAUSAL, **change)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "no streamsep metadata"),
        ({METADATA_KEY: "{"}, "not JSON"),
        ({METADATA_KEY: "[" * 100_000}, "not JSON"),
        ({METADATA_KEY: "[1]"}, "JSON object"),
        ({METADATA_KEY: '{"schema": 99}'}, "schema is 99"),
        ({METADATA_KEY: '{"schema": 1}'}, "missing channels"),
        ({METADATA_KEY: " " * 2_000_000}, "2000000 bytes"),
        ({METADATA_KEY: json.dumps({**asdict(CAUSAL), "surprise": 1})}, "unknown surprise"),
        ({METADATA_KEY: json.dumps({**asdict(CAUSAL), "states": [3]})}, "malformed"),
        ({METADATA_KEY: json.dumps({**asdict(CAUSAL), "hop_length": "x"})}, "hop_length"),
    ],
)
def test_broken_metadata_is_refused(metadata, message):
    with pytest.raises(ModelError, match=message):
        ModelSpec.from_metadata(metadata)
