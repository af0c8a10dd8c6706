"""Inputs on which programs of this kind have failed: each is made, run, and judged.

    python tools/cases.py [CLASS…]

A row says right or wrong, and by which figure. It needs ffmpeg; rows of devices start private
PulseAudio and PipeWire servers. The exit code is 1 if any is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import soundfile as sf

sys.path.insert(0, str(Path(__file__).parents[1]))

from testing.servers import (
    SoundServer,
    pipewire_server,
    pulse_server,
    wait_until,
)

RATE = 44_100
COMMAND = [sys.executable, "-m", "streamsep"]
MODEL = ("--model", "center-cut")  # any would do: these are questions of files and devices
PATIENCE_S = 300.0
# Root may enter any folder; without this right it is as anybody else.
RIGHTS = "-dac_override,-dac_read_search"
ORDINARY = ("setpriv", f"--bounding-set={RIGHTS}", f"--inh-caps={RIGHTS}")
LOSSES = 12  # the exit code of what is done, with losses named
TOLD_S = 10.0  # for a line about what a server did
DOCTOR_S = 5.0  # at most; on a busy machine it may need longer


@dataclass
class Row:
    """A case: its class, what is put in, and what judges it."""

    number: int
    what: str
    judge: Callable[[Path], tuple[bool, str]]


ROWS: list[Row] = []
Verdict = tuple[bool, str]


def case(number: int, what: str) -> Callable[[Callable[[Path], Verdict]], Callable]:
    """Enter a function as the judge of a case."""

    def enter(judge: Callable[[Path], Verdict]) -> Callable[[Path], Verdict]:
        ROWS.append(Row(number, what, judge))
        return judge

    return enter


# --- Making and running ---------------------------------------------------------------------


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float = 0.0

    @property
    def traceback(self) -> bool:
        return "Traceback" in self.err

    @property
    def last(self) -> str:
        return (self.err.strip().splitlines() or [""])[-1]


def environment(**changes: str | None) -> dict[str, str]:
    """That of a machine without a sound server, with changes; None takes a variable out."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PULSE_")}
    env |= {"PULSE_SERVER": "unix:/nonexistent/native"}
    env["PYTHONPATH"] = str(Path(__file__).parents[1])
    for name, value in changes.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return env


def run(
    *arguments: object,
    cwd: Path,
    env: dict[str, str] | None = None,
    before: tuple[str, ...] = (),
    **options,
) -> Done:
    """Run streamsep to its end, by another command if need be."""
    started = time.monotonic()
    done = subprocess.run(
        [*(before if os.geteuid() == 0 else ()), *COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=env or environment(),
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=PATIENCE_S,
        **options,
    )
    return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - started)


def shell(script: str, cwd: Path, env: dict[str, str] | None = None) -> Done:
    """Run a line of a shell in which ``streamsep`` is the command."""
    command = " ".join(COMMAND)
    script = f'streamsep() {{ {command} "$@"; }}; {script}'
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=cwd,
        env=env or environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def start(*arguments: object, cwd: Path, env: dict[str, str] | None = None, **options):
    """Start streamsep, its output in the files ``out`` and ``err``."""
    with (cwd / "out").open("w") as out, (cwd / "err").open("w") as err:
        options = {"stdout": out, "stderr": err} | options
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)], cwd=cwd, env=env or environment(), **options
        )


def separate(place: Path, *arguments: object, **options) -> Done:
    return run("separate", *arguments, *MODEL, cwd=place, **options)


def ffmpeg(place: Path, *arguments: object) -> None:
    command = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, cwd=place, check=True, stdin=subprocess.DEVNULL)


def tone(path: Path, seconds: float = 60.0, hertz: float = 330.0, level_db: float = -12.0) -> Path:
    """Make a sine by ffmpeg, in whatever the suffix says."""
    ffmpeg(
        path.parent,
        *("-f", "lavfi", "-i", f"sine=f={hertz:g}:d={seconds:g}:r={RATE}"),
        *("-af", f"volume={level_db:g}dB", "-ac", "2", path),
    )
    return path


def noise(path: Path, seconds: float, seed: int = 0, **options) -> Path:
    sound = np.random.default_rng(seed).uniform(-0.3, 0.3, (int(seconds * RATE), 2))
    sf.write(path, sound, RATE, **options)
    return path


def length(path: Path) -> float:
    return sf.info(path).duration if path.exists() else 0.0


def sum_of_stems(place: Path, name: str) -> np.ndarray:
    """Return (N, C): what came in, as it went to the model."""
    parts = [sf.read(place / f"{name}.{stem}.wav", always_2d=True)[0] for stem in STEMS]
    return sum(parts)


STEMS = ("beat", "vocals")


def peaks(sound: np.ndarray) -> tuple[float, float]:
    left, right = (float(np.abs(side).max()) for side in sound.T)
    return left, right


def lengths_are(place: Path, name: str, seconds: float, done: Done, codes=(0,)) -> Verdict:
    got = [length(place / f"{name}.{stem}.wav") for stem in STEMS]
    right = all(abs(each - seconds) < 0.06 for each in got) and done.code in codes
    return right and not done.traceback, f"{got[0]:.2f} of {seconds:.2f} s, exit {done.code}"


# --- 3: a length that isn't true ------------------------------------------------------------


def vbr(place: Path, *, noise_first: bool) -> Verdict:
    silence = np.zeros((55 * RATE, 2))
    loud = np.random.default_rng(0).uniform(-0.3, 0.3, (5 * RATE, 2))
    parts = [loud, silence] if noise_first else [silence, loud]
    sf.write(place / "in.wav", np.concatenate(parts), RATE)
    ffmpeg(place, "-i", "in.wav", "-q:a", "0", "-write_xing", "0", "song.mp3")
    return lengths_are(place, "song", 60.0, separate(place, "song.mp3"))


case(3, "MP3, VBR, no Xing header: 5 s of noise, 55 s of silence")(
    lambda place: vbr(place, noise_first=True)
)
case(3, "the same reversed")(lambda place: vbr(place, noise_first=False))


