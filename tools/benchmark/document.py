"""Documents whose tables come from the tools that measured them."""

from __future__ import annotations

from pathlib import Path


def replace_section(path: Path, name: str, text: str) -> None:
    """Put ``text`` between the marks ``<!-- name -->`` and ``<!-- end of name -->`` of a file.

    Raises
    ------
    SystemExit
        If they aren't there, once each and in order.
    """
    marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, first, rest = path.read_text().partition(marks[0])
    _, last, after = rest.partition(marks[1])
    if not (first and last):
        raise SystemExit(f"{path} lacks the marks {marks[0]} and {marks[1]} around its table")
    path.write_text(f"{before}{marks[0]}\n{text.strip()}\n{marks[1]}{after}")


def table(headings: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; all but the first column are aligned to the right."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
