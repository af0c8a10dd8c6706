"""What a run over a catalogue has to do: a job, a row and a state for each song."""

from __future__ import annotations

import os
from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streamsep.cluster.catalogue import Catalogue
from streamsep.cluster.manifest import FAILED, ManifestRow
from streamsep.cluster.orders import Outcome, SongOrder
from streamsep.cluster.part_store import parts_folder
from streamsep.cluster.store import StorePath, as_path, is_uri
from streamsep.offline.jobs import Job
from streamsep.offline.made_from import MadeFrom, StemRecords
from streamsep.offline.song_states import DONE, TAKEN, TO_DO, song_state

# Of stems whose song was planned and isn't noted as done: like nothing that is to be made.
UNFINISHED = MadeFrom(-1, 0.0, "", {})


@dataclass(slots=True)
class PlannedSong:
    """A song of a run: its job, its state, and its row of the manifest.

    Attributes
    ----------
    busy_s
        What workers were busy with it so far.
    """

    job: Job
    facts: MadeFrom | None
    state: str
    row: ManifestRow
    busy_s: float = 0.0

    @property
    def parts(self) -> str:
        """Folder for its parts, should it be long."""
        return parts_folder(str(next(iter(self.job.targets.values()))), self.row.song)

    @property
    def order(self) -> SongOrder:
        """What a worker is told."""
        targets = {stem: str(target) for stem, target in self.job.targets.items()}
        stems, deaths = tuple(targets), self.row.deaths
        return SongOrder(self.row.song, targets, stems, self.facts, deaths, self.parts)

    @property
    def local_targets(self) -> list[Path]:
        """Those of the targets that are on this machine."""
        return [t for t in self.job.targets.values() if not isinstance(t, StorePath)]

    def ended(self, outcome: Outcome) -> ManifestRow:
        """Return the row once the song has come to an end; the last outcome is in `busy_s`."""
        lost = "; ".join(notice.text for notice in outcome.notices if notice.lost)
        return replace(
            self.row,
            hash=outcome.hash,
            state=DONE if outcome.error is None else FAILED,
            seconds=round(self.busy_s, 3),
            sound_s=round(outcome.length_s, 3),
            error=lost if outcome.error is None else str(outcome.error),
            deaths=outcome.deaths,
        )


def folder_of(output: str) -> str:
    """Return the folder that all targets of an output are in: a template's up to its first field.

    Of one on this machine it is absolute: workers are elsewhere.
    """
    fixed = output.partition("{")[0]
    if fixed != output:
        fixed = fixed.rpartition("/")[0] or "."
    return place_of(fixed.rstrip("/"))


def place_of(name: str) -> str:
    """Return a URI, or an absolute path of this machine."""
    return name if is_uri(name) else os.path.abspath(as_path(name))


def plan_run(
    jobs: Iterable[Job],
    catalogue: Catalogue,
    rows: dict[str, ManifestRow],
    *,
    there: Set[str],
    model: str,
    options: dict[str, Any],
    overwrite: bool,
) -> list[PlannedSong]:
    """Return each job with its state and its row.

    Parameters
    ----------
    jobs, catalogue
        What there is.
    rows
        Of the manifest, by song.
    there
        URIs of all that is under the folder of the stems, if that is in a store.
    model, options
        See `MadeFrom`.
    overwrite
        Whether all is to be done again.
    """
    records = StemRecords()
    songs = []
    for job in jobs:
        job = Job(job.song, {stem: as_path(target) for stem, target in job.targets.items()})
        facts = catalogue.facts(job.song.path, model, options)
        row = rows.get(str(job.song.path))
        stems = [(_is_there(t, there), _made_from(t, row, records)) for t in job.targets.values()]
        state = TO_DO if overwrite else song_state(facts, stems)
        songs.append(PlannedSong(job, facts, state, _row(job, facts, row, state)))
    return songs


def _is_there(target: Path, there: Set[str]) -> bool:
    return str(target) in there if isinstance(target, StorePath) else os.path.isfile(target)


def _made_from(target: Path, row: ManifestRow | None, records: StemRecords) -> MadeFrom | None:
    known = None if isinstance(target, StorePath) else records.of(target)
    if known is not None or row is None or row.state == TAKEN:
        return known
    return row.made_from if row.state == DONE else UNFINISHED


def _row(job: Job, facts: MadeFrom | None, row: ManifestRow | None, state: str) -> ManifestRow:
    new = ManifestRow.planned(str(job.song.path), facts)
    same = row is not None and facts is not None and row.is_of(facts)
    if state == DONE:
        return row if row is not None and same and row.state == DONE else replace(new, state=DONE)
    if state == TAKEN:
        return replace(new, state=TAKEN, error="its stems' names are those of other files")
    return replace(new, deaths=row.deaths) if row is not None and same else new
