"""A real VST3 plugin, built where tests run: no Debian package holds one."""

import platform
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("wet.c")
LATENCY = 64  # samples, as in the source
PACKAGES = "gcc libc6-dev"


def build(folder: Path, *, instrument: bool = False) -> Path:
    """Build the plugin of ``wet.c`` as a bundle, an effect or not, and return its path."""
    if shutil.which("cc") is None:
        raise AssertionError(f"no C compiler: apt-get install --no-install-recommends {PACKAGES}")
    bundle = folder / "wet.vst3"
    library = bundle / "Contents" / f"{platform.machine()}-linux" / "wet.so"
    library.parent.mkdir(parents=True)
    subprocess.run(
        [
            "cc",
            "-shared",
            "-fPIC",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            f"-DINSTRUMENT={int(instrument)}",
            "-o",
            str(library),
            str(SOURCE),
        ],
        check=True,
    )
    return bundle
