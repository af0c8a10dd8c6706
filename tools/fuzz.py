"""Tries what reads the files of others on mutations of them, guided by what each one reaches.

    python tools/fuzz.py                       # all readers, 100,000 inputs each: hours
    python tools/fuzz.py lyrics --inputs 5000  # one of `testing.fuzz_targets.TARGETS`
    python tools/fuzz.py --minutes 5           # all, with the time shared out: make fuzz

Atheris (the extra `fuzz`) thinks of the inputs, in a process for each reader. What it finds is
judged again by itself in another process, with the limits of `testing.fuzz_child`: no crash, no
exception but ours, 2 s of computing and 500 MB. Findings are kept in fuzz-findings/; mended, they
belong in tests/fuzz/corpus, where every run of the tests tries them. `--keep` adds to that folder
what reaches code that nothing there does. `--write` puts each reader's row between the two marks of
a page as soon as it is done and leaves those of others: what was ended goes on with the rest named.
Exit code 1 if anything was found.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from streamsep import __version__  # noqa: E402
from testing.fuzz_child import MOST_CPU_S, WAITED_S, Finding, judge, scratch_folder  # noqa: E402
from testing.fuzz_targets import CORPUS, TARGETS  # noqa: E402

FINDINGS = ROOT / "fuzz-findings"
LONGEST = 4_096  # bytes of an input; the largest of the corpus if that is longer
MOST_MB = 1_500  # of a whole process; what an input takes is judged by itself
ENOUGH = 20  # findings of one reader
KEPT_BYTES = 2_048  # of an input that --keep adds
BEGIN, END = "<!-- fuzz: begin -->", "<!-- fuzz: end -->"
HEAD = (
    "| reader | inputs | seed | CPU s | findings | streamsep |",
    "| --- | ---: | ---: | ---: | ---: | --- |",
)


class Round(NamedTuple):
    """What became of one reader."""

    inputs: int
    cpu_s: float
    findings: list[Finding]


def fuzz(target: str, inputs: int, seconds: float | None, seed: int, *, keep: bool) -> Round:
    """Try a reader on so many inputs, or for so long, whichever is over first."""
    done, findings, started = 0, list[Finding](), time.monotonic()
    before_s = _children_s()
    with scratch_folder() as work:
        grown, artifacts = work / "corpus", work / "artifacts"
        grown.mkdir()
        artifacts.mkdir()
        while done < inputs and len(findings) < ENOUGH:
            left_s = None if seconds is None else seconds - (time.monotonic() - started)
            if left_s is not None and left_s < 1.0:
                break
            done += _run(target, grown, artifacts, inputs - done, left_s, seed + done)
            found = sorted(artifacts.iterdir())
            findings += [_kept(target, finding) for finding in judge(target, found)]
            if not found:
                break
            for path in found:
                path.unlink()
        if keep:
            _merge(target, grown)
    return Round(done, _children_s() - before_s, findings)


def _run(
    target: str, grown: Path, artifacts: Path, inputs: int, seconds: float | None, seed: int
) -> int:
    """Have Atheris try inputs until it finds something; return how many they were.

    Raises
    ------
    SystemExit
        If it ends without having tried any.
    """
    longest = max(LONGEST, *(path.stat().st_size for path in (CORPUS / target).iterdir()))
    options = [
        f"-runs={inputs}",
        f"-seed={seed % 2**31 + 1}",
        f"-max_len={longest}",
        f"-timeout={WAITED_S:g}",
        f"-rss_limit_mb={MOST_MB}",
        f"-artifact_prefix={artifacts}/",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    if seconds is not None:
        options.append(f"-max_total_time={max(1, round(seconds))}")
    said = _atheris(target, [*options, str(grown), str(CORPUS / target)])
    counts = re.findall(r"^#(\d+)\s|executed_units: +(\d+)", said, re.MULTILINE)
    if not counts and not any(artifacts.iterdir()):
        raise SystemExit(f"Atheris ended at once:\n{said[-2_000:]}")
    return max((int(text) for count in counts for text in count if text), default=1)


def _atheris(target: str, arguments: list[str]) -> str:
    """Run libFuzzer over a reader; return what it says."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "fuzz_atheris.py", target, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    if "No module named 'atheris'" in done.stderr:
        raise SystemExit("Atheris isn't installed; pip install 'streamsep[fuzz]'")
    return done.stderr


def _kept(target: str, finding: Finding) -> Finding:
    """Keep a finding's file under a name of its content."""
    content = finding.path.read_bytes()
    path = FINDINGS / target / hashlib.sha256(content).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Finding(path, finding.what)


def _merge(target: str, grown: Path) -> None:
    """Add to the kept corpus the short inputs that reach what nothing in it reaches."""
    with scratch_folder() as work:
        short, more = work / "short", work / "more"
        short.mkdir()
        more.mkdir()
        for path in grown.iterdir():
            if path.stat().st_size <= KEPT_BYTES:
                shutil.copy(path, short)
        for path in (CORPUS / target).iterdir():
            shutil.copy(path, more)
        known = {path.name for path in more.iterdir()}
        _atheris(target, ["-merge=1", str(more), str(short)])
        for path in more.iterdir():
            if path.name not in known:
                shutil.copy(path, CORPUS / target / path.name[:16])


def _write(page: Path, target: str, done: Round, seed: int) -> None:
    """Put a reader's row into a page, in place of its older one."""
    text = page.read_text()
    head, rest = text.split(BEGIN)
    table, tail = rest.split(END)
    rows = {row.split("`")[1]: row for row in table.splitlines() if row.startswith("| `")}
    figures = f"{done.inputs:,} | {seed} | {done.cpu_s:.0f} | {len(done.findings)} | {__version__}"
    rows[target] = f"| `{target}` | {figures} |"
    kept = [rows[name] for name in TARGETS if name in rows]
    page.write_text("\n".join([f"{head}{BEGIN}", "", *HEAD, *kept, "", f"{END}{tail}"]))


def _kind(finding: Finding) -> str:
    """Return what findings of one cause share, roughly: where it was and what it says."""
    return "\n".join(finding.what.strip().splitlines()[-3:])


def _children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="READER")
    parser.add_argument("--inputs", type=int, default=100_000, help="of each reader")
    parser.add_argument("--minutes", type=float, help="at most, shared out among the readers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="add to tests/fuzz/corpus")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the rows into it")
    asked = parser.parse_args()
    targets = asked.targets or list(TARGETS)
    seconds = None if asked.minutes is None else 60.0 * asked.minutes / len(targets)
    found = 0
    print(f"{'reader':<12} {'inputs':>8} {'CPU s':>8} {'findings':>8}", flush=True)
    for target in targets:
        done = fuzz(target, asked.inputs, seconds, asked.seed, keep=asked.keep)
        found += len(done.findings)
        row = f"{done.inputs:>8} {done.cpu_s:>8.1f} {len(done.findings):>8}"
        print(f"{target:<12} {row}", flush=True)
        if asked.write:
            _write(asked.write, target, done, asked.seed)
        for finding in {_kind(each): each for each in done.findings}.values():
            print(f"  {finding.path.relative_to(ROOT)}: {finding.what}", flush=True)
    print(f"limits for an input: {MOST_CPU_S:g} s of computing, 500 MB")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
