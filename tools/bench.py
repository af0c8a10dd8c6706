"""How fast everything is, beside others on the same machine in the same minutes.

    python tools/bench.py [--only NAME,…] [--cores N] [--device cuda] [--json FILE]
    python tools/bench.py --from FILE… --markdown docs/benchmarks.md --chart docs/benchmarks.png

Every contender runs in a process of its own, on one core with one thread unless --cores says
otherwise; they take turns in rounds. Others run on random weights: time doesn't depend on them.
What isn't installed (pip install '.[bench]') is said and left out. What the figures mean stands in
docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmark import report
from benchmark.contenders import CONTENDERS
from benchmark.document import replace_section
from benchmark.program import ROWS, Scene
from benchmark.rounds import Plan, compare, steps
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "numpy",
    "onnxruntime-gpu",
    "onnxruntime",
    "torch",
    "hs-tasnet",
    "openunmix",
    "demucs",
)
# The tables need so much, wherever they go.
console = Console(highlight=False, markup=False, width=max(Console().width, 120))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    everything = [*CONTENDERS, *ROWS]
    parser.add_argument(
        "--only",
        metavar="NAME,…",
        type=lambda text: text.split(","),
        help=f"of {', '.join(everything)}; fp16 unasked only with --device cuda",
    )
    parser.add_argument("--cores", type=int, default=1, help="a contender's cores and threads")
    parser.add_argument(
        "--rounds",
        type=int,
        default=4,
        metavar="N",
        help="of 2 s a contender, and 2 s more at the pace of the sound",
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--quick", action="store_true", help="seconds in all; figures mean little")
    parser.add_argument(
        "--light",
        metavar="PYTHON",
        default=default_light(),
        help="interpreter whose install the memory of live is measured in",
    )
    parser.add_argument("--note", default="", help="what else was running, for the record")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument(
        "--from",
        dest="earlier",
        type=Path,
        metavar="FILE",
        nargs="+",
        help="measure nothing: take the figures that --json wrote, in one file or "
        "in several of the same commit and machine",
    )
    parser.add_argument(
        "--gpu",
        type=Path,
        metavar="FILE",
        help="figures of a run with --device cuda, for the table's column",
    )
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="put the tables into this document, between its marks",
    )
    parser.add_argument("--chart", type=Path, metavar="FILE.png", help="draw the chart")
    asked = parser.parse_args()
    if asked.only is None:
        here = [n for n, entry in CONTENDERS.items() if asked.device == "cuda" or not entry.gpu]
        asked.only = [*here, *ROWS]
    if unknown := sorted(set(asked.only) - set(everything)):
        parser.error(f"--only: no {', '.join(unknown)} among {', '.join(everything)}")
    if asked.rounds < 1:
        parser.error("--rounds: at least 1")
    if not 1 <= asked.cores <= len(processors()):
        parser.error(f"--cores: 1 to {len(processors())} here")
    return asked


def default_light() -> str:
    """The demo's environment where it is set up, else this one."""
    python = ROOT / ".venv-demo" / "bin" / "python"
    return str(python) if python.exists() else sys.executable


def processors() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def about(asked: argparse.Namespace) -> dict[str, Any]:
    """Return what must be known of a run to make it again."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "memory_gb": memory_gb(),
            "system": platform.platform(),
            "load": list(os.getloadavg()),
            "gpu": gpu() if asked.device == "cuda" else "",
        },
        "versions": {"python": platform.python_version()} | versions(),
        "cores": asked.cores,
        "device": asked.device,
        "quick": asked.quick,
        "note": asked.note,
    }


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        changed = bool(git("status", "--porcelain", "--untracked-files=no"))
        return git("rev-parse", "--short=10", "HEAD") + (" and changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")


def gpu() -> str:
    """Name and driver, by NVIDIA's own tool."""
    try:
        return subprocess.run(
            ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def memory_gb() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    names = [name for name in CONTENDERS if name in asked.only]
    rows = [name for name in ROWS if name in asked.only]
    cpus = tuple(processors()[-asked.cores :])
    rounds, (slice_s, pace_s) = asked.rounds, (0.15, 0.3) if asked.quick else (2.0, 2.0)
    plan = Plan(rounds, slice_s, pace_s, device=asked.device, cpus=cpus)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    result: dict[str, Any] = {"about": about(asked), "contenders": [], "program": {}}
    with (
        tempfile.TemporaryDirectory(prefix="streamsep-bench-") as folder,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        task = progress.add_task("", total=(steps(names, plan) if names else 0) + len(rows))

        def advance(what: str) -> None:
            # What is said begins now; what was said before is done.
            done = progress.tasks[task].description != ""
            progress.update(task, description=f"{what:32}", advance=1 if done else 0)

        scene = Scene(Path(folder), tuple(processors()), asked.light, asked.quick, asked.device)
        for name in rows:
            advance(name)
            result["program"][name] = ROWS[name](scene)
        if names:
            result["contenders"] = compare(names, plan, Path(folder), advance)
        progress.update(task, advance=1)
    result["goals"] = report.goals(result)
    return result


def joined(paths: list[Path]) -> dict[str, Any]:
    """Return the figures of several files as one; what they say of themselves is the first's."""
    result, *others = (json.loads(path.read_text()) for path in paths)
    for path, other in zip(paths[1:], others, strict=True):
        if _place(other) != _place(result):
            raise SystemExit(f"{path} is of another commit, machine or device than {paths[0]}")
        result["contenders"] += other["contenders"]
        result["program"] |= other["program"]
    result["goals"] = report.goals(result)
    return result


def _place(result: dict[str, Any]) -> tuple[object, ...]:
    about = result["about"]
    names = ("commit", "versions", "cores", "device", "quick")
    return about["machine"]["processor"], *(about[name] for name in names)


def main() -> None:
    asked = arguments()
    result = joined(asked.earlier) if asked.earlier else measure(asked)
    gpu = json.loads(asked.gpu.read_text()) if asked.gpu else None
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1) + "\n")
    report.show(result, console)
    if asked.markdown:
        replace_section(asked.markdown, "bench", report.markdown(result, gpu))
    if asked.chart:
        report.draw(result, asked.chart)


if __name__ == "__main__":
    main()
