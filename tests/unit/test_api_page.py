"""docs/api.md: every example on it runs, and it names all that is public."""

import pytest
import soundfile as sf

import streamsep
from testing.examples import API_PAGE, DEVICE, python_sections
from testing.signals import music
from tests.support.cases import one_fast

SECTIONS = python_sections(API_PAGE)
# Those that need a sound server run in tests/integration/test_own_callback.py.
SILENT = [name for name, code in SECTIONS.items() if DEVICE not in code]


@pytest.mark.parametrize("section", one_fast(SILENT))
def test_the_examples_of_a_section_run_one_after_the_other(section, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sf.write("song.wav", music(1.0).T, 44_100)
    exec(compile(SECTIONS[section], f"{API_PAGE}, {section}", "exec"), {"__name__": "__main__"})


def test_each_use_has_an_example():
    assert list(SECTIONS) == [
        "An array",
        "A file",
        "A model",
        "A stream",
        "Your own callback",
        "A live player",
        "A separator of your own",
    ]


def test_all_that_is_public_is_on_the_page():
    page = API_PAGE.read_text()
    specs = {"StateSpec", "Separator", "SeparatorOptions", "LiveConfig", "__version__"}
    for name in set(streamsep.__all__) - specs:
        assert name in page, name
