"""Small real ONNX models with known answers, written as text and run by onnxruntime."""

from pathlib import Path

import numpy as np
import onnx
from onnx.parser import parse_model

from streamsep.spec import ModelSpec, StateSpec

HEADER = '<ir_version: 9, opset_import: ["": 18]>'


def make_spec(**changes) -> ModelSpec:
    values = dict(
        name="test",
        sample_rate=44_100,
        channels=2,
        stems=("vocals",),
        n_fft=2048,
        hop_length=1024,
        window="sqrt_hann",
        feature="log1p_magnitude",
        output="mask",
        mode="stateful",
        frames_per_run=1,
        stride_frames=1,
        lookahead_frames=0,
    )
    return ModelSpec(**(values | changes))


def save(text: str, path: Path, metadata: dict[str, str]) -> Path:
    model = parse_model(f"{HEADER} {text}")
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def constant_mask(path: Path, value: float = 0.0, **changes) -> Path:
    """A model whose estimate is ``value`` everywhere: 0 leaves the beat as it came in."""
    spec = make_spec(**changes)
    rest = f"{spec.bins},{spec.frames_per_run}"
    shape = f"{len(spec.stems)},{spec.channels},{rest}"
    text = f"""
    constant (float[{spec.planes},{rest}] features) => (float[{shape}] estimate) {{
        zero = Constant <value_float: float = 0.0> ()
        value = Constant <value_float: float = {value}> ()
        target = Constant <value_ints: ints = [{shape}]> ()
        plane = Constant <value_ints: ints = [0]> ()
        one = ReduceMax <keepdims: int = 1> (features, plane)
        nothing = Mul(one, zero)
        level = Add(nothing, value)
        estimate = Expand(level, target)
    }}"""
    return save(text, path, spec.to_metadata())


def stem_masks(path: Path, masks: dict[str, float], **changes) -> Path:
    """A model with one mask a stem, the same for every bin."""
    spec = make_spec(stems=tuple(masks), **changes)
    count, bins = len(masks), spec.bins
    text = f"""
    several (float[{spec.planes},{bins},1] features) => (float[{count},2,{bins},1] estimate)
    <float[{count},1,1,1] masks = {{{", ".join(str(float(m)) for m in masks.values())}}}> {{
        shape = Constant <value_ints: ints = [{count},2,{bins},1]> ()
        estimate = Expand(masks, shape)
    }}"""
    return save(text, path, spec.to_metadata())


def lookahead_mask(path: Path, *, frames: int, lookahead: int, **changes) -> Path:
    """Mask of frame t: sigmoid of the mean feature of frames t to t + lag, minus one.

    The state holds the last ``lookahead`` feature frames. `reference_mask` says the same in
    numpy for a whole file.
    """
    spec = make_spec(
        frames_per_run=frames,
        stride_frames=frames,
        lookahead_frames=lookahead,
        states=(StateSpec("past", "past_next", (2, 1025, lookahead)),),
        **changes,
    )
    total, lag = lookahead + frames, spec.lag_frames
    text = f"""
    lookahead (float[2,1025,{frames}] features, float[2,1025,{lookahead}] past)
        => (float[1,2,1025,{frames}] estimate, float[2,1025,{lookahead}] past_next) {{
        joined = Concat <axis: int = 2> (past, features)
        mean = AveragePool <kernel_shape: ints = [{lag + 1}], strides: ints = [1]> (joined)
        axis = Constant <value_ints: ints = [2]> ()
        first = Constant <value_ints: ints = [{frames - 1}]> ()
        last = Constant <value_ints: ints = [{2 * frames - 1}]> ()
        mine = Slice(mean, first, last, axis)
        one = Constant <value_float: float = 1.0> ()
        centred = Sub(mine, one)
        mask = Sigmoid(centred)
        stem = Constant <value_ints: ints = [0]> ()
        estimate = Unsqueeze(mask, stem)
        keep = Constant <value_ints: ints = [{frames}]> ()
        end = Constant <value_ints: ints = [{total}]> ()
        past_next = Slice(joined, keep, end, axis)
    }}"""
    return save(text, path, spec.to_metadata())


def remembering_mask(path: Path, **changes) -> Path:
    """Mask of frame t: sigmoid of the mean feature of it and the frame before, minus one.

    Takes any frames at once; the frame before is that of the stream, ``interleave`` hops ago.
    """
    spec = make_spec(
        states=(StateSpec("past", "past_next", (2, 1025, 1)),), any_frames=True, **changes
    )
    text = """
    remembering (float[2,1025,frames] features, float[2,1025,1] past)
        => (float[1,2,1025,frames] estimate, float[2,1025,1] past_next) {
        joined = Concat <axis: int = 2> (past, features)
        mean = AveragePool <kernel_shape: ints = [2], strides: ints = [1]> (joined)
        one = Constant <value_float: float = 1.0> ()
        centred = Sub(mean, one)
        mask = Sigmoid(centred)
        stem = Constant <value_ints: ints = [0]> ()
        estimate = Unsqueeze(mask, stem)
        axis = Constant <value_ints: ints = [2]> ()
        last = Constant <value_ints: ints = [-1]> ()
        end = Constant <value_ints: ints = [9999]> ()
        past_next = Slice(joined, last, end, axis)
    }"""
    return save(text, path, spec.to_metadata())


