"""From a live model's checkpoint to a model file that is proven to be it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from export.causal.features import planes
from export.causal.graph import build_causal, causal_states
from export.causal.network import CausalUNet
from export.causal.train import read_recipe
from export.constants import HOP_LENGTH, N_FFT, SAMPLE_RATE
from export.data.audio import Audio
from export.errors import VerificationError
from export.features import make_window, stft
from export.to_onnx.write import kept_if_proven
from export.training.checkpoint import build_from, read_content
from streamsep.separation import OnnxBackend
from streamsep.separation.separator import OFFLINE_RUNS
from streamsep.spec import ModelSpec

# Masks are sigmoids of sums of up to a thousand float32 products, taken in another order.
MAX_ERROR = 2e-5
WINDOW = "sqrt_hann"


def read_live(path: Path) -> CausalUNet | None:
    """Read a checkpoint's averaged live network, or return None if it holds another network.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or no checkpoint.
    """
    content = read_content(path)
    if "average" not in content:
        return None
    return build_from(path, content, _build).eval()


def _build(content: dict[str, Any]) -> CausalUNet:
    network = CausalUNet(read_recipe(content).network)
    network.load_state_dict(content["average"])
    return network


def live_spec(network: CausalUNet, **card: Any) -> ModelSpec:
    """Return the spec; ``card`` holds name, licence, training_data, scores, git_commit."""
    return ModelSpec(
        sample_rate=SAMPLE_RATE, channels=network.config.masks, stems=("vocals",), n_fft=N_FFT,
        hop_length=HOP_LENGTH, window=WINDOW, feature="log1p_magnitude_lrms", output="mask",
        mode="stateful", frames_per_run=1, stride_frames=1, lookahead_frames=0,
        any_frames=True, states=causal_states(network), **card,
    )  # fmt: skip


def write_live(network: CausalUNet, spec: ModelSpec, path: Path, wave: Audio) -> float:
    """Export to a file, verify it, and return the largest difference of a mask.

    Raises
    ------
    VerificationError
        When the graph isn't the network; what was at ``path`` before is still there.
    OutputError
        When the file can't be written.
    """
    with kept_if_proven(build_causal(network, spec), path) as partial:
        return verify_live(partial, network, wave)


@torch.no_grad()
def verify_live(path: Path, network: CausalUNet, wave: Audio) -> float:
    """Run the file's graph over a sound, as live and as offline, and compare with the network.

    Returns
    -------
    float
        The largest difference of a mask.

    Raises
    ------
    VerificationError
        When it is more than MAX_ERROR.
    """
    features = planes(stft(torch.from_numpy(wave)[None], make_window(WINDOW)))
    expected, error = network(features)[0].numpy(), 0.0
    for frames in (1, OFFLINE_RUNS):
        backend = OnnxBackend(path, device="cpu", runs_at_once=frames)
        for start in range(0, features.shape[-1] - frames + 1, frames):
            part = slice(start, start + frames)
            backend.features[...] = features[0, ..., part].numpy()
            backend.run()
            difference = np.abs(backend.estimate[0] - expected[..., part]).max()
            error = float(np.maximum(error, difference))  # NaN stays NaN
    if not error <= MAX_ERROR:
        raise VerificationError(
            f"the graph's masks differ from the network's by {error:.3g}",
            expected=f"at most {MAX_ERROR:g}",
            remedy="report this: it is a bug in the export",
        )
    return error
