"""Proof that an exported graph computes what the trained network computes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from export.engine.torch_stft import make_window, stft
from export.errors import VerificationError
from export.onnx_graph.fp16 import is_fp16
from export.onnx_graph.load import load_onnx, open_session
from export.recipes.tutorial.features import log1p_magnitude
from export.recipes.tutorial.network import VocalModel
from export.recipes.tutorial.onnx_model import make_spec
from export.recipes.tutorial.trained_network import Checkpoint
from streamsep.spec import ESTIMATE_OUTPUT, FEATURES_INPUT, ModelSpec

Array = NDArray[np.float32]

# Sums over up to 3075 float32 products, taken in another order, differ by about 2e-6 of a log
# magnitude; a frame or a gate in the wrong place shows as 1e-2 and more.
MAX_ERROR = 2e-5
# int8 rounds activations to 1/255 of their range: 30 dB on the estimate's log magnitude is where
# its noise lies well below what the network itself gets wrong. So is fp16's, of 11 bits.
MIN_SNR_DB = 30.0

DEFAULT_STEPS = 128
WARM_UP_STEPS = 4


@dataclass(frozen=True, slots=True)
class Parity:
    """How far an ONNX graph is from its network, and how long it takes.

    Attributes
    ----------
    max_error
        Largest difference of the estimates' log1p magnitude.
    snr_db
        Energy of the network's estimate over the energy of the difference.
    frames
        Estimated frames compared.
    p50_ms, p99_ms
        Time of a run on one thread.
    """

    precision: str
    max_error: float
    snr_db: float
    frames: int
    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return (
            f"{self.precision}, {self.frames} frames: largest error {self.max_error:.2g}, "
            f"SNR {self.snr_db:.1f} dB; a run takes {self.p50_ms:.2f} ms "
            f"(p99 {self.p99_ms:.2f} ms)"
        )

    def check(self) -> None:
        """Raise VerificationError when the difference is beyond tolerance."""
        if self.precision != "fp32":
            if not self.snr_db >= MIN_SNR_DB:
                raise VerificationError(
                    f"the {self.precision} graph has an SNR of {self.snr_db:.1f} dB against the "
                    "network",
                    expected=f"at least {MIN_SNR_DB:.0f} dB",
                    remedy="export with --precision fp32",
                )
        elif not self.max_error <= MAX_ERROR:
            raise VerificationError(
                f"the graph's estimate differs from the network's by {self.max_error:.3g}",
                expected=f"at most {MAX_ERROR:g}",
                remedy="name the checkpoint that the model was exported from; "
                "if it is that one, don't use the file and report a bug",
            )


def verify(path: Path, checkpoint: Checkpoint, wave: Array, steps: int = DEFAULT_STEPS) -> Parity:
    """Compare an ONNX file with the network of a checkpoint.

    Parameters
    ----------
    wave
        Sound to compare on, float32, shape (channels, samples); repeated when too short.
    steps
        Runs of the graph, each over new frames.

    Returns
    -------
    Parity
        Not judged yet: see ``Parity.check``.

    Raises
    ------
    ModelError
        When the file is no ONNX model or carries no valid spec.
    VerificationError
        When its spec can't belong to the checkpoint.
    """
    model = load_onnx(path)
    spec = ModelSpec.from_metadata({p.key: p.value for p in model.metadata_props})
    _check_spec(spec, checkpoint)
    features = _features(wave, spec, checkpoint.train.window, steps)
    session = open_session(path)
    run = _run_stateful if spec.mode == "stateful" else _run_sliding
    estimate, expected, seconds = run(session, spec, checkpoint.build(), features)
    error = np.abs(estimate - expected)
    noise = float(np.sum(np.square(estimate - expected, dtype=np.float64)))
    signal = float(np.sum(np.square(expected, dtype=np.float64)))
    is_int8 = any(node.op_type == "MatMulInteger" for node in model.graph.node)
    precision = "int8" if is_int8 else "fp16" if is_fp16(model) else "fp32"
    times_ms = 1000 * np.array(seconds[WARM_UP_STEPS:] or seconds)
    return Parity(
        precision,
        # A NaN compares false with every tolerance: check() refuses it.
        float(error.max()),
        float(10 * np.log10(max(signal, 1e-30) / max(noise, 1e-30))),
        estimate.shape[-1],
        float(np.percentile(times_ms, 50)),
        float(np.percentile(times_ms, 99)),
    )


def _check_spec(spec: ModelSpec, checkpoint: Checkpoint) -> None:
    wanted = make_spec(checkpoint, spec.mode, name=spec.name, channels=spec.channels)
    for name in ("stems", "bins", "window", "frames_per_run", "lookahead_frames", "states"):
        if getattr(spec, name) != getattr(wanted, name):
            raise VerificationError(
                f"the model's {name} are {getattr(spec, name)}",
                expected=f"the checkpoint's {getattr(wanted, name)}",
                remedy="name the checkpoint that the model was exported from",
            )


def _features(wave: Array, spec: ModelSpec, window: str, steps: int) -> torch.Tensor:
    """Return features of shape (channels, bins, steps * frames_per_run), no padding at the end."""
    frames = steps * spec.frames_per_run
    samples = (frames - 1) * spec.hop_length
    repeats = -(-samples // wave.shape[1])
    tiled = np.tile(wave, (1, repeats))[:, :samples]
    return log1p_magnitude(stft(torch.from_numpy(tiled), make_window(window)))


Compared = tuple[Array, Array, Sequence[float]]  # estimates (S, C, B, T) twice, seconds


@torch.no_grad()
def _run_stateful(
    session: ort.InferenceSession, spec: ModelSpec, model: VocalModel, features: torch.Tensor
) -> Compared:
    """Step through the features; the network sees one zero frame and then them, at one go."""
    states = {s.input: np.zeros(s.shape, np.float32) for s in spec.states}
    names = [ESTIMATE_OUTPUT, *(s.output for s in spec.states)]
    estimates, seconds = [], []
    for part in (
        features.numpy().reshape(*features.shape[:2], -1, spec.frames_per_run).transpose(2, 0, 1, 3)
    ):
        begun = time.perf_counter()
        estimate, *following = session.run(
            names, {FEATURES_INPUT: np.ascontiguousarray(part), **states}
        )
        seconds.append(time.perf_counter() - begun)
        states = dict(zip(states, following, strict=True))
        estimates.append(estimate)
    zero = torch.zeros(*features.shape[:2], 1)
    whole = model(torch.cat([zero, features[..., :-1]], -1)).transpose(0, 1).numpy()
    # Estimates start at frame 1 - lag - 1 of those: drop what lies before the first real frame,
    # and what at the end lacks its look-ahead in the network's window.
    got = np.concatenate(estimates, -1)[..., spec.lag_frames :]
    count = whole.shape[-1] - 1 - spec.lookahead_frames
    return got[..., :count], whole[..., 1 : 1 + count], seconds


@torch.no_grad()
def _run_sliding(
    session: ort.InferenceSession, spec: ModelSpec, model: VocalModel, features: torch.Tensor
) -> Compared:
    """Take window after window: every frame of each must agree."""
    estimates, expected, seconds = [], [], []
    for part in features.split(spec.frames_per_run, -1):
        inputs = {FEATURES_INPUT: part.contiguous().numpy()}
        begun = time.perf_counter()
        (estimate,) = session.run([ESTIMATE_OUTPUT], inputs)
        seconds.append(time.perf_counter() - begun)
        estimates.append(estimate)
        expected.append(model(part).transpose(0, 1).numpy())
    return np.concatenate(estimates, -1), np.concatenate(expected, -1), seconds
