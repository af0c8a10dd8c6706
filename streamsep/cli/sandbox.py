"""``--sandbox``: a command in a process of its own, with limits, for models of strangers.

The same command runs in it, without the option. It has a limit of memory, one of computing
between two signs of progress, no network where the system lets that be taken away, and writes no
memory images. What a model does to the process that runs it, it does to that one.
"""

from __future__ import annotations

import ctypes
import math
import os
import signal
import subprocess
import sys
from contextlib import suppress

import click

from streamsep.cli.echo import echo
from streamsep.errors import ArgumentError, BackendError

OPTION = "--sandbox"
MEMORY_BYTES = 4 * 10**9
# Of all cores together, between two signs of progress.
CPU_S = 120 * (os.cpu_count() or 1)
INSIDE = "from streamsep.cli.sandbox import run_inside; run_inside()"
# Of linux/sched.h and linux/prctl.h.
NEW_USERS, NEW_NETWORK, SIGNAL_OF_PARENT = 0x10000000, 0x40000000, 1
ENDS = {
    "SIGXCPU": f"it computed for more than {CPU_S} s without getting on",
    "SIGKILL": "it was killed, as when memory runs out",
}

_inside = False


class SandboxedCommand(click.Command):
    """A command that runs itself in a sandbox when it is asked to."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Run the command without the option in another process, and end as it does."""
        options = args[: args.index("--")] if "--" in args else args
        if OPTION not in options or "--help" in options or ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        rest = [arg for arg in options if arg != OPTION] + args[len(options) :]
        sys.exit(run_sandboxed([str(ctx.info_name), *rest], _model_of(options)))


def _model_of(options: list[str]) -> str:
    """Return what the model is called, for an error."""
    for number, option in enumerate(options):
        if option == "--model" and options[number + 1 :]:
            return options[number + 1]
        if option.startswith("--model="):
            return option.partition("=")[2]
    return "auto"


def run_sandboxed(arguments: list[str], model: str) -> int:
    """Run a command of ours within limits, and return its exit code.

    Raises
    ------
    ArgumentError
        If the system has no such limits.
    BackendError
        If the process was ended by a signal that nobody sent.
    """
    if not sys.platform.startswith("linux"):
        raise ArgumentError(
            f"there is no sandbox on {sys.platform}",
            expected="Linux, whose limits it is made of",
            remedy="run models that you trust, without it",
        )
    command = [sys.executable, "-c", INSIDE, *arguments]
    # Ours, wherever they lead: standard error's own number is C libraries' here.
    with subprocess.Popen(command, stdout=sys.stdout, stderr=sys.stderr) as process:
        try:
            code = process.wait()
        except BaseException as end:  # Ctrl-C, or SIGTERM, which ends as an exception
            number = signal.SIGINT if isinstance(end, KeyboardInterrupt) else signal.SIGTERM
            with suppress(OSError):
                process.send_signal(number)
            process.wait()
            raise
    if code >= 0:
        return code
    name = signal.Signals(-code).name
    raise BackendError(
        f"the model {model} ended the process that ran it ({ENDS.get(name, name)})",
        expected="a model that keeps within the limits of the sandbox",
        remedy="get the model from someone you trust, or choose another",
        settings=("model",),
    )


def run_inside() -> None:
    """Be the process in the sandbox: limits first, then the command line."""
    global _inside
    _inside = True
    import resource

    _end_with_parent()
    if (why := _leave_network()) is not None:
        echo(f"streamsep: the sandbox can't take the network away here ({why})", err=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    note_progress()
    from streamsep.cli import main

    main()


def note_progress() -> None:
    """Give a command in a sandbox its time to compute anew; elsewhere there is none to give."""
    if not _inside:
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime) + CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(SIGNAL_OF_PARENT, int(signal.SIGTERM))


def _leave_network() -> str | None:
    """Move to a network of nothing but itself; return why that can't be, or None.

    Whoever isn't root may do so only as root of other users, of whom there is one: oneself.
    """
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_NETWORK) == 0:
        return None
    if libc.unshare(NEW_NETWORK | NEW_USERS) != 0:
        return os.strerror(ctypes.get_errno())
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    return None
