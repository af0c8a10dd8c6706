"""The live model as an ONNX graph: frames in, as many as there are, and their masks out.

Values have the shape (1, channels, frames, bands), but around GRUs: those want frames first. A
step of one frame and a run of many are one graph, in which ``frames`` is a free size; who loads it
fixes that, and onnxruntime then plans for it as if it stood in the file.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from torch import nn

from export.onnx_graph.builder import GraphBuilder
from export.onnx_graph.fp16 import to_fp16
from export.onnx_graph.layers import (
    Affine,
    Recurrence,
    affine,
    affine_int8,
    recurrence,
    recurrence_scan,
)
from export.recipes.live.features import FEATURE_GAIN
from export.recipes.live.network import (
    BAND_SIZES,
    BANDS,
    BINS,
    FEATURE_SCALE,
    FINE,
    FINE_FRAMES,
    KERNEL_BANDS,
    NEGATIVE_SLOPE,
    BandRecurrence,
    CausalUNet,
    Decoder,
    Encoder,
    FineSpectrum,
)
from streamsep.spec import (
    ESTIMATE_OUTPUT,
    FEATURES_INPUT,
    FREE_AXIS,
    ModelSpec,
    StateSpec,
)

END = 2**31 - 1  # beyond any axis
# So that powers, 10^4 and more of a full-scale tone's, fit fp16 to 12 dB above full scale.
FINE_SCALE_FP16 = 2.0**-20
NAME = "causal_u_net"  # not the spec's: of all hops there is one graph
ALONE = "alone"  # whether there is only one frame
# Of a matrix's largest singular value: what a product of two float32 factors has of further ones.
RANK_NOISE = 1e-5


def causal_states(model: CausalUNet) -> tuple[StateSpec, ...]:
    """Return the states that a step carries: names and shapes of `CausalUNet.state_shapes`.

    The bottleneck's are one a layer here, (1, 1, hidden).
    """
    shapes, hidden = model.state_shapes(), model.config.hidden
    del shapes["bottleneck"]
    shapes |= {"bottleneck0": (1, 1, hidden), "bottleneck1": (1, 1, hidden)}
    return tuple(StateSpec(name, f"{name}_next", shape) for name, shape in shapes.items())


@torch.no_grad()
def build_causal(model: CausalUNet, spec: ModelSpec, precision: str = "fp32") -> ModelProto:
    """Return the graph of a live network, with the spec in its metadata.

    Inputs and outputs are float32, as of `streamsep.spec`: features (planes, bins, frames), masks
    (stems, channels, bins, frames), and the states of `causal_states`.

    Parameters
    ----------
    model
        In evaluation mode; left as it is.
    spec
        Stateful, of any frames, with `causal_states`. Its hop and window leave the graph as it is.
    precision
        ``"fp32"``; ``"int8"`` for most of the bottleneck, where four of five weights are: a hop
        does little more there than read them, but not for factors, of which they are too few; or
        ``"fp16"`` as of `to_fp16`.
    """
    g = GraphBuilder()
    frames = g.node("Shape", FEATURES_INPUT, start=2, end=3)
    g.node("Equal", frames, g.integers(1), out=ALONE)
    planes = model.config.planes
    bins = g.node("Transpose", _corner(g, 0, planes, BINS), perm=[0, 2, 1])
    x = _bins_to_bands(g, g.node("Unsqueeze", bins, g.integers(0)))
    late, skips = model.config.lookahead, []
    encoders, decoders = cast(list[Encoder], model.encoders), cast(list[Decoder], model.decoders)
    for i, encoder in enumerate(encoders):
        both = _with_left_context(g, x, i, model)
        skips.append(both if late else x)
        x = _encode(g, g.take(both, late - 1, END, axis=2) if late > 1 else both, i, encoder)
        if i == 0 and model.fine is not None:
            middle = _corner(g, planes, planes + 2, FINE)
            scale = FINE_SCALE_FP16 if precision == "fp16" else 1.0
            x = g.node("Add", x, _fine(g, middle, model.fine, encoder, scale))
        x = g.node("LeakyRelu", x, alpha=NEGATIVE_SLOPE)
        if str(i + 1) in model.band_recurrences:
            module = cast(BandRecurrence, model.band_recurrences[str(i + 1)])
            x = _band_recurrence(g, x, i + 1, module)
    x = _bottleneck(g, x, model, int8=precision == "int8")
    for i in reversed(range(1, len(decoders))):
        x = _decode(g, x, skips[i], i, decoders[i], model.config.bands(i))
    x = _decode_in_pairs(g, x, skips[0], decoders[0])
    assert model.head.bias is not None
    weight, bias = head_in_pairs(model.head.weight), model.head.bias.repeat_interleave(2)
    x = g.node(
        "Conv",
        x,
        *_weights(g, "head", weight, bias),
        kernel_shape=[1, 3],
        pads=[0, 1, 0, 1],
    )
    masks = g.node("Transpose", g.node("Sigmoid", x), perm=[0, 1, 3, 2])
    masks = g.node("Reshape", masks, g.integers(1, model.config.masks, BANDS, -1))
    masks = g.node("Gather", masks, g.constant("index_of_bin", index_of_bin()), axis=2)
    estimate = spec.estimate_shape[:-1]
    g.node("Reshape", masks, g.integers(*estimate, -1), out=ESTIMATE_OUTPUT)
    graph = g.build(
        NAME,
        [
            (FEATURES_INPUT, (*spec.features_shape[:-1], FREE_AXIS)),
            *((s.input, s.shape) for s in spec.states),
        ],
        [
            (ESTIMATE_OUTPUT, (*estimate, FREE_AXIS)),
            *((s.output, s.shape) for s in spec.states),
        ],
        spec.to_metadata(),
    )
    return to_fp16(graph) if precision == "fp16" else graph


def index_of_bin() -> NDArray[np.int64]:
    """Return where the band of each of the 1025 bins stands, even bands first, then odd ones.

    Nyquist follows its neighbour.
    """
    sizes = np.concatenate([np.full(count, size) for size, count in BAND_SIZES])
    band: NDArray[np.int64] = np.append(np.repeat(np.arange(BANDS), sizes), BANDS - 1)
    return np.asarray(band % 2 * (BANDS // 2) + band // 2)


def _bins_to_bands(g: GraphBuilder, x: str) -> str:
    """Take bins (…, 1024) together to bands (…, 512)."""
    parts, start = [], 0
    for size, count in BAND_SIZES:
        part = g.take(x, start, start + size * count, axis=3)
        start += size * count
        if size > 1:
            part = g.node("AveragePool", part, kernel_shape=[1, size], strides=[1, size])
        parts.append(part)
    return g.concat(*parts, axis=3)


def _with_left_context(g: GraphBuilder, x: str, level: int, model: CausalUNet) -> str:
    """Put a level's frames behind those before, and keep the last ones for the next step."""
    both = g.concat(f"left_context{level}", x, axis=2)
    g.take(both, -model.config.left_context, END, axis=2, out=f"left_context{level}_next")
    return both


