"""Bring a separator of one's own: python examples/own_model.py song.wav.

What is the same left and right is taken for the vocals, as karaoke machines do. Anything with
these few members will do; docs/plugins.md has the contract, and how a package brings one.
"""

import sys

import numpy as np

import streamsep


class Middle:
    """Takes the half sum of left and right for the vocals."""

    spec = streamsep.SeparatorSpec("middle", sample_rate=44_100, channels=2)
    stems = ("vocals", "beat")
    block_size = 512  # samples per call of process
    delay = 0  # samples by which what comes out trails what goes in
    slack = 0  # samples of time that a call may take beyond its block
    provider = "CPU"

    def process(self, block: np.ndarray, out: np.ndarray) -> None:
        """Separate (2, N) into ``out`` (2, 2, N), whose stems sum to the block."""
        out[0] = block.mean(axis=0)
        np.subtract(block, out[0], out=out[1])

    def reset(self) -> None:
        """Forget what was heard: nothing, here."""


def make_middle(options: streamsep.SeparatorOptions) -> streamsep.Separator:
    """Return a new one for whoever asks; ``options`` say whether that is for files or live."""
    return Middle()


def main(source: str) -> None:
    """Use it as any other model: for files, arrays, streams and sessions."""
    model = streamsep.load(make_middle)
    for stem, path in streamsep.separate_file(source, model=model).items():
        print(f"{stem}: {path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
