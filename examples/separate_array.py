"""Separate an array: python examples/separate_array.py song.wav beat.wav."""

import sys

import soundfile

import streamsep


def main(source: str, target: str) -> None:
    """Read a file into an array, take the vocals out of it, and write what is left."""
    frames, sample_rate = soundfile.read(source, dtype="float32", always_2d=True)
    stems = streamsep.separate(frames.T, sample_rate, stems=["beat"])  # (C, N): channels first
    soundfile.write(target, stems["beat"].T, sample_rate)


if __name__ == "__main__":
    main(*sys.argv[1:])
