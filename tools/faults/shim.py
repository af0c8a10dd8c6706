"""Clocks that jump and disks that are slow or full, for one program: `shim.c` in front of libc."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

FIELDS = ("clock_ahead_s", "write_ms", "full")
FORM = struct.Struct(f"{len(FIELDS)}q")


class Shim:
    """The shim and what it has a program see; built in a folder of one's own.

    Raises
    ------
    RuntimeError
        If there is no C compiler.
    """

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            raise RuntimeError("no C compiler 'cc': apt-get install --no-install-recommends gcc")
        library, control = folder / "shim.so", folder / "control"
        source = Path(__file__).with_name("shim.c")
        command: list[str | Path] = [compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"]
        subprocess.run(command, check=True)
        control.write_bytes(bytes(FORM.size))
        self.env = {"LD_PRELOAD": str(library), "CHAOS_CONTROL": str(control)}
        self._control = control

    def set(self, **fields: int) -> None:
        """Have some of `FIELDS` be so from now on."""
        with self._control.open("r+b") as file, mmap.mmap(file.fileno(), FORM.size) as shared:
            present = dict(zip(FIELDS, FORM.unpack(shared[:]), strict=True))
            shared[:] = FORM.pack(*(present | fields).values())

    def get(self, field: str) -> int:
        """Return what one of `FIELDS` is now."""
        values = FORM.unpack(self._control.read_bytes())
        return int(dict(zip(FIELDS, values, strict=True))[field])
