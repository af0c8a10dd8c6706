"""What can't be carried from one container to another: class 10."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from failed_inputs.programs import ffmpeg, separate, tone
from failed_inputs.table import Verdict, case


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
