"""Takes: live runs that the machine itself didn't spoil, and what is compared in them."""

import re

from tests.support.commands import TAKES, Losses

# Half a step of rounding; the largest positive value is clipped by a whole one.
PCM_24 = 2.0**-23


def until_clean(take):
    """Repeat ``take(number)``, which gives (losses, result), and return a clean result."""
    spoilt = []
    for number in range(TAKES):
        losses, result = take(number)
        if losses == Losses():
            return result
        spoilt.append(losses)
    raise AssertionError(f"no clean take: {spoilt}")


def span(sound, start, count):
    """Return ``count`` samples from ``start``, which must be there."""
    assert sound.shape[-1] >= start + count, "it ends too early"
    return sound[:, start : start + count]


def mic_losses(live):
    """Blocks that the last status line says the microphones lost."""
    last = re.findall(r"dropouts \d+(?:, mic (\d+))?", live.stdout)[-1]
    return int(last or 0)
