"""``streamsep models import``: taking in model files that people own."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from streamsep.audio.files.output_folder import make_folder
from streamsep.audio.files.part_files import remove_leftovers, whole_file
from streamsep.cli.echo import echo
from streamsep.cli.import_options import (
    OF_SOUND,
    OF_SPECTRA,
    OF_STATES,
    ImportOptions,
    import_options,
)
from streamsep.errors import ModelError
from streamsep.models import SUFFIX, imported_path, known_models
from streamsep.models.contracts.mdx import (
    find_parameters,
    fingerprint,
    hinted_parameters,
    mdx_spec,
    read_parameters,
)
from streamsep.models.contracts.mdx_table import MdxParameters
from streamsep.models.contracts.spleeter import (
    SpleeterGraph,
    is_spleeter,
    joined_graphs,
    spleeter_spec,
)
from streamsep.models.contracts.waveform import (
    WaveformParameters,
    is_waveform,
    n_fft_of_spectra,
    paired_states,
    stateful_spec,
    waveform_spec,
)
from streamsep.models.external_data import as_one_file
from streamsep.models.integrity import with_hash
from streamsep.models.onnx_edit import Part
from streamsep.onnx_file import metadata_entry, read_metadata
from streamsep.separation.backend import OnnxBackend, graph_ports, output_shapes
from streamsep.separation.graph_ports import FLOAT16, GraphPort, describe_ports
from streamsep.separation.self_test import run_self_test
from streamsep.spec import METADATA_KEY, ModelSpec, StateSpec

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@import_options
def import_(files: tuple[Path, ...], name: str | None, **said: Any) -> None:
    """Take in a model FILE: one exported for streamsep, or one that other programs use.

    MDX-Net models of UVR are known by their hash. Of models from sound to sound (Demucs, RoFormer,
    HS-TasNet) the graph says most, and options the rest. Weights in FILE.data are merged. Spleeter
    as sherpa-onnx has it is two files: vocals.onnx accompaniment.onnx

    It is copied to your own folder of models, with all that is needed to run it in the copy.
    """
    options = ImportOptions(**said)
    default = files[0].stem if len(files) == 1 else "spleeter"
    name = name or re.sub(r"[^A-Za-z0-9._-]+", "-", default).lstrip(".-")
    with ExitStack() as opened:
        wholes = [opened.enter_context(as_one_file(file)) for file in files]
        metadata = read_metadata(wholes[0])
        name = _free_name(name.removesuffix(SUFFIX))
        content: list[Part] | None = None
        if len(files) > 1:
            options.only("Spleeter's two files")
            content, spec = _spleeter(files, wholes, name, options.licence)
        elif METADATA_KEY in metadata:
            options.only("a model exported for streamsep, which says it all")
            spec, wholes[0] = _of_our_own(files[0], wholes[0], metadata, name, options.licence)
        else:
            spec = _of_others(files[0], wholes[0], metadata, name, options)
        if spec.karaoke:
            echo(f"{name}: its vocals are the lead voice alone, so the beat keeps the choir")
        path = _install(content or [wholes[0].read_bytes()], spec)
    echo(f"{path}: streamsep live --model {name}")


def _spleeter(
    files: Sequence[Path], wholes: Sequence[Path], name: str, licence: str
) -> tuple[list[Part], ModelSpec]:
    """Return the content of a file that two become, and its spec."""
    if len(files) > 2:
        raise ModelError(
            f"{len(files)} files",
            expected="one, or Spleeter's two: vocals and accompaniment",
            remedy="import others one by one",
        )
    pairs = sorted(zip(files, wholes, strict=True), key=lambda pair: _is_accompaniment(pair[0]))
    graphs = []
    for file, whole in pairs:
        inputs, outputs = graph_ports(whole)
        fits = (len(inputs), len(outputs)) == (1, 1)
        if not (fits and is_spleeter(inputs[0].shape) and is_spleeter(outputs[0].shape)):
            raise ModelError(
                f"{file} takes {describe_ports(inputs)} and gives {describe_ports(outputs)}",
                expected="one graph of Spleeter's, magnitudes [2, windows, 512, 1024] in and out",
                remedy="import it alone, or give the two files that sherpa-onnx ships",
            )
        half = inputs[0].kind == FLOAT16
        graphs.append(SpleeterGraph(whole, inputs[0].name, outputs[0].name, half))
    origin = f"{pairs[0][0].name} for the vocals, {pairs[1][0].name} for the accompaniment"
    return joined_graphs(*graphs), spleeter_spec(name, origin=origin, licence=licence)


def _is_accompaniment(file: Path) -> bool:
    """Say whether a file's name tells that it is the second of the two."""
    return "accompaniment" in file.stem.lower()