def join_tones(song: Path, seconds: float) -> None:
    """Write two files of a tone each, one behind the other."""
    parts = [song.with_stem(name) for name in ("p1", "p2")]
    for part, hertz in zip(parts, (100, 200), strict=True):
        tone(part, seconds, hertz)
    song.write_bytes(b"".join(part.read_bytes() for part in parts))


@case(3, "cat p1.mp3 p2.mp3")
def joined(place: Path) -> Verdict:
    join_tones(place / "song.mp3", 20.0)
    return lengths_are(place, "song", 40.0, separate(place, "song.mp3"))


@case(3, "cat p1.ogg p2.ogg")
def chained(place: Path) -> Verdict:
    join_tones(place / "song.ogg", 20.0)
    return lengths_are(place, "song", 40.0, separate(place, "song.ogg"))


@case(3, "the joined MP3, live")
def joined_live(place: Path) -> Verdict:
    join_tones(place / "song.mp3", 4.0)
    files = ("--input", "song.mp3", "--output", "null", "--record", "take.wav")
    done = run("live", *files, *MODEL, cwd=place)
    got = length(place / "take.wav")
    return abs(got - 8.0) < 0.2 and done.code == 0, f"{got:.2f} of 8.00 s, exit {done.code}"


@case(3, "WAV that says 60 s and holds 11.3")
def short_wav(place: Path) -> Verdict:
    song = tone(place / "song.wav")
    song.write_bytes(song.read_bytes()[: 44 + int(11.3 * RATE) * 4])
    done = separate(place, "song.wav")
    right, figure = lengths_are(place, "song", 11.3, done, codes=(0, LOSSES))
    return right and "song.wav" in done.err, f"{figure}; {done.err.splitlines()[0][:90]}"


# --- 4: changes in mid-stream ---------------------------------------------------------------


@case(4, "MPEG-TS: stereo, mono, 5.1 in one stream")
def changing(place: Path) -> Verdict:
    names = []
    for layout in ("stereo", "mono", "5.1"):
        ffmpeg(
            place,
            *("-f", "lavfi", "-i", "sine=f=330:d=5:r=44100"),
            *("-af", f"aformat=channel_layouts={layout}", "-c:a", "aac", f"{layout}.ts"),
        )
        names.append(place / f"{layout}.ts")
    (place / "song.ts").write_bytes(b"".join(name.read_bytes() for name in names))
    tone(place / "zz.wav", 2.0)
    done = separate(place, "song.ts", "zz.wav", "--format", "wav")
    got = length(place / "song.beat.wav")
    right = got > 14.5 and not done.traceback and (place / "zz.beat.wav").exists()
    return right, f"{got:.2f} of 15.0 s, exit {done.code}, zz done"


# --- 5: channels without their meaning ------------------------------------------------------


def surround(place: Path, suffix: str, speaker: int) -> tuple[float, float]:
    sound = np.zeros((2 * RATE, 6))
    sound[:, speaker] = 0.5 * np.sin(2 * np.pi * 330 * np.arange(2 * RATE) / RATE)
    sf.write(place / "raw.wav", sound, RATE, subtype="PCM_16")
    layout = ("-af", "aformat=channel_layouts=5.1")
    ffmpeg(place, "-channel_layout", "5.1", "-i", "raw.wav", *layout, f"song{suffix}")
    separate(place, f"song{suffix}", "--format", "wav")
    return peaks(sum_of_stems(place, "song"))


for _suffix in (".wav", ".flac", ".mka"):

    @case(5, f"5.1 {_suffix} with a tone in the centre only")
    def centre(place: Path, suffix: str = _suffix) -> Verdict:
        left, right = surround(place, suffix, 2)
        return left > 0.2 and abs(left - right) < 0.01, f"left {left:.3f}, right {right:.3f}"

    @case(5, f"5.1 {_suffix} with a tone in the LFE only")
    def effects_channel(place: Path, suffix: str = _suffix) -> Verdict:
        left, right = surround(place, suffix, 3)
        return max(left, right) < 0.01, f"left {left:.3f}, right {right:.3f}"


@case(5, "stereo file with the voice on the right only, as mic")
def one_sided_mic(place: Path) -> Verdict:
    sine = 0.5 * np.sin(2 * np.pi * 330 * np.arange(4 * RATE) / RATE)
    sf.write(place / "mic.wav", np.stack([0 * sine, sine], axis=-1), RATE, subtype="FLOAT")
    sf.write(place / "song.wav", np.zeros((4 * RATE, 2)), RATE)
    done = run(
        *("live", "--input", "song.wav", "--mic", "mic.wav", "--voice-effects", "off"),
        *("--output", "null", "--record", "take.wav", "--record-stems", "mic", *MODEL),
        cwd=place,
    )
    sides = peaks(sf.read(place / "take.mic.wav", always_2d=True)[0])
    right = max(sides) > 0.49
    return right and done.code == 0, f"left {sides[0]:.3f}, right {sides[1]:.3f} of 0.500"


@case(5, "stereo source with the voice on the right only, as mic (PulseAudio)")
def one_sided_source(place: Path) -> Verdict:
    sine = 0.5 * np.sin(2 * np.pi * 330 * np.arange(4 * RATE) / RATE)
    sf.write(place / "voice.wav", np.stack([0 * sine, sine], axis=-1), RATE, subtype="FLOAT")
    noise(place / "song.wav", 30.0)
    with (
        pulse_server() as server,
        live(
            place,
            server,
            *("--input", "song.wav", "--output", "pulse", "--mic", "pulse"),
            *("--voice-effects", "off", "--record", "take.wav", "--record-stems", "mic"),
            source="A.monitor",
            sink="B",
        ),
    ):
        server.play(place / "voice.wav", "A")
    take = sf.read(place / "take.mic.wav", always_2d=True)[0]
    heard = np.quantile(np.abs(take[np.abs(take).max(axis=1) > 0.01]), 0.99, axis=0)
    right = abs(heard.min() - 0.5) < 0.02
    return bool(right), f"left {heard[0]:.3f}, right {heard[1]:.3f} of 0.500"


