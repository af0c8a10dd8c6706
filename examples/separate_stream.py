"""Separate sound as it comes: python examples/separate_stream.py song.wav beat.wav.

The song is read in small pieces, as if it came over a network, and never held as a whole.
"""

import sys

import soundfile

import streamsep

FRAMES = 1_000  # of a piece; any number will do


def main(source: str, target: str) -> None:
    """Write the beat while the song is still being read."""
    model = streamsep.load("live")
    with soundfile.SoundFile(source) as song:
        form = dict(samplerate=song.samplerate, channels=song.channels)
        with (
            soundfile.SoundFile(target, "w", **form) as beat,
            model.stream(
                sample_rate=song.samplerate, channels=song.channels, stems=["beat"]
            ) as stream,
        ):
            for block in song.blocks(FRAMES, dtype="float32", always_2d=True):
                beat.write(stream.feed(block.T)["beat"].T)  # as much as is ready, or nothing
            beat.write(stream.flush()["beat"].T)  # what was still inside


if __name__ == "__main__":
    main(*sys.argv[1:])
