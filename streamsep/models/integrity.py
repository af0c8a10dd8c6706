"""A model file with what is known about it at its end, and a hash over all before the hash."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from streamsep.errors import ModelError
from streamsep.onnx_file import metadata_entry, read_metadata
from streamsep.spec import ModelSpec

HASH_KEY = "streamsep_sha256"
SELF_TEST_KEY = "streamsep_self_test"


def with_hash(model: bytes, self_test: tuple[float, ...]) -> bytes:
    """Return a model file's content with its self-test's result, and the hash of all that."""
    model += metadata_entry(SELF_TEST_KEY, json.dumps(self_test))
    return model + _hash_entry(model)


def _hash_entry(model: bytes) -> bytes:
    return metadata_entry(HASH_KEY, hashlib.sha256(model).hexdigest())


def is_intact(path: Path) -> bool | None:
    """Return whether a file is as it was sealed; None if it never was.

    Raises
    ------
    ModelError
        If it is no model file.
    """
    kept = read_metadata(path).get(HASH_KEY)
    if kept is None:
        return None
    content, end = path.read_bytes(), metadata_entry(HASH_KEY, kept)
    return content.endswith(end) and _hash_entry(content[: -len(end)]) == end


def model_files(path: Path) -> list[Path]:
    """Return what a model consists of: its file, and those of its graph and prior, if any.

    A prior that isn't there is left out: a model runs without.

    Raises
    ------
    ModelError
        If its file is no model file, or has no valid spec.
    """
    spec = ModelSpec.from_metadata(read_metadata(path))
    prior = spec.prior_file(path)
    beside = [prior] if spec.prior and os.path.isfile(prior) else []
    return list(dict.fromkeys((path, spec.graph_file(path), *beside)))


def kept_self_test(path: Path) -> tuple[float, ...] | None:
    """Return the self-test's result that a file keeps, or None.

    Raises
    ------
    ModelError
        If it is no model file, or what it keeps are no numbers.
    """
    text = read_metadata(path).get(SELF_TEST_KEY)
    if text is None:
        return None
    try:
        return tuple(float(value) for value in json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelError(
            f"the self-test that {path} keeps is {text[:80]!r}",
            expected="a list of numbers",
            remedy="import or export the model again",
        ) from error
