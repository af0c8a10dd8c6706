"""Separate files: python examples/separate_folder.py stems/ one.mp3 two.flac …."""

import sys

import streamsep


def main(folder: str, *files: str) -> None:
    """Write the stems of each file to a folder, and go on when one of them is no sound."""
    model = streamsep.load("live")  # once, for all of them
    for file in files:
        try:
            paths = streamsep.separate_file(
                file,
                folder,
                model=model,
                format="flac",
                progress=lambda share: print(f"\r{share:4.0%}", end="", file=sys.stderr),
            )
        except streamsep.AudioFileError as error:
            print(f"\r{error}", file=sys.stderr)
        else:
            print("\r" + ", ".join(f"{stem}: {path}" for stem, path in paths.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
