"""What the driver of a run tells its workers, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streamsep import __version__
from streamsep.audio.files.encoding import Encoding
from streamsep.audio.files.notices import Notice
from streamsep.audio.files.sound_choice import WHOLE, SoundChoice
from streamsep.errors import StreamsepError
from streamsep.models import FoundModel, find_model
from streamsep.models.integrity import model_files
from streamsep.offline.made_from import MadeFrom
from streamsep.offline.song_parts import Division
from streamsep.offline.stem_writer import AS_USUAL
from streamsep.separation.combination import Combination, Source

# Longer songs are done in parts of about that length.
LONG_S, PART_S = 3_600.0, 600.0
# The second worker that a song, or a part of one, gets is started for it alone; it gets no third.
MOST_DEATHS = 2


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """A model that travels: a file's content, with what it needs beside it, or a plugin's name."""

    name: str
    files: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def of(cls, model: FoundModel) -> ModelBundle:
        """Return a model as it is on this machine."""
        if not isinstance(model, Path):
            return cls(model.name)
        return cls(model.name, tuple((f.name, f.read_bytes()) for f in model_files(model)))

    def unpacked(self, folder: Path) -> FoundModel:
        """Return the model, its files written to a folder."""
        for name, content in self.files:
            (folder / name).write_bytes(content)
        return folder / self.name if self.files else find_model(self.name)


@dataclass(frozen=True, slots=True)
class ModelsBundle:
    """Models that separate together and travel; see `Combination`."""

    models: tuple[ModelBundle, ...]
    blend: str | None = None
    second: ModelBundle | None = None

    @classmethod
    def of(cls, model: Source | Combination) -> ModelBundle | ModelsBundle:
        """Return a model, or several, as they are on this machine."""
        if not isinstance(model, Combination):
            return ModelBundle.of(_of_a_name(model))
        bundles = tuple(ModelBundle.of(_of_a_name(each)) for each in model.models)
        second = None if model.second is None else ModelBundle.of(_of_a_name(model.second))
        return cls(bundles, model.blend, second)

    def unpacked(self, folder: Path) -> Combination:
        """Return the models, the files of each written to a folder of its own."""
        found: list[FoundModel] = []
        for number, bundle in enumerate((*self.models, *filter(None, [self.second]))):
            inside = folder / str(number)
            inside.mkdir()
            found.append(bundle.unpacked(inside))
        second = None if self.second is None else found.pop()
        return Combination(tuple(found), self.blend, second)


def _of_a_name(source: Source) -> FoundModel:
    if callable(source):
        raise ValueError("a function is no model that other machines have")
    return source


@dataclass(frozen=True, slots=True)
class SeparationTask:
    """What is the same for all songs of a run.

    Attributes
    ----------
    model
        What to run.
    device
        See `load_separator`.
    encoding, choice, gain
        See `write_stems`.
    keep_layout
        Whether more than two channels are kept, and each pair separated.
    long_s, part_s
        Of songs that are longer than that, in seconds, each part of about that length is work by
        itself, where the model can go on from one part to the next.
    version
        Of who asks: one catalogue is made by one version.
    """

    model: ModelBundle | ModelsBundle
    device: str = "auto"
    encoding: Encoding = AS_USUAL
    choice: SoundChoice = WHOLE
    gain: float = 1.0
    keep_layout: bool = False
    long_s: float = LONG_S
    part_s: float = PART_S
    version: str = __version__


@dataclass(frozen=True, slots=True)
class Split:
    """How a long song is done in parts.

    Attributes
    ----------
    key
        What names of its parts' files begin with: nobody's but those of this content, model and
        way to divide it.
    hash
        SHA-256 of the song's content.
    division
        The parts.
    in_turn
        Whether each part goes on from the state of the one before.
    """

    key: str
    hash: str
    division: Division
    in_turn: bool

    @property
    def count(self) -> int:
        """How many parts there are."""
        return self.division.count

    def part_name(self, number: int) -> str:
        """Return the name of a part's file, which programs that look for sound pass over."""
        return f".{self.key}-{number:04}.f32"

    def state_name(self, number: int) -> str:
        """Return the name of the file with the state that a part ended in."""
        return f".{self.key}-{number:04}.npz"


@dataclass(frozen=True, slots=True)
class SongOrder:
    """A song, or a part of a long one, and where its stems go.

    Attributes
    ----------
    song
        Path or URI.
    targets
        Path or URI for each stem; empty where the song is done for its time alone.
    stems
        Their names.
    facts
        What the stems are made from, to be kept beside those that go to a local folder.
    deaths
        Workers that ended while they had the song.
    parts
        Folder, as path or URI, for the parts of the song; empty where it is to be done as one.
    split, number
        Which part is to be done; that after the last one is to join them. None for a song that
        isn't divided yet.
    """

    song: str
    targets: Mapping[str, str]
    stems: tuple[str, ...]
    facts: MadeFrom | None = None
    deaths: int = 0
    parts: str = ""
    split: Split | None = None
    number: int = 0

    @property
    def joins(self) -> bool:
        """Whether the parts of a song are to be joined."""
        return self.split is not None and self.number == self.split.count


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a song, or of the part that was asked for.

    Attributes
    ----------
    error
        Why there are no stems; None if they are there.
    peaks
        Of each stem, where 1.0 is full scale.
    notices
        What isn't in the stems as it was in the song.
    hash
        SHA-256 of the song's content.
    seconds, sound_s
        How long that took, and for how long the sound plays that was separated in it.
    length_s
        How long the song plays; known at its end.
    node
        The machine's name.
    deaths
        Workers that ended while they had the song.
    split
        How it is to be done in parts, or was.
    is_share
        Whether that was a share of the work alone, and more of the song is to come.
    """

    error: StreamsepError | None = None
    peaks: Mapping[str, float] | None = None
    notices: tuple[Notice, ...] = ()
    hash: str = ""
    seconds: float = 0.0
    sound_s: float = 0.0
    length_s: float = 0.0
    node: str = ""
    deaths: int = 0
    split: Split | None = None
    is_share: bool = False
