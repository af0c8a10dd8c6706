"""Inputs on which programs of this kind have failed: each is made, run, and judged.

    python tools/cases.py [CLASS…]

A row says right or wrong, and by which figure. It needs ffmpeg; rows of devices start private
PulseAudio and PipeWire servers. The exit code is 1 if any is wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from failed_inputs.table import ROWS

ROOMS = (
    *("servers", "lengths", "channels", "names", "writing", "pipes", "copies", "lyrics", "levels"),
    "machine",
)
for _room in ROOMS:
    import_module(f"failed_inputs.{_room}")


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
