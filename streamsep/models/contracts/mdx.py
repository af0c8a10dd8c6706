"""MDX-Net models made for Ultimate Vocal Remover: what their files don't say about themselves."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamsep.errors import ModelError
from streamsep.models.contracts.mdx_table import PUBLISHED, MdxParameters
from streamsep.onnx_file import metadata_start
from streamsep.spec import ModelSpec
from streamsep.stem_names import canonical_stem

HASHED_BYTES = 10_000 * 1_024  # from the file's end
MAX_TABLE_BYTES = 16_777_216
SAMPLE_RATE = 44_100
BESIDE = (".", "model_data")  # folders where UVR keeps what its user said of a model
REMEDY = "give n_fft, stem and compensate, as its maker says them, or UVR's model_data.json"


def fingerprint(path: Path, *, end: int | None = None) -> str:
    """Return the MD5 that ``model_data.json`` knows a model file by.

    Parameters
    ----------
    end
        How many of its bytes there are.  [default: all]
    """
    with path.open("rb") as file:
        size = file.seek(0, 2) if end is None else end
        start = file.seek(max(0, size - HASHED_BYTES))
        return hashlib.md5(file.read(size - start), usedforsecurity=False).hexdigest()


def find_parameters(model: Path) -> tuple[MdxParameters, str] | None:
    """Return what is known of a model file by its hash, and where it stands; None if nothing is.

    Looked up are the file, the file without metadata at its end (sherpa-onnx's copies have some),
    and the ``<MD5>.json`` that UVR keeps of a model, beside it or in ``model_data``.

    Raises
    ------
    ModelError
        If there is such a file, and it can't be read.
    """
    bare = metadata_start(model)
    for key in dict.fromkeys((fingerprint(model), fingerprint(model, end=bare))):
        if key in PUBLISHED:
            return PUBLISHED[key], f"the published ones of {key}"
        for folder in BESIDE:
            table = model.parent / folder / f"{key}.json"
            if os.path.isfile(table):
                return _from_entry(_read_table(table), table, model), table.name
    return None


def hinted_parameters(metadata: Mapping[str, str]) -> MdxParameters | None:
    """Return what sherpa-onnx's metadata say of a model; None where there are none.

    Its n_fft is twice dim_f, which is wrong for many: what is known by a hash goes first.
    """
    if metadata.get("model_type", "").upper() != "UVR":
        return None
    try:
        return MdxParameters(
            n_fft=int(metadata["n_fft"]),
            hop_length=int(metadata.get("hop_length", MdxParameters(0).hop_length)),
            dim_f=int(metadata["dim_f"]),
            dim_t=int(metadata["dim_t"]),
        )
    except (KeyError, ValueError):
        return None


def read_parameters(table: Path, model: Path) -> MdxParameters:
    """Look a model file up in a ``model_data.json``, or take the one entry of a ``<MD5>.json``.

    UVR keeps the latter of models whose parameters its user gave.

    Raises
    ------
    ModelError
        If the table can't be read, doesn't know the model, or knows it for another kind.
    """
    key = fingerprint(model)
    content = _read_table(table)
    entry = content.get(key)
    if entry is None and content and not any(isinstance(each, dict) for each in content.values()):
        if re.fullmatch(r"[0-9a-f]{32}", table.stem) and table.stem != key:
            raise ModelError(
                f"{table} is of the model {table.stem}, and {model.name} is {key}",
                expected="the parameters of this model",
                remedy=f"look for {key}.json beside it, or give n_fft, stem and compensate",
            )
        entry = content
    if entry is None:
        raise ModelError(
            f"{table} knows no model {key}, which is {model.name}",
            expected="an entry for the MD5 of the file's last 10,240,000 bytes",
            remedy="get a newer model_data.json, or give n_fft, stem and compensate themselves",
        )
    return _from_entry(entry, table, model)


def _from_entry(entry: Any, table: Path, model: Path) -> MdxParameters:
    try:
        return MdxParameters(
            n_fft=int(entry["mdx_n_fft_scale_set"]),
            stems=(str(entry["primary_stem"]).strip().lower().replace(" ", "_"),),
            compensate=float(entry.get("compensate", 1.0)),
            dim_f=int(entry["mdx_dim_f_set"]),
            dim_t=2 ** max(0, min(int(entry["mdx_dim_t_set"]), 30)),
            karaoke=entry.get("is_karaoke") is True,
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ModelError(
            f"{table} has {json.dumps(entry)[:200]} for {model.name}",
            expected="an MDX-Net model's mdx_dim_f_set, mdx_dim_t_set, mdx_n_fft_scale_set and "
            "primary_stem",
            remedy="other kinds of models can't be taken in",
        ) from error


def _read_table(table: Path) -> dict[str, Any]:
    try:
        if table.stat().st_size > MAX_TABLE_BYTES:
            raise ValueError(f"larger than {MAX_TABLE_BYTES} bytes")
        content = json.loads(table.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("no object in it")
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{table} can't be read as parameters of models ({error})",
            expected="UVR's model_data.json",
            remedy="give another table, or n_fft itself",
        ) from error
    return content


def mdx_spec(
    name: str,
    shape: list[object],
    known: MdxParameters,
    *,
    output: list[object],
    origin: str,
    licence: str,
) -> ModelSpec:
    """Return the spec of an MDX-Net graph, or of one whose output has an axis of stems (MDX23C).

    Parameters
    ----------
    name
        What the model is called from now on.
    shape
        Of the graph's input, [batch, 4, dim_f, dim_t]; what isn't an integer is free.
    known
        The rest.
    output
        Shape of the graph's output, the same, or [batch, stems, 4, dim_f, dim_t].
    origin, licence
        As in the spec.

    Raises
    ------
    ModelError
        If graph and parameters don't fit each other or the contract.
    """
    sizes = []
    for what, place, told in (("dim_f", 2, known.dim_f), ("dim_t", 3, known.dim_t)):
        found = shape[place] if len(shape) == 4 else None
        size = found if isinstance(found, int) else told
        if len(shape) != 4 or shape[1] != 4 or size is None or told not in (None, size):
            raise ModelError(
                f"the graph's input is {shape}",
                expected=f"MDX-Net's [batch, 4, dim_f, dim_t] with {what} {told or 'fixed'}",
                remedy="check that model and parameters belong together",
            )
        sizes.append(size)
    count = output[1] if len(output) == 5 else 1
    if isinstance(count, int) and count != len(known.stems):
        raise ModelError(
            f"the graph estimates {count} stem{'s' * (count > 1)}, and the names given are "
            f"{', '.join(known.stems)}",
            expected="a name for each, in the order of its output",
            remedy="give the stems as its maker lists them, such as vocals,instrumental",
            settings=("stem",),
        )
    try:
        return ModelSpec(
            name=name,
            sample_rate=SAMPLE_RATE,
            channels=2,
            stems=tuple(map(canonical_stem, known.stems)),
            n_fft=known.n_fft,
            hop_length=known.hop_length,
            window="hann",
            feature="complex",
            output="complex",
            mode="sliding",
            dim_f=sizes[0],
            frames_per_run=sizes[1],
            stride_frames=1,
            # A centred transform of a window's sound alone has no more to look at there.
            lookahead_frames=-(-known.n_fft // (2 * max(known.hop_length, 1))),
            compensate=known.compensate,
            feature_gain=known.n_fft**-0.5 if known.normalised else 1.0,
            karaoke=known.karaoke,
            licence=licence,
            origin=origin,
        )
    except ModelError as error:
        raise ModelError(
            error.what,
            expected=error.expected,
            remedy="check n_fft, stem and compensate, or that the table belongs to this file",
        ) from error
