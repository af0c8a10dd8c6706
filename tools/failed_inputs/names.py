"""Foreign exceptions, odd names, what is silently left out: classes 6 and 9."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from failed_inputs.programs import MODEL, ORDINARY, environment, ffmpeg, run, separate, shell, tone
from failed_inputs.table import Verdict, case


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
