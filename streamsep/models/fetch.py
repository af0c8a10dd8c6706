"""A file from the web, known by its hash: what came of it stays for the next try."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from streamsep.errors import ArgumentError, ModelError, first_line

try:
    import fcntl
except ImportError:  # on Windows, where two writers of one file are refused anyway
    fcntl = None  # type: ignore[assignment]

SCHEMES = ("http", "https")
SHA256 = re.compile(r"[0-9a-f]{64}")
MOST_BYTES = 2**31
TIMEOUT_S = 30.0  # without a byte
CHUNK = 2**18
# How often a connection may break, or nothing come, without anything new; and the first pause.
MOST_STALLS, PAUSE_S = 5, 0.5
WAIT_AND_SEE = (408, 425, 429, 500, 502, 503, 504)  # what servers say that may do better later
OK, PARTIAL, BEYOND = 200, 206, 416

Progress = Callable[[float], object]


def check_address(url: str, sha256: str) -> None:
    """Refuse an address that nothing is fetched from, or a hash that is none.

    Raises
    ------
    ArgumentError
        For either.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ArgumentError(
            f"{url!r} is no address to fetch a model from",
            expected="one that begins with https:// or http://",
            remedy="give one of these; a file is imported",
        )
    if not SHA256.fullmatch(sha256):
        raise ArgumentError(
            f"{sha256!r} is no SHA-256",
            expected="64 digits of 0 to 9 and a to f",
            remedy="copy it from where the model's maker names it",
        )


def fetch_by_hash(url: str, sha256: str, target: Path, *, on_progress: Progress) -> None:
    """Fetch a file, or the rest of it, and give it its name once its hash is the right one.

    What came before a connection broke, or a run was stopped, lies beside the target under the
    hash's name, and only the rest is asked for (HTTP's ranges).

    Parameters
    ----------
    url
        By http or https, redirects too; nothing else is followed.
    sha256
        Of the file, 64 hexadecimal digits.
    target
        Its folder is there. A file of this name with that hash is taken as it is.
    on_progress
        Called with the share that is there, 0 to 1.

    Raises
    ------
    ArgumentError
        See `check_address`.
    ModelError
        If the file can't be had, is another one, or can't be written.
    """
    check_address(url, sha256)
    try:
        if os.path.isfile(target) and _hash_of(target) == sha256:
            return
        part = target.with_name(f"{sha256}.part")
        with _locked(part) as file:
            _Transfer(url, file, on_progress).run()
            file.flush()
            if (found := _hash_of(part)) != sha256:
                file.truncate(0)
                raise ModelError(
                    f"what comes from {url} has the SHA-256 {found}",
                    expected=sha256,
                    remedy="check both; what came is removed",
                )
        os.replace(part, target)
    except OSError as error:
        raise ModelError(
            f"{target} can't be written ({error.strerror or first_line(error)})",
            expected="a writable folder with room",
            remedy="make room there; what has come stays, and the rest is fetched the next time",
        ) from error


class _Transfer:
    """One file on its way, over as many connections as it takes."""

    def __init__(self, url: str, file: IO[bytes], on_progress: Progress) -> None:
        self._url, self._file, self._on_progress = url, file, on_progress
        self._have = file.seek(0, os.SEEK_END)
        self._size: int | None = None

    def run(self) -> None:
        """Receive all of it."""
        stalls = 0
        while True:
            before, trouble = self._have, "the connection ends too soon"
            try:
                if self._receive():
                    return
            except HTTPError as error:
                error.close()
                trouble = f"the server says {error.code} {error.reason}"
                if error.code not in WAIT_AND_SEE:
                    raise self._not_fetched(trouble) from error
            except _WriteError as error:
                raise error.cause from error
            except (HTTPException, OSError) as error:
                reason = getattr(error, "reason", error)
                trouble = getattr(reason, "strerror", None) or first_line(reason)
            stalls = 0 if self._have > before else stalls + 1
            if stalls == MOST_STALLS:
                raise self._not_fetched(trouble)
            time.sleep(PAUSE_S * 2**stalls)

    def _receive(self) -> bool:
        """Ask for what is missing, and take what comes; say whether that is all."""
        headers = {"User-Agent": "streamsep", "Accept-Encoding": "identity"}
        if self._have:
            headers["Range"] = f"bytes={self._have}-"
        try:
            response = _opener().open(Request(self._url, headers=headers), timeout=TIMEOUT_S)
        except HTTPError as error:
            if error.code != BEYOND or not self._have:
                raise
            error.close()
            if _size_of(error.headers.get("Content-Range", "")) == self._have:
                return True
            self._begin_anew()
            return False
        with response:
            self._accept(response)
            while chunk := response.read(CHUNK):
                self._write(chunk)
                if self._size:
                    self._on_progress(min(self._have / self._size, 1.0))
        return self._size is None or self._have >= self._size

    def _accept(self, response: HTTPResponse) -> None:
        """Find out where what comes belongs, and how much it will be."""
        told = response.headers.get("Content-Range", "")
        if response.status != PARTIAL or not told.startswith(f"bytes {self._have}-"):
            self._begin_anew()
            if response.status != OK:
                raise HTTPException("the server sends another part than was asked for")
        length = response.headers.get("Content-Length", "")
        self._size = self._have + int(length) if length.isdigit() else None
        if self._size is not None and self._size > MOST_BYTES:
            raise self._too_large()

    def _begin_anew(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._have = 0

    def _write(self, chunk: bytes) -> None:
        if self._have + len(chunk) > MOST_BYTES:
            raise self._too_large()
        try:
            self._file.write(chunk)
            self._have += len(chunk)
        except OSError as error:
            raise _WriteError(error) from error

    def _too_large(self) -> ModelError:
        return ModelError(
            f"{self._url} is larger than {MOST_BYTES} bytes",
            expected="a model",
            remedy="check the address",
        )

    def _not_fetched(self, why: str) -> ModelError:
        return ModelError(
            f"{self._url} can't be fetched ({why})",
            expected="a file that the server gives",
            remedy="check the address and the network; what has come stays for the next time",
        )


class _WriteError(Exception):
    """The disk's, not the network's."""

    def __init__(self, cause: OSError) -> None:
        self.cause = cause


def _opener() -> OpenerDirector:
    """Return what opens web addresses, and neither files nor anything else."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler,
        HTTPHandler,
        HTTPSHandler,
        HTTPRedirectHandler,
        HTTPDefaultErrorHandler,
        HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


@contextmanager
def _locked(part: Path) -> Iterator[IO[bytes]]:
    """Open a part for this run alone.

    Raises
    ------
    ModelError
        If another run has it.
    """
    with part.open("a+b") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ModelError(
                    "the same file is being fetched by another run",
                    expected="one at a time",
                    remedy="wait for that one",
                ) from error
            except OSError:  # on file systems without locks
                pass
        yield file


def _size_of(content_range: str) -> int | None:
    """Return the size that an answer beyond a file's end tells, as in ``bytes */1000``."""
    size = content_range.rpartition("/")[2]
    return int(size) if size.isdigit() else None


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
