"""Songs that chance composes: chords, a rhythm section and a tune over them, for somebody to sing.

MIDI files that may be used freely are few, and most are of games. What a separator learns from them
is a handful of styles. Here are as many simple songs as one likes, in which voice and band share a
key, chords and a beat, as bands that play by ear have them: strummed or picked chords, a bass,
mostly drums, sometimes another instrument that answers the tune, harmonises or doubles it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from export.data.midi import DRUM_CHANNEL, SECONDS, check_player, play
from export.data.sources import SourceTrack, Stems
from export.data.tunes import Note, sing_along

if TYPE_CHECKING:
    import mido

Rng = np.random.Generator

MODES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10),
         (0, 2, 4, 5, 7, 9, 10))  # fmt: skip
DEGREE_WEIGHTS = (0.28, 0.1, 0.08, 0.18, 0.17, 0.15, 0.04)  # of chords, tonic first
BARS, BARS_A_CHORD = 4, (1, 1, 1, 2)
TEMPO, METERS = (66.0, 172.0), (4, 4, 4, 3)

# General MIDI programs, counted from 0.
CHORDS = (0, 1, 3, 4, 6, 15, 16, 19, 21, 22, 23, *range(24, 31), 46, 48, 50, 104, 105, 107, 109)
PLUCKED = frozenset({*range(24, 31), 46, 104, 105, 107, 15})
LEADS = (11, 21, 22, 26, 40, 41, 42, 56, 57, 60, 64, 65, 66, 68, 71, 73, 74, 75, 78, 79, 80, 81,
         110)  # fmt: skip
BASSES = (*range(32, 38), 43, 58)
KICK, SNARE, STICK, CRASH = 36, 38, 37, 49
HAT, OPEN_HAT, RIDE, SHAKER, TAMBOURINE = 42, 46, 51, 70, 54

SINGERS = (50.0, 70.0)  # MIDI note about which a tune lies: low men to high women
REACH = 9  # semitones up and down from there
RESTS = 0.12
SHORTEST_S, LATE_S, STRUM_S = 0.02, 0.007, (0.004, 0.03)
VOLUMES, PANS, ROOMS = (60, 127), (20, 108), (0, 100)
VOLUME, PAN, ROOM = 7, 10, 91  # controllers


@dataclass(slots=True)
class Score:
    """What is to be played: (start, end, pitch, velocity) by channel, in seconds, and by whom."""

    programs: dict[int, int] = field(default_factory=dict)
    notes: dict[int, list[tuple[float, float, int, int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """Key, tempo and chords of a song; a chord has the pitch classes of its root, third, fifth."""

    scale: tuple[int, ...]
    beats: int
    beat_s: float
    swing: float
    chords: tuple[tuple[int, ...], ...]  # of each bar

    def time(self, bar: int, beat: float) -> float:
        """Return when a beat is, in seconds; the second half of a beat comes late in swing."""
        bent = np.interp(beat % 1, (0, 0.5, 1), (0, (1 + self.swing) / 2, 1))
        return float(bar * self.beats + int(beat) + bent) * self.beat_s


def find_composed(
    count: int, soundfonts: Sequence[Path], people: Sequence[Sequence[Path]], seed: int
) -> Iterator[SourceTrack]:
    """Yield songs that nobody wrote, played with each soundfont in turn.

    Parameters
    ----------
    people
        The recordings of each person; chance decides who sings what.

    Raises
    ------
    DataError
        If a soundfont or fluidsynth is missing.
    """
    check_player(soundfonts)
    for number in range(count):
        rng_seed = [seed, number, 2]
        person = tuple(people[int(np.random.default_rng(rng_seed).integers(len(people)))])
        soundfont = soundfonts[number % len(soundfonts)]
        yield SourceTrack(
            f"composed-{number:03}", "rendered",
            lambda f=soundfont, v=person, s=rng_seed: _make_song(f, v, np.random.default_rng(s)),
            person,
        )  # fmt: skip


def _make_song(soundfont: Path, person: Sequence[Path], rng: Rng) -> Stems:
    song, tune = compose(rng, SECONDS)
    return sing_along(play(song, soundfont, Path("a composed song")), tune, person, rng)


def compose(rng: Rng, seconds: float) -> tuple[mido.MidiFile, list[Note]]:
    """Return the band's part of a new song, and the tune that belongs to it."""
    plan = draw_plan(rng, seconds)
    tune = draw_tune(rng, plan)
    score = Score()
    for channel in range(2 if rng.random() < 0.55 else 1):
        _add_chords(rng, plan, score, channel)
    if rng.random() < 0.85:
        _add_bass(rng, plan, score, 2)
    if rng.random() < 0.5:
        _add_lead(rng, plan, score, 3, tune)
    if rng.random() < 0.7:
        _add_drums(rng, plan, score)
    return to_midi(rng, score), tune


