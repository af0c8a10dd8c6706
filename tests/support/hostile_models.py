"""Model files that are small and ask for too much, or lie about what they are."""

from pathlib import Path

import onnx
from onnx import helper

from streamsep.onnx_file import metadata_entry
from tests.support.models import make_spec, save

SPEC = dict(n_fft=64, hop_length=32)
ENDLESS = 2**62


def _saved(path: Path, body: str, **changes) -> Path:
    text = f"""
    hostile (float[2,33,1] features) => (float[1,2,33,1] estimate) {{
        zero = Constant <value_ints: ints = [0]> ()
        {body}
        estimate = Unsqueeze(changed, zero)
    }}"""
    return save(text, path, make_spec(**SPEC, **changes).to_metadata())


def asks_for_memory(path: Path, numbers: int = 27_000_000_000) -> Path:
    """A graph that makes a tensor of so many numbers: 108 GB."""
    return _saved(
        path,
        f"""
        size = Constant <value_ints: ints = [{numbers}]> ()
        axes = Constant <value_ints: ints = [0, 1, 2]> ()
        one = ReduceMax <keepdims: int = 0> (features, axes)
        huge = Expand(one, size)
        most = ReduceMax <keepdims: int = 0> (huge, zero)
        changed = Add(features, most)""",
    )


def never_ends(path: Path) -> Path:
    """A graph with a loop of 2⁶² turns."""
    return _saved(
        path,
        f"""
        turns = Constant <value_int: int = {ENDLESS}> ()
        yes = Constant <value: tensor = bool {{1}}> ()
        changed = Loop (turns, yes, features) <body = again
            (int64 turn, bool go, float[2,33,1] now) => (bool goes, float[2,33,1] then) {{
                goes = Identity(go)
                then = Sin(now)
            }}>""",
    )


def one_endless_operator(path: Path, size: int = 16_000) -> Path:
    """A graph whose matrix products take minutes, and no more than some gigabytes."""
    products = "\n".join(f"m{n + 1} = MatMul(m{n}, m{n})" for n in range(40))
    return _saved(
        path,
        f"""
        size = Constant <value_ints: ints = [{size}, {size}]> ()
        axes = Constant <value_ints: ints = [0, 1, 2]> ()
        one = ReduceMax <keepdims: int = 0> (features, axes)
        m0 = Expand(one, size)
        {products}
        both = Constant <value_ints: ints = [0, 1]> ()
        most = ReduceMax <keepdims: int = 0> (m40, both)
        changed = Add(features, most)""",
    )


def of_many_nodes(path: Path, count: int) -> Path:
    """A graph of a chain of nodes, written without looking at each."""
    node = helper.make_node("Identity", ["a"], ["b"]).SerializeToString()
    field = bytes([1 << 3 | 2, len(node)]) + node
    graph = field * count
    content = bytes([7 << 3 | 2]) + _varint(len(graph)) + graph
    path.write_bytes(content + _spec_entry())
    return path


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _spec_entry() -> bytes:
    ((key, value),) = make_spec(**SPEC).to_metadata().items()
    return metadata_entry(key, value)


def of_many_axes(path: Path, count: int) -> Path:
    """A graph with a tensor of so many axes, each of 127: their product has a million digits."""
    dims = b"\x7f" * count
    tensor = bytes([1 << 3 | 2]) + _varint(len(dims)) + dims
    graph = bytes([5 << 3 | 2]) + _varint(len(tensor)) + tensor
    path.write_bytes(bytes([7 << 3 | 2]) + _varint(len(graph)) + graph + _spec_entry())
    return path


def named_badly(path: Path) -> Path:
    """A graph whose output is called what a terminal would obey."""
    _saved(path, "changed = Identity(features)")
    model = onnx.load(path)
    model.graph.output[0].name = "\x1b]0;owned\x07\nestimate"
    model.graph.node[-1].output[0] = model.graph.output[0].name
    path.write_bytes(model.SerializeToString())
    return path


def folded_for_ever(path: Path, size: int = 400, count: int = 10_000) -> Path:
    """A graph of products of constants, which onnxruntime computes before the first run."""
    products = "\n".join(f"m{n + 1} = MatMul(m{n}, m{n})" for n in range(count))
    return _saved(
        path,
        f"""
        size = Constant <value_ints: ints = [{size}, {size}]> ()
        one = Constant <value_float: float = 1.0> ()
        m0 = Expand(one, size)
        {products}
        both = Constant <value_ints: ints = [0, 1]> ()
        most = ReduceMax <keepdims: int = 0> (m{count}, both)
        changed = Add(features, most)""",
    )
