"""The recordings of a live run: begun before the music, finished whatever happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from streamsep.audio.endpoint import Source
from streamsep.audio.files.file_identity import file_identity
from streamsep.audio.files.recorder import Recorder
from streamsep.audio.files.song_source import SongSource
from streamsep.dsp.decibels import to_db
from streamsep.errors import OutputError, StreamsepError
from streamsep.events import EventLog
from streamsep.realtime import Session
from streamsep.spec import SeparatorSpec


def recorded_files(path: Path, buses: Sequence[str]) -> dict[Path, str]:
    """Name the files of a recording, each with its bus."""
    return {
        path
        if bus == "mix"
        else path.with_name(f"{path.stem}.{bus.replace(' ', '')}{path.suffix}"): bus
        for bus in buses
    }


def refuse_overwriting(targets: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Refuse to write over what is played, or two sounds to one file.

    Raises
    ------
    OutputError
        Before anything is written.
    """
    taken = {file_identity(path) for path in inputs}
    for target in targets:
        if file_identity(target) in taken:
            raise OutputError(
                f"{target} is needed for something else already",
                expected="a file of its own for each sound, and none that is played",
                remedy="choose another name for the recording or the output",
                settings=("record", "output"),
            )
        taken.add(file_identity(target))


@contextmanager
def recording(
    files: Mapping[Path, str],
    session: Session,
    source: Source,
    spec: SeparatorSpec,
    block: int,
    *,
    overwrite: bool = False,
) -> Iterator[list[Recorder]]:
    """Record a bus to each file, and finish the files whatever happens in between.

    All begin with the moment at which the first sample that came in went out: of files, which are
    read ahead, with the first block. They end with the last song. A recording that
    ended early didn't stop the music: it is an event at once, and an error at the end. What is
    in each file is reported at the end.
    """

    events = session.events

    songs = source if isinstance(source, SongSource) else None

    def limit() -> int | None:
        if songs is None or (end := songs.end) is None:
            return None
        # When it will have been heard, by the session's time.
        return end + session.latency.session + session.offset

    def failed(error: StreamsepError) -> None:
        events.add(f"a recording has ended: {error.what}")

    def delayed(error: StreamsepError) -> None:
        events.add(f"a recording waits for its disk, for {Recorder.BUFFER_S:g} s: {error.what}")

    skip = 0 if songs else session.latency.session

    def silenced(start: int, count: int) -> None:
        since_s, gap_s = ((n / spec.sample_rate) for n in (start + skip, count))
        events.add("a recording's disk was too slow: silence", since_s=since_s, gap_s=gap_s)

    recorders: list[Recorder] = []
    try:
        for path, bus in files.items():
            recorder = Recorder(
                path,
                spec.sample_rate,
                spec.channels,
                block_size=block,
                skip=skip,
                limit=limit,
                overwrite=overwrite,
                failed=failed,
                delayed=delayed,
                silenced=silenced,
                clipped=partial(_say_clipped, path, events),
            )
            if recorder.path != path and not overwrite:
                line = f"{path} is there already: the recording goes to {recorder.path}"
                events.add(line, kind="warning", settings=("overwrite",))
            recorders.append(recorder)
            session.add_tap(bus, recorder)
        yield recorders
    finally:
        faults = [fault for recorder in recorders if (fault := _finish(recorder, spec, events))]
        if any(recorder.written for recorder in recorders):
            _report_gaps(events)
    if faults:
        raise faults[0]


def _say_clipped(path: Path, events: EventLog) -> None:
    events.add(f"the recording {path} goes beyond full scale, and is cut there")


def _finish(recorder: Recorder, spec: SeparatorSpec, events: EventLog) -> StreamsepError | None:
    """Close a recorder, report what is in its file, and return why it isn't all."""
    recorder.close()
    if not recorder.written:
        events.add(f"{recorder.path}: nothing recorded", kind="report")
        return recorder.fault
    seconds, lost = recorder.written / spec.sample_rate, recorder.lost / spec.sample_rate
    note = f", {lost:.2f} s of it silence for a slow disk" if lost else ""
    events.add(f"{recorder.path}: {seconds:.2f} s recorded{note}", kind="report")
    cut, peak = recorder.cut
    if cut:
        share = 100.0 * cut / (recorder.written * spec.channels)
        events.add(
            f"{recorder.path}: {share:.2g} % of it is cut at full scale, up to "
            f"{to_db(peak):.1f} dB beyond; it is taken before the faders, so make what comes in "
            "quieter",
            kind="warning",
        )
    return recorder.fault


def _report_gaps(events: EventLog) -> None:
    """Name the places in the recordings where silence stands for a device that was away."""
    for event in events.latest():
        if event.gap_s:
            minutes, seconds = divmod(event.seconds, 60)
            place = f"{minutes:.0f}:{seconds:04.1f}"
            events.add(f"gap of {event.gap_s:.1f} s at {place}: {event.text}", kind="report")
