"""Who gets in: tokens, the names that this machine is called by, and limits.

`docs/security.md` says what is promised, and which test holds it.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import os
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from streamsep.audio.files.output_folder import make_folder
from streamsep.errors import OutputError
from streamsep.remote.protocol import Role

# No letters that are read as others, and none that a phone's keyboard hides.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
GUEST_LENGTH, HOST_LENGTH = 10, 16  # 49 and 79 bits


@dataclass(frozen=True, slots=True)
class Tokens:
    """What lets guests and the host in."""

    guest: str
    host: str

    @classmethod
    def fresh(cls) -> Tokens:
        """Return new ones, which nobody can guess."""
        guest, host = (
            "".join(secrets.choice(ALPHABET) for _ in range(length))
            for length in (GUEST_LENGTH, HOST_LENGTH)
        )
        return cls(guest, host)

    def role(self, token: str) -> Role | None:
        """Return what a token lets do, in a time that doesn't depend on how much of it is right."""
        given = token.encode("utf-8", "surrogatepass")
        host = hmac.compare_digest(given, self.host.encode())
        guest = hmac.compare_digest(given, self.guest.encode())
        return "host" if host else "guest" if guest else None


def load_tokens(path: Path, *, fresh: bool = False) -> Tokens:
    """Return the tokens of a file that only its owner can read; made where there are none.

    They are kept so that phones find their way back when the program was started again.

    Raises
    ------
    OutputError
        If they can't be kept.
    """
    if not fresh:
        with suppress(OSError, ValueError, TypeError, AttributeError, RecursionError):
            found = Tokens(**json.loads(path.read_text(encoding="utf-8")))
            found.role("")  # raises of what are no texts
            if len(found.guest) >= GUEST_LENGTH and len(found.host) >= HOST_LENGTH:
                return found
    tokens = Tokens.fresh()
    make_folder(path.parent)
    try:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(tokens), file)
    except OSError as error:
        raise OutputError(
            f"{path} can't be written ({error.strerror})",
            expected="a folder of our own with room",
            remedy="make room, or let it be written",
        ) from error
    return tokens


def public_identity(secret: str) -> str:
    """Return what others may know of a client's secret: enough to tell whose an entry is."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def is_own_host(header: str | None, *, lan: bool) -> bool:
    """Say whether a request's Host is this machine, as its users call it.

    A page from elsewhere whose name was made to lead here (DNS rebinding) sends that name. An
    address can't be made so, hence any will do with ``lan``; without it only this machine's own.
    """
    if header is None:
        return False
    try:
        name = (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(name).is_loopback or lan
    own = socket.gethostname().lower().split(".")[0]
    return lan and name in (own, f"{own}.local")


def is_own_origin(origin: str | None, host: str | None) -> bool:
    """Say whether a page of ours sent a request, or a program, which says no origin."""
    return origin is None or (host is not None and origin == f"http://{host}")


class RateLimit:
    """A bucket of tokens: ``burst`` at once, then ``per_s`` a second."""

    def __init__(
        self, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._level, self._then = float(burst), clock()

    def wait_s(self) -> float:
        """Take one, and return how long to wait until it would have been there."""
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._then) * self._per_s)
        self._then = now
        self._level -= 1.0
        return max(0.0, -self._level / self._per_s)


def lan_address() -> str | None:
    """Return this machine's address in its network, None without one."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # nothing is sent: it only chooses the way out
        address = str(probe.getsockname()[0])
        if not ipaddress.ip_address(address).is_unspecified:
            return address
    return None