@case(5, "two audio tracks, Vocal and Instrumental: a line")
def two_tracks(place: Path) -> Verdict:
    tone(place / "a.wav", 3.0)
    tone(place / "b.wav", 3.0, 200)
    ffmpeg(
        place,
        *("-i", "a.wav", "-i", "b.wav", "-map", "0:a", "-map", "1:a"),
        *("-metadata:s:a:0", "title=Vocal", "-metadata:s:a:1", "title=Instrumental", "song.mka"),
    )
    done = separate(place, "song.mka", "--format", "wav")
    line = next((line for line in done.err.splitlines() if "Instrumental" in line), "")
    return bool(line), line[:100] or "no line"


# --- 6: foreign exceptions ------------------------------------------------------------------


def batch(place: Path, bad: bytes, *, codes=(0,)) -> Verdict:
    (place / "in").mkdir()
    tone(place / "in" / "zz.wav", 2.0)
    shutil.copy(os.fsencode(place / "in" / "zz.wav"), os.fsencode(place / "in") + b"/" + bad)
    done = separate(place, "in", "-o", "out", env=environment(LC_ALL="C.UTF-8"))
    names = os.listdir(place / "out") if (place / "out").exists() else []
    stems = [name for name in names if name.endswith(".wav")]
    right = done.code in codes and not done.traceback and "zz.beat.wav" in stems
    return right, f"{len(stems)} of 4 stems, exit {done.code}"


@case(6, "mod\\x85.wav in a folder with zz.wav, LC_ALL=C.UTF-8")
def odd_name(place: Path) -> Verdict:
    right, figure = batch(place, b"mod\x85.wav")
    return right and figure.startswith("4"), figure


@case(6, "mod\\x85.wav as --output and as --record")
def odd_output(place: Path) -> Verdict:
    tone(place / "song.wav", 2.0)
    said = []
    for option in ("--output", "--record"):
        name = os.fsdecode(f"{option[2:]}".encode() + b"\x85.wav")
        rest = ("--output", "null") if option == "--record" else ()
        env = environment(LC_ALL="C.UTF-8")
        done = run("live", "--input", "song.wav", *rest, option, name, *MODEL, cwd=place, env=env)
        said.append((done.code, done.traceback, os.path.exists(os.fsencode(place / name))))
    right = all(s == (0, False, True) for s in said)
    return right, f"exit {said[0][0]} and {said[1][0]}, written"


@case(6, "a name of 255 bytes, whose stems' names are longer")
def long_name(place: Path) -> Verdict:
    return batch(place, b"n" * 250 + b".wav", codes=(0, 1, 4))


@case(6, "a name of 300 letters on the command line")
def longer_name(place: Path) -> Verdict:
    tone(place / "zz.wav", 2.0)
    done = separate(place, "n" * 300 + ".wav", "zz.wav")
    right = not done.traceback and (place / "zz.beat.wav").exists() and done.code != 0
    return right, f"exit {done.code}, zz done"


@case(6, "a folder that can be listed but not entered")
def closed_folder(place: Path) -> Verdict:
    (place / "in" / "closed").mkdir(parents=True)
    tone(place / "in" / "zz.wav", 2.0)
    tone(place / "in" / "closed" / "a.wav", 2.0)
    (place / "in" / "closed").chmod(0o444)
    done = separate(place, "in", "-o", "out", before=ORDINARY)
    (place / "in" / "closed").chmod(0o777)
    right = not done.traceback and (place / "out" / "zz.beat.wav").exists()
    return right and "closed" in done.err, f"exit {done.code}; {done.err.splitlines()[0][:80]}"


@case(6, "HOME of another user")
def others_home(place: Path) -> Verdict:
    tone(place / "song.wav", 2.0)
    (place / "home").mkdir(mode=0o000)
    env = environment(HOME=str(place / "home"), XDG_CONFIG_HOME=None, XDG_CACHE_HOME=None)
    done = separate(place, "song.wav", env=env, before=ORDINARY)
    return done.code == 0 and not done.traceback, f"exit {done.code} {done.last[:80]}"


@case(6, "a mistake in ~/.asoundrc")
def asoundrc(place: Path) -> Verdict:
    (place / ".asoundrc").write_text("pcm.!default { type nonsense\n")
    env = environment(HOME=str(place))
    done = [run(*command, cwd=place, env=env) for command in (["devices"], ["doctor"])]
    right = not any(each.traceback for each in done)
    return right, f"exit {done[0].code} and {done[1].code}, {done[0].last[:70]}"


@case(6, "separate song >&-")
def closed_stdout(place: Path) -> Verdict:
    tone(place / "song.wav", 2.0)
    done = shell("streamsep separate song.wav --model center-cut >&-", place)
    right = (place / "song.beat.wav").exists() and done.code == 0 and not done.traceback
    return right, f"exit {done.code}"


@case(6, "inspect --start nan")
def not_a_number(place: Path) -> Verdict:
    tone(place / "song.wav", 2.0)
    done = run("inspect", "song.wav", "--start", "nan", *MODEL, cwd=place)
    return done.code == 2 and not done.traceback, f"exit {done.code}; {done.last[:80]}"


# --- 7: writing without owning --------------------------------------------------------------


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


# --- 8: printing ends the music -------------------------------------------------------------


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


# --- 9: silently left out -------------------------------------------------------------------


@case(9, "Metallica/...And Justice for All/01.wav")
def justice(place: Path) -> Verdict:
    album = place / "Metallica" / "...And Justice for All"
    album.mkdir(parents=True)
    tone(album / "01.wav", 2.0)
    done = separate(place, "Metallica", "-o", "out")
    found = [path.name for path in place.rglob("01.beat.wav")]
    return found == ["01.beat.wav"] and done.code == 0, f"{found}, exit {done.code}"