def _of_our_own(
    file: Path, whole: Path, metadata: Mapping[str, str], name: str, licence: str
) -> tuple[ModelSpec, Path]:
    found = ModelSpec.from_metadata(metadata)
    origin = found.origin or f"{file.name}, exported for streamsep"
    licence = licence or found.licence
    spec = replace(found, name=name, origin=origin, licence=licence, graph="")
    return spec, found.graph_file(file) if found.graph else whole


def _of_others(
    file: Path, whole: Path, metadata: Mapping[str, str], name: str, options: ImportOptions
) -> ModelSpec:
    inputs, outputs = graph_ports(whole)
    if (len(inputs), len(outputs)) == (1, 1):
        if is_spleeter(inputs[0].shape):
            raise ModelError(
                f"{file} is one of Spleeter's two graphs",
                expected="both",
                remedy="name both files, that of the vocals first",
            )
        if len(inputs[0].shape) == 4:
            return _mdx(file, whole, metadata, name, options, inputs[0], outputs[0])
        if is_waveform(inputs[0].shape):
            return _waveform(file, whole, name, options, inputs[0], outputs[0])
    shapes = [{port.name: port.shape for port in ports} for ports in (inputs, outputs)]
    states = paired_states(*shapes)
    if states and len(inputs) == len(outputs) == len(states) + 1:
        return _stateful(file, name, options, states, inputs, outputs)
    ranks = [sorted(len(port.shape) for port in ports) for ports in (inputs, outputs)]
    if ranks == [[3, 4], [4, 5]]:  # Demucs' network without the transform around it
        (sound, spectrum), (stems, _) = (
            sorted(ports, key=lambda port: len(port.shape)) for ports in (inputs, outputs)
        )
        n_fft = n_fft_of_spectra(spectrum.shape)
        return _waveform(file, whole, name, options, sound, stems, spectrum_n_fft=n_fft)
    raise ModelError(
        f"{file} takes {describe_ports(inputs)} and gives {describe_ports(outputs)}",
        expected="one input and one output, spectra [batch, 4, bins, frames] or sound "
        "[batch, channels, samples], or both of both, as Demucs' network has; or sound, and states "
        "that outputs called next_… carry on",
        remedy="other kinds of models can't be taken in; ask its maker for one of those",
    )


def _mdx(
    file: Path,
    whole: Path,
    metadata: Mapping[str, str],
    name: str,
    options: ImportOptions,
    taken: GraphPort,
    given: GraphPort,
) -> ModelSpec:
    options.only("a graph of spectra", *OF_SPECTRA)
    known, told_by = _mdx_parameters(whole, metadata, options)
    said: dict[str, Any] = {
        "n_fft": options.n_fft,
        "stems": options.stem,
        "compensate": options.compensate,
        "hop_length": options.hop,
    }
    known = replace(known, **{key: value for key, value in said.items() if value is not None})
    if options.normalised_stft:
        known = replace(known, normalised=True)
    return mdx_spec(
        name,
        list(taken.shape),
        known,
        output=list(given.shape),
        origin=f"{file.name}, MD5 of its end {fingerprint(whole)}, parameters from {told_by}",
        licence=options.licence,
    )


