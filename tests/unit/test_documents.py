"""Pages: links lead somewhere, files named are there, and the README stays short."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IGNORED = {"runs", "demo", "build", "dist"}  # besides hidden folders
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in ROOT.rglob("*.md")
    if not any(p.startswith(".") or p in IGNORED for p in path.relative_to(ROOT).parts)
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)")
FENCE = re.compile(r"^```.*?^```", flags=re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"`((?:streamsep|export|testing|tests|tools|docs|packaging)/[\w./-]*\w)`")
# What a page of its day says of files that were moved since stays as it was said.
HISTORY = re.compile(r"CHANGELOG|docs/decisions/|docs/training/notebook")


def text_of(page):
    return FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))


def anchors(page):
    """Return what headings of a page are linked by: lower case, dashes, no punctuation."""
    titles = re.findall(r"^#+ (.*)$", text_of(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_there_are_pages():
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_what_is_there(page):
    broken = []
    for target in LINK.findall(text_of(page)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / page).parent / path if path else ROOT / page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", [page for page in PAGES if not HISTORY.match(page)])
def test_files_and_tests_that_are_named_are_there(page):
    text = text_of(page)
    assert [name for name in NAMED.findall(text) if not (ROOT / name).exists()] == []
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    functions = re.findall(r"`(test_\w+|Test\w+)`", text)
    assert [name for name in functions if not re.search(rf"(def|class) {name}\b", tests)] == []


def test_the_readme_is_read_in_a_sitting():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
