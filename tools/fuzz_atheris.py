"""One reader under Atheris, whose options are libFuzzer's; `tools/fuzz.py` runs it.

Usage: fuzz_atheris.py TARGET [OPTION…] [FOLDER…]
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["streamsep", "export", "mido"]):
    from testing.fuzz_child import scratch_folder, try_reader
    from testing.fuzz_targets import corpus

    NAME = sys.argv.pop(1)
    with scratch_folder() as scratch:  # readers import what they need when they are called
        try_reader(NAME, corpus(NAME)[0].read_bytes(), scratch)


def main() -> None:
    with scratch_folder() as folder:

        def read(content: bytes) -> None:
            if what := try_reader(NAME, content, folder):
                raise AssertionError(what)

        atheris.Setup(sys.argv, read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
