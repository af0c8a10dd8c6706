"""ModelSpec of graphs from sound to stems: what older files lack, and what no engine could run."""

import json
from dataclasses import asdict, replace

import pytest

from streamsep.errors import ModelError
from streamsep.spec import METADATA_KEY, ModelSpec
from tests.support.models import make_spec

NEW = (
    "karaoke",
    "samples_per_run",
    "padding_frames",
    "padding",
    "normalise",
    "level_db",
    "spectrum_n_fft",
)
LONG = ModelSpec(
    name="long",
    sample_rate=44_100,
    channels=2,
    stems=("drums", "bass", "other", "vocals"),
    n_fft=2_048,
    hop_length=1_024,
    window="hann",
    feature="waveform",
    output="waveform",
    mode="sliding",
    frames_per_run=335,
    stride_frames=1,
    lookahead_frames=2,
    samples_per_run=343_980,
    spectrum_n_fft=4_096,
)


def test_metadata_round_trip():
    assert ModelSpec.from_metadata(LONG.to_metadata()) == LONG


def test_shapes_are_those_of_sound():
    assert LONG.features_shape == (2, 343_980)
    assert LONG.estimate_shape == (4, 2, 343_980)
    assert LONG.spectrum_shape == (4, 2_048, 336)  # as Demucs has it
    assert LONG.transform_delay == 1_024  # what a run is faded over


def test_files_of_schema_5_still_load():
    values = {key: value for key, value in asdict(make_spec()).items() if key not in NEW}
    spec = ModelSpec.from_metadata({METADATA_KEY: json.dumps({**values, "schema": 5})})
    assert spec == make_spec(schema=5)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"output": "mask"}, "feature, output and mode"),
        ({"mode": "stateful", "frames_per_run": 1, "spectrum_n_fft": 0}, "samples_per_run"),
        ({"any_frames": True}, "any_frames"),
        ({"stride_frames": 2}, "stride_frames"),
        ({"n_fft": 1_023}, "hop_length is 1024"),  # a gap between runs
        ({"n_fft": 2_049}, "n_fft is 2049"),  # a fade longer than a hop
        ({"samples_per_run": 335 * 1_024 - 1}, "samples_per_run"),
        ({"samples_per_run": 336 * 1_024}, "samples_per_run"),
        ({"samples_per_run": 343_980.0}, "samples_per_run"),
        ({"padding_frames": 334}, "padding_frames"),
        ({"padding_frames": -1}, "padding_frames"),
        ({"padding_frames": 200, "lookahead_frames": 134}, "lookahead_frames"),
        ({"padding": "noise"}, "padding is 'noise'"),
        ({"normalise": "loud"}, "normalise is 'loud'"),
        ({"level_db": float("nan")}, "level_db"),
        ({"level_db": 3.0}, "level_db"),
        ({"karaoke": 1}, "karaoke is 1"),
        ({"spectrum_n_fft": 4_097}, "spectrum_n_fft"),
        ({"spectrum_n_fft": -8}, "spectrum_n_fft"),
        ({"spectrum_n_fft": 2**20}, "spectrum_n_fft"),
        ({"states": ()} | {"channels": 9}, "channels"),
        # 4,096 frames of 16,384 samples, of two channels: more than is allowed at once
        (
            {"n_fft": 32_768, "hop_length": 16_384, "frames_per_run": 4_096}
            | {"samples_per_run": 4_096 * 16_384, "lookahead_frames": 0, "spectrum_n_fft": 0},
            "input shape",
        ),
        # … and spectra of a window that alone would do
        (
            {"stems": ("a",), "frames_per_run": 4_000, "hop_length": 8_192, "n_fft": 16_384}
            | {"samples_per_run": 4_000 * 8_192, "spectrum_n_fft": 8},
            "spectra shape",
        ),
    ],
)
def test_what_no_engine_could_run_is_refused_by_name(changes, says):
    with pytest.raises(ModelError) as caught:
        replace(LONG, **changes)
    assert says in caught.value.what


@pytest.mark.parametrize("name", ["samples_per_run", "padding_frames", "spectrum_n_fft"])
def test_other_graphs_have_none_of_it(name):
    with pytest.raises(ModelError, match=name):
        make_spec(**{name: 8})