def _encode(g: GraphBuilder, both: str, level: int, encoder: Encoder) -> str:
    weight, bias = _fold(encoder.conv.weight, encoder.norm, axis=0)
    if level == 0:
        weight = FEATURE_SCALE * weight
    half = KERNEL_BANDS // 2
    return g.node(
        "Conv",
        both,
        *_weights(g, f"encoder{level}", weight, bias),
        kernel_shape=[2, KERNEL_BANDS],
        strides=[1, 2],
        pads=[0, half, 0, half],
    )


def _corner(g: GraphBuilder, first: int, last: int, bins: int) -> str:
    """Return some of the planes' lowest bins, all frames."""
    ints = g.integers
    return g.node("Slice", FEATURES_INPUT, ints(first, 0), ints(last, bins), ints(0, 1))


def _fine(g: GraphBuilder, middle: str, fine: FineSpectrum, encoder: Encoder, scale: float) -> str:
    """Return what the fine spectrum adds to the first level, of all its bands.

    Parameters
    ----------
    middle
        (2, FINE, frames).
    scale
        log(1 + p) is taken as log(scale + scale · p) − log(scale).
    """
    y = g.node("Transpose", middle, perm=[0, 2, 1])
    both = g.concat("fine", g.node("Unsqueeze", y, g.integers(0)), axis=2)
    g.take(both, -FINE_FRAMES, END, axis=2, out="fine_next")
    filters = g.constant("fine_filters", _array(FEATURE_GAIN * scale**0.5 * fine.kernel()))
    y = g.node("Conv", both, filters, kernel_shape=[FINE_FRAMES, 2], strides=[1, 2])
    real, imag = g.split(g.node("Mul", y, y), 2, 1)
    one = g.constant("fine_one", np.array([scale], np.float32))
    logarithm = g.node("Log", g.node("Add", g.node("Add", real, imag), one))
    if scale != 1:
        offset = g.constant("fine_offset", np.log(np.array([scale], np.float32)))
        logarithm = g.node("Sub", logarithm, offset)
    weight, bias = _fold(fine.conv.weight, fine.norm, axis=0)
    y = g.node(
        "Conv",
        logarithm,
        *_weights(g, "fine", FEATURE_SCALE / 2 * weight, bias),
        kernel_shape=[2, 3],
        pads=[0, 1, 0, 1],
    )
    y = g.node("LeakyRelu", y, alpha=NEGATIVE_SLOPE)
    weight = _fold(fine.out.weight, encoder.norm, axis=0)[0]
    y = g.node(
        "Conv",
        y,
        g.constant("fine_out", _array(weight)),
        kernel_shape=[1, 3],
        pads=[0, 1, 0, 1],
    )
    return g.node("Pad", y, g.integers(0, 0, 0, 0, 0, 0, 0, (BANDS - FINE) // 2))


def _decode(g: GraphBuilder, x: str, skip: str, level: int, decoder: Decoder, bands: int) -> str:
    y, outs = _up(g, x, level, decoder), decoder.norm.num_features
    y = g.node("Reshape", y, g.integers(outs, 2, -1, bands // 2))
    y = g.node("Transpose", y, perm=[0, 2, 3, 1])
    y = g.node("Reshape", y, g.integers(1, outs, -1, bands))
    weight, bias = _fold(decoder.skip.weight, decoder.norm, axis=0)
    skip = g.node(
        "Conv",
        skip,
        *_weights(g, f"skip{level}", weight, torch.zeros_like(bias)),
        kernel_shape=list(decoder.skip.kernel_size),
    )
    return g.node("LeakyRelu", g.node("Add", y, skip), alpha=NEGATIVE_SLOPE)


def _up(g: GraphBuilder, x: str, level: int, decoder: Decoder) -> str:
    """Double the bands: the even and the odd ones as channels, in turn."""
    weight, bias = _fold(decoder.up.weight, decoder.norm, axis=1)
    return g.node(
        "Conv",
        x,
        *_weights(g, f"up{level}", _paired(weight), bias.repeat_interleave(2)),
        kernel_shape=[1, 3],
        pads=[0, 1, 0, 1],
    )


def _decode_in_pairs(g: GraphBuilder, x: str, skip: str, decoder: Decoder) -> str:
    """Decode the top level, its even and odd bands as channels of their own.

    To lay bands between one another costs as much as a convolution: the head takes them as
    they are, and where masks are given to bins they find their places.
    """
    y = _up(g, x, 0, decoder)
    weight = FEATURE_SCALE * skip_in_pairs(_fold(decoder.skip.weight, decoder.norm, axis=0)[0])
    skip = g.node(
        "Conv",
        skip,
        *_weights(g, "skip0", weight, torch.zeros(len(weight))),
        kernel_shape=list(weight.shape[2:]),
        strides=[1, 2],
    )
    return g.node("LeakyRelu", g.node("Add", y, skip), alpha=NEGATIVE_SLOPE)


def skip_in_pairs(weight: torch.Tensor) -> torch.Tensor:
    """Return (out, in, frames, 1) as (2 · out, in, frames, 2): even bands, then odd, of each."""
    nothing = torch.zeros_like(weight)
    pair = torch.stack([torch.cat([weight, nothing], -1), torch.cat([nothing, weight], -1)], 1)
    return pair.flatten(0, 1)


def head_in_pairs(weight: torch.Tensor) -> torch.Tensor:
    """Return (out, in, 1, 3) as (2 · out, 2 · in, 1, 3), even and odd bands of each apart.

    An even band's neighbours are the odd ones of the pair before and of its own.
    """
    before, own, after = weight.unbind(-1)
    nothing = torch.zeros_like(own)

    def taps(*three: torch.Tensor) -> torch.Tensor:
        return torch.stack(three, -1)

    even = torch.stack([taps(nothing, own, nothing), taps(before, after, nothing)], 2)
    odd = torch.stack([taps(nothing, before, after), taps(nothing, own, nothing)], 2)
    return torch.stack([even, odd], 1).flatten(2, 3).flatten(0, 1)


def head_of_pairs(weight: torch.Tensor) -> torch.Tensor:
    """Undo `head_in_pairs`."""
    of_even, of_odd = weight[0::2, 0::2], weight[0::2, 1::2]
    return torch.stack([of_odd[..., 0], of_even[..., 1], of_odd[..., 1]], -1)


def _paired(weight: torch.Tensor) -> torch.Tensor:
    """Make a transposed convolution, (in, out, 1, 4) of stride 2, a plain one of two bands a place.

    Runs of many frames take 5 % less time, for all that half as many multiplications come on top.

    Returns
    -------
    Tensor
        (2 · out, in, 1, 3): for each channel the weights of the even band and of the odd one.
    """
    first, even, odd, last = weight.unbind(-1)  # (in, out, 1) each
    nothing = torch.zeros_like(even)
    pair = torch.stack(
        [torch.stack([last, even, nothing], -1), torch.stack([nothing, odd, first], -1)], 2
    )  # (in, out, 2, 1, 3)
    return pair.flatten(1, 2).transpose(0, 1)


def _fold(
    weight: torch.Tensor, norm: nn.BatchNorm2d, axis: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fold a batch norm into the weights of the convolution before it; ``axis`` holds outputs."""
    if norm.running_var is None or norm.running_mean is None:
        raise ValueError("a batch norm without running statistics can't be folded")
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    shape = [1] * weight.dim()
    shape[axis] = -1
    return weight * scale.view(shape), norm.bias - norm.running_mean * scale


def _band_recurrence(g: GraphBuilder, x: str, level: int, module: BandRecurrence) -> str:
    name, state = f"band{level}", f"band_state{level}"
    y = g.node("Transpose", g.node("Squeeze", x, g.integers(0)), perm=[1, 2, 0])
    scale = g.constant(f"{name}_scale", _array(module.norm.weight))
    y = g.node(
        "LayerNormalization",
        y,
        scale,
        g.constant(f"{name}_bias", _array(module.norm.bias)),
        axis=-1,
        epsilon=module.norm.eps,
    )
    y = g.node("Add", y, g.constant(f"{name}_embedding", _array(module.band_embedding)))
    y = recurrence(
        g,
        y,
        ALONE,
        f"{name}_gru",
        _gru(module.gru, 0),
        (state, f"{state}_next"),
        channels=len(module.band_embedding),
    )
    y = g.node("Transpose", _linear(g, y, f"{name}_out", module.out), perm=[2, 0, 1])
    return g.node("Add", x, g.node("Unsqueeze", y, g.integers(0)))


def _bottleneck(g: GraphBuilder, x: str, model: CausalUNet, *, int8: bool) -> str:
    config = model.config
    y = g.node("Reshape", g.node("Transpose", x, perm=[2, 0, 1, 3]), g.integers(0, 1, -1))
    for i in range(model.bottleneck.num_layers):
        layer, name, states = (
            _gru(model.bottleneck, i),
            f"bottleneck{i}",
            (f"bottleneck{i}", f"bottleneck{i}_next"),
        )
        if not int8:  # rounded, factors would move masks seven times as far as the whole does
            y, drive = _first_factor(g, y, name, layer.input)
            layer = Recurrence(drive, layer.hidden)
        # The first layer stays float32: what convolutions give it differs in the last digits
        # between one frame and many, and a number rounded to its neighbour would be carried on.
        if int8 and i > 0:
            y = recurrence(g, y, ALONE, name, layer, states, channels=1, int8=True)
        else:
            y = recurrence_scan(g, y, name, layer, *states)
    projection = Affine(_array(model.projection.weight.T), _array(model.projection.bias))
    if not int8:
        y, projection = _first_factor(g, y, "projection", projection)
    y = (affine_int8 if int8 else affine)(g, y, "projection", projection)
    y = g.node("Reshape", y, g.integers(0, 1, config.channels[-1], -1))
    if config.lookahead:
        x = g.take(
            _with_left_context(g, x, len(config.channels), model), 0, -config.lookahead, axis=2
        )
    return g.node("Add", x, g.node("Transpose", y, perm=[1, 2, 0, 3]))


def _first_factor(g: GraphBuilder, x: str, name: str, layer: Affine) -> tuple[str, Affine]:
    """Take the first of two factors, and return the second, where they are less than the whole."""
    weight = torch.from_numpy(layer.weight).double()
    # torch's takes a tenth of numpy's time.
    left, sizes, right = (part.numpy() for part in torch.linalg.svd(weight, full_matrices=False))
    rank = max(1, int((sizes > RANK_NOISE * sizes[0]).sum()))
    if rank * sum(weight.shape) >= weight.numel():
        return x, layer
    # Each takes half of a size: of one magnitude, which fp16 wants.
    first, second = left[:, :rank] * sizes[:rank] ** 0.5, sizes[:rank, None] ** 0.5 * right[:rank]
    x = g.node("MatMul", x, g.constant(f"{name}_factor", first.astype(np.float32)))
    return x, Affine(second.astype(np.float32), layer.bias)


def _weights(g: GraphBuilder, name: str, weight: torch.Tensor, bias: torch.Tensor) -> list[str]:
    return [g.constant(f"{name}_weight", _array(weight)), g.constant(f"{name}_bias", _array(bias))]


def _linear(g: GraphBuilder, x: str, name: str, layer: nn.Linear) -> str:
    return affine(g, x, name, Affine(_array(layer.weight.T), _array(layer.bias)))


def _gru(gru: nn.GRU, layer: int) -> Recurrence:
    def side(kind: str) -> Affine:
        weight, bias = (getattr(gru, f"{part}_{kind}_l{layer}") for part in ("weight", "bias"))
        return Affine(_array(weight.T), _array(bias))

    return Recurrence(side("ih"), side("hh"))


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)