@case(9, "a linked folder, and one that links upwards")
def linked(place: Path) -> Verdict:
    for name in ("in", "elsewhere"):
        (place / name).mkdir()
    tone(place / "in" / "a.wav", 2.0)
    tone(place / "elsewhere" / "b.wav", 2.0)
    (place / "in" / "link").symlink_to(place / "elsewhere")
    (place / "in" / "up").symlink_to(place / "in")
    done = separate(place, "in", "-o", "out")
    found = sorted(path.name for path in (place / "out").rglob("*.beat.wav"))
    return found == ["a.beat.wav", "b.beat.wav"], f"{found}, exit {done.code}"


KINDS = ("wv", "mp2", "vob", "m2ts", "spx", "tta", "ac3", "caf", "aiff", "au", "mka", "opus")


@case(9, ".wv .mp2 .vob .m2ts .spx .tta .ac3 .caf .aiff .au .mka .opus in a folder")
def kinds(place: Path) -> Verdict:
    (place / "in").mkdir()
    tone(place / "song.wav", 2.0)
    made = []
    for suffix in KINDS:
        rate = ("-ar", "16000", "-ac", "1") if suffix == "spx" else ()
        with contextlib.suppress(subprocess.CalledProcessError):
            ffmpeg(place, "-i", "song.wav", *rate, f"in/{suffix}.{suffix}")
            made.append(suffix)
    (place / "in" / "notes.xyz").write_text("what is this?")
    done = separate(place, "in", "-o", "out", "--format", "wav")
    found = {path.name.split(".")[0] for path in (place / "out").rglob("*.beat.wav")}
    missing = sorted(set(made) - found)
    right = not missing and "notes.xyz" in done.err
    return right, f"{len(found)} of {len(made)} done, missing {missing}; the unknown is named"


@case(9, "'m/**/*.ogg' with links upwards")
def endless_glob(place: Path) -> Verdict:
    folder = place / "m" / "a" / "b"
    folder.mkdir(parents=True)
    for name in ("up1", "up2", "up3"):
        (folder / name).symlink_to(place / "m")
    tone(folder / "song.ogg", 2.0)
    done = separate(place, "m/**/*.ogg")
    right = (folder / "song.beat.wav").exists() and done.seconds < 60
    return right, f"{done.seconds:.1f} s, exit {done.code}"


@case(9, "'[1991] Ten/*.wav'")
def brackets(place: Path) -> Verdict:
    (place / "[1991] Ten").mkdir()
    tone(place / "[1991] Ten" / "01.wav", 2.0)
    done = separate(place, "[1991] Ten/*.wav")
    right = (place / "[1991] Ten" / "01.beat.wav").exists() and done.code == 0
    return right, f"exit {done.code} {done.last[:80]}"


# --- 10: what can't be carried --------------------------------------------------------------


def video(place: Path, name: str, *codec: str, subtitles: str = "") -> Path:
    """Make a clip of 2 s with a picture, sound and maybe subtitles."""
    inputs = [
        *("-f", "lavfi", "-i", "testsrc=d=2:s=176x144:r=25"),
        *("-f", "lavfi", "-i", "sine=f=330:d=2:r=44100"),
    ]
    if subtitles:
        (place / "text.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nla la la\n")
        inputs += ["-i", "text.srt", "-c:s", subtitles]
    ffmpeg(place, *inputs, *codec, "-shortest", name)
    return place / name


def streams(path: Path) -> list[str]:
    if not path.exists():
        return []
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "stream=codec_type,codec_name", "-of",
         "json", path],
        capture_output=True,
        text=True,
    )  # fmt: skip
    found = json.loads(done.stdout or "{}").get("streams", [])
    return sorted(f"{each['codec_type']}:{each.get('codec_name', '?')}" for each in found)


@case(10, "mp4 with mov_text to .mkv")
def mov_text(place: Path) -> Verdict:
    video(place, "clip.mp4", subtitles="mov_text")
    done = separate(place, "clip.mp4", "-o", "{name}.{stem}.mkv")
    found = streams(place / "clip.beat.mkv")
    right = any("subtitle" in each for each in found) and any("video" in each for each in found)
    return right and done.code == 0, f"{found}, exit {done.code}"


@case(10, "mkv with srt to .mp4")
def srt(place: Path) -> Verdict:
    video(place, "clip.mkv", subtitles="srt")
    done = separate(place, "clip.mkv", "-o", "{name}.{stem}.mp4")
    found = streams(place / "clip.beat.mp4")
    right = any("subtitle" in each for each in found) and any("video" in each for each in found)
    return right and done.code == 0, f"{found}, exit {done.code}"


for _codec in ("wmv2", "msmpeg4v2", "h263", "cinepak", "huffyuv"):

    @case(10, f"AVI of {_codec}")
    def avi(place: Path, codec: str = _codec) -> Verdict:
        video(place, "clip.avi", "-c:v", codec)
        done = separate(place, "clip.avi")
        written = [path for path in place.glob("clip.beat.*") if path.suffix != ".jsonl"]
        found = streams(written[0]) if written else []
        picture = any("video" in each for each in found)
        right = any("audio" in each for each in found) and (picture or "picture" in done.err)
        return right, f"{[path.name for path in written]} {found}, exit {done.code}"


for _suffix, _codecs in (
    (".vob", ("-c:v", "mpeg2video", "-c:a", "mp2")),
    (".m2ts", ("-c:v", "mpeg2video", "-c:a", "ac3")),
    (".ogv", ("-c:v", "libtheora", "-c:a", "libvorbis")),
):

    @case(10, f"{_suffix} with a picture")
    def picture(place: Path, suffix: str = _suffix, codecs=_codecs) -> Verdict:
        video(place, f"clip{suffix}", *codecs)
        done = separate(place, f"clip{suffix}")
        written = [path for path in place.glob("clip.beat.*") if path.suffix != ".jsonl"]
        found = streams(written[0]) if written else []
        kept = any("video" in each for each in found)
        right = any("audio" in each for each in found) and (kept or "picture" in done.err)
        return right, f"{[path.name for path in written]} {found}, exit {done.code}"


