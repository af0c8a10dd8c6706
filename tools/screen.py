"""Draw the README's picture of the screen: a real `streamsep live` in tmux, as SVG.

python tools/screen.py SONG docs/screen.svg
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 80, 24
NAME = "streamsep-screen"
# Monospaced fonts that systems have, in place of one fetched from elsewhere.
FRAME = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>{styles}
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace;
font-size: {char_height}px; line-height: {line_height}px }}</style>
<defs>{lines}</defs>
<rect fill="#0c0c0c" width="{width}" height="{height}" rx="8"/>
<g transform="translate({terminal_x}, {terminal_y})">{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">{matrix}</g></g></svg>"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("song", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--lyrics", type=Path)
    parser.add_argument("--seconds", type=float, default=6.0, help="when to look")
    args = parser.parse_args()
    live = Path(sys.executable).with_name("streamsep")
    song = args.song.resolve()
    subprocess.run(
        [
            "tmux",
            "new-session",
            "-d",
            "-s",
            NAME,
            "-x",
            str(COLUMNS),
            "-y",
            str(ROWS),
            "-c",
            str(song.parent),
            f"PS1='$ ' PATH={shlex.quote(str(live.parent))}:$PATH sh",
        ],
        check=True,
    )
    try:
        time.sleep(0.5)  # the prompt first
        command = f"streamsep live --input {shlex.quote(song.name)} --output null"
        if args.lyrics:
            command += f" --lyrics {shlex.quote(str(args.lyrics.resolve()))}"
        subprocess.run(["tmux", "send-keys", "-t", NAME, command, "Enter"], check=True)
        time.sleep(args.seconds)
        screen = subprocess.run(
            ["tmux", "capture-pane", "-p", "-t", NAME], check=True, capture_output=True, text=True
        ).stdout.rstrip()
    finally:
        subprocess.run(["tmux", "kill-session", "-t", NAME], check=True)
    print(screen)
    with open("/dev/null", "w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere)
        console.print(Text(screen))
        console.save_svg(str(args.picture), code_format=FRAME, unique_id="screen")


if __name__ == "__main__":
    main()
