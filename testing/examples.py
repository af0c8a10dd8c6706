"""The examples of a page: its blocks of Python, section by section."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
API_PAGE = ROOT / "docs" / "api.md"
SCRIPTS = ROOT / "examples"
DEVICE = "sounddevice"  # who imports it needs a sound server


def python_sections(page: Path) -> dict[str, str]:
    """Return the Python of each section that has some, its blocks joined in order.

    Raises
    ------
    AssertionError
        If a block was not understood.
    """
    sections = re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found, count = {}, 0
    for section in sections:
        blocks = re.findall(r"^```python\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
        if blocks:
            found[section.splitlines()[0]] = "\n".join(blocks)
            count += len(blocks)
    assert count == page.read_text(encoding="utf-8").count("```python")
    return found