@case(10, "m4b with chapters")
def chapters(place: Path) -> Verdict:
    tone(place / "song.wav", 4.0)
    (place / "meta").write_text(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=2\ntitle=one\n"
        "[CHAPTER]\nTIMEBASE=1/1\nSTART=2\nEND=4\ntitle=two\n"
    )
    ffmpeg(place, "-i", "song.wav", "-i", "meta", "-map_metadata", "1", "-f", "ipod", "song.m4b")
    done = separate(place, "song.m4b", "--format", "m4a")
    written = next(place.glob("song.beat.m4*"), None)
    if written is None:
        return False, f"nothing written, exit {done.code} {done.last[:80]}"
    probe = ["ffprobe", "-v", "error", "-show_chapters", "-of", "json", str(written)]
    got = json.loads(subprocess.run(probe, capture_output=True, text=True).stdout)["chapters"]
    return len(got) == 2, f"{len(got)} of 2 chapters, exit {done.code}"


# --- 11: "done" by clocks -------------------------------------------------------------------


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


# --- 12: text by guess ----------------------------------------------------------------------


def lyrics_shown(place: Path, text: str, encoding: str, name: str, wanted: str, *options):
    (place / name).write_bytes(text.encode(encoding))
    tone(place / "song.wav", 3.0)
    done = run(
        *("live", "--input", "song.wav", "--output", "null", "--json", "--lyrics", name),
        *(*options, *MODEL),
        cwd=place,
    )
    shown = {json.loads(line).get("lyric") for line in done.out.splitlines()}
    right = wanted in shown
    return right, f"{wanted!r} shown" if right else f"{shown}, {done.last[:60]}"


LRC = "[00:00.00]{}\n[00:59.00]{}\n"


@case(12, "an .lrc in GB18030")
def gb18030(place: Path) -> Verdict:
    line = "月亮代表我的心你问我爱你有多深"
    return lyrics_shown(place, LRC.format(line, line * 2), "gb18030", "song.lrc", line)


@case(12, "UltraStar with #ENCODING:CP1250")
def cp1250(place: Path) -> Verdict:
    text = (
        "#ENCODING:CP1250\n#TITLE:x\n#ARTIST:y\n#BPM:300\n#GAP:0\n"
        ": 0 10 0 Žluťoučký\n: 10 500 0  kůň\n- 600\n: 900 10 0 konec\nE\n"
    )
    return lyrics_shown(place, text, "cp1250", "song.txt", "Žluťoučký kůň")


@case(12, "an .lrc in UTF-16 with a BOM")
def utf16(place: Path) -> Verdict:
    return lyrics_shown(place, LRC.format("Œuvre", "fin"), "utf-16", "song.lrc", "Œuvre")


@case(12, "an option that says which")
def encoding_option(place: Path) -> Verdict:
    option = ("--lyrics-encoding", "cp1251")
    return lyrics_shown(place, LRC.format("Ночь", "День"), "cp1251", "song.lrc", "Ночь", *option)


@case(12, "an MP3 whose tags say Latin-1, and are in CP1251")
def mislabelled_tags(place: Path) -> Verdict:
    title = "Спокойная ночь".encode("cp1251").decode("latin-1")
    tone(place / "song.wav", 2.0)
    ffmpeg(place, "-i", "song.wav", "-metadata", f"title={title}", "song.mp3")
    done = separate(place, "song.mp3", "--format", "flac")
    probe = ["ffprobe", "-v", "error", "-show_entries", "format_tags=title", "-of", "csv=p=0"]
    found = subprocess.run([*probe, place / "song.beat.flac"], capture_output=True, text=True)
    return found.stdout.strip() == "Спокойная ночь" and "cp1251" in done.err, found.stdout.strip()


# --- 13: only regular files -----------------------------------------------------------------


@case(13, "ffmpeg … -f wav - | streamsep separate -")
def pipe(place: Path) -> Verdict:
    tone(place / "song.wav", 5.0)
    done = shell(
        "ffmpeg -v error -i song.wav -f wav - | streamsep separate - -o 'out.{stem}.wav' "
        "--model center-cut",
        place,
    )
    got = length(place / "out.beat.wav")
    return abs(got - 5.0) < 0.01 and done.code == 0, f"{got:.2f} of 5.00 s, exit {done.code}"


@case(13, "a FIFO")
def fifo(place: Path) -> Verdict:
    tone(place / "song.wav", 5.0)
    done = shell(
        "mkfifo song.fifo; ffmpeg -v error -y -i song.wav -f wav song.fifo & "
        "streamsep separate song.fifo --format wav --model center-cut; code=$?; wait; exit $code",
        place,
    )
    got = length(place / "song.beat.wav")
    return abs(got - 5.0) < 0.01 and done.code == 0, f"{got:.2f} of 5.00 s, exit {done.code}"


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


# --- 14: one bad sample costs the song ------------------------------------------------------


@case(14, "one NaN in a float WAV")
def one_nan(place: Path) -> Verdict:
    sound = np.full((3 * RATE, 2), 0.1, np.float32)
    sound[RATE, 0] = np.nan
    sf.write(place / "song.wav", sound, RATE, subtype="FLOAT")
    done = separate(place, "song.wav")
    right, figure = lengths_are(place, "song", 3.0, done, codes=(LOSSES,))
    return right and "1.000" in done.err, f"{figure}; {done.err.splitlines()[0][:80]}"


