"""Remedies that don't help: class 15."""

from __future__ import annotations

import hashlib
import json
import re
import signal
from pathlib import Path

import numpy as np

from failed_inputs.programs import (
    DOCTOR_S,
    MODEL,
    Done,
    environment,
    ffmpeg,
    noise,
    run,
    separate,
    with_path,
)
from failed_inputs.table import Verdict, case
from testing.servers import pulse_server


def both(place: Path, env: dict[str, str], *options: str) -> tuple[Done, Done]:
    """Run doctor and live with the same options."""
    doctor = run("doctor", *options, *MODEL, cwd=place, env=env)
    live = run("live", *options, "--seconds", "0.5", *MODEL, cwd=place, env=env)
    return doctor, live


@case(15, "ALSA_PLUGIN_DIR=/nonexistent")
def plugin_folder(place: Path) -> Verdict:
    options = ("--input", "pulse", "--output", "pulse")
    with pulse_server() as server:
        env = with_path(server.env())
        doctor, live = both(place, env | {"ALSA_PLUGIN_DIR": "/nonexistent"}, *options)
        mended = both(place, env, *options)
    right = doctor.code == 1 and live.code == 5 and "unset ALSA_PLUGIN_DIR" in doctor.out
    right = right and "unset ALSA_PLUGIN_DIR" in live.err and [d.code for d in mended] == [0, 0]
    return right, f"doctor {doctor.code} in {doctor.seconds:.1f} s, live {live.code}; unset: " + (
        f"doctor {mended[0].code}, live {mended[1].code}"
    )


@case(15, "a source that isn't there, a sink that isn't")
def no_such_sink(place: Path) -> Verdict:
    options = ("--input", "pulse", "--output", "pulse")
    with pulse_server() as server:
        env = with_path(server.env(sink="nowhere"))
        doctor, live = both(place, env, *options)
    right = doctor.code == 1 and live.code == 5 and "PULSE_SINK" in doctor.out
    return right, f"doctor {doctor.code} in {doctor.seconds:.1f} s, live {live.code}"


@case(15, "PULSE_SERVER that doesn't answer")
def no_server(place: Path) -> Verdict:
    done = run("live", "--input", "loopback", "--output", "null", *MODEL, cwd=place)
    return (
        done.code == 5 and "unset PULSE_SERVER" in done.err,
        f"exit {done.code}; {done.last[:90]}",
    )


@case(15, "a server that is there and doesn't answer")
def hanging_server(place: Path) -> Verdict:
    options = ("--input", "pulse", "--output", "pulse")
    with pulse_server() as server:
        server.processes[0].send_signal(signal.SIGSTOP)
        try:
            doctor, live = both(place, with_path(server.env()), *options)
        finally:
            server.processes[0].send_signal(signal.SIGCONT)
        mended = both(place, with_path(server.env()), *options)
    right = (doctor.code, live.code, *(d.code for d in mended)) == (1, 5, 0, 0)
    right = right and "doesn't answer" in doctor.out and "doesn't answer" in live.err
    return right and doctor.seconds < DOCTOR_S, (
        f"doctor {doctor.code} in {doctor.seconds:.1f} s, live {live.code} in "
        f"{live.seconds:.1f} s; running: doctor {mended[0].code}, live {mended[1].code}"
    )


def mdx_graph(path: Path, *, scattered: bool = False) -> Path:
    """Write a graph as UVR has them, that gives back what it is given."""
    import onnx
    from onnx import helper, numpy_helper

    ports = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 4, 2048, 32])
        for name in ("input", "output")
    ]
    one = numpy_helper.from_array(np.ones((1, 1, 1, 32), np.float32), "one")
    node = helper.make_node("Mul", ["input", "one"], ["output"])
    graph = helper.make_graph([node], "mdx", ports[:1], ports[1:], [one])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(
        model, path, save_as_external_data=scattered, location=f"{path.name}.data", size_threshold=0
    )
    return path


@case(15, "UVR's <md5>.json as --params")
def uvr_parameters(place: Path) -> Verdict:
    graph = mdx_graph(place / "mdx.onnx")
    digest = hashlib.md5(graph.read_bytes(), usedforsecurity=False).hexdigest()
    known: dict[str, object] = {"compensate": 1.03, "mdx_dim_f_set": 2048, "mdx_dim_t_set": 5}
    known |= {"mdx_n_fft_scale_set": 6144, "primary_stem": "Instrumental"}
    (place / f"{digest}.json").write_text(json.dumps(known))
    env = environment(XDG_CONFIG_HOME=str(place))
    done = run("models", "import", "mdx.onnx", "--params", f"{digest}.json", cwd=place, env=env)
    return done.code == 0, f"exit {done.code}; {(done.out or done.err).strip()[-80:]}"


@case(15, "a graph with .onnx.data: named where that is missing, and taken in with it")
def scattered(place: Path) -> Verdict:
    mdx_graph(place / "mdx.onnx", scattered=True)
    env = environment(XDG_CONFIG_HOME=str(place))
    weights = place / "mdx.onnx.data"
    weights.rename(place / "elsewhere")
    refused = run("models", "import", "mdx.onnx", "--n-fft", "6144", cwd=place, env=env)
    (place / "elsewhere").rename(weights)
    done = run("models", "import", "mdx.onnx", "--n-fft", "6144", cwd=place, env=env)
    right = (refused.code, done.code) == (6, 0) and weights.name in refused.last
    return right, f"exit {refused.code}, with it: {done.code}; {refused.last[:100]}"


@case(15, "no raw lines of libmpg123")
def raw_lines(place: Path) -> Verdict:
    noise(place / "song.wav", 5.0)
    ffmpeg(place, "-i", "song.wav", "in.mp3")
    data = bytearray((place / "in.mp3").read_bytes())
    data[20_000:26_000] = np.random.default_rng(1).bytes(6_000)
    (place / "song.mp3").write_bytes(data[100:])
    done = separate(place, "song.mp3")
    foreign = [line for line in done.err.splitlines() if re.search(r"mpg123|\.c:|\[src", line)]
    return not foreign, f"{len(foreign)} foreign lines, exit {done.code}"
