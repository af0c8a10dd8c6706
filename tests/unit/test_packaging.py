"""What pyproject.toml promises: every import declared, one version, code and weights apart."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import streamsep
from tests.support.cases import one_fast

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WEIGHTS = tomllib.loads((ROOT / "packaging" / "models" / "pyproject.toml").read_text())
# Who imports what: each folder, and the extras that it may take for granted besides what is
# always installed.
FOLDERS = {
    "streamsep": ("voice", "media", "eval", "party", "ray"),
    "export": ("train", "eval"),
    "testing": ("dev",),
    "tests": ("dev",),
    "tools": ("dev", "bench", "fuzz"),
    "packaging": ("dev",),
}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def named(requirement):
    """Return the distribution and the extras that a requirement names."""
    name, extras = re.match(r"([\w.-]+)(?:\[([^]]*)\])?", requirement).groups()
    return normal(name), [extra.strip() for extra in (extras or "").split(",") if extra]


def declared(extras):
    """Return the distributions of what is always installed and of these extras."""
    wanted = list(PROJECT["dependencies"])
    for extra in extras:
        wanted += PROJECT["optional-dependencies"][extra]
    found = set()
    for requirement in wanted:
        name, more = named(requirement)
        found |= declared(more) if name == "streamsep" else {name}
    return found


def imported(path):
    """Return the top-level names that a file imports, at its top or anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.split(".")[0])
    return names


def own_names():
    """Our packages, and the scripts of tools/, which import each other and which tests import."""
    scripts = {p.stem for p in (ROOT / "tools").iterdir() if p.suffix == ".py" or p.is_dir()}
    return scripts | set(FOLDERS) - {"packaging"}


@pytest.mark.parametrize("folder", one_fast(FOLDERS))
def test_every_import_is_declared(folder):
    distributions = packages_distributions()
    allowed = declared(FOLDERS[folder])
    missing = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for name in imported(path) - sys.stdlib_module_names - own_names():
            # Of what isn't installed here only its own name is known.
            providers = {normal(d) for d in distributions.get(name, [name])}
            if not providers & allowed:
                missing.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert missing == {}


def test_the_version_is_in_one_place():
    assert PROJECT["dynamic"] == WEIGHTS["project"]["dynamic"] == ["version"]
    assert PROJECT["optional-dependencies"]["models"] == [
        f"{WEIGHTS['project']['name']}=={streamsep.__version__}"
    ]


def test_the_changelog_has_this_version_and_what_comes_after_it():
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[:2] == ["Unreleased", streamsep.__version__]


def test_code_and_weights_say_their_own_licences():
    assert PROJECT["license"] == "MIT"
    assert WEIGHTS["project"]["license"] == "GPL-3.0-or-later"
