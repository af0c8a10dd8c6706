"""requirements/: what `make demo` and `make test` install is locked, hashed and declared."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import streamsep
from tests.unit.test_packaging import PROJECT

ROOT = Path(streamsep.__file__).parents[1]
EXTRAS = ("demo", "dev")
LEFT_OUT = {"torch"}  # which build of it is right is the machine's affair


def locked(extra):
    """Return the requirements of a lock with their hashes."""
    text = (ROOT / "requirements" / f"{extra}.txt").read_text().replace("\\\n", " ")
    rows = [re.split(r"\s+--hash=", row.strip()) for row in text.splitlines() if row.strip()]
    return [(Requirement(row[0]), row[1:]) for row in rows]


def declared(extra):
    """Return what an extra asks for here and everywhere, by name; ours are resolved."""
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]]
    found = {}
    for requirement in map(Requirement, wanted):
        if requirement.name == "streamsep":
            for more in requirement.extras:
                found |= declared(more)
        else:
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_release_is_exact_and_has_hashes(extra):
    for requirement, hashes in locked(extra):
        (specifier,) = requirement.specifier
        assert specifier.operator == "=="
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes)
        assert requirement.url is None


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_declared_is_locked_within_its_bounds(extra):
    """A change of pyproject.toml that needs `tools/lock.sh` fails here."""
    known = {}
    for requirement, _ in locked(extra):
        (specifier,) = requirement.specifier
        known.setdefault(canonicalize_name(requirement.name), []).append(specifier.version)
    for name, requirements in declared(extra).items():
        if name in LEFT_OUT:
            continue
        assert name in known, f"{name}: run tools/lock.sh"
        for requirement in requirements:
            assert any(version in requirement.specifier for version in known[name]), requirement
    assert not LEFT_OUT & known.keys()


def test_the_light_install_has_nothing_of_training():
    names = {canonicalize_name(r.name) for r, _ in locked("demo")}
    assert names & {"torch", "onnx", "scipy", "librosa"} == set()
