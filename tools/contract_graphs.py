#!/usr/bin/env python3
"""Small graphs with the contracts of models that people own, and what streamsep makes of them.

    python tools/contract_graphs.py FOLDER
    python tools/contract_graphs.py --model NAME

The first writes a graph for each contract into FOLDER, imports it there (not among your models)
and separates a sound with it, live and over files. Each graph gives back a known part of what it
takes: the largest error of a sample is printed. Nothing of any maker's weights is in them: what
they show is that streamsep feeds a graph what its contract says, and puts together what comes out.

The second takes a model of yours and prints what holds for any: by how much its stems don't sum to
the sound, what it gives for silence, and how far live and files are apart, which depends on the
model.

`tests/contract/` builds others with the functions here: convolutions whose result can be computed
otherwise.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parent.parent))

from streamsep.cli import cli
from streamsep.models import find_model, imported_path
from streamsep.separation import ChunkedSeparator, Separator, load_separator
from streamsep.types import Float32
from testing.signals import music

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


def streaming(
    path: Path,
    *,
    samples: int,
    gains: Sequence[tuple[float, float]],
    channels: int = 2,
    ports: tuple[str, str] = ("audio_chunk", "separated_chunk"),
) -> Path:
    """Write a graph that takes new samples and states, as StemgenRT's later ones do.

    Parameters
    ----------
    gains
        Of each stem: what it is of the samples of the run before, and of those before these.
    """
    count, float32 = len(gains), TensorProto.FLOAT
    recent, older = np.array(gains, np.float32).T.reshape(2, 1, count, 1, 1)
    nodes = [
        helper.make_node("Unsqueeze", ["past_audio", "axis"], ["one"]),
        helper.make_node("Mul", ["one", "recent"], ["first"]),
        helper.make_node("Unsqueeze", ["older_audio", "axis"], ["two"]),
        helper.make_node("Mul", ["two", "older"], ["second"]),
        helper.make_node("Add", ["first", "second"], [ports[1]]),
        helper.make_node("Identity", [ports[0]], ["next_past_audio"]),
        helper.make_node("Identity", ["past_audio"], ["next_older_audio"]),
    ]
    sound, stems = [1, channels, samples], [1, count, channels, samples]
    names = ("past_audio", "older_audio")
    return save(
        path,
        nodes,
        {"axis": np.array([1]), "recent": recent, "older": older},
        [(ports[0], float32, sound), *((name, float32, sound) for name in names)],
        [(ports[1], float32, stems), *((f"next_{name}", float32, sound) for name in names)],
    )


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


def _mdx(dim_f: int, frames: int, stems: int | None = None) -> Callable[[Path], list[Path]]:
    return lambda path: [spectrum(path, dim_f=dim_f, frames=frames, stems=stems)]


def _sound(**graph: object) -> Callable[[Path], list[Path]]:
    return lambda path: [waveform(path, **graph)]  # type: ignore[arg-type]


def _spleeter(path: Path) -> list[Path]:
    halves = np.full(1_024, 0.5, np.float32)
    names = ("vocals", "accompaniment")
    return [magnitudes(path.with_name(f"{path.stem}-{n}.onnx"), gains=halves) for n in names]


# A file, what is said of it, and which part of the sound its first stem is.
CONTRACTS: dict[str, tuple[Callable[[Path], list[Path]], str, float]] = {
    "mdx-6144": (_mdx(3_072, 256), "--n-fft 6144", 1.0),
    "mdx-5120": (_mdx(2_560, 256), "--n-fft 5120", 1.0),
    "dttnet": (_mdx(2_048, 256), "--n-fft 6144", 1.0),
    "mdx23c": (_mdx(4_096, 256, 2), "--n-fft 8192 --stem vocals,instrumental", 1.0),
    "mdx23c-512": (_mdx(1_024, 256, 2), "--n-fft 2048 --hop 512 --stem vocals,instrumental", 1.0),
    "spleeter": (_spleeter, "", 0.5),
    "htdemucs": (_sound(samples=343_980), "", 1.0),
    "htdemucs-6s-fp16": (_sound(samples=343_980, stems=6, half=True), "", 1.0),
    "htdemucs-network": (
        lambda path: [hybrid(path, samples=343_980, gains=[(0.5, 0.5)] * 4)],
        "",
        1.0,
    ),
    "roformer": (_sound(samples=352_800, stems=2), "--stem vocals,instrumental", 1.0),
    "stemgen-rt-128": (
        lambda path: [streaming(path, samples=128, gains=[(1.0, 0.0)] * 4)],
        "",
        1.0,
    ),
    "stemgen-rt": (
        lambda path: [scatter(waveform(path, samples=2_560, ports=("audio", "separated")))],
        "",
        1.0,
    ),
}


def check_contracts(folder: Path) -> None:
    """Write, import and try a graph of each contract."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
    sound = _without_treble(music(12.0))
    print(f"{'':18}{'over files':>12}{'live':>12}   largest error of a sample")
    for name, (build, said, part) in CONTRACTS.items():
        files = build(folder / f"{name}.onnx")
        cli(
            ["models", "import", *map(str, files), *said.split(), "--name", name],
            standalone_mode=False,
        )
        errors = [
            np.abs(stems_of(separator, sound)[0] - part * sound).max()
            for separator in _engines(imported_path(name))
        ]
        print(f"{name:18}{errors[0]:12.1e}{errors[1]:12.1e}", flush=True)


