"""Readers that leave, and what is no regular file: classes 8 and 13."""

from __future__ import annotations

from pathlib import Path

from failed_inputs.programs import Done, length, shell, tone
from failed_inputs.table import Verdict, case


def unread(place: Path, shown: str, fate: str) -> Verdict:
    tone(place / "song.wav", 4.0)
    done = shell(
        "streamsep live --input song.wav --output null --record take.wav --model center-cut "
        f"{shown} {fate}; exit ${{PIPESTATUS[0]}}",
        place,
    )
    got = length(place / "take.wav")
    return done.code == 0 and abs(got - 4.0) < 0.1, f"{got:.2f} of 4.00 s, exit {done.code}"


case(8, "live --plain | head -2")(lambda place: unread(place, "--plain", "| head -2"))
case(8, "a --json reader that dies")(
    lambda place: unread(place, "--json", "| python3 -c 'input(); import os; os.abort()'")
)
case(8, "stdout on a full disk")(lambda place: unread(place, "--plain", ">/dev/full"))


def is_whole(beat: Path, done: Done) -> Verdict:
    got = length(beat)
    return abs(got - 5.0) < 0.01 and done.code == 0, f"{got:.2f} of 5.00 s, exit {done.code}"


@case(13, "ffmpeg … -f wav - | streamsep separate -")
def pipe(place: Path) -> Verdict:
    tone(place / "song.wav", 5.0)
    done = shell(
        "ffmpeg -v error -i song.wav -f wav - | streamsep separate - -o 'out.{stem}.wav' "
        "--model center-cut",
        place,
    )
    return is_whole(place / "out.beat.wav", done)


@case(13, "a FIFO")
def fifo(place: Path) -> Verdict:
    tone(place / "song.wav", 5.0)
    done = shell(
        "mkfifo song.fifo; ffmpeg -v error -y -i song.wav -f wav song.fifo & "
        "streamsep separate song.fifo --format wav --model center-cut; code=$?; wait; exit $code",
        place,
    )
    return is_whole(place / "song.beat.wav", done)


@case(13, "<(…), separate and live")
def substitution(place: Path) -> Verdict:
    tone(place / "song.wav", 3.0)
    made = "<(ffmpeg -v error -i song.wav -f wav -)"
    done = shell(
        f"streamsep separate {made} -o 'out.{{stem}}.wav' --model center-cut && streamsep live "
        f"--input {made} --output null --record take.wav --model center-cut",
        place,
    )
    got = [length(place / name) for name in ("out.beat.wav", "take.wav")]
    right = done.code == 0 and all(abs(each - 3.0) < 0.1 for each in got)
    return right, f"{got} of 3.00 s, exit {done.code}"
