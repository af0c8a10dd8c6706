"""What is measured: each contender takes the next piece of sound and separates it.

What a contender needs is imported when it is built, so that no contender's memory is another's.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import numpy as np

RATE = 44_100
stood_in: list[str] = []  # packages that `_stand_in_for_files` replaced here


@dataclass(frozen=True)
class Contender:
    """A separator ready to run.

    Attributes
    ----------
    samples
        New samples that a step takes: its hop.
    step
        Takes (2, samples) float32.
    provider
        Where it runs.
    """

    samples: int
    step: Callable[[np.ndarray], object]
    provider: str


@dataclass(frozen=True)
class Entry:
    """A contender that can be asked for.

    Attributes
    ----------
    what
        A line for the table.
    build
        Takes the device, the number of threads and the graph's path, if there is one.
    graph
        Its name in ``graphs.GRAPHS``; None for one that is shipped or isn't ONNX.
    ours
        Whether streamsep's engine runs it.
    gpu
        Whether it is for GPUs: elsewhere it has to be asked for.
    """

    what: str
    build: Callable[[str, int, Path | None], Contender]
    graph: str | None = None
    ours: bool = False
    gpu: bool = False


def engine(path: Path, device: str) -> Contender:
    """One of streamsep's engines: STFT and all, as live runs it."""
    from streamsep.separation import load_separator

    separator = load_separator(path, device=device)
    out = np.zeros((len(separator.stems), 2, separator.block_size), np.float32)
    return Contender(
        separator.block_size, lambda block: separator.process(block, out), separator.provider
    )


def builtin(name: str) -> Callable[[str, int, Path | None], Contender]:
    def build(device: str, threads: int, graph: Path | None) -> Contender:
        from streamsep.models import find_model

        model = find_model(name)
        assert isinstance(model, Path)  # what comes along is files
        return engine(model, device)

    return build


def exported(device: str, threads: int, graph: Path | None) -> Contender:
    assert graph is not None
    return engine(graph, device)


def center_cut(device: str, threads: int, graph: Path | None) -> Contender:
    from streamsep.separation.center_cut import CenterCut

    separator = CenterCut(block_size=512)
    out = np.zeros((2, 2, 512), np.float32)
    return Contender(512, lambda block: separator.process(block, out), "CPU")


def network(samples: int) -> Callable[[str, int, Path | None], Contender]:
    """A graph by itself in onnxruntime, without the transforms around it."""

    def build(device: str, threads: int, graph: Path | None) -> Contender:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        if device == "cuda":
            ort.preload_dlls()
        session = ort.InferenceSession(
            str(graph), options, providers=[f"{device.upper()}ExecutionProvider"]
        )
        provider = session.get_providers()[0].removesuffix("ExecutionProvider")
        port = session.get_inputs()[0]
        # Magnitudes of noise: the time doesn't depend on the sound.
        values = np.abs(np.random.default_rng(0).standard_normal(port.shape)).astype(np.float32)
        return Contender(samples, lambda block: session.run(None, {port.name: values}), provider)

    return build


def hs_tasnet(small: bool) -> Callable[[str, int, Path | None], Contender]:
    def build(device: str, threads: int, graph: Path | None) -> Contender:
        torch = _torch(threads)
        _stand_in_for_files("torchaudio", "transforms", "functional")
        _stand_in_for_files("torchcodec", "encoders")
        from hs_tasnet import HSTasNet

        model = HSTasNet(small=small).to(device)
        step = model.init_stateful_transform_fn(return_reduced_sources=[0, 1, 3])
        return Contender(model.overlap_len, _finished(torch, device, step), device.upper())

    return build


def open_unmix(kind: str) -> Callable[[str, int, Path | None], Contender]:
    """Over 6 s at a time, with the EM step that the package does by itself."""

    def build(device: str, threads: int, graph: Path | None) -> Contender:
        torch = _torch(threads)
        _stand_in_for_files("torchaudio")
        import openunmix

        # One stem is karaoke as its command does it: the vocals, and all the rest.
        one = {"targets": ["vocals"], "residual": True} if kind == "umxl" else {}
        model = getattr(openunmix, kind)(pretrained=False, device=device, **one)
        model.freeze()
        return Contender(6 * RATE, _batched(torch, device, model), device.upper())

    return build


