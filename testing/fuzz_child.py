"""Reads files by one of `TARGETS` in a process of its own, within limits; `judge` runs it.

Usage: python -m testing.fuzz_child TARGET FOLDER, paths on standard input; a line of JSON for each.
What C libraries do to a process they do to this one.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streamsep.errors import StreamsepError
from testing.fuzz_targets import TARGETS, corpus

MOST_CPU_S = 2.0
MOST_MB = 500.0
# Far more than MOST_MB: what asks for it is stopped before the machine is out of memory.
ADDRESS_SPACE = 8 * 2**30
COMMAND = [sys.executable, "-m", "testing.fuzz_child"]
WAITED_S = 60.0  # by the clock: much more than any reader may compute


@dataclass(frozen=True)
class Finding:
    """A file that its reader couldn't cope with, and how that showed."""

    path: Path
    what: str


def judge(target: str, paths: Sequence[Path]) -> list[Finding]:
    """Read files within limits, and return those that went beyond them or raised what they may not.

    A file that ends the process costs that process; the next file gets another.
    """
    findings: list[Finding] = []
    left = list(paths)
    while left:
        answers, end = _answers(target, left)
        findings += [Finding(path, what) for path, what in zip(left, answers, strict=False) if what]
        left = left[len(answers) :]
        if left:
            findings.append(Finding(left.pop(0), end))
    return findings


def _answers(target: str, paths: Sequence[Path]) -> tuple[list[str], str]:
    """Return what was said of the first files, and how the process ended."""
    asked = "".join(f"{path}\n" for path in paths)
    with scratch_folder() as folder:  # goes away however the process ends
        try:
            done = subprocess.run(
                [*COMMAND, target, str(folder)],
                input=asked,
                capture_output=True,
                text=True,
                timeout=WAITED_S + MOST_CPU_S * len(paths),
            )
            said, end = done.stdout, _end(done.returncode, done.stderr)
        except subprocess.TimeoutExpired as error:
            said, end = (error.stdout or b"").decode(), "waited for ever"
    # A last line without an end is one that the process was killed in.
    lines = said.splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")], end


def _end(code: int, errors: str) -> str:
    if code == -signal.SIGPROF:
        return f"computed for more than {MOST_CPU_S:g} s"
    last = errors.strip().splitlines()[-1:] or [""]
    return f"ended the process: {signal.Signals(-code).name if code < 0 else code} {last[0]}"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a folder that goes away, in memory where there is such a place: inputs are files."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=shm if shm.is_dir() else None) as folder:
        yield Path(folder)


def try_reader(target: str, content: bytes, folder: Path) -> str:
    """Return what is wrong with how a file of this content is read, or nothing."""
    path = folder / "input"
    path.write_bytes(content)
    before_mb, before_s = _peak_mb(reset=True), time.process_time()
    try:
        TARGETS[target](path)
    except StreamsepError as error:
        if not str(error).isprintable():
            return f"says what is not one line of text: {str(error)!r}"
    except Exception:
        return traceback.format_exc()
    grown_mb, took_s = _peak_mb() - before_mb, time.process_time() - before_s
    if grown_mb > MOST_MB:
        return f"took {grown_mb:.0f} MB"
    return f"computed for {took_s:.1f} s" if took_s > MOST_CPU_S else ""


def _peak_mb(*, reset: bool = False) -> float:
    """Return the most resident memory since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1e3
    raise OSError("the kernel doesn't tell the memory of a process")


def main() -> None:
    target, folder = sys.argv[1], Path(sys.argv[2])
    answers, sys.stdout = sys.stdout, sys.stderr  # what readers print is no answer
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try_reader(target, corpus(target)[0].read_bytes(), folder)  # imports are no file's cost
    for line in sys.stdin:
        print(json.dumps(_limited(target, Path(line.rstrip("\n")), folder)), file=answers)
        answers.flush()


def _limited(target: str, path: Path, folder: Path) -> str:
    # The signal's own action ends the process, whatever C code it is in; what has computed
    # for not much too long tells so itself.
    signal.setitimer(signal.ITIMER_PROF, MOST_CPU_S + 1.0)
    try:
        return try_reader(target, path.read_bytes(), folder)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)


if __name__ == "__main__":
    main()
