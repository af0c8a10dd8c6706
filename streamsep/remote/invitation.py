"""How guests come in: addresses and QR codes."""

from __future__ import annotations

from typing import Any

from streamsep.errors import ArgumentError
from streamsep.remote.access import lan_address


def address_of(port: int | None, token: str, page: str = "", *, lan: bool) -> str:
    """Return where a page is opened with a token."""
    name = (lan_address() if lan else None) or "127.0.0.1"
    return f"http://{name}:{port}/{page}#{token}"


def code_rows(text: str) -> list[str]:
    """Return the modules of a QR code, row by row, ``1`` for dark ones.

    Raises
    ------
    ArgumentError
        If the package that makes it is missing.
    """
    return ["".join(str(min(module, 1)) for module in row) for row in _code(text).matrix]


def code_text(text: str) -> str:
    """Return a QR code for a terminal, two rows of modules a line; see `code_rows`."""
    rows = code_rows(text)
    width, quiet = len(rows[0]) + 4, 2
    padded = ["0" * width] * quiet + [f"00{row}00" for row in rows] + ["0" * width] * quiet
    if len(padded) % 2:
        padded.append("0" * width)
    # Light on dark is what most terminals show; scanners want dark modules on light.
    cells = {"00": "█", "01": "▀", "10": "▄", "11": " "}
    return "\n".join(
        "".join(cells[a + b] for a, b in zip(upper, lower, strict=True))
        for upper, lower in zip(padded[::2], padded[1::2], strict=True)
    )


def _code(text: str) -> Any:
    try:
        import segno
    except ImportError as error:
        raise ArgumentError(
            f"a QR code needs segno, and it can't be loaded ({error})",
            expected="the extra 'party' to be installed",
            remedy="pip install 'streamsep[party]'",
        ) from error
    return segno.make(text, error="m", micro=False)
