"""Which microphones a live run has: device or file, its channel, and what the voice gets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from streamsep.dsp.voice_channel import channel_number
from streamsep.errors import ArgumentError

# ALSA's names end in such a thing too: hw:1 is a card.
_NAMED = re.compile(r"(.*\S)(?<!hw):(auto|mix|left|right|[1-9]\d?)")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MicrophoneChoice:
    """One microphone.

    Attributes
    ----------
    device
        A device by name or number, ``mic``, or a sound file.
    channel
        Which of its channels the voice is on; see `streamsep.dsp.voice_channel.VoiceChannel`.
    gain_db, voice_effects
        What its voice gets.
    """

    device: str
    channel: str
    gain_db: float
    voice_effects: str


def choose_microphones(
    names: Sequence[str], channel: str, gains_db: Sequence[float], effects: Sequence[str]
) -> tuple[MicrophoneChoice, ...]:
    """Return the microphones that are asked for.

    Parameters
    ----------
    names
        ``NAME`` or ``NAME:CHANNEL``.
    channel
        Of those that name none.
    gains_db, effects
        One for all, or one each.

    Raises
    ------
    ArgumentError
        If there are not as many of these, or one voice would be heard twice.
    """
    split = [_split(name, channel) for name in names]
    found = tuple(
        MicrophoneChoice(device, on, gain_db, effect)
        for (device, on), gain_db, effect in zip(
            split,
            _one_each(gains_db, names, "mic_gain"),
            _one_each(effects, names, "voice_effects"),
            strict=True,
        )
    )
    seen = set()
    for each in found:
        channel_number(each.channel)
        place = each.device if each.device == "-" else (each.device, each.channel)
        if place in seen:
            raise ArgumentError(
                f"the microphone {each.device!r} is named twice",
                expected="each voice once",
                remedy=f"say which channel each is on: {each.device}:left and {each.device}:right",
                settings=("mic",),
            )
        seen.add(place)
    return found


def _split(name: str, channel: str) -> tuple[str, str]:
    parts = _NAMED.fullmatch(name)
    return (parts[1], parts[2]) if parts else (name, channel)


def _one_each(values: Sequence[T], names: Sequence[str], setting: str) -> Sequence[T]:
    if len(values) == 1:
        return list(values) * len(names)
    if len(values) == len(names):
        return values
    raise ArgumentError(
        f"{setting} has {len(values)} values for {len(names)} microphones",
        expected="one for all, or one each",
        remedy="give as many as there are microphones",
        settings=(setting, "mic"),
    )
