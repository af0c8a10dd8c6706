"""From a checkpoint to the two graphs and their specs."""

from __future__ import annotations

from onnx import ModelProto

from export.constants import EXCERPT_FRAMES, HOP_LENGTH, N_FFT, SAMPLE_RATE
from export.data.stem_names import host_names
from export.recipes.tutorial import sliding_graph as sliding
from export.recipes.tutorial import stateful_graph as stateful
from export.recipes.tutorial.onnx_weights import extract_weights
from export.recipes.tutorial.trained_network import Checkpoint
from streamsep.spec import ModelSpec


def make_spec(
    checkpoint: Checkpoint,
    mode: str,
    *,
    name: str,
    channels: int = 2,
    licence: str = "",
    training_data: str = "",
    scores: dict[str, float] | None = None,
    git_commit: str = "",
) -> ModelSpec:
    """Return the spec of one of a checkpoint's graphs; ``mode`` as in ``ModelSpec``."""
    step = mode == "stateful"
    weights = extract_weights(checkpoint.build())
    return ModelSpec(
        name=name,
        sample_rate=SAMPLE_RATE,
        channels=channels,
        stems=host_names(checkpoint.train.stems),
        n_fft=N_FFT,
        hop_length=HOP_LENGTH,
        window=checkpoint.train.window,
        feature="log1p_magnitude",
        output="log1p_magnitude",
        mode=mode,
        frames_per_run=stateful.FRAMES if step else EXCERPT_FRAMES,
        stride_frames=stateful.FRAMES if step else sliding.STRIDE,
        lookahead_frames=stateful.LOOKAHEAD,
        context_frames=0,
        states=stateful.stateful_states(weights, channels) if step else (),
        licence=licence,
        training_data=training_data,
        scores=scores or {},
        git_commit=git_commit,
    )


def build_model(checkpoint: Checkpoint, spec: ModelSpec) -> ModelProto:
    """Return the float32 graph that ``spec.mode`` names, with the spec in its metadata."""
    weights = extract_weights(checkpoint.build())
    build = stateful.build_stateful if spec.mode == "stateful" else sliding.build_sliding
    return build(weights, spec)
