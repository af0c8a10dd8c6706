"""All that a prepared folder is to be made of, as one list of tracks that could be extracted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from export.data import sources
from export.data.midi import find_midi
from export.data.midi_songs import find_sung_midi
from export.data.musdb_source import find_musdb
from export.data.sources import SourceTrack

Folders = tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Folders by what they hold, and how often what is rendered and sung is made anew.

    Attributes
    ----------
    musdb
        A MUSDB18 folder; with ``hq`` one of MUSDB18-HQ.
    songs
        A folder a song, a file a stem.
    accompaniment, excerpts
        Vocal-free pieces, a file each; of ``excerpts`` some parts are taken.
    voices, speech
        A folder a singer or speaker.
    sing
        A folder a person, whose voice is turned into other singing.
    midi
        MIDI files, to be played with ``soundfont``.
    takes
        Versions of what is sung, and of what is rendered if ``midi_takes`` doesn't say otherwise.
    midi_songs
        Songs of each MIDI file, sung by the people of ``sing``.
    exclude
        Patterns of files to leave out.
    seed
        Decides all that is made up.
    """

    musdb: Path | None = None
    hq: bool = False
    songs: Folders = ()
    accompaniment: Folders = ()
    excerpts: Folders = ()
    voices: Folders = ()
    speech: Folders = ()
    sing: Folders = ()
    midi: Folders = ()
    soundfont: Path = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
    takes: int = 1
    midi_takes: int | None = None
    midi_songs: int = 0
    exclude: tuple[str, ...] = ()
    seed: int = 0

    def find(self) -> list[SourceTrack]:
        """Return the tracks of all folders, kind by kind; none is loaded yet.

        Raises
        ------
        DataError
            If a folder is missing, holds nothing of its kind, or can't be told apart; if a program
            or package that makes tracks is missing.
        """
        return [*self._musdb(), *self._recorded(), *self._sung(), *self._rendered(), *self._songs()]

    def _musdb(self) -> list[SourceTrack]:
        return [] if self.musdb is None else find_musdb(self.musdb, hq=self.hq)

    def _recorded(self) -> Iterator[SourceTrack]:
        yield from self._each(self.songs, sources.find_songs)
        yield from self._each(self.accompaniment, sources.find_accompaniment)
        yield from self._each(self.excerpts, sources.find_excerpts)
        for kind, folders in (("voice", self.voices), ("speech", self.speech)):
            for folder in folders:
                yield from sources.find_voices(folder, kind, self.exclude)

    def _each(
        self, folders: Folders, find: Callable[[Path, tuple[str, ...]], Iterable[SourceTrack]]
    ) -> Iterator[SourceTrack]:
        for folder in folders:
            yield from find(folder, self.exclude)

    def _sung(self) -> Iterator[SourceTrack]:
        for folder in self.sing:
            yield from sources.find_sung(folder, self.takes, self.seed, self.exclude)

    def _rendered(self) -> Iterator[SourceTrack]:
        takes = self.midi_takes or self.takes
        for folder in self.midi:
            yield from find_midi(folder, self.soundfont, takes, self.seed, self.exclude)

    def _songs(self) -> Iterator[SourceTrack]:
        """Yield songs that are made of MIDI files and voices."""
        if not self.midi_songs:
            return
        people = [p for folder in self.sing for p in sources.find_people(folder, self.exclude)]
        for folder in self.midi:
            yield from find_sung_midi(
                folder, self.soundfont, people, self.midi_songs, self.seed, self.exclude
            )
