"""Songs made of a MIDI file and somebody's speech: a part of the file is sung instead of played.

In random mixes voice and band are in different keys and never breathe together. In songs their
partials meet, and that is where a separator has to earn its keep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from export.constants import SAMPLE_RATE
from export.data.audio import SILENT_RMS, Audio, read_stereo_44k, rms
from export.data.midi import (
    DRUM_CHANNEL,
    acoustic,
    cast_parts,
    check_player,
    electric,
    midi_files,
    play,
    read_midi,
)
from export.data.singing_synthesis import FRAMES_PER_S, synthesize_singing
from export.data.sources import SourceTrack, Stems, track_id

if TYPE_CHECKING:
    import mido

# What can be sung: one note at a time, where voices are or some octaves off, and not too few.
MAX_OVERLAP = 1.3  # length of all notes, of the time in which any sounds
PITCHES = (45, 88)  # MIDI notes, of the middle one
MIN_NOTES, MIN_PITCHES, MIN_SUNG_S = 12, 4, 8.0

BREATH_S = 0.35  # a longer pause ends a phrase
PHRASE_S = 6.0  # so does a longer breath
SPEECH_SHARE = (0.4, 1.2)  # of a phrase's length: what is said in it
FADE_S = 0.02
RECAST_CHANCE = 0.5
PLUGGED_TAKES = 2
VOICE_TO_BAND_DB = (-4.0, 3.0)


@dataclass(frozen=True, slots=True)
class Note:
    """A MIDI note and when it sounds, in seconds."""

    start: float
    end: float
    pitch: int


def find_sung_midi(
    root: Path,
    soundfont: Path,
    people: Sequence[Sequence[Path]],
    takes: int,
    seed: int,
    exclude: Sequence[str] = (),
) -> Iterator[SourceTrack]:
    """Yield every MIDI file under ``root`` of which a part can be sung, as a song, per take.

    From the third take on the band plays acoustic instruments.

    Parameters
    ----------
    people
        The recordings of each person; chance decides who sings what.

    Raises
    ------
    DataError
        As of `export.data.midi.find_midi`.
    """
    check_player(soundfont)
    for number, path in enumerate(midi_files(root, exclude)):
        tunes = find_tunes(read_midi(path))
        for take in range(takes if tunes else 0):
            rng_seed = [seed, number, take, 1]
            person = tuple(people[int(np.random.default_rng(rng_seed).integers(len(people)))])
            yield SourceTrack(
                f"song{take}-{track_id(root, path.with_suffix(''))}",
                "rendered",
                partial(_make_take, path, soundfont, person, rng_seed, take >= PLUGGED_TAKES),
                (path, *person),
            )


def _make_take(
    path: Path, soundfont: Path, person: Sequence[Path], seed: list[int], unplugged: bool
) -> Stems:
    return make_song(path, soundfont, person, np.random.default_rng(seed), unplugged=unplugged)


def make_song(
    path: Path,
    soundfont: Path,
    person: Sequence[Path],
    rng: np.random.Generator,
    *,
    unplugged: bool = False,
) -> Stems:
    """Return ``vocals`` and ``accompaniment``, float32 of shape (2, samples) each.

    The voice stands dry in the middle.

    Parameters
    ----------
    unplugged
        Whether the band plays acoustic instruments; else those as written, or electric ones.
    """
    song = read_midi(path)
    tunes = find_tunes(song)
    channel = list(tunes)[rng.integers(len(tunes))]
    silence(song, channel)
    recast = bool(rng.random() < RECAST_CHANCE)
    cast_parts(song, rng, recast=recast or unplugged, pick=acoustic if unplugged else electric)
    band = play(song, soundfont, path)
    voice = np.zeros(band.shape[1], np.float32)
    for phrase in phrases(tunes[channel]):
        sung = synthesize_singing(
            _speech(person, phrase[-1].end - phrase[0].start, rng), rng, to_frames(phrase)
        )
        if sung is not None:
            start = round(phrase[0].start * SAMPLE_RATE)
            part = sung[: max(voice.size - start, 0)]
            fade = np.minimum(np.arange(part.size, 0, -1) / (FADE_S * SAMPLE_RATE), 1.0)
            voice[start : start + part.size] += part * fade.astype(np.float32)
    active = voice[np.abs(voice) > SILENT_RMS]
    if active.size:
        gain = 10 ** (rng.uniform(*VOICE_TO_BAND_DB) / 20)
        voice *= np.float32(gain * rms(band) / rms(active))
    return {"vocals": np.tile(voice, (2, 1)), "accompaniment": band}


def find_tunes(song: mido.MidiFile) -> dict[int, list[Note]]:
    """Return the notes of each channel that can be sung, one at a time and in order."""
    found = {}
    for channel, notes in _notes(song).items():
        notes.sort(key=lambda note: (note.start, -note.pitch))
        single = [
            Note(note.start, min(note.end, after.start), note.pitch)
            for note, after in pairwise([*notes, Note(np.inf, np.inf, 0)])
            if after.start > note.start
        ]
        sounding = sum(note.end - note.start for note in single)
        written = sum(note.end - note.start for note in notes)
        pitches = [note.pitch for note in single]
        if (
            channel != DRUM_CHANNEL
            and len(single) >= MIN_NOTES
            and len(set(pitches)) >= MIN_PITCHES
            and sounding >= MIN_SUNG_S
            and written <= MAX_OVERLAP * sounding
            and PITCHES[0] <= np.median(pitches) <= PITCHES[1]
        ):
            found[channel] = single
    return found


def _notes(song: mido.MidiFile) -> dict[int, list[Note]]:
    """Return every note by channel."""
    found: dict[int, list[Note]] = {}
    begun: dict[tuple[int, int], float] = {}
    now = 0.0
    for message in song:  # with times in seconds, by the file's tempos
        now += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        key = (message.channel, message.note)
        if key in begun:  # whatever comes next of a note ends it
            found.setdefault(message.channel, []).append(Note(begun.pop(key), now, message.note))
        if message.type == "note_on" and message.velocity > 0:
            begun[key] = now
    return found


def silence(song: mido.MidiFile, channel: int) -> None:
    """Let a channel play no notes, in place."""
    for track in song.tracks:
        for message in track:
            if message.type == "note_on" and message.channel == channel:
                message.velocity = 0


def phrases(tune: Sequence[Note]) -> Iterator[list[Note]]:
    """Yield what is sung in one breath."""
    phrase: list[Note] = []
    for note in tune:
        pause = phrase and note.start - phrase[-1].end > BREATH_S
        if pause or (phrase and note.end - phrase[0].start > PHRASE_S):
            yield phrase
            phrase = []
        phrase.append(note)
    if phrase:
        yield phrase


def to_frames(phrase: Sequence[Note]) -> np.ndarray:
    """Return the MIDI note of each frame of 5 ms, float64; short pauses are sung over."""
    count = max(round((phrase[-1].end - phrase[0].start) * FRAMES_PER_S), 1)
    notes = np.empty(count)
    for note in phrase:
        notes[round((note.start - phrase[0].start) * FRAMES_PER_S) :] = note.pitch
    return notes


def _speech(person: Sequence[Path], seconds: float, rng: np.random.Generator) -> Audio:
    """Return about as much of somebody's speech as fits a phrase, float32 (samples,)."""
    wanted = int(rng.uniform(*SPEECH_SHARE) * seconds * SAMPLE_RATE)
    parts: list[Audio] = []
    while not parts or sum(map(len, parts)) < wanted:
        parts.append(read_stereo_44k(person[int(rng.integers(len(person)))]).mean(axis=0))
    whole = np.concatenate(parts)
    start = int(rng.integers(max(whole.size - wanted, 0) + 1)) if len(parts) == 1 else 0
    return whole[start : start + max(wanted, int(0.3 * SAMPLE_RATE))]