@case(14, "a flipped byte in FLAC")
def flipped(place: Path) -> Verdict:
    noise(place / "song.flac", 6.0)
    data = bytearray((place / "song.flac").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (place / "song.flac").write_bytes(data)
    done = separate(place, "song.flac")
    right, figure = lengths_are(place, "song", 6.0, done, codes=(LOSSES,))
    return right, f"{figure}; {done.err.splitlines()[0][:80]}"


@case(14, "a hole in MP3")
def hole(place: Path) -> Verdict:
    noise(place / "song.wav", 10.0)
    ffmpeg(place, "-i", "song.wav", "-b:a", "128k", "in.mp3")
    data = bytearray((place / "in.mp3").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 8_000] = bytes(8_000)
    (place / "song.mp3").write_bytes(data)
    done = separate(place, "song.mp3")
    right, figure = lengths_are(place, "song", 10.0, done, codes=(LOSSES,))
    return right, f"{figure}; {done.err.splitlines()[0][:80]}"


# --- 15: remedies that don't help -----------------------------------------------------------


def both(place: Path, env: dict[str, str], *options: str) -> tuple[Done, Done]:
    """Run doctor and live with the same options."""
    doctor = run("doctor", *options, *MODEL, cwd=place, env=env)
    live = run("live", *options, "--seconds", "0.5", *MODEL, cwd=place, env=env)
    return doctor, live


def with_path(env: dict[str, str]) -> dict[str, str]:
    return env | {"PYTHONPATH": environment()["PYTHONPATH"]}


@case(15, "ALSA_PLUGIN_DIR=/nonexistent")
def plugin_folder(place: Path) -> Verdict:
    options = ("--input", "pulse", "--output", "pulse")
    with pulse_server() as server:
        env = with_path(server.env())
        doctor, live = both(place, env | {"ALSA_PLUGIN_DIR": "/nonexistent"}, *options)
        mended = both(place, env, *options)
    right = doctor.code == 1 and live.code == 5 and "unset ALSA_PLUGIN_DIR" in doctor.out
    right = right and "unset ALSA_PLUGIN_DIR" in live.err and [d.code for d in mended] == [0, 0]
    return right, f"doctor {doctor.code} in {doctor.seconds:.1f} s, live {live.code}; unset: " + (
        f"doctor {mended[0].code}, live {mended[1].code}"
    )


@case(15, "a source that isn't there, a sink that isn't")
def no_such_sink(place: Path) -> Verdict:
    options = ("--input", "pulse", "--output", "pulse")
    with pulse_server() as server:
        env = with_path(server.env(sink="nowhere"))
        doctor, live = both(place, env, *options)
    right = doctor.code == 1 and live.code == 5 and "PULSE_SINK" in doctor.out
    return right, f"doctor {doctor.code} in {doctor.seconds:.1f} s, live {live.code}"


@case(15, "PULSE_SERVER that doesn't answer")
def no_server(place: Path) -> Verdict:
    done = run("live", "--input", "loopback", "--output", "null", *MODEL, cwd=place)
    return (
        done.code == 5 and "unset PULSE_SERVER" in done.err,
        f"exit {done.code}; {done.last[:90]}",
    )


@case(15, "a server that is there and doesn't answer")
def hanging_server(place: Path) -> Verdict:
    options = ("--input", "pulse", "--output", "pulse")
    with pulse_server() as server:
        server.processes[0].send_signal(signal.SIGSTOP)
        try:
            doctor, live = both(place, with_path(server.env()), *options)
        finally:
            server.processes[0].send_signal(signal.SIGCONT)
        mended = both(place, with_path(server.env()), *options)
    right = (doctor.code, live.code, *(d.code for d in mended)) == (1, 5, 0, 0)
    right = right and "doesn't answer" in doctor.out and "doesn't answer" in live.err
    return right and doctor.seconds < DOCTOR_S, (
        f"doctor {doctor.code} in {doctor.seconds:.1f} s, live {live.code} in "
        f"{live.seconds:.1f} s; running: doctor {mended[0].code}, live {mended[1].code}"
    )


def mdx_graph(path: Path, *, scattered: bool = False) -> Path:
    """Write a graph as UVR has them, that gives back what it is given."""
    import onnx
    from onnx import helper, numpy_helper

    ports = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 4, 2048, 32])
        for name in ("input", "output")
    ]
    one = numpy_helper.from_array(np.ones((1, 1, 1, 32), np.float32), "one")
    node = helper.make_node("Mul", ["input", "one"], ["output"])
    graph = helper.make_graph([node], "mdx", ports[:1], ports[1:], [one])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(
        model, path, save_as_external_data=scattered, location=f"{path.name}.data", size_threshold=0
    )
    return path


@case(15, "UVR's <md5>.json as --params")
def uvr_parameters(place: Path) -> Verdict:
    graph = mdx_graph(place / "mdx.onnx")
    digest = hashlib.md5(graph.read_bytes(), usedforsecurity=False).hexdigest()
    known: dict[str, object] = {"compensate": 1.03, "mdx_dim_f_set": 2048, "mdx_dim_t_set": 5}
    known |= {"mdx_n_fft_scale_set": 6144, "primary_stem": "Instrumental"}
    (place / f"{digest}.json").write_text(json.dumps(known))
    env = environment(XDG_CONFIG_HOME=str(place))
    done = run("models", "import", "mdx.onnx", "--params", f"{digest}.json", cwd=place, env=env)
    return done.code == 0, f"exit {done.code}; {(done.out or done.err).strip()[-80:]}"


@case(15, "a graph with .onnx.data: named where that is missing, and taken in with it")
def scattered(place: Path) -> Verdict:
    mdx_graph(place / "mdx.onnx", scattered=True)
    env = environment(XDG_CONFIG_HOME=str(place))
    weights = place / "mdx.onnx.data"
    weights.rename(place / "elsewhere")
    refused = run("models", "import", "mdx.onnx", "--n-fft", "6144", cwd=place, env=env)
    (place / "elsewhere").rename(weights)
    done = run("models", "import", "mdx.onnx", "--n-fft", "6144", cwd=place, env=env)
    right = (refused.code, done.code) == (6, 0) and weights.name in refused.last
    return right, f"exit {refused.code}, with it: {done.code}; {refused.last[:100]}"


