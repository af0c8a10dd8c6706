"""Standard error while live runs: our lines come through, those of C libraries don't."""

import subprocess
import sys

SCRIPT = """
import os, sys, click
from streamsep.cli.stderr import quiet_libraries
with quiet_libraries():
    os.write(2, b"a library\\n")
    click.echo("während", err=True)
    print("us", file=sys.stderr)
os.write(2, b"a library afterwards\\n")
click.echo("us afterwards", err=True)
"""


def run(script: str, redirection: str = "") -> subprocess.CompletedProcess[str]:
    """Run the script by a shell with a redirection."""
    return subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {redirection}', sys.executable, script],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONIOENCODING": "utf-8"},
    )


def test_libraries_are_quiet_and_we_are_not():
    assert run(SCRIPT).stderr == "während\nus\na library afterwards\nus afterwards\n"


def test_where_there_is_no_standard_error_nothing_is_touched():
    script = "from streamsep.cli.stderr import *\nwith quiet_libraries(): print('here')"
    assert run(script, "2>&-").stdout == "here\n"
