"""From a live model's checkpoint to a model file that is proven to be it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from onnx import ModelProto

from export.constants import HOP_LENGTH, N_FFT, SAMPLE_RATE
from export.data.audio import Audio
from export.data.stem_names import host_names
from export.engine.checkpoint import build_from
from export.engine.torch_stft import make_window, stft
from export.errors import VerificationError
from export.onnx_graph.fp16 import is_fp16
from export.onnx_graph.load import load_onnx
from export.onnx_graph.variant import read_spec, write_variant
from export.onnx_graph.write import kept_if_proven
from export.recipes.live.features import FEATURE_GAIN, planes
from export.recipes.live.graph import build_causal, causal_states
from export.recipes.live.live_checkpoint import read_live_content
from export.recipes.live.network import CausalUNet
from export.recipes.live.recipe import read_recipe
from streamsep.separation import OnnxBackend
from streamsep.separation.load import OFFLINE_RUNS
from streamsep.spec import ModelSpec

# Masks are sigmoids of sums of up to a thousand float32 products, taken in another order.
MAX_ERROR = 2e-5
# Over a song masks were off by 0.006 at most; over noise, which is like nothing that was learnt and
# which recurrent layers answer by chance, by 0.03 with some weights.
MAX_ERROR_FP16 = 5e-2
# int8: what is multiplied at the bottleneck is rounded to 1/254 of the largest of 32 values. Over
# songs masks were off by 0.005 at most and 0.0004 rms; a frame or a gate in the wrong place shows
# as 0.1.
MAX_ERROR_INT8 = 2e-2
WINDOW, FEATURE = "sqrt_hann", "log1p_magnitude_lrms_mid"


class Live(NamedTuple):
    """A live network, and what its masks take out, by the names of the tracks' files."""

    network: CausalUNet
    stems: tuple[str, ...]


def read_live(path: Path) -> Live | None:
    """Read a checkpoint's averaged live network, or return None if it holds another network.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or no checkpoint.
    """
    content = read_live_content(path)
    if "average" not in content:
        return None
    return build_from(path, content, _build)


def _build(content: dict[str, Any]) -> Live:
    recipe = read_recipe(content)
    network = CausalUNet(recipe.network)
    network.load_state_dict(content["average"])
    return Live(network.eval(), recipe.stems)


def live_spec(live: Live, hop_length: int = HOP_LENGTH, **card: Any) -> ModelSpec:
    """Return the spec.

    Parameters
    ----------
    hop_length
        Samples; what comes out is two hops late. A hop shorter than that of the training goes
        with an asymmetric window, and the network sees every so many of its frames as a stream.
    card
        Its name, licence, training_data, scores, git_commit.
    """
    return ModelSpec(
        sample_rate=SAMPLE_RATE,
        channels=2,
        stems=host_names(live.stems),
        n_fft=N_FFT,
        feature=FEATURE,
        feature_gain=FEATURE_GAIN,
        output="mask",
        mode="stateful",
        frames_per_run=1,
        stride_frames=1,
        lookahead_frames=live.network.config.lookahead,
        any_frames=True,
        states=causal_states(live.network),
        **host_fields(hop_length),
        **card,
    )


def host_fields(hop_length: int) -> dict[str, Any]:
    """Return what a hop decides of a live network's spec: nothing of that is in its graph.

    Raises
    ------
    ValueError
        If the hop of the training isn't a multiple of it.
    """
    if HOP_LENGTH % hop_length:
        raise ValueError(f"hop {hop_length}: {HOP_LENGTH} must be a multiple of it")
    return {
        "hop_length": hop_length,
        "window": WINDOW if hop_length == HOP_LENGTH else "asymmetric",
        "interleave": HOP_LENGTH // hop_length,
    }


def write_live_variant(
    source: Path, path: Path, hop_length: int, *, prior: str = "", **card: Any
) -> None:
    """Write the variant of a live network's model file that has another hop, or a prior.

    Parameters
    ----------
    source
        A live network's model file, of whatever hop.
    prior
        Name of the model that corrects it, and by whose masks it tells directions apart.
        [default: none]
    hop_length, card
        As of `live_spec`; what isn't given of the card is that of ``source``, but for its scores:
        they are another window's.

    Raises
    ------
    ModelError, OutputError
        As of `export.onnx_graph.variant.write_variant`.
    VerificationError
        When ``source`` holds no live network.
    """
    spec = read_spec(source)
    if spec.feature != FEATURE or spec.mode != "stateful":
        raise VerificationError(
            f"{source} holds no live network",
            expected=f"a stateful model with the feature {FEATURE}",
            remedy="other networks have one hop",
        )
    host = {**host_fields(hop_length), "prior": prior, "multichannel_wiener": bool(prior)}
    write_variant(source, replace(spec, **host, **{"scores": {}, **card}), path)


def write_live(
    live: Live, spec: ModelSpec, path: Path, wave: Audio, precision: str = "fp32"
) -> float:
    """Export to a file, verify it, and return the largest difference of a mask.

    Parameters
    ----------
    precision
        As of `build_causal`.

    Raises
    ------
    VerificationError
        When the graph isn't the network; what was at ``path`` before is still there.
    OutputError
        When the file can't be written.
    """
    with kept_if_proven(build_causal(live.network, spec, precision), path) as partial:
        return verify_live(partial, live, wave)


@torch.no_grad()
def verify_live(path: Path, live: Live, wave: Audio) -> float:
    """Run the file's graph over a sound, as live and as offline, and compare with the network.

    Returns
    -------
    float
        The largest difference of a mask.

    Raises
    ------
    VerificationError
        When it is more than MAX_ERROR, or that of the precision, or the stems or features others.
    """
    features = planes(stft(torch.from_numpy(wave)[None], make_window(WINDOW)))
    expected, error = live.network(features)[0].numpy(), 0.0
    for frames in (1, OFFLINE_RUNS):
        backend = OnnxBackend(path, device="cpu", runs_at_once=frames)
        _check_spec(backend.spec, live)
        for start in range(0, features.shape[-1] - frames + 1, frames):
            part = slice(start, start + frames)
            backend.features[...] = features[0, ..., part].numpy()
            backend.run()
            masks = backend.estimate.reshape(-1, *backend.estimate.shape[2:])
            difference = np.abs(masks - expected[..., part]).max()
            error = float(np.maximum(error, difference))  # NaN stays NaN
    allowed = _allowed_error(load_onnx(path))
    if not error <= allowed:
        raise VerificationError(
            f"the graph's masks differ from the network's by {error:.3g}",
            expected=f"at most {allowed:g}",
            remedy="report this: it is a bug in the export",
        )
    return error


def _check_spec(spec: ModelSpec, live: Live) -> None:
    if spec.feature_gain != FEATURE_GAIN:
        raise VerificationError(
            f"the model's feature_gain is {spec.feature_gain:g}",
            expected=f"{FEATURE_GAIN:g}",
            remedy="export it again: files of schema 3 and before take their logarithms otherwise",
        )
    if spec.stems != host_names(live.stems):
        raise VerificationError(
            f"the model's stems are {', '.join(spec.stems)}",
            expected=f"the checkpoint's {', '.join(host_names(live.stems))}",
            remedy="name the checkpoint that the model was exported from",
        )


def _allowed_error(model: ModelProto) -> float:
    if is_fp16(model):
        return MAX_ERROR_FP16
    is_int8 = any(node.op_type == "MatMulNBits" for node in model.graph.node)
    return MAX_ERROR_INT8 if is_int8 else MAX_ERROR