@case(15, "no raw lines of libmpg123")
def raw_lines(place: Path) -> Verdict:
    noise(place / "song.wav", 5.0)
    ffmpeg(place, "-i", "song.wav", "in.mp3")
    data = bytearray((place / "in.mp3").read_bytes())
    data[20_000:26_000] = np.random.default_rng(1).bytes(6_000)
    (place / "song.mp3").write_bytes(data[100:])
    done = separate(place, "song.mp3")
    foreign = [line for line in done.err.splitlines() if re.search(r"mpg123|\.c:|\[src", line)]
    return not foreign, f"{len(foreign)} foreign lines, exit {done.code}"


# --- 16: loss without a word ----------------------------------------------------------------


@case(16, "song and voice near full scale, recorded")
def full_scale(place: Path) -> Verdict:
    for name in ("song.wav", "voice.wav"):
        tone(place / name, 4.0, level_db=-0.5 + 18.0)  # ffmpeg's sine is at -18 dB
    done = run(
        *("live", "--input", "song.wav", "--mic", "voice.wav", "--voice-effects", "off"),
        *("--guide", "100", "--output", "null", "--record", "take.wav", *MODEL),
        cwd=place,
    )
    take = sf.read(place / "take.wav", always_2d=True)[0]
    cut = float(np.mean(np.abs(take) > 0.9999))
    line = next((line for line in (done.out + done.err).splitlines() if "full scale" in line), "")
    return cut < 0.02 and bool(line), f"{100 * cut:.1f} % at full scale; {line[-70:]}"


# --- 17: remains ----------------------------------------------------------------------------


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


# --- 1, 2: devices --------------------------------------------------------------------------

SERVERS: dict[str, Callable[[], contextlib.AbstractContextManager[SoundServer]]] = {
    "PulseAudio": pulse_server,
    "PipeWire": pipewire_server,
}


@contextlib.contextmanager
def live(place: Path, server: SoundServer, *arguments: object, **devices) -> Iterator:
    env = server.env(**devices) | {"PYTHONPATH": str(Path(__file__).parents[1])}
    process = start("live", *arguments, *MODEL, cwd=place, env=env)
    try:
        wait_until(
            lambda: "hop p50 " in (place / "out").read_text() or process.poll() is not None,
            "the music",
        )
        if process.poll() is not None:
            raise AssertionError((place / "err").read_text())
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)


def says(place: Path, part: str) -> str:
    text = (place / "out").read_text() + (place / "err").read_text()
    return next((line for line in text.splitlines() if part in line), "")


