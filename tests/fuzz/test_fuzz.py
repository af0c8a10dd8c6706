"""Mutations of what others write, read within limits; `tools/fuzz.py` does it for hours."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from testing.fuzz_child import judge, try_reader
from testing.fuzz_targets import CORPUS, TARGETS, corpus
from tests.support.cases import one_fast

# What decodes costs more than what parses.
INPUTS = dict.fromkeys(TARGETS, 120) | {"sound": 50, "video": 30, "tags": 40, "model-run": 60}
INPUTS |= {"control": 50, "parquet": 50}
TOKENS = (b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\n", b"[", b"-1", b"1e999", b"NaN", b"\xc3")


@st.composite
def edits(draw):
    """One change to some bytes: where (of the whole), what goes there, what is taken away."""
    where = draw(st.floats(0.0, 1.0))
    new = draw(st.sampled_from(TOKENS) | st.binary(max_size=6))
    return where, new, draw(st.sampled_from([0, 0, 1, 4, 40]) | st.just(len(new)))


def mutated(seeds):
    """Files of the corpus with up to six changes."""
    return st.tuples(st.sampled_from(seeds), st.lists(edits(), min_size=1, max_size=6)).map(changed)


def changed(seed_and_edits):
    content, changes = seed_and_edits
    for where, new, removed in changes:
        at = round(where * len(content))
        content = content[:at] + new + content[at + removed :]
    return content


def test_every_reader_has_a_corpus_and_no_folder_is_left_over():
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


@pytest.mark.parametrize("target", one_fast(TARGETS))
def test_whatever_is_read_no_reader_fails_hangs_or_fills_the_memory(target, tmp_path):
    """Seeds, what was once too much, and the same mutations in every run, in one process each."""
    inputs = [path.read_bytes() for path in corpus(target)]

    @settings(max_examples=INPUTS[target], phases=[Phase.generate], database=None)
    @given(mutated(inputs[:]))
    def collect(content):
        inputs.append(content)

    collect()
    paths = [tmp_path / f"{number}" for number in range(len(inputs))]
    for path, content in zip(paths, inputs, strict=True):
        path.write_bytes(content)
    findings = judge(target, paths)
    assert [(f.path.read_bytes(), f.what) for f in findings] == []


# C libraries could end the process of the tests, and servers go on in it.
APART = {"model-run", "parquet", "sound", "tags", "video", "control", "connection"}
PLAIN = [name for name in TARGETS if name not in APART]


@pytest.mark.parametrize("target", PLAIN)
def test_what_was_once_too_much_is_read_or_refused(target, tmp_path):
    said = [(path.name, try_reader(target, path.read_bytes(), tmp_path)) for path in corpus(target)]
    assert [(name, what) for name, what in said if what] == []


BREAKS = {
    "an exception": ("raise KeyError('k')", "KeyError: 'k'"),
    "endless work": ("\nwhile True: pass", "computed for more than 2 s"),
    "a crash of C code": ("__import__('ctypes').string_at(0)", "ended the process: SIGSEGV"),
    "memory": ("b'x' * 700_000_000", "took 6"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BREAKS)
def test_what_a_reader_may_not_do_is_found_and_the_next_file_is_read(name, tmp_path):
    """By the very process that judges, with a reader that does it for one of three files."""
    code, expected = BREAKS[name]
    body = code.replace("\n", "\n        ")
    script = f"""
import sys
from pathlib import Path
from testing import fuzz_child, fuzz_targets
def read(path):
    Path("folder").write_text(str(path.parent))
    if path.read_bytes() == b"bad":
        {body}
fuzz_targets.TARGETS["lyrics"] = read
if sys.argv[1:]:
    fuzz_child.main()
else:
    fuzz_child.COMMAND = [sys.executable, __file__]
    found = fuzz_child.judge("lyrics", [Path(name) for name in ("good", "bad", "also")])
    print([(f.path.name, f.what) for f in found])
"""
    program = tmp_path / "program.py"
    program.write_text(script)
    for file, content in (("good", b"good"), ("bad", b"bad"), ("also", b"good")):
        (tmp_path / file).write_bytes(content)
    done = subprocess.run(
        [sys.executable, program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
        capture_output=True,
        text=True,
    )
    (found,) = eval(done.stdout)
    assert found[0] == "bad", done.stderr
    assert expected in found[1]
    assert not Path((tmp_path / "folder").read_text()).exists()
