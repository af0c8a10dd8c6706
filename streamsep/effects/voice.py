"""What a singer wants to hear of the voice: presets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamsep.effects.board import Board
from streamsep.effects.extra import pedalboard

# Below lie steps, handling and hum; the lowest sung notes are above.
HIGH_PASS_HZ = 90.0
# Evens out near and far from the microphone by up to 10 dB; the gain puts back what a loud voice
# loses.
COMPRESSOR = dict(threshold_db=-24.0, ratio=3.0, attack_ms=5.0, release_ms=120.0)
MAKE_UP_DB = 6.0

Maker = Callable[[Any], list[Any]]
PRESETS: dict[str, Maker] = {
    "dry": lambda pb: [],
    "room": lambda pb: [pb.Reverb(room_size=0.2, damping=0.6, wet_level=0.12, dry_level=1.0)],
    "hall": lambda pb: [pb.Reverb(room_size=0.6, damping=0.4, wet_level=0.2, dry_level=1.0)],
    "stage": lambda pb: [
        pb.Delay(delay_seconds=0.32, feedback=0.25, mix=0.18),
        pb.Reverb(room_size=0.75, damping=0.3, wet_level=0.2, dry_level=1.0),
    ],
}
VOICE_EFFECTS = ("off", *PRESETS)


def voice_plugins(preset: str) -> list[Any]:
    """Return the plugins of a preset: high-pass, compressor, then echo and reverb if it has them.

    Raises
    ------
    EffectError
        If pedalboard is missing.
    """
    if preset == "off":
        return []
    pb = pedalboard()
    return [
        pb.HighpassFilter(HIGH_PASS_HZ),
        pb.Compressor(**COMPRESSOR),
        pb.Gain(MAKE_UP_DB),
        *PRESETS[preset](pb),
    ]


def voice_board(
    preset: str,
    sample_rate: int,
    *more: Any,
    say: Callable[[str], object] = lambda text: None,
) -> Board | None:
    """Return the chain of a preset and ``more`` plugins, or None where that is nothing."""
    plugins = [*voice_plugins(preset), *more]
    return Board(plugins, sample_rate, say) if plugins else None
