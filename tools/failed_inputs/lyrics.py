"""Text by guess: class 12."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from failed_inputs.programs import MODEL, ffmpeg, run, separate, tone
from failed_inputs.table import Verdict, case


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
