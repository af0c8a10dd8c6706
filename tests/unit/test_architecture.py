"""The arrows between layers, and what the installed program must not drag in."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import streamsep

PACKAGE = Path(streamsep.__file__).parent
BASE = {"types", "errors", "events", "spec", "stem_names", "onnx_file", "app_folder", "priority"}
BASE |= {"text_encoding"}
# Each layer may import itself and these.
ALLOWED = {
    "types": set(),
    "errors": set(),
    "events": {"errors"},
    "spec": {"errors"},
    "onnx_file": {"errors"},
    "priority": set(),
    "text_encoding": set(),
    "stem_names": set(),
    "app_folder": set(),
    "models": {"errors", "spec", "stem_names", "onnx_file", "app_folder"},
    "lyrics": {"errors", "text_encoding"},
    "scoring": BASE | {"dsp"},
    "dsp": BASE,
    "separation": BASE | {"dsp", "models"},
    "audio": BASE | {"dsp"},
    "effects": BASE | {"dsp"},
    "realtime": BASE | {"dsp", "separation", "models"},
    "offline": BASE | {"dsp", "separation", "models", "audio"},
    "cluster": BASE | {"dsp", "separation", "models", "audio", "offline"},
    "evaluation": BASE | {"dsp", "separation", "realtime", "audio"},
    "live": BASE
    | {"dsp", "separation", "realtime", "audio", "effects", "lyrics", "models", "scoring"},
    "remote": BASE
    | {"dsp", "separation", "realtime", "audio", "effects", "lyrics", "models", "offline"}
    | {"live", "scoring"},
    "tui": BASE | {"dsp", "realtime", "lyrics", "scoring", "live"},
    "cli": BASE
    | {"dsp", "separation", "realtime", "audio", "effects", "lyrics", "models"}
    | {"offline", "live", "remote", "evaluation", "tui", "cluster"},
}
# Options of pulseaudio, systemctl, mpv and vlc, which whoever needs them has to type; and pip's.
OTHER_PROGRAMS = {"--start", "--user", "--audio-delay", "--audio-desync"}
OTHER_PROGRAMS |= {"--no-deps", "--only-binary", "--require-hashes", "--no-input", "--hash"}
OTHER_PROGRAMS |= {"--dest", "--requirement"}
# A command and the engine behind it are called alike; no other two modules are.
SAME_NAMES = {"config.py", "separate.py"}
# Not even inside a function; the other heavy ones may be, where a command says it needs them.
NEVER = {"torch", "export"}
HEAVY = [
    "av",
    "torch",
    "librosa",
    "matplotlib",
    "museval",
    "onnx",
    "scipy",
    "pedalboard",
    "export",
    "fsspec",
    "pyarrow",
    "ray",
]


def imported_layers(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {n.split(".")[1] for n in names if n.startswith("streamsep.")}
        found |= {n for n in names if n.split(".")[0] in NEVER}
    return found


def modules():
    return [p for p in sorted(PACKAGE.rglob("*.py")) if p.parent != PACKAGE or p.stem in ALLOWED]


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_dependencies_point_one_way(path):
    place = path.relative_to(PACKAGE)
    layer = place.parts[0].removesuffix(".py")
    assert imported_layers(path) <= ALLOWED[layer] | {layer}


def test_every_layer_has_its_arrows_listed():
    inside = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in PACKAGE.rglob("*.py")}
    assert inside - {"__init__", "__main__"} == set(ALLOWED)


def test_every_module_has_a_name_of_its_own():
    names = Counter(p.name for p in PACKAGE.rglob("*.py") if p.name != "__init__.py")
    assert {name for name, count in names.items() if count > 1} == SAME_NAMES


def test_every_function_and_class_has_a_name_of_its_own():
    names = Counter(
        node.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, count in names.items() if count > 1} == {"command"}  # of each module


def below_the_command_line():
    return [p for p in modules() if p.relative_to(PACKAGE).parts[0] != "cli"]


@pytest.mark.parametrize(
    "path", below_the_command_line(), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_below_the_command_line_nothing_knows_of_it(path):
    """No click, and no message that tells a programmer to give an option."""
    tree = ast.parse(path.read_text())
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imported |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert "click" not in imported
    texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    options = {
        option
        for text in texts
        if isinstance(text, str)
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)
    }
    assert options <= OTHER_PROGRAMS


def test_the_live_path_loads_nothing_heavy():
    code = (
        "import sys; from importlib import import_module\n"
        "from streamsep.cli import COMMANDS\n"
        "for name in COMMANDS: import_module('streamsep.cli.' + name)\n"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


def test_help_imports_no_command():
    code = (
        "import sys; sys.argv = ['streamsep', '--help']\n"
        "from streamsep.cli import main\n"
        "try: main()\n"
        "finally: print([m for m in ('numpy', 'onnxruntime', 'rich') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "[]", result.stdout + result.stderr
    assert "live" in result.stdout


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_whether_a_file_is_there_is_asked_without_exceptions(path):
    """Those of pathlib raise for folders that can't be entered and names that are too long."""
    asked = re.findall(r"\.(?:is_file|is_dir|exists|is_symlink)\(\)", path.read_text())
    # `os.DirEntry` has some of these names.
    assert not asked or path.name == "song_search.py"
