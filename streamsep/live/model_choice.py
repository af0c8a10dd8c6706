"""Which built-in model plays: chosen by what is listened to and what the machine can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from streamsep.models.quality import ALONE, BEST, BY_QUALITY, STANDARD

if TYPE_CHECKING:
    from streamsep.separation.schedule import RunSchedule

# What is listened to: a file that is played or only separated, what other programs play, or what
# happens in a room.
Listening = Literal["file", "offline", "loopback", "mic"]
# How a model is run: on both sides of a moment, for nobody waits; so too, but read ahead of a
# clock; as late as it may be beside a picture; or at once.
Mode = Literal["offline", "read ahead", "nearly live", "live"]

NEARLY_LIVE_S = 0.3  # the devices aside: later, a player's picture and keys are out of step
CORES_BESIDE_A_PLAYER = 2
MEMORY_BYTES = 500e6  # 300 for the best model and the program, and something for the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a choice depends on.

    Attributes
    ----------
    listening
        What is listened to.
    low_latency
        Whether the least latency was asked for.
    cores, memory
        Processor cores, and bytes of memory that are free; None where that isn't known.
    problems
        Why built-in models are of no use here, by their names; the others are.
    schedule
        How the best model runs here, as measured. Needed where `ruled_out` finds nothing, but
        for files that are only separated.
    """

    listening: Listening
    low_latency: bool = False
    cores: int = 1
    memory: float | None = None
    problems: Mapping[str, str] = field(default_factory=dict)
    schedule: RunSchedule | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A built-in model, how it is run, and why."""

    model: str
    mode: Mode
    reason: str

    def __str__(self) -> str:
        return f"model {self.model}: {self.reason}"


def ruled_out(situation: Situation) -> str:
    """Return why the best model isn't the choice, however fast it runs; nothing if it may be."""
    listening, memory = situation.listening, situation.memory
    if situation.low_latency:
        return "the least latency was asked for"
    if listening == "mic":
        return "what an input device hears is played at once"
    if problem := situation.problems.get(BEST):
        return problem
    if memory is not None and memory < MEMORY_BYTES:
        needed = f"{MEMORY_BYTES / 1e6:.0f} MB"
        return f"{BEST} needs {needed} of memory, and {memory / 1e6:.0f} MB are free"
    if listening == "loopback" and situation.cores < CORES_BESIDE_A_PLAYER:
        return f"{BEST} beside a player needs {CORES_BESIDE_A_PLAYER} cores"
    return ""


def choose(situation: Situation) -> Choice:
    """Choose a model."""
    if why := ruled_out(situation):
        return _second_best(situation, why)
    if situation.listening == "offline":
        return Choice(BEST, "offline", "the best there is")
    schedule = situation.schedule
    if schedule is None:
        return _second_best(situation, f"{BEST} is too slow here")
    if situation.listening == "file":
        return Choice(BEST, "read ahead", "the best there is, and a file can be read ahead")
    late_s = schedule.latency / schedule.sample_rate
    if late_s > NEARLY_LIVE_S:
        return _second_best(situation, f"{BEST} would be {late_s:.2f} s late here")
    return Choice(BEST, "nearly live", f"the best there is, {1_000 * late_s:.0f} ms late here")


def _second_best(situation: Situation, why: str) -> Choice:
    """Return the standard model; where it is of no use, the next one that is.

    Where there is no room for the best one, there is none for it beside the standard one.
    """
    offline, memory = situation.listening == "offline", situation.memory
    mode: Mode = "offline" if offline else "live"
    room = memory is None or memory >= MEMORY_BYTES
    cores = offline or situation.cores >= CORES_BESIDE_A_PLAYER
    first = STANDARD if room and cores else ALONE
    for name in BY_QUALITY[BY_QUALITY.index(first) :]:
        if problem := situation.problems.get(name):
            why = f"{why}; {problem}"
        else:
            return Choice(name, mode, why)
    return Choice(STANDARD, mode, why)  # whoever loads it says what is wrong