def check_model(name: str) -> None:
    """Print what holds for any model."""
    model = find_model(name)
    sound = music(12.0)
    both = []
    for kind, separator in zip(("over files", "live"), _engines(model), strict=True):
        stems = stems_of(separator, sound)
        both.append(stems)
        silence = np.abs(stems_of(separator, np.zeros_like(sound))).max()
        error = np.abs(stems.sum(axis=0) - sound).max()
        print(
            f"{kind}: stems are {error:.1e} off the sound in their sum, {silence:.1e} for silence"
        )
    for stem, offline, live in zip(separator.stems, *both, strict=True):
        apart = np.square(offline - live).mean() / max(np.square(offline).mean(), 1e-20)
        print(f"{stem}: live is {10 * np.log10(max(apart, 1e-20)):.1f} dB of it away from files")


def stems_of(separator: Separator, sound: Float32) -> Float32:
    """Return (S, C, N) of all of a sound (C, N)."""
    chunked = ChunkedSeparator(separator)
    return np.concatenate([chunked.feed(sound), chunked.finish()], axis=-1)


def _engines(model: object) -> list[Separator]:
    """Return the engine for files, and the live one as often as a slow machine would run it."""
    kinds: list[dict[str, object]] = [{"offline": True}, {"stride_blocks": _stride(model)}]
    return [load_separator(model, device="cpu", **kind) for kind in kinds]  # type: ignore[arg-type]


def _stride(model: object) -> int:
    """Return half a second of strides, or one where each has to be run."""
    spec = load_separator(model, device="cpu", offline=True).spec  # type: ignore[arg-type]
    both_ways = getattr(spec, "looks_both_ways", False)
    return 16 if both_ways and not getattr(spec, "padding_frames", 0) else 1


def _without_treble(sound: Float32, hertz: float = 10_000) -> Float32:
    """Take out what graphs of spectra don't see; a sudden start would reach everywhere."""
    ramp = np.sin(np.pi / 2 * np.clip(np.arange(sound.shape[-1]) / 4_096, 0.0, 1.0)) ** 2
    spectra = np.fft.rfft(sound * ramp * ramp[::-1])
    spectra[:, round(hertz / 44_100 * sound.shape[-1]) :] = 0.0
    return np.fft.irfft(spectra, sound.shape[-1]).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where graphs are written")
    parser.add_argument("--model", metavar="NAME", help="check a model of your own instead")
    arguments = parser.parse_args()
    if (arguments.folder is None) == (arguments.model is None):
        parser.error("name a folder, or --model")
    if arguments.model:
        check_model(arguments.model)
    else:
        check_contracts(arguments.folder)


if __name__ == "__main__":
    main()
