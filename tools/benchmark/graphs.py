"""Graphs with random weights: published shapes of others, and both of our networks.

    python -m benchmark.graphs NAME FILE

Only the time they take means anything. Weights are drawn so that values neither vanish nor
overflow on their way: denormals are computed many times slower.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto

from export.onnx_graph.builder import GraphBuilder

SPLEETER_FILTERS = (16, 32, 64, 128, 256, 512)
MDX_SCALES, MDX_CONVOLUTIONS, MDX_GROWTH, MDX_BOTTLENECK = 5, 3, 32, 8


class Layers(GraphBuilder):
    """Layers of networks over (1, channels, rows, columns) with random weights."""

    def __init__(self) -> None:
        super().__init__()
        self._random = np.random.default_rng(0)

    def weights(self, *shape: int, fan_in: int) -> str:
        values = self._random.standard_normal(shape) * np.sqrt(2.0 / fan_in)
        return self.constant(f"weights_{len(self._constants)}", values.astype(np.float32))

    def convolve(
        self, x: str, channels: tuple[int, int], size: int, *, stride: int = 1, dilation: int = 1
    ) -> str:
        """Convolve to the same size, or to the stride's part of it."""
        pad = dilation * (size - 1) - (stride - 1)
        before, after = pad // 2, pad - pad // 2
        return self.node(
            "Conv",
            x,
            self.weights(*channels[::-1], size, size, fan_in=channels[0] * size**2),
            strides=[stride] * 2,
            dilations=[dilation] * 2,
            pads=[before] * 2 + [after] * 2,
        )

    def enlarge(self, x: str, channels: tuple[int, int], size: int) -> str:
        """Double rows and columns by a transposed convolution."""
        pad = size - 2
        before, after = pad // 2, pad - pad // 2
        return self.node(
            "ConvTranspose",
            x,
            self.weights(*channels, size, size, fan_in=channels[0] * size),
            strides=[2, 2],
            pads=[before] * 2 + [after] * 2,
        )

    def normalise(self, x: str, channels: int) -> str:
        """Batch normalisation as it is in inference; what the runtime can fold it may fold."""
        ones = self.constant(f"ones_{channels}", np.ones(channels, np.float32))
        zeros = self.constant(f"zeros_{channels}", np.zeros(channels, np.float32))
        return self.node("BatchNormalization", x, ones, zeros, zeros, ones)


def spleeter() -> ModelProto:
    """Spleeter, two stems: a U-Net a stem over 512 frames of 1024 bins, magnitude to mask.

    Hennequin, Khlif, Voituret, Moussallam: Spleeter: a fast and efficient music source
    separation tool with pre-trained models, JOSS 5 (2020); the U-Net is that of Jansson et al.,
    ISMIR 2017.
    """
    g = Layers()
    shape = (1, 2, 512, 1024)
    for stem in range(2):
        x, width, skips = "input", 2, []
        for filters in SPLEETER_FILTERS:
            x = g.convolve(x, (width, filters), 5, stride=2)
            skips.append(x)
            x = g.node("LeakyRelu", g.normalise(x, filters), alpha=0.2)
            width = filters
        x = skips.pop()
        for filters in (*SPLEETER_FILTERS[-2::-1], 1):
            x = g.normalise(g.node("Relu", g.enlarge(x, (width, filters), 5)), filters)
            if skips:
                x, width = g.concat(skips.pop(), x), 2 * filters
        mask = g.node("Sigmoid", g.convolve(x, (1, 2), 4, dilation=2))
        g.node("Mul", "input", mask, out=f"stem{stem}")
    return g.build("spleeter", [("input", shape)], [(f"stem{i}", shape) for i in range(2)], {})


