"""MDX-Net models made for Ultimate Vocal Remover: what their files don't say about themselves."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamsep.errors import ModelError
from streamsep.spec import ModelSpec
from streamsep.stem_names import canonical_stem

HASHED_BYTES = 10_000 * 1_024  # from the file's end
MAX_TABLE_BYTES = 16_777_216
SAMPLE_RATE, HOP_LENGTH = 44_100, 1_024


@dataclass(frozen=True, slots=True)
class MdxParameters:
    """What has to be known besides the graph.

    Attributes
    ----------
    n_fft
        Samples per frame.
    stem
        What the graph estimates, by any of its names.
    compensate
        Gain of what comes out.
    dim_f, dim_t
        Bins and frames of the graph; None when only the graph says.
    """

    n_fft: int
    stem: str = "vocals"
    compensate: float = 1.0
    dim_f: int | None = None
    dim_t: int | None = None


def fingerprint(path: Path) -> str:
    """Return the MD5 that ``model_data.json`` knows a model file by."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - HASHED_BYTES))
        return hashlib.md5(file.read(), usedforsecurity=False).hexdigest()


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
    try:
        stem = str(entry["primary_stem"]).strip().lower().replace(" ", "_")
        return MdxParameters(
            n_fft=int(entry["mdx_n_fft_scale_set"]),
            stem=stem,
            compensate=float(entry.get("compensate", 1.0)),
            dim_f=int(entry["mdx_dim_f_set"]),
            dim_t=2 ** min(int(entry["mdx_dim_t_set"]), 30),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
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
    name: str, shape: list[object], known: MdxParameters, *, origin: str, licence: str
) -> ModelSpec:
    """Return the spec of an MDX-Net graph.

    Parameters
    ----------
    name
        What the model is called from now on.
    shape
        Of the graph's input, [batch, 4, dim_f, dim_t]; what isn't an integer is free.
    known
        The rest.
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
    try:
        return ModelSpec(
            name=name,
            sample_rate=SAMPLE_RATE,
            channels=2,
            stems=(canonical_stem(known.stem),),
            n_fft=known.n_fft,
            hop_length=HOP_LENGTH,
            window="hann",
            feature="complex",
            output="complex",
            mode="sliding",
            dim_f=sizes[0],
            frames_per_run=sizes[1],
            stride_frames=1,
            # A centred transform of a window's sound alone has no more to look at there.
            lookahead_frames=-(-known.n_fft // (2 * HOP_LENGTH)),
            compensate=known.compensate,
            licence=licence,
            origin=origin,
        )
    except ModelError as error:
        raise ModelError(
            error.what,
            expected=error.expected,
            remedy="check n_fft, stem and compensate, or that the table belongs to this file",
        ) from error
