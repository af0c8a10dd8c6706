"""Figures to goals, tables and a chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmark.contenders import CONTENDERS
from benchmark.document import table

Result = dict[str, Any]

HEADINGS = [
    "",
    "× live",
    "real time",
    "p50 ms",
    "p90",
    "p99",
    "p99.9",
    "max",
    "first",
    "hop",
    "CPU %",
    "MB",
    "paced p99",
    "misses",
]
NOT_MEASURED = "not measured"
GROWTH_MB = 4.0  # as in tools/soak.py


def goals(result: Result) -> list[dict[str, Any]]:
    """Compare with what was set as a goal; only what was measured is listed."""
    by_name = {row["name"]: row for row in result["contenders"] if "unavailable" not in row}
    program, found = result["program"], []

    def goal(what: str, wanted: str, measured: float, unit: str, holds: bool) -> None:
        found.append(
            {
                "what": what,
                "wanted": wanted,
                "measured": measured,
                "unit": unit,
                "holds": bool(holds),
            }
        )

    if live := by_name.get("live"):
        if (other := by_name.get("hs-tasnet")) is not None:
            ratio = other["cpu_share"] / live["cpu_share"]
            goal("hs-tasnet to live, time of cores", "≥ 10", ratio, "×", ratio >= 10)
        p99, share = live["paced_p99_ms"], 100 * live["cpu_share"]
        goal("a paced hop of live, p99", "≤ 8", p99, "ms", p99 <= 8)
        goal("live and its prior, paced", "≤ 45", share, "% of a core", share <= 45)
    if "separate" in program and result["about"]["device"] == "cpu":
        speed = program["separate"]["times_real_time"]["one song to WAV"]
        least = 40
        goal(
            f"separate, on {program['separate']['cores']} cores",
            f"≥ {least}",
            speed,
            "× real time",
            speed >= least,
        )
    peaks = program.get("separate-memory", {}).get("peak_mb", {})
    if (peak := peaks.get("one song to WAV")) is not None and result["about"]["device"] == "cpu":
        goal("most memory of separate, one song", "≤ 300", peak, "MB", peak <= 300)
    if "start" in program:
        seconds = program["start"]["first_sound_s"]
        goal("start to first sound", "≤ 1", seconds, "s", seconds <= 1)
    if "help" in program:
        seconds = program["help"]["help_s"]
        goal("streamsep --help", "≤ 0.3", seconds, "s", seconds <= 0.3)
    if (resident := program.get("memory", {}).get("resident_mb")) is not None:
        install = program["memory"]["install"]
        goal(f"memory while live ({install} install)", "≤ 300", resident, "MB", resident <= 300)
    if "hour" in program:
        aged = program["hour"]
        minutes = aged["seconds"] / 60
        goal(
            f"a hop after {minutes:.3g} minutes, to a fresh one",
            "≤ 1.05",
            aged["ratio"],
            "×",
            aged["ratio"] <= 1.05,
        )
        if aged["growth_mb"] is not None:
            goal(
                "memory grown since the first minute",
                f"≤ {GROWTH_MB:g}",
                aged["growth_mb"],
                "MB",
                aged["growth_mb"] <= GROWTH_MB,
            )
    if "linear" in program:
        ratio = program["linear"]["ratio"]
        goal("separate: a further second, long to short songs", "≤ 1.05", ratio, "×", ratio <= 1.05)
    return found


def show(result: Result, console: Console) -> None:
    """Print everything: ratios first."""
    if result["contenders"]:
        shown = Table(box=None, pad_edge=False)
        for heading in HEADINGS:
            shown.add_column(heading, justify="right" if heading else "left")
        for row in result["contenders"]:
            shown.add_row(*_cells(row))
        console.print(shown)
    for heading, rows in (("goals", _goal_rows(result)), ("more", _program_rows(result))):
        if rows:
            shown = Table(box=None, pad_edge=False)
            shown.add_column(heading)
            for _ in rows[0][1:]:
                shown.add_column(justify="right")
            for cells in rows:
                shown.add_row(*cells)
            console.print(shown)
    console.print(_provenance(result), markup=False)


def markdown(result: Result, gpu: Result | None) -> str:
    """Return the document's generated part."""
    on_gpu = {row["name"]: row for row in gpu["contenders"]} if gpu else {}
    parts = [_provenance(result), "", "### Goals", ""]
    parts += [table(["goal", "wanted", "measured", "holds"], _goal_rows(result)), ""]
    parts += ["### Each second of sound", ""]
    rows = []
    for row in result["contenders"]:
        name, *cells = _cells(row)
        there = on_gpu.get(row["name"])
        factor = f"{there['real_time_factor']:.2g}" if there and _measured(there) else NOT_MEASURED
        beside = [factor] if gpu else []
        rows.append([f"{name} ({CONTENDERS[name].what})", *cells, *beside])
    headings = [*HEADINGS, "GPU"] if gpu else HEADINGS
    parts += [table(headings, rows), "", "### The program", ""]
    parts += [table(["", ""], _program_rows(result))]
    if gpu:
        parts += ["", "### On a GPU", "", _provenance(gpu), ""]
        there = [row for row in gpu["contenders"] if _measured(row)]
        parts += [table(HEADINGS, [_cells(row) for row in there])]
    return "\n".join(parts)