def mdx(bins: int) -> ModelProto:
    """MDX-Net's TFC-TDF U-Net, one stem: four planes of so many bins, 256 frames, out the same.

    Kim, Choi, Chung, Lee, Jung: KUIELab-MDX-Net, arXiv 2111.12203 (2021); its blocks are those
    of Choi, Kim, Chung, Jung: Investigating U-Nets with various intermediate blocks for
    spectrogram-based singing voice separation, ISMIR 2020. Frames are rows, bins are columns.
    """
    g, frames = Layers(), 256

    def after(x: str, channels: int) -> str:
        return g.node("Relu", g.normalise(x, channels))

    def block(x: str, channels: int, size: int) -> str:
        for _ in range(MDX_CONVOLUTIONS):
            x = after(g.convolve(x, (channels, channels), 3), channels)
        y, small = x, size // MDX_BOTTLENECK
        for rows, columns in ((size, small), (small, size)):
            y = g.node("MatMul", y, g.weights(rows, columns, fan_in=rows))
            y = after(y, channels)
        return g.node("Add", x, y)

    x = g.node("Transpose", "input", perm=[0, 1, 3, 2])
    channels, size = MDX_GROWTH, bins
    x = after(g.convolve(x, (4, channels), 1), channels)
    skips = []
    for _ in range(MDX_SCALES):
        x = block(x, channels, size)
        skips.append(x)
        wider = channels + MDX_GROWTH
        weights = g.weights(wider, channels, 2, 2, fan_in=4 * channels)
        x = after(g.node("Conv", x, weights, strides=[2, 2]), wider)
        channels, size = wider, size // 2
    x = block(x, channels, size)
    for _ in range(MDX_SCALES):
        narrower = channels - MDX_GROWTH
        x = after(g.enlarge(x, (channels, narrower), 2), narrower)
        channels, size = narrower, size * 2
        x = block(g.node("Mul", x, skips.pop()), channels, size)
    g.node("Transpose", g.convolve(x, (channels, 4), 1), perm=[0, 1, 3, 2], out="output")
    shape = (1, 4, bins, frames)
    return g.build("mdx", [("input", shape)], [("output", shape)], {})


def tutorial(mode: str, precision: str = "fp32") -> ModelProto:
    """The tutorial's network at its full 18 M parameters, as ``export onnx`` writes it."""
    import torch

    from export.onnx_graph.write import in_precision
    from export.recipes.tutorial.network import NetworkConfig, VocalModel
    from export.recipes.tutorial.onnx_model import build_model, make_spec
    from export.recipes.tutorial.train_config import TrainConfig
    from export.recipes.tutorial.trained_network import Checkpoint

    torch.manual_seed(0)
    network = NetworkConfig()
    checkpoint = Checkpoint(network, TrainConfig(), VocalModel(network).state_dict())
    model = build_model(checkpoint, make_spec(checkpoint, mode, name=f"{mode}-{precision}"))
    return in_precision(model, precision)


def live(precision: str) -> ModelProto:
    """The live network, as ``export low-rank`` and ``export onnx`` write it."""
    import torch

    from export.recipes.live.graph import build_causal
    from export.recipes.live.low_rank import PRODUCTS, RANK, InputStatistics, truncate_rank
    from export.recipes.live.network import CausalUNet
    from export.recipes.live.onnx_export import Live, live_spec

    torch.manual_seed(0)
    network = CausalUNet().eval()
    alike = {
        name: InputStatistics.isotropic(network.get_parameter(name).shape[1]) for name in PRODUCTS
    }
    network.load_state_dict(truncate_rank(network.state_dict(), RANK, alike))
    spec = live_spec(Live(network, ("vocals",)), name=f"live-{precision}")
    return build_causal(network, spec, precision)


GRAPHS: dict[str, Callable[[], ModelProto]] = {
    "spleeter": spleeter,
    "mdx-2048": partial(mdx, 2048),
    "mdx-3072": partial(mdx, 3072),
    "live-fp32": partial(live, "fp32"),
    "live-int8": partial(live, "int8"),
    "stateful-fp32": partial(tutorial, "stateful"),
    "live-fp16": partial(live, "fp16"),
    "stateful-int8": partial(tutorial, "stateful", "int8"),
    "stateful-fp16": partial(tutorial, "stateful", "fp16"),
    "sliding-fp32": partial(tutorial, "sliding"),
    "sliding-int8": partial(tutorial, "sliding", "int8"),
    "sliding-fp16": partial(tutorial, "sliding", "fp16"),
}


if __name__ == "__main__":
    onnx.save(GRAPHS[sys.argv[1]](), Path(sys.argv[2]))
