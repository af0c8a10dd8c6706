"""The score of a live run: what is compared, by how much it is late, and the line at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from streamsep.audio.devices.microphone import MicrophoneSource
from streamsep.audio.files.file_source import FileSource
from streamsep.errors import ArgumentError
from streamsep.live.prompter import Prompter
from streamsep.realtime import Session
from streamsep.scoring import Judge, LineAt, LiveScore, ScoreSnapshot
from streamsep.separation import Separator


@contextmanager
def scoring(
    separator: Separator,
    session: Session,
    microphones: Mapping[str, MicrophoneSource],
    prompter: Prompter | None,
    block: int,
) -> Iterator[LiveScore]:
    """Score who sings at each microphone against the session's vocals; report it at the end.

    Raises
    ------
    ArgumentError
        If the model doesn't tell vocals apart.
    """
    if "vocals" not in separator.stems:
        raise ArgumentError(
            f"the model {separator.spec.name} gives no vocals to score against",
            expected="a model with a stem of them",
            remedy="choose another model, or no score",
            settings=("score", "model"),
        )

    def line_at(seconds: float) -> LineAt | None:
        return None if prompter is None else prompter.line_at(seconds, session)

    rate = separator.spec.sample_rate
    judge = Judge(
        list(microphones),
        sample_rate=rate,
        delays=[_delay(session, microphone) for microphone in microphones.values()],
        seconds_of=lambda samples: samples / rate,
        line_at=line_at,
    )
    score = LiveScore(
        judge,
        len(microphones),
        sample_rate=rate,
        channels=separator.spec.channels,
        block_size=block,
        events=session.events,
    )
    session.add_tap("vocals", score.vocals)
    for name, tap in zip(microphones, score.microphones, strict=True):
        session.add_tap(name, tap)
    try:
        with score:
            yield score
    finally:
        session.events.add(score_line(score.snapshot()), kind="report")


def _delay(session: Session, microphone: MicrophoneSource) -> Callable[[], int]:
    """Return what tells how late a voice is against vocals as they leave the session.

    They have to be heard before anyone can sing along; a file was sung along before.
    """
    if isinstance(microphone, FileSource):
        return lambda: microphone.latency
    return lambda: microphone.latency + session.latency.device_out


def score_line(score: ScoreSnapshot) -> str:
    """Return who has how much of a song."""
    singers = (
        f"{singer.name} {'-' if singer.percent is None else f'{singer.percent:.0f}'}"
        for singer in score.singers
    )
    return f"score of 100: {', '.join(singers)}"