def told(place: Path, part: str) -> str:
    """What it says, as soon as it does; a busy machine takes its time."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: says(place, part), part, TOLD_S)
    return says(place, part)


def pulled(place: Path, kind: str) -> Verdict:
    noise(place / "song.wav", 30.0, 3)
    with SERVERS[kind]() as server:
        modules = [
            server.pactl("load-module", "module-null-sink", "sink_name=ROOM").stdout.strip(),
            server.pactl(
                "load-module", "module-remap-source", "source_name=VOICE", "master=ROOM.monitor"
            ).stdout.strip(),
        ]
        server.pactl("set-default-source", "B.monitor")
        with live(
            place,
            server,
            *("--input", "song.wav", "--output", "pulse", "--mic", "pulse"),
            *("--record", "take.wav", "--record-stems", "mic,mix"),
            source="VOICE",
            sink="B",
        ):
            for module in reversed(modules):
                server.pactl("unload-module", module)
            time.sleep(4.0)
    mic, mix = (
        float(np.abs(sf.read(place / name)[0]).max()) for name in ("take.mic.wav", "take.wav")
    )
    heard = np.abs(sf.read(place / "take.mic.wav", always_2d=True)[0]).max(axis=1)
    seconds = float(np.sum(heard > 1e-3) / RATE)
    line = says(place, "would hear")
    right = seconds < 0.2 and mix < 0.9 and bool(line)
    return right, f"song in the mic for {seconds:.3f} s (peak {mic:.2f}), mix {mix:.2f}; a line"


def refused(place: Path, kind: str) -> Verdict:
    tone(place / "song.wav", 5.0)
    with SERVERS[kind]() as server:
        server.pactl("set-default-source", "B.monitor")
        env = server.env(source=None, sink=None) | {"PYTHONPATH": environment()["PYTHONPATH"]}
        files = ("--input", "song.wav", "--output", "pulse", "--mic", "pulse")
        done = run("live", *files, *MODEL, cwd=place, env=env)
    return done.code == 5 and "would hear" in done.last, f"exit {done.code}; {done.last[:80]}"


def muted(place: Path, kind: str) -> Verdict:
    with (
        SERVERS[kind]() as server,
        live(place, server, "--input", "loopback", source=None, sink=None),
    ):
        state = server.pactl("get-sink-mute", "streamsep").stdout.strip()
        server.pactl("set-sink-mute", "streamsep", "1")
        line = told(place, "is muted in the sound server")
    return "no" in state and bool(line), f"at the start {state}; {line}"


def same_number(place: Path, kind: str) -> Verdict:
    tone(place / "song.wav", 60.0)
    with (
        SERVERS[kind]() as server,
        live(place, server, "--input", "loopback", source=None, sink=None) as process,
        subprocess.Popen(
            [
                "paplay",
                f"--property=application.process.id={process.pid}",
                str(place / "song.wav"),
            ],
            env=server.env(sink="streamsep"),
        ) as player,
    ):
        wait_until(lambda: server.streams("sink-inputs", "streamsep"), "the player")
        time.sleep(1.5)
        stays = bool(server.streams("sink-inputs", "streamsep"))
        player.kill()
    return stays, "it stays on our sink" if stays else "it was moved off our sink"


def named(place: Path, kind: str) -> Verdict:
    tone(place / "song.wav", 20.0)
    with (
        SERVERS[kind]() as server,
        live(place, server, "--input", "song.wav", "--output", "pulse", source=None, sink="A"),
    ):
        time.sleep(1.0)
        stream = server.streams("sink-inputs", "A")[0].split()[0]
        server.pactl("move-sink-input", stream, "B")
        line, change = told(place, "output 'pulse' (A)"), told(place, "plays on 'B' now")
    return bool(line) and bool(change), f"{line}; {change}"


FILTERS = {
    "an equaliser": ("module-remap-sink", "sink_name=OUT", "master=B"),
    "a combined output": ("module-combine-sink", "sink_name=OUT", "slaves=A,B"),
}


def filtered(place: Path, kind: str) -> Verdict:
    tone(place / "song.wav", 5.0)
    files = ("--input", "song.wav", "--output", "pulse", "--mic", "pulse")
    codes = []
    with SERVERS[kind]() as server:
        for module in FILTERS.values():
            number = server.pactl("load-module", *module).stdout.strip()
            time.sleep(0.5)
            env = with_path(server.env(source="B.monitor", sink="OUT"))
            done = run("live", *files, "--voice-effects", "off", *MODEL, cwd=place, env=env)
            server.pactl("unload-module", number)
            codes.append((done.code, "which hears the output" in done.last))
    return codes == [(5, True)] * 2, f"exit {codes[0][0]} and {codes[1][0]}; {done.last[:80]}"


def device_muted(place: Path, kind: str) -> Verdict:
    tone(place / "song.wav", 20.0)
    options = ("--input", "song.wav", "--output", "pulse", "--mic", "pulse")
    with SERVERS[kind]() as server:
        server.pactl("set-source-mute", "A.monitor", "1")
        with live(place, server, *options, "--voice-effects", "off"):
            time.sleep(1.0)
            server.pactl("set-sink-mute", "B", "1")
            lines = [told(place, line) for line in ("'A.monitor' is muted", "output: 'B' is muted")]
    return all(lines), "; ".join(lines)


for _kind in SERVERS:
    for _what, _judge in (
        ("the mic's source unloaded while it plays", pulled),
        ("the only source is the monitor of what we play on", refused),
        ("the sink streamsep muted", muted),
        ("a player with our process number", same_number),
        ("the devices in use are named, and a change", named),
        ("played on through filters, whose monitor is the mic", filtered),
        ("the microphone muted, and the loudspeakers", device_muted),
    ):
        case(1, f"{_what} ({_kind})")(partial(_judge, kind=_kind))


for _value in (np.nan, np.inf, 1e30):

    @case(2, f"one sample of {_value:g} in a mic's file, with effects")
    def bad_mic(place: Path, value: float = _value) -> Verdict:
        voice = 0.1 * np.sin(2 * np.pi * 440 * np.arange(4 * RATE) / RATE).astype(np.float32)
        voice[RATE] = value
        sf.write(place / "mic.wav", np.stack([voice, voice], axis=-1), RATE, subtype="FLOAT")
        tone(place / "song.wav", 4.0)
        done = run(
            *("live", "--input", "song.wav", "--mic", "mic.wav", "--voice-effects", "stage"),
            *("--output", "null", "--record", "take.wav", *MODEL),
            cwd=place,
        )
        take = sf.read(place / "take.wav", always_2d=True)[0]
        peak = float(np.abs(take).max())
        line = next((each for each in done.err.splitlines() if "mic.wav" in each), "")
        right = np.isfinite(take).all() and 0.05 < peak < 0.9 and bool(line)
        return bool(right), f"peak {peak:.2f}, {len(take) / RATE:.1f} s, exit {done.code}; {line}"

    @case(2, f"samples of {_value:g} in a mic's stream, with effects (PulseAudio)")
    def bad_stream(place: Path, value: float = _value) -> Verdict:
        voice = 0.1 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE).astype(np.float32)
        voice[RATE // 2 :: RATE] = value
        np.stack([voice, voice], axis=-1).tofile(place / "mic.raw")
        tone(place / "song.wav", 30.0)
        with (
            pulse_server() as server,
            live(
                place,
                server,
                *("--input", "song.wav", "--output", "pulse", "--mic", "pulse"),
                *("--voice-effects", "stage", "--record", "take.wav"),
                source="A.monitor",
                sink="B",
            ),
        ):
            subprocess.run(
                ["pacat", "--format=float32le", "--rate=44100", "--channels=2",
                 str(place / "mic.raw")],
                env=server.env(sink="A"),
                check=True,
            )  # fmt: skip
            time.sleep(2.0)
        take = sf.read(place / "take.wav", always_2d=True)[0]
        peak, end = float(np.abs(take).max()), float(np.abs(take[-RATE // 2 :]).max())
        right = np.isfinite(take).all() and peak < 1.0 and 0.005 < end < 0.9
        line = says(place, "no sound")
        return bool(right), f"peak {peak:.2f}, at the end {end:.2f}; {line[:60] or 'no line'}"


# --- The table ------------------------------------------------------------------------------


@dataclass
class Sum:
    """What has been right and wrong."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("classes", nargs="*", type=int, metavar="CLASS", help="[default: all]")
    parser.add_argument("--match", default="", help="only rows in whose name this stands")
    arguments = parser.parse_args()
    total = Sum()
    for row in sorted(ROWS, key=lambda row: row.number):
        if arguments.classes and row.number not in arguments.classes:
            continue
        if arguments.match not in row.what:
            continue
        with tempfile.TemporaryDirectory(prefix="case-", ignore_cleanup_errors=True) as folder:
            try:
                right, figure = row.judge(Path(folder))
            except Exception as error:  # a row that can't be judged is wrong, and says why
                text = " ".join(str(error).split())
                right, figure = False, f"{type(error).__name__}: {text[:160]}"
        print(f"{row.number:>2}  {'right' if right else 'WRONG'}  {row.what}: {figure}", flush=True)
        if right:
            total.right += 1
        else:
            total.wrong.append(f"{row.number} {row.what}")
    print(f"{total.right} right, {len(total.wrong)} wrong")
    sys.exit(1 if total.wrong else 0)


if __name__ == "__main__":
    main()
