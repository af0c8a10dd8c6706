"""``streamsep models``: which models there are, and taking in one's own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streamsep.cli.echo import echo
from streamsep.cli.model_get import get
from streamsep.cli.model_import import import_
from streamsep.errors import BackendError, ModelError, OutputError, StreamsepError
from streamsep.models import (
    BUILTIN,
    FoundModel,
    find_model,
    imported_names,
    imported_path,
    known_models,
)
from streamsep.models.integrity import is_intact, kept_self_test, model_files
from streamsep.onnx_file import read_metadata
from streamsep.separation import Separator, load_separator
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.schedule import choose_schedule, measure_run
from streamsep.separation.self_test import agree, run_self_test
from streamsep.separation.two_speed import TwoSpeedSeparator
from streamsep.spec import ModelSpec

TIMED_BLOCKS = 50
NO_SCORES = "none kept; 'streamsep evaluate' finds them"


@click.group()
def command() -> None:
    """List, describe, fetch, import, check and remove models.

    A model is one ONNX file that holds all that is known about it, or a separator that an
    installed package brings. Each is called by its name, as in: streamsep live --model NAME
    """


command.add_command(import_)
command.add_command(get)


@command.command("list")
def list_() -> None:
    """List the built-in models, the imported ones and those of installed packages.

    'beat' is the uSDR of the beat that its maker measured: of the built-in ones on five excerpts
    unheard in training, which have 7.8 dB as they are.
    """
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "stems", "latency", "beat", "licence", "from"):
        table.add_column(heading, overflow="fold")
    for name, model in known_models().items():
        try:
            cells = _cells(name, model)
        except StreamsepError as error:
            cells = ["", "", "", "", f"damaged: {error.what}"]
        table.add_row(name, *map(escape, cells))  # a licence is no markup
    Console(highlight=False).print(table)


def _cells(name: str, model: FoundModel) -> list[str]:
    """Return stems, latency, score, licence and origin of a model."""
    if isinstance(model, EntryPoint):
        separator = load_separator(model)
        return [", ".join(separator.stems), _plugin_latency(separator), "", *_package(model)]
    spec = ModelSpec.from_metadata(read_metadata(model))
    score = spec.scores.get("beat_usdr_db")
    return [
        ", ".join((*spec.stems, spec.residual)),
        _latency(spec),
        "" if score is None else f"{score:.1f} dB",
        spec.licence or "unknown",
        _origin(name, spec).split(",")[0],
    ]


@command.command()
@click.argument("name", metavar="NAME|FILE")
def info(name: str) -> None:
    """Say all that is known about a model, and how fast it runs here."""
    model = find_model(name)
    known = _of_plugin(model) if isinstance(model, EntryPoint) else _of_file(name, model)
    for what, value in known:
        echo(f"{what + ':':<12} {value}")


def _of_plugin(entry: EntryPoint) -> Iterator[tuple[str, str]]:
    separator = load_separator(entry)
    licence, package = _package(entry)
    yield "name", separator.spec.name
    yield "from", package
    yield "licence", licence
    yield "stems", ", ".join(separator.stems)
    yield "sound", f"{separator.spec.sample_rate} Hz, {separator.spec.channels} channels"
    yield "blocks", f"{separator.block_size} samples, out {separator.delay} samples late"
    yield "latency", _plugin_latency(separator)
    yield "speed here", _plugin_speed(separator)
    yield "scores", NO_SCORES


def _of_file(name: str, path: Path) -> Iterator[tuple[str, str]]:
    backend = OnnxBackend(path)
    spec = backend.spec
    scores = ", ".join(f"{key} {value:g}" for key, value in spec.scores.items())
    yield from (
        ("name", spec.name),
        ("file", ", ".join(f"{file}, {_size(file)}" for file in model_files(path))),
        ("from", _origin(name, spec)),
        ("licence", spec.licence or "unknown"),
        ("trained on", spec.training_data or "unknown"),
        ("stems", _stems(spec)),
        ("sound", f"{spec.sample_rate} Hz, {spec.channels} channels"),
        ("transform", _transform(spec)),
        ("graph", f"{spec.mode}, {_frames(spec)} a run, {spec.output}"),
        *([("prior", _prior(spec, path))] if spec.prior else []),
        ("latency", _latency(spec)),
        ("speed here", _speed(backend)),
        ("scores", scores or NO_SCORES),
    )


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME|FILE]…")
def verify(names: tuple[str, ...]) -> None:
    """Check hash, metadata and numbers of models; of all when none is named.

    A separator that a package brings is tried on noise and on silence.
    """
    bad, known = [], known_models()
    for name in names or known:
        echo(f"{name}:")
        try:
            model = find_model(name)
            for line in _verified(model, ours=name in known):
                echo(f"  ok  {line}")
        except StreamsepError as error:
            echo(f" bad  {error.what}")
            bad.append(name)
    if bad:
        raise ModelError(
            f"{', '.join(bad)}: not as it should be",
            expected="an unchanged file that keeps its contract",
            remedy="remove it and import it again, or install again the package it came with",
        )


@command.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove an imported model."""
    path = imported_path(name)
    if name in BUILTIN or name not in imported_names():
        raise ModelError(
            f"{name} {'comes with streamsep' if name in BUILTIN else 'was never imported'}",
            expected=f"an imported model: {', '.join(imported_names()) or 'there is none'}",
            remedy="choose one of those",
        )
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(
            f"{path} can't be removed ({error.strerror})",
            expected="a writable folder",
            remedy="make it so, then try again",
        ) from error
    echo(f"{path} removed")


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.0f} kB"