def _measured(row: dict[str, Any] | None) -> bool:
    return row is not None and "unavailable" not in row and row["provider"].upper() == "CUDA"


def _provenance(result: Result) -> str:
    about = result["about"]
    machine = about["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    cores = "one core" if about["cores"] == 1 else f"{about['cores']} cores"
    quick = " A quick run: its figures mean little." if about["quick"] else ""
    note = f" {about['note']}" if about["note"] else ""
    away = [name for row in result["contenders"] for name in row.get("stood_in", [])]
    stand_in = (
        f" Could not be loaded and was left empty, as nothing timed calls it: "
        f"{', '.join(sorted(set(away)))}."
        if away
        else ""
    )
    return (
        f"{about['when'][:16].replace('T', ' ')} UTC, commit {about['commit']}, "
        f"{about['device'].upper()}, {cores} a contender. {_gpu(machine)}{machine['processor']}, "
        f"{machine['cores']} cores, {machine['memory_gb']:.0f} GB, {machine['system']}; load at "
        f"the start {machine['load'][0]:.1f}. {versions}.{stand_in}{note}{quick}"
    )


def _gpu(machine: dict[str, Any]) -> str:
    return f"{machine['gpu']}; " if machine.get("gpu") else ""


def _cells(row: dict[str, Any]) -> list[str]:
    if "unavailable" in row:
        return [row["name"], row["unavailable"], *[""] * (len(HEADINGS) - 2)]
    names = ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms", "first_ms")
    blocks = row["paced_blocks"]
    return [
        row["name"],
        "—" if row["ratio"] is None else f"{row['ratio']:.3g}",
        f"{row['real_time_factor']:.2g}",
        *(_milliseconds(row[name]) for name in names),
        _milliseconds(row["hop_ms"]),
        f"{100 * row['cpu_share']:.{1 if row['cpu_share'] < 0.1 else 0}f}",
        "—" if row["peak_mb"] is None else f"{row['peak_mb']:.0f}",
        _milliseconds(row["paced_p99_ms"]) if blocks else "—",
        f"{row['misses']} of {blocks}" if blocks else "—",
    ]


def _milliseconds(value: float) -> str:
    digits = 3 if value < 0.1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"


def _goal_rows(result: Result) -> list[list[str]]:
    return [
        [
            goal["what"],
            f"{goal['wanted']} {goal['unit']}",
            f"{goal['measured']:.3g} {goal['unit']}",
            "yes" if goal["holds"] else "**no**",
        ]
        for goal in result["goals"]
    ]


def _program_rows(result: Result) -> list[list[str]]:
    program, rows = result["program"], []
    if "separate" in program:
        for name, speed in program["separate"]["times_real_time"].items():
            rows.append([f"separate, {name}", f"{speed:.1f} × real time"])
    for name, peak in program.get("separate-memory", {}).get("peak_mb", {}).items():
        rows.append([f"most memory of separate, {name}", _megabytes(peak)])
    if "linear" in program:
        lengths = zip(program["linear"]["lengths_s"], program["linear"]["times_s"], strict=True)
        shown = "; ".join(f"{length:g} s in {took:.2f} s" for length, took in lengths)
        rows.append(["separate, songs of several lengths, one core", shown])
    if "memory" in program:
        rows.append(["peak memory of live", _megabytes(program["memory"]["peak_mb"])])
    if "hour" in program:
        aged = program["hour"]
        rows.append(
            [
                f"a hop after {aged['seconds'] / 60:.3g} minutes of sound, and of a fresh engine",
                f"{aged['aged_ms']:.3f} ms, {aged['fresh_ms']:.3f} ms",
            ]
        )
    return rows


def _megabytes(memory: float | None) -> str:
    return "—" if memory is None else f"{memory:.0f} MB"


def draw(result: Result, path: Path) -> None:
    """Draw real-time factors, fastest first, on a logarithmic scale."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = [row for row in result["contenders"] if "unavailable" not in row]
    rows.sort(key=lambda row: -row["real_time_factor"])
    factors = [row["real_time_factor"] for row in rows]
    colours = [
        "#c2410c"
        if row["name"] == "live"
        else "#1f6f8b"
        if CONTENDERS[row["name"]].ours
        else "#9aa5ad"
        for row in rows
    ]
    figure, axes = plt.subplots(figsize=(9, 0.36 * len(rows) + 1.3), layout="constrained")
    names = [f"{row['name']} – {CONTENDERS[row['name']].what}" for row in rows]
    axes.barh(names, factors, color=colours)
    for index, factor in enumerate(factors):
        axes.text(factor * 1.08, index, f"{factor:.2g}", va="center", fontsize=8)
    axes.axvline(1.0, color="black", linewidth=0.8, linestyle="--")
    axes.set_xscale("log")
    axes.set_xlim(min(factors) / 2, max(*factors, 1.0) * 3)
    axes.set_xlabel("computing time per second of sound; right of the line it can't keep up")
    axes.set_title("live in red, streamsep's engines in blue, others in grey", fontsize=10)
    axes.tick_params(axis="y", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    plt.close(figure)
