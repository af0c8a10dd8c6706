"""What stands for the sound that hasn't come yet in a window that ends with the newest frame.

A network that looks both ways takes what lies beyond its window for silence, and thinks worst of
the frames that matter most. Mirrored ones are likelier: with these ten, and six frames fewer of the
past, the beat of five excerpts of 20 s is 0.28 dB better nearly live; with eight or sixteen 0.15
and 0.20, with as many copies of the newest frame worse.
"""

from __future__ import annotations

from streamsep.spec import ModelSpec
from streamsep.types import Float32

MIRRORED_FRAMES, MOST_OF_WINDOW = 10, 1 / 6


def mirrored_frames(spec: ModelSpec) -> int:
    """Return how many frames at the end of a window are mirrored: 0 of windows of one length."""
    most = int(MOST_OF_WINDOW * spec.frames_per_run)
    return min(MIRRORED_FRAMES, most) if spec.any_frames else 0


def mirror_end(features: Float32, end: int) -> None:
    """Fill features (..., T) from frame ``end`` on with those before it, the last one left out."""
    for frame in range(features.shape[-1] - end):
        features[..., end + frame] = features[..., end - 2 - frame]
