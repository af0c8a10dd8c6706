#!/usr/bin/env python3
"""Small graphs with the contracts of models that people own, and what streamsep makes of them.

    python tools/contract_graphs.py FOLDER

writes a graph for each contract into FOLDER, imports it and separates noise with it, live and over
files. Each graph gives back what it takes, so all of the sound must come out, sample for sample:
the errors are printed. `tests/contract/` builds others with the functions here: convolutions whose
result can be computed otherwise.

Nothing of any maker's weights is in them: what they show is that streamsep feeds a graph what its
contract says, and puts together what comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8
Shape = Sequence[int | str]


def waveform(
    path: Path,
    *,
    samples: int | str,
    stems: int = 4,
    channels: int = 2,
    ports: tuple[str, str] = ("mix", "stems"),
    batch: bool = True,
    kernel: NDArray[np.float32] | None = None,
    half: bool = False,
    declared: bool = True,
) -> Path:
    """Write a graph from sound (C, N) to stems (S, C, N).

    Parameters
    ----------
    samples
        N, or a name for any.
    ports
        Names of input and output.
    batch
        Whether both begin with an axis of size 1.
    kernel
        float32 (S, K), K odd: stem s is the input convolved with ``kernel[s]``, silence around the
        window.  [default: the identity]
    half
        Have ports of float16.
    declared
        Whether the output's sizes stand in the file.
    """
    if kernel is None:
        kernel = np.ones((stems, 1), np.float32)
    stems, width = kernel.shape
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    rows = [channels, 1, samples] if isinstance(samples, int) else [channels, 1, -1]
    outs = [stems, channels, *rows[2:]]
    nodes = [
        helper.make_node("Cast", [ports[0]], ["sound"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["sound", "rows"], ["row"]),
        helper.make_node("Conv", ["row", "kernel"], ["each"], pads=[width // 2] * 2),
        helper.make_node("Transpose", ["each"], ["turned"], perm=[1, 0, 2]),
        helper.make_node("Reshape", ["turned", "shape"], ["shaped"]),
        helper.make_node("Cast", ["shaped"], [ports[1]], to=kind),
    ]
    # Conv correlates: turned round it convolves.
    weights = {
        "kernel": kernel[:, None, ::-1].astype(np.float32),
        "rows": np.array(rows),
        "shape": np.array([*[1] * batch, *outs]),
    }
    first = [1] if batch else []
    return save(
        path,
        nodes,
        weights,
        [(ports[0], kind, [*first, channels, samples])],
        [(ports[1], kind, [*first, stems, channels, samples] if declared else None)],
    )


def spectrum(
    path: Path,
    *,
    dim_f: int,
    frames: int,
    stems: int | None = None,
    half: bool = False,
    gains: Sequence[float] = (),
) -> Path:
    """Write a graph with the contract of MDX-Net, or MDX23C's with an axis of stems.

    Parameters
    ----------
    stems
        How many; None for no axis of stems.
    gains
        Stem s is the input times ``gains[s]``.  [default: 1]
    """
    count = stems or 1
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    gains = list(gains) or [1.0] * count
    nodes = [
        helper.make_node("Cast", ["input"], ["planes"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["planes", "axis"], ["one"]),
        helper.make_node("Mul", ["one", "gains"], ["each"]),
    ]
    weights = {
        "axis": np.array([1]),
        "gains": np.array(gains, np.float32).reshape(1, count, 1, 1, 1),
    }
    if stems is None:
        nodes.append(helper.make_node("Squeeze", ["each", "axis"], ["all"]))
    nodes.append(helper.make_node("Cast", ["each" if stems else "all"], ["output"], to=kind))
    planes: Shape = ["batch", 4, dim_f, frames]
    outs: Shape = ["batch", *[count] * (stems is not None), *planes[1:]]
    return save(path, nodes, weights, [("input", kind, planes)], [("output", kind, outs)])


def hybrid(
    path: Path,
    *,
    samples: int,
    gains: Sequence[tuple[float, float]],
    n_fft: int = 4_096,
    channels: int = 2,
    order: int = 1,
) -> Path:
    """Write a graph with the contract of Demucs' network, without the transform around it.

    Parameters
    ----------
    gains
        Of each stem: what its sound is of the input's sound, and its spectra of the input's.
    order
        -1 to have spectra before the sound, as some exports do.
    """
    count = len(gains)
    of_sound, of_spectra = np.array(gains, np.float32).T
    nodes = [
        helper.make_node("Unsqueeze", ["mix", "axis"], ["one"]),
        helper.make_node("Mul", ["one", "of_sound"], ["sound"]),
        helper.make_node("Unsqueeze", ["mag", "axis"], ["one_mag"]),
        helper.make_node("Mul", ["one_mag", "of_spectra"], ["spectra"]),
    ]
    weights = {
        "axis": np.array([1]),
        "of_sound": of_sound.reshape(1, count, 1, 1),
        "of_spectra": of_spectra.reshape(1, count, 1, 1, 1),
    }
    float32, bins = TensorProto.FLOAT, n_fft // 2
    frames = -(-samples * 4 // n_fft)
    inputs: list[tuple[str, int, Shape | None]] = [
        ("mix", float32, [1, channels, samples]),
        ("mag", float32, [1, 2 * channels, bins, frames]),
    ]
    outputs: list[tuple[str, int, Shape | None]] = [
        ("sound", float32, [1, count, channels, samples]),
        ("spectra", float32, [1, count, 2 * channels, bins, frames]),
    ]
    return save(path, nodes, weights, inputs[::order], outputs[::order])


def magnitudes(
    path: Path,
    *,
    gains: NDArray[np.float32],
    half: bool = False,
    ports: tuple[str, str] = ("x", "y"),
) -> Path:
    """Write one of Spleeter's two graphs, with a gain for each of its 1,024 bins.

    Parameters
    ----------
    gains
        float32 (1024,): what its magnitudes are of the mixture's.
    """
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    stored = gains.astype(np.float16 if half else np.float32)
    nodes = [helper.make_node("Mul", [ports[0], "gains"], [ports[1]])]
    shape: Shape = [2, "windows", 512, len(gains)]
    return save(
        path, nodes, {"gains": stored}, [(ports[0], kind, shape)], [(ports[1], kind, shape)]
    )


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    weights: dict[str, NDArray[np.generic]],
    inputs: Sequence[tuple[str, int, Shape | None]],
    outputs: Sequence[tuple[str, int, Shape | None]],
) -> Path:
    """Write a graph of nodes, weights by name, and ports by name, type and sizes."""
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(*port) for port in inputs],
        [helper.make_tensor_value_info(*port) for port in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.save(model, path)
    return path


def scatter(path: Path) -> Path:
    """Move a model's weights to ``NAME.data`` beside it, as PyTorch's export does."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        raw = numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name)
        tensor.CopyFrom(raw)  # others than raw numbers stay where they are
    data = f"{path.name}.data"
    onnx.save(model, path, save_as_external_data=True, location=data, size_threshold=0)
    return path