def htdemucs(device: str, threads: int, graph: Path | None) -> Contender:
    """The published size, 41.98 M parameters, over its segment of 7.8 s, without overlap."""
    from demucs.htdemucs import HTDemucs

    torch = _torch(threads)
    model = HTDemucs(
        sources=["drums", "bass", "other", "vocals"], bottom_channels=512, dconv_mode=3, segment=7.8
    )
    model.eval().to(device)
    return Contender(int(7.8 * RATE), _batched(torch, device, model), device.upper())


def _torch(threads: int) -> Any:
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    return torch


def _finished(torch: Any, device: str, step: Callable[..., object]) -> Callable[..., object]:
    """A GPU works on while Python goes on: a step is over when its work is."""
    if device != "cuda":
        return step

    def run(block: np.ndarray) -> None:
        step(block)
        torch.cuda.synchronize()

    return run


def _batched(torch: Any, device: str, model: Callable[..., object]) -> Callable[..., object]:
    @torch.inference_mode()
    def step(block: np.ndarray) -> object:
        return model(torch.from_numpy(block)[None].to(device))

    return _finished(torch, device, step)


def _stand_in_for_files(name: str, *parts: str) -> None:
    """Let a package import that reads and writes files by ``name``, where that can't be loaded.

    Its wheels link CUDA's libraries even where torch itself is without. Nothing that is timed
    calls it.
    """
    try:
        importlib.import_module(name)
        return
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            raise
    except (OSError, RuntimeError):
        pass
    stood_in.append(name)
    for full in (name, *(f"{name}.{part}" for part in parts)):
        module: ModuleType = MagicMock(name=full)
        module.__spec__ = importlib.machinery.ModuleSpec(full, None)
        sys.modules[full] = module


WINDOW_SPLEETER = 512 * 1_024
WINDOW_MDX = 255 * 1_024

CONTENDERS: dict[str, Entry] = {
    "live": Entry("built in, stateful", builtin("live"), ours=True),
    "light": Entry("built in, live without a prior", builtin("light"), ours=True),
    "fast": Entry("built in, a quarter of live's hop", builtin("fast"), ours=True),
    "tutorial": Entry("built in, int8, stateful", builtin("tutorial"), ours=True),
    "live-fp32": Entry("live's network", exported, "live-fp32", True),
    "live-int8": Entry("live's network, int8 where most weights are", exported, "live-int8", True),
    "center-cut": Entry("what is in the middle, no model", center_cut, ours=True),
    "stateful-fp32": Entry("tutorial's network, 18 M", exported, "stateful-fp32", True),
    "stateful-int8": Entry("tutorial's network, 18 M", exported, "stateful-int8", True),
    "sliding-fp32": Entry("tutorial's, window every 4 hops", exported, "sliding-fp32", True),
    "sliding-int8": Entry("tutorial's, window every 4 hops", exported, "sliding-int8", True),
    "live-fp16": Entry("live in half precision", exported, "live-fp16", True, gpu=True),
    "stateful-fp16": Entry("tutorial's network, 18 M", exported, "stateful-fp16", True, gpu=True),
    "sliding-fp16": Entry(
        "tutorial's, window every 4 hops", exported, "sliding-fp16", True, gpu=True
    ),
    "hs-tasnet": Entry("streaming step, 4 stems", hs_tasnet(False)),
    "hs-tasnet-small": Entry("streaming step, 4 stems", hs_tasnet(True)),
    "umxhq": Entry("Open-Unmix, 4 stems, 6 s", open_unmix("umxhq")),
    "umxl-vocals": Entry("Open-Unmix, 1 stem, 6 s", open_unmix("umxl")),
    "htdemucs": Entry("Demucs v4, 4 stems, 7.8 s", htdemucs),
    "spleeter": Entry("network alone, 2 stems, 11.9 s", network(WINDOW_SPLEETER), "spleeter"),
    "mdx-2048": Entry("network alone, 1 stem, 5.9 s", network(WINDOW_MDX), "mdx-2048"),
    "mdx-3072": Entry("network alone, 1 stem, 5.9 s", network(WINDOW_MDX), "mdx-3072"),
}
