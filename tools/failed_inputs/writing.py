"""Writing without owning, "done" by clocks, what remains: classes 7, 11 and 17."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import numpy as np
import soundfile as sf

from failed_inputs.programs import (
    COMMAND,
    MODEL,
    PATIENCE_S,
    environment,
    length,
    noise,
    run,
    separate,
    start,
    sum_of_stems,
    tone,
)
from failed_inputs.table import Verdict, case
from testing.servers import wait_until


@case(7, "the same separate twice at once, the second killed -9")
def twice(place: Path) -> Verdict:
    noise(place / "song.wav", 215.0)
    first = start("separate", "song.wav", *MODEL, cwd=place)
    time.sleep(1.0)
    second = subprocess.Popen(
        [*COMMAND, "separate", "song.wav", *MODEL],
        cwd=place,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(1.5)
    second.kill()
    second.wait()
    code = first.wait(PATIENCE_S)
    whole = sum_of_stems(place, "song")
    song = sf.read(place / "song.wav", always_2d=True)[0]
    error = float(np.abs(whole - song).max()) if whole.shape == song.shape else np.inf
    return code == 0 and error < 1e-3, f"exit {code}, error of the stems' sum {error:.1g}"


@case(7, "two live --record on one file")
def two_takes(place: Path) -> Verdict:
    tone(place / "a.wav", 4.0, 330)
    tone(place / "b.wav", 4.0, 700)
    for name in ("one", "two"):
        (place / name).mkdir()
    both = [
        start(
            *("live", "--input", f"../{song}.wav", "--output", "null"),
            *("--record", "../take.wav", *MODEL),
            cwd=place / name,
        )
        for name, song in (("one", "a"), ("two", "b"))
    ]
    codes = [each.wait(PATIENCE_S) for each in both]
    takes = sorted(path.name for path in place.glob("take*.wav"))
    got = [length(place / take) for take in takes]
    right = codes == [0, 0] and len(takes) == 2 and all(abs(each - 4.0) < 0.2 for each in got)
    return right, f"{', '.join(takes)}: {got}"


def older_take(place: Path) -> bytes:
    noise(place / "take.wav", 3.0, 9)
    return (place / "take.wav").read_bytes()


@case(7, "a start that fails, where an older take has the name")
def failed_start(place: Path) -> Verdict:
    older = older_take(place)
    tone(place / "song.wav", 3.0)
    for extra in (("--mic", "theremin"), ("--output", "theremin"), ("--model", "nothing.onnx")):
        files = ("--input", "song.wav", "--output", "null", "--record", "take.wav")
        run("live", *files, *extra, "--overwrite", cwd=place)
    right = (place / "take.wav").read_bytes() == older
    return right, "the older take is as it was" if right else "the older take is gone"


@case(7, "SIGTERM in the first half second, where an older take has the name")
def early_end(place: Path) -> Verdict:
    older = older_take(place)
    tone(place / "song.wav", 30.0)
    kept = 0
    for delay_s in (0.1, 0.3, 0.5, 0.8, 1.2):
        process = start(
            *("live", "--input", "song.wav", "--output", "null", "--record", "take.wav", *MODEL),
            cwd=place,
        )
        time.sleep(delay_s)
        process.terminate()
        process.wait(PATIENCE_S)
        kept += (place / "take.wav").read_bytes() == older
    return kept == 5, f"kept {kept} of 5 times"


@case(7, "--output a hard link to the song being played")
def hard_link(place: Path) -> Verdict:
    song = tone(place / "song.wav", 3.0)
    before = song.read_bytes()
    os.link(song, place / "link.wav")
    done = run("live", "--input", "song.wav", "--output", "link.wav", *MODEL, cwd=place)
    right = done.code == 4 and song.read_bytes() == before
    return right, f"exit {done.code}; {done.last[:70]}"


def again(place: Path, *change: object) -> str:
    return separate(place, "song.wav", *change).err


@case(11, "a song dated two days ahead")
def ahead(place: Path) -> Verdict:
    song = tone(place / "song.wav", 3.0)
    later = time.time() + 2 * 86_400
    os.utime(song, (later, later))
    again(place)
    said = again(place)
    return "done before" in said, said.strip()[:80]


@case(11, "FAT's stamps of 2 s, of song and stems")
def coarse(place: Path) -> Verdict:
    song = tone(place / "song.wav", 3.0)
    again(place)
    for path in (song, *place.glob("song.*.wav")):
        stamp = path.stat().st_mtime // 2 * 2
        os.utime(path, (stamp, stamp))
    said = again(place)
    return "done before" in said, said.strip()[:80]


for _change in (("--model", "fast"), ("--gain", "-3"), ("--bits", "16")):

    @case(11, f"the same song, another {_change[0]}")
    def other(place: Path, change=_change) -> Verdict:
        tone(place / "song.wav", 3.0)
        again(place)
        options = change if change[0] == "--model" else (*MODEL, *change)
        done = run("separate", "song.wav", *options, cwd=place)
        done_again = "song.beat.wav" in done.out
        return done_again and "done before" not in done.err, f"done again, exit {done.code}"


def ended(place: Path, number: int) -> Verdict:
    noise(place / "song.wav", 200.0)
    process = start("separate", "song.wav", *MODEL, cwd=place)
    wait_until(lambda: list(place.glob(".*part*")) or process.poll() is not None, "part files")
    time.sleep(0.3)
    process.send_signal(number)
    code = process.wait(PATIENCE_S)
    left = [path.name for path in place.iterdir() if ".part" in path.name]
    if number == signal.SIGKILL:
        separate(place, "song.wav")
        left = [path.name for path in place.iterdir() if ".part" in path.name]
    return not left, f"{len(left)} part files stay, exit {code}"


for _number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
    case(17, f"{_number.name} during separate" + (", then again" if _number == 9 else ""))(
        partial(ended, number=_number)
    )


@case(17, "a full disk during separate")
def full_disk(place: Path) -> Verdict:
    noise(place / "song.wav", 30.0)
    most = 1_000_000
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))}
    done = separate(place, "song.wav", **limit)
    left = [path.name for path in place.iterdir() if path.name not in ("song.wav",)]
    return not left and done.code == 4, f"{left} left, exit {done.code}; {done.last[:60]}"