def windowed_mask(path: Path, *, frames: int, stride: int, lag: int, **changes) -> Path:
    """`lookahead_mask` as a sliding graph over a window of ``frames``."""
    spec = make_spec(
        mode="sliding",
        frames_per_run=frames,
        stride_frames=stride,
        lookahead_frames=lag + stride - 1,
        **changes,
    )
    text = f"""
    windowed (float[2,1025,{frames}] features) => (float[1,2,1025,{frames}] estimate) {{
        pads = Constant <value_ints: ints = [0, 0, 0, 0, 0, {lag}]> ()
        padded = Pad(features, pads)
        mean = AveragePool <kernel_shape: ints = [{lag + 1}], strides: ints = [1]> (padded)
        one = Constant <value_float: float = 1.0> ()
        centred = Sub(mean, one)
        mask = Sigmoid(centred)
        stem = Constant <value_ints: ints = [0]> ()
        estimate = Unsqueeze(mask, stem)
    }}"""
    return save(text, path, spec.to_metadata())


def one_plane(path: Path, index: int, **changes) -> Path:
    """The mask is one of the feature planes."""
    spec = make_spec(**changes)
    text = f"""
    one_plane (float[{spec.planes},1025,1] features) => (float[1,2,1025,1] estimate) {{
        first = Constant <value_ints: ints = [{index}]> ()
        last = Constant <value_ints: ints = [{index + 1}]> ()
        axis = Constant <value_ints: ints = [0]> ()
        plane = Slice(features, first, last, axis)
        shape = Constant <value_ints: ints = [1,2,1025,1]> ()
        estimate = Expand(plane, shape)
    }}"""
    return save(text, path, spec.to_metadata())


def reference_mask(features: np.ndarray, lag: int) -> np.ndarray:
    """The masks of `lookahead_mask` for a whole file; features (C, B, T), zeros after the end."""
    padded = np.concatenate([features, np.zeros((*features.shape[:2], lag))], axis=-1)
    count = features.shape[-1]
    mean = sum(padded[..., k : k + count] for k in range(lag + 1)) / (lag + 1)
    return 1.0 / (1.0 + np.exp(1.0 - mean))


def mdx(
    path: Path,
    *,
    kernel: np.ndarray | None = None,
    n_fft: int = 4096,
    dim_f: int = 2048,
    frames: int = 32,
    batch: str = "batch",
    spec: bool = True,
    **changes,
) -> Path:
    """A graph with the contract of MDX-Net; without a kernel it gives back what it is given.

    ``kernel`` (4, 4, 3) float32 mixes the planes of three successive frames: output plane o of
    frame t is the sum over i and k of kernel[o, i, k] times input plane i of frame t + k - 1.
    ``spec=False`` leaves our metadata out, as in files from elsewhere.
    """
    if kernel is None:
        kernel = np.zeros((4, 4, 3), np.float32)
        kernel[range(4), range(4), 1] = 1.0
    values = ", ".join(repr(float(value)) for value in kernel.ravel())
    text = f"""
    mdx (float[{batch},4,{dim_f},{frames}] input) => (float[{batch},4,{dim_f},{frames}] output)
    <float[4,4,1,3] kernel = {{{values}}}> {{
        output = Conv <pads: ints = [0, 1, 0, 1]> (input, kernel)
    }}"""
    metadata = (
        make_spec(
            n_fft=n_fft,
            dim_f=dim_f,
            window="hann",
            feature="complex",
            output="complex",
            mode="sliding",
            frames_per_run=frames,
            **({"lookahead_frames": 2} | changes),
        ).to_metadata()
        if spec
        else {}
    )
    return save(text, path, metadata)


def magnitude_mask(path: Path, **changes) -> Path:
    """A whole-window model of any frames: each bin's mask is m / (m + 1) of its magnitude m."""
    spec = make_spec(
        **dict(
            n_fft=4096,
            window="hann",
            feature="magnitude",
            mode="sliding",
            frames_per_run=64,
            any_frames=True,
        )
        | changes
    )
    return save(soft_mask(spec), path, spec.to_metadata())


def soft_mask(spec: ModelSpec) -> str:
    shape = f"{spec.channels},{spec.bins},frames"
    return f"""
    soft (float[{shape}] features) => (float[1,{shape}] estimate) {{
        one = Constant <value_float: float = 1.0> ()
        first = Constant <value_ints: ints = [0]> ()
        more = Add(features, one)
        mask = Div(features, more)
        estimate = Unsqueeze(mask, first)
    }}"""


def follower(path: Path, prior: str, **changes) -> Path:
    """A stateful model with a prior, whose mask is f / (f + 1) of its features f."""
    spec = make_spec(**dict(prior=prior, any_frames=True) | changes)
    return save(soft_mask(spec), path, spec.to_metadata())


def variant(path: Path, graph: str, **changes) -> Path:
    """A model without a graph of its own: it runs that of the model of this name beside it."""
    return save("nothing () => () { }", path, make_spec(graph=graph, **changes).to_metadata())


def filler(size: int) -> bytes:
    """A doc_string that makes a model file longer."""
    length, out = size, bytearray([6 << 3 | 2])
    while length >= 0x80:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*out, length]) + b" " * size
