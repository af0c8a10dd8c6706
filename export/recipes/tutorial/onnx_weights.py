"""The trained weights as plain arrays, laid out for matrix products.

Weight norm is folded by *reading* each weight: what the parametrisation computes is copied out
and the network stays as it was. Removing parametrisations from a deep copy instead would
break the original, whose classes the copy shares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from export.onnx_graph.layers import Affine, Recurrence, Upsampling
from export.recipes.tutorial.network import NetworkConfig, VocalModel

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Weights:
    """Everything a graph needs, named as in ``VocalModel``."""

    config: NetworkConfig
    conv1: Affine
    conv2: Affine
    conv3: Affine
    up1: Upsampling
    up2: Upsampling
    out: Affine
    gru1: Recurrence
    gru2: Recurrence


@torch.no_grad()
def extract_weights(model: VocalModel) -> Weights:
    """Copy a network's weights; the network is left untouched."""
    return Weights(
        model.config,
        conv1=_convolution(model.conv1),
        conv2=_convolution(model.conv2),
        conv3=_convolution(model.conv3),
        up1=_upsampling(model.up1),
        up2=_upsampling(model.up2),
        out=_convolution(model.out),
        gru1=_recurrence(model.gru1),
        gru2=_recurrence(model.gru2),
    )


def _array(tensor: torch.Tensor) -> Array:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)


def _bias(layer: nn.Conv1d | nn.ConvTranspose1d) -> Array:
    assert layer.bias is not None  # the network has them everywhere
    return _array(layer.bias).copy()


def _convolution(layer: nn.Conv1d) -> Affine:
    """Unfold (out, in, 3): three frames side by side, the earliest first."""
    weight = layer.weight.permute(2, 1, 0)
    return Affine(_array(weight.reshape(-1, weight.shape[-1])).copy(), _bias(layer))


def _upsampling(layer: nn.ConvTranspose1d) -> Upsampling:
    """Take (in, out, 3) apart: stride 2, padding 1 and output padding 1 leave these products."""
    first, middle, last = layer.weight.unbind(-1)
    bias = _bias(layer)
    return Upsampling(
        odd=Affine(_array(torch.cat([last, first])), bias), even=Affine(_array(middle).copy(), bias)
    )


def _recurrence(layer: nn.GRU) -> Recurrence:
    def side(kind: str) -> Affine:
        weight, bias = (layer.get_parameter(f"{part}_{kind}_l0") for part in ("weight", "bias"))
        return Affine(_array(weight.T).copy(), _array(bias).copy())

    return Recurrence(side("ih"), side("hh"))