def _mdx_parameters(
    file: Path, metadata: Mapping[str, str], options: ImportOptions
) -> tuple[MdxParameters, str]:
    """Return what is known of an MDX-Net file besides what was said, and who says so."""
    if options.params is not None:
        return read_parameters(options.params, file), options.params.name
    if options.n_fft is not None:
        return MdxParameters(options.n_fft), "its shapes and options"
    found = find_parameters(file)
    if found is not None:
        return found
    hinted = hinted_parameters(metadata)
    if hinted is not None:
        echo(
            f"{file.name} isn't among the published models: n_fft {hinted.n_fft} is what its own "
            "metadata say, which are wrong in many such copies; if it sounds wrong, import it "
            "with --n-fft",
            err=True,
        )
        return hinted, "its own metadata"
    return MdxParameters(_ask_n_fft()), "its shapes and options"


def _waveform(
    file: Path,
    whole: Path,
    name: str,
    options: ImportOptions,
    taken: GraphPort,
    given: GraphPort,
    *,
    spectrum_n_fft: int = 0,
) -> ModelSpec:
    options.only("a graph from sound to stems", *OF_SOUND)
    if options.level is not None and options.normalise not in (None, "rms"):
        raise click.UsageError(f"--level goes with --normalise rms, not {options.normalise}")
    said: dict[str, Any] = {
        "stems": options.stem,
        "window": options.window,
        "hop_length": options.hop,
        "context": options.context,
        "padding": options.padding,
        "lookahead": options.lookahead,
        "normalise": options.normalise,
        "level_db": options.level,
        "sample_rate": options.rate,
    }
    parameters = WaveformParameters(**{k: v for k, v in said.items() if v is not None})
    output = given.shape
    length = taken.shape[-1] if isinstance(taken.shape[-1], int) else options.window
    if length is not None and not all(isinstance(size, int) for size in output[-3:] or (None,)):
        sizes = (1, 2, length)[-len(taken.shape) :]
        shape = [n if isinstance(n, int) else m for n, m in zip(taken.shape, sizes, strict=True)]
        (output,) = output_shapes(whole, {taken.name: tuple(shape)})
    return waveform_spec(
        name,
        (taken.name, taken.shape),
        output,
        parameters,
        origin=f"{file.name}, parameters from its shapes and options",
        licence=options.licence,
        spectrum_n_fft=spectrum_n_fft,
    )


def _stateful(
    file: Path,
    name: str,
    options: ImportOptions,
    states: tuple[StateSpec, ...],
    inputs: list[GraphPort],
    outputs: list[GraphPort],
) -> ModelSpec:
    options.only("a graph with states", *OF_STATES)
    (taken,) = (port for port in inputs if port.name not in {s.input for s in states})
    (given,) = (port for port in outputs if port.name not in {s.output for s in states})
    return stateful_spec(
        name,
        (taken.name, taken.shape),
        given.shape,
        states,
        WaveformParameters(
            stems=options.stem, lookahead=options.lookahead, sample_rate=options.rate
        ),
        origin=f"{file.name}, parameters from its shapes and options",
        licence=options.licence,
    )


def _free_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ModelError(
            f"{name!r} is no name for a model",
            expected="letters, digits, '.', '_' and '-', at most 100, not first '.' or '-'",
            remedy="choose another with --name",
        )
    if name in known_models():
        raise ModelError(
            f"there is a model {name} already",
            expected="a new name",
            remedy=f"choose another with --name, or: streamsep models remove {name}",
        )
    return name


def _ask_n_fft() -> int:
    if not sys.stdin.isatty():
        raise click.UsageError(
            "the file isn't among the published models and doesn't say its n_fft; expected "
            "--params model_data.json, or --n-fft"
        )
    asked: int = click.prompt(
        "n_fft, samples per frame, as its maker says", type=click.IntRange(2_048, 65_536)
    )
    return asked


def _install(content: list[Part], spec: ModelSpec) -> Path:
    """Write a model with its spec, self-test and hash; all of it, or nothing under its name."""
    target = imported_path(spec.name)
    make_folder(target.parent)
    remove_leftovers([target.parent])
    (entry,) = spec.to_metadata().items()
    whole = b"".join([*content, metadata_entry(*entry)])
    with whole_file(target) as part:
        part.write_bytes(whole)
        part.write_bytes(with_hash(whole, run_self_test(OnnxBackend(part, device="cpu"))))
    return target
