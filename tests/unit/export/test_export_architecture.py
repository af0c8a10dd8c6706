"""Which rooms of export may know of which: what recipes share knows of none of them."""

import ast
from pathlib import Path

import pytest

import export

PACKAGE = Path(export.__file__).parent
BASE = {"constants", "errors"}
SHARED = BASE | {"data", "augment", "engine", "onnx_graph"}
ALLOWED = {
    "constants": set(),
    "errors": set(),
    "data": BASE,
    "augment": BASE | {"data"},
    "engine": BASE,
    "onnx_graph": BASE,
    "recipes": SHARED,
    "cli": SHARED | {"recipes"},
}
# What `prepare` runs on: a machine without torch can do that.
WITHOUT_TORCH = {"constants", "errors", "data", "augment"}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def modules() -> list[Path]:
    return [p for p in sorted(PACKAGE.rglob("*.py")) if p.parent != PACKAGE or p.stem in ALLOWED]


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_dependencies_point_one_way(path: Path) -> None:
    room, *inner = path.relative_to(PACKAGE).with_suffix("").parts
    known = {name.split(".")[1] for name in imports(path) if name.startswith("export.")}
    assert known <= ALLOWED[room] | {room}
    if room in WITHOUT_TORCH:
        assert not {name for name in imports(path) if name.split(".")[0] in ("torch", "onnx")}
    if room == "recipes":
        recipes = {name.split(".")[2] for name in imports(path) if name.startswith("export.recip")}
        assert recipes <= {inner[0]}, "one recipe doesn't know of another"


def test_every_room_has_its_arrows_listed() -> None:
    inside = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in PACKAGE.rglob("*.py")}
    assert inside - {"__init__", "__main__"} == set(ALLOWED)