def _prior(spec: ModelSpec, path: Path) -> str:
    if not os.path.isfile(spec.prior_file(path)):
        return f"{spec.prior}, which isn't there: it runs without"
    separator = load_separator(path)
    if not isinstance(separator, TwoSpeedSeparator):
        return f"{spec.prior}, for which this machine is too slow: it runs without"
    return f"{spec.prior}, every {separator.prior.stride} hops here"


def _stems(spec: ModelSpec) -> str:
    lead = "; the vocals are the lead voice: the beat keeps the choir" if spec.karaoke else ""
    return f"{', '.join((*spec.stems, spec.residual))}{lead}"


def _transform(spec: ModelSpec) -> str:
    if spec.feature == "waveform":
        return f"none: windows of {spec.samples_per_run} samples, moved by {spec.hop_length}"
    dim_f = f", bins 0 to {spec.dim_f - 1}" if spec.dim_f else ""
    return f"n_fft {spec.n_fft}, hop {spec.hop_length}, {spec.window}{dim_f}"


def _frames(spec: ModelSpec) -> str:
    return f"{spec.frames_per_run}{' or more' if spec.any_frames else ''} frames"


def _latency(spec: ModelSpec) -> str:
    frames = spec.lag_frames + spec.stride_frames
    samples = spec.transform_delay + frames * spec.hop_length
    least = "from " if spec.mode == "sliding" else ""  # the machine's speed decides
    return f"{least}{1_000 * samples / spec.sample_rate:.0f} ms"


def _origin(name: str, spec: ModelSpec) -> str:
    return spec.origin or ("comes with streamsep" if name in BUILTIN else "unknown")


def _package(entry: EntryPoint) -> tuple[str, str]:
    """Return licence and name of the package that brings a separator."""
    if entry.dist is None:
        return "unknown", entry.value
    kept = entry.dist.metadata
    licence = kept["License-Expression"] or kept["License"] or "unknown"
    return licence, f"{entry.dist.name} {entry.dist.version}"


def _plugin_latency(separator: Separator) -> str:
    """Return what `_latency` does for a file: a block, and by how much it comes late."""
    samples = separator.block_size + separator.delay
    return f"{1_000 * samples / separator.spec.sample_rate:.0f} ms"


def _plugin_speed(separator: Separator) -> str:
    spec, size = separator.spec, separator.block_size
    block = np.zeros((spec.channels, size), np.float32)
    out = np.zeros((len(separator.stems), *block.shape), np.float32)
    started = time.perf_counter()
    for _ in range(TIMED_BLOCKS):
        separator.process(block, out)
    block_s = (time.perf_counter() - started) / TIMED_BLOCKS
    return (
        f"{1_000 * block_s:.2f} ms a block on {separator.provider}, "
        f"every {1_000 * size / spec.sample_rate:.1f} ms"
    )


def _speed(backend: OnnxBackend) -> str:
    spec, run_s = backend.spec, measure_run(backend)
    hop_s = spec.hop_length / spec.sample_rate
    line = f"{1_000 * run_s:.1f} ms a run on {backend.provider}"
    if not spec.looks_both_ways or spec.any_frames:
        return f"{line}, every {1_000 * spec.stride_frames * hop_s:.0f} ms"
    frames = 1 if spec.padding_frames else spec.frames_per_run - spec.frames_per_run // 4
    line += f"; over files {frames * hop_s / run_s:.1f} times faster than it plays; live: "
    try:
        return f"{line}{choose_schedule(spec, run_s)}"
    except BackendError as error:
        return f"{line}{error.what}"


def _verified(model: FoundModel, *, ours: bool) -> Iterator[str]:
    """Yield what is as it should be; raise a StreamsepError at what isn't.

    Built-in and imported files, which are ``ours``, all keep a hash: one without it is damaged.
    """
    if isinstance(model, EntryPoint):
        separator = load_separator(model)
        stems = ", ".join(separator.stems)
        yield f"contract: {stems} sum to what came {separator.delay} samples ago"
        yield "silence: stays silence"
        return
    states = [is_intact(file) for file in model_files(model)]
    intact = None if None in states and False not in states else all(states)
    if intact is False or (ours and intact is None):
        raise ModelError(
            "the file has changed since it was made", expected="the hash kept in it", remedy=""
        )
    yield "hash: as it was made" if intact else "hash: none kept, it wasn't exported or imported"
    backend = OnnxBackend(model, device="cpu")
    spec = backend.spec
    yield f"metadata: {spec.feature} to {spec.output}, {spec.mode}, fits the graph"
    result, kept = run_self_test(backend), kept_self_test(model)
    if not agree(result, run_self_test(backend)) or (kept is not None and not agree(kept, result)):
        raise ModelError(
            f"the self-test gives {result}", expected=f"{kept or 'the same twice'}", remedy=""
        )
    yield f"self-test: {'as when it was made' if kept else 'finite, and the same twice'}"