def draw_plan(rng: Rng, seconds: float) -> Plan:
    """Draw what all parts keep to: verse and chorus by turns, for about so long."""
    scale = tuple(int(rng.integers(12)) + np.array(MODES[rng.integers(len(MODES))]))
    beats, beat_s = int(rng.choice(METERS)), 60 / rng.uniform(*TEMPO)
    parts = []
    for _ in range(2):
        degrees = [0, *rng.choice(7, BARS - 1, p=DEGREE_WEIGHTS)]
        triads = [tuple(int(scale[(d + step) % 7] % 12) for step in (0, 2, 4)) for d in degrees]
        parts.append([c for c in triads for _ in range(int(rng.choice(BARS_A_CHORD)))])
    chords: list[tuple[int, ...]] = []
    while len(chords) * beats * beat_s < seconds - 3:  # what rings on at the end is heard, too
        chords += parts[int(rng.random() < 0.5)]
    count = max(int((seconds - 3) / (beats * beat_s)), 1)
    swing = float(rng.uniform(0.1, 0.34)) if rng.random() < 0.3 else 0.0
    return Plan(tuple(int(s % 12) for s in scale), beats, beat_s, swing, tuple(chords[:count]))


def draw_tune(rng: Rng, plan: Plan) -> list[Note]:
    """Draw a tune that steps through the scale, rests, and stands on chords on strong beats."""
    middle = rng.uniform(*SINGERS)
    low, high = round(middle - REACH), round(middle + REACH)
    ladder = [p for p in range(low, high + 1) if p % 12 in plan.scale]
    rhythms = [_draw_rhythm(rng, plan.beats) for _ in range(3)]
    place, tune = len(ladder) // 2, []
    for bar, chord in enumerate(plan.chords):
        if bar % 8 >= 7 and rng.random() < 0.6:
            continue  # to breathe, while the band plays on
        for beat, length in rhythms[rng.integers(len(rhythms))]:
            place += int(np.clip(np.rint(rng.normal(0, 1.6)), -4, 4))
            place = int(np.clip(place + (len(ladder) // 2 - place) // 4, 0, len(ladder) - 1))
            if beat % 2 == 0 or length >= 1.5:
                place = min(
                    (i for i, p in enumerate(ladder) if p % 12 in chord),
                    key=lambda i, at=place: abs(i - at),  # type: ignore[misc]
                )
            if rng.random() >= RESTS:
                end = plan.time(bar, beat + length) - 0.02
                tune.append(Note(plan.time(bar, beat), end, ladder[place]))
    return tune


def _draw_rhythm(rng: Rng, beats: int) -> list[tuple[float, float]]:
    """Return (beat, length) of notes that fill a bar."""
    lengths = np.array([0.5, 1.0, 1.5, 2.0, 3.0])
    weights = rng.dirichlet([2.0, 2.0, 0.7, 1.0, 0.5])
    rhythm, at = [], float(rng.choice([0.0, 0.0, 0.5, 1.0]))
    while at < beats:
        length = min(float(rng.choice(lengths, p=weights)), beats - at)
        rhythm.append((at, length))
        at += length
    return rhythm


def _voicing(chord: Sequence[int], low: int, count: int) -> list[int]:
    """Return the lowest notes of a chord from ``low`` on."""
    return [p for p in range(low, low + 36) if p % 12 in chord][:count]


def _add_chords(rng: Rng, plan: Plan, score: Score, channel: int) -> None:
    program = int(rng.choice(CHORDS))
    score.programs[channel] = program
    notes = score.notes.setdefault(channel, [])
    low, count = int(rng.integers(40, 56)), int(rng.integers(3, 6))
    manner = rng.choice(["strum", "pick", "hold", "offbeat"], p=(0.35, 0.3, 0.2, 0.15))
    if manner == "hold" and program in PLUCKED:
        manner = "strum"
    strum = rng.uniform(*STRUM_S) if program in PLUCKED else 0.0
    steps = np.arange(0, plan.beats, 0.5)
    played = (rng.random(steps.size) < 0.6) | (steps % 2 == 0)
    order = rng.permutation(count)
    for bar, chord in enumerate(plan.chords):
        pitches = _voicing(chord, low, count)
        if manner == "hold":
            start, end = plan.time(bar, 0), plan.time(bar, plan.beats)
            notes += [(start, end, p, int(rng.integers(60, 90))) for p in pitches]
        elif manner == "pick":
            for index, beat in enumerate(steps):
                pitch = pitches[order[index % count]]
                end = plan.time(bar, beat) + 2 * plan.beat_s
                notes.append((plan.time(bar, beat), end, pitch, int(rng.integers(60, 105))))
        else:
            beats = steps[played] if manner == "strum" else np.arange(plan.beats) + 0.5
            for beat in beats:
                down = beat % 1 == 0
                length = plan.beat_s * (0.9 if manner == "strum" else 0.4)
                for index, pitch in enumerate(pitches if down else pitches[::-1]):
                    start = plan.time(bar, beat) + index * strum
                    velocity = int(rng.integers(70, 110) if down else rng.integers(50, 90))
                    notes.append((start, start + length, pitch, velocity))


def _add_bass(rng: Rng, plan: Plan, score: Score, channel: int) -> None:
    score.programs[channel] = int(rng.choice(BASSES))
    notes = score.notes.setdefault(channel, [])
    manner = rng.choice(["roots", "fifths", "eighths", "walk"])
    step = {"roots": plan.beats, "fifths": 2, "eighths": 0.5, "walk": 1}[str(manner)]
    for bar, chord in enumerate(plan.chords):
        root = 28 + (chord[0] - 28) % 12
        for index, beat in enumerate(np.arange(0, plan.beats, step)):
            tone = 0
            if manner == "walk":
                tone = int(rng.integers(3)) if index else 0
            elif manner == "fifths":
                tone = 2 * (index % 2)
            pitch = root + (chord[tone] - chord[0]) % 12
            start = plan.time(bar, beat)
            end = start + 0.9 * step * plan.beat_s
            notes.append((start, end, pitch, int(rng.integers(75, 115))))


def _add_lead(rng: Rng, plan: Plan, score: Score, channel: int, tune: Sequence[Note]) -> None:
    """Let an instrument play where the voice rests, or a third or sixth from it, or with it."""
    score.programs[channel] = int(rng.choice(LEADS))
    manner = rng.choice(["answer", "harmony", "double", "own"], p=(0.4, 0.25, 0.1, 0.25))
    octave = 12 * int(rng.integers(-1, 2))
    if manner in ("answer", "own"):
        line = draw_tune(rng, plan)
        if manner == "answer":
            busy = [(n.start - 0.1, n.end + 0.1) for n in tune]
            line = [n for n in line if not any(a < n.end and n.start < b for a, b in busy)]
    else:
        line, by = list(tune), 0 if manner == "double" else int(rng.choice([-5, -2, 2, 5]))
        line = [Note(n.start, n.end, _step(n.pitch, by, plan.scale)) for n in line]
    score.notes[channel] = [
        (n.start, n.end, int(np.clip(n.pitch + octave, 36, 96)), int(rng.integers(70, 112)))
        for n in line
    ]


def _step(pitch: int, by: int, scale: Sequence[int]) -> int:
    """Go so many steps of the scale up or down."""
    for _ in range(abs(by)):
        pitch += int(np.sign(by))
        while pitch % 12 not in scale:
            pitch += int(np.sign(by))
    return pitch


def _add_drums(rng: Rng, plan: Plan, score: Score) -> None:
    notes = score.notes.setdefault(DRUM_CHANNEL, [])
    top = int(rng.choice([HAT, HAT, RIDE, SHAKER, TAMBOURINE]))
    back = int(rng.choice([SNARE, SNARE, SNARE, STICK]))
    step = float(rng.choice([0.5, 0.5, 1.0, 0.25]))
    kicks = [0.0] + [b for b in np.arange(0.5, plan.beats, 0.5) if rng.random() < 0.25]
    backs = [1.0, 3.0] if plan.beats == 4 else [float(rng.choice([1.0, 2.0]))]
    for bar in range(len(plan.chords)):
        hits = [(b, KICK, 100) for b in kicks] + [(b, back, 100) for b in backs]
        hits += [(float(b), top, 70 if b % 1 else 85) for b in np.arange(0, plan.beats, step)]
        if bar % 4 == 3 and rng.random() < 0.4:
            hits += [(plan.beats - b, SNARE, 80) for b in (0.25, 0.5, 0.75)]
        if bar % 8 == 0:
            hits.append((0.0, CRASH if rng.random() < 0.4 else OPEN_HAT, 85))
        for beat, drum, velocity in hits:
            start = plan.time(bar, beat)
            loud = int(np.clip(velocity + rng.normal(0, 8), 1, 127))
            notes.append((start, start + 0.1, drum, loud))


def to_midi(rng: Rng, score: Score) -> mido.MidiFile:
    """Write a score down, a tick a millisecond, a little out of time as people play."""
    import mido

    song = mido.MidiFile(ticks_per_beat=500)
    for channel, notes in score.notes.items():
        knobs = zip((VOLUME, PAN, ROOM), (VOLUMES, PANS, ROOMS), strict=True)
        messages = [
            (0, mido.Message("control_change", channel=channel, control=knob,
                             value=int(rng.integers(*span))))
            for knob, span in knobs
        ]  # fmt: skip
        if channel in score.programs:
            program = score.programs[channel]
            messages.append((0, mido.Message("program_change", channel=channel, program=program)))
        again: dict[int, float] = {}  # when a pitch is next struck: it can't ring longer
        for start, end, pitch, velocity in sorted(notes, reverse=True):
            late = rng.normal(0, LATE_S)
            begin = max(start + late, 0.001)
            stop = min(end + late, again.get(pitch, np.inf) - 0.005)
            if stop - begin < SHORTEST_S:
                continue
            again[pitch] = begin
            for kind, at, force in (("note_on", begin, velocity), ("note_off", stop, 0)):
                message = mido.Message(kind, channel=channel, note=pitch, velocity=force)
                messages.append((round(1_000 * at), message))
        messages.sort(key=lambda pair: pair[0])
        track, now = mido.MidiTrack(), 0
        for tick, message in messages:
            track.append(message.copy(time=tick - now))
            now = tick
        song.tracks.append(track)
    return song
