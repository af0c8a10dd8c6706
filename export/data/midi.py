"""MIDI files rendered through a soundfont: bands without a singer, with any instrument in the lead.

Separators take electronic leads and solo winds for voices. The same tune played once as
written and again with instruments that sing teaches them otherwise. And where a part could be
sung, it can be: `export.data.midi_songs`.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from export.constants import SAMPLE_RATE
from export.data.audio import Audio, read_stereo_44k
from export.data.sources import SourceTrack, Stems, track_id
from export.errors import DataError

if TYPE_CHECKING:
    import mido

Pick = Callable[[np.random.Generator], int]

MIDI_SUFFIXES = frozenset({".mid", ".midi"})
DRUM_CHANNEL = 9
ALL_SOUND_OFF = 120
RENDER_TIMEOUT_S = 120.0

# General MIDI programs, counted from 0. Human voices must not count as a band.
VOICES = frozenset({52, 53, 54, 85, 91})
SINGING = (
    *range(80, 85),
    86,
    87,  # leads
    *range(64, 72),
    *range(72, 80),
    *range(56, 61),  # reeds, pipes, brass
    40,
    41,
    42,
    22,
    16,
    18,
    26,
    27,
    29,
    30,
    62,
    63,  # strings, organs, guitars, synth brass
)
ACOUSTIC = (
    *range(19, 24),
    109,  # organs, accordions, harmonica, bagpipe: reeds that sound like vowels
    40,
    41,
    42,
    110,
    15,
    24,
    25,
    46,
    104,
    105,  # bowed, plucked and struck strings
    *range(72, 76),
    78,
    79,
    68,
    71,
    56,
    57,  # pipes, whistles, winds
    0,
    3,
    32,  # pianos, bass
)
PADS = (0, 4, 5, 11, 24, 48, 50, 88, 89, 90, 92, 94)

SECONDS = 50.0  # of each file: games repeat themselves


def find_midi(
    root: Path, soundfont: Path, takes: int, seed: int, exclude: Sequence[str] = ()
) -> Iterator[SourceTrack]:
    """Yield every MIDI file under ``root``, once as written and once more for each further take.

    Of these the first is played by electric instruments, the second by acoustic ones, and so on.

    Raises
    ------
    DataError
        When the folder holds no MIDI file, or the soundfont, fluidsynth or mido is missing.
    """
    for number, path in enumerate(midi_files(root, exclude)):
        check_player(soundfont)
        for take in range(takes):
            yield SourceTrack(
                track_id(root, path.with_suffix("")) + (f"-take{take}" if take else ""),
                "rendered",
                partial(_render_take, path, soundfont, (seed, number), take),
                (path,),
            )


def _render_take(path: Path, soundfont: Path, seed: tuple[int, ...], take: int) -> Stems:
    rng, pick = np.random.default_rng([*seed, take]), electric if take % 2 else acoustic
    return {"accompaniment": render(path, soundfont, rng, recast=take > 0, pick=pick)}


def midi_files(root: Path, exclude: Sequence[str]) -> list[Path]:
    """Return the MIDI files under a folder, in name order.

    Raises
    ------
    DataError
        If there are none.
    """
    files = [p for p in sorted(root.rglob("*")) if p.suffix.lower() in MIDI_SUFFIXES]
    files = [p for p in files if not any(p.relative_to(root).match(e) for e in exclude)]
    if not files:
        raise DataError(
            f"no MIDI file under {root}", expected=".mid files", remedy="check the path"
        )
    return files


def check_player(soundfont: Path) -> None:
    """Raise a DataError if fluidsynth or the soundfont is missing."""
    if not soundfont.is_file() or shutil.which("fluidsynth") is None:
        raise DataError(
            f"no {'fluidsynth' if soundfont.is_file() else soundfont}",
            expected="fluidsynth and a General MIDI soundfont",
            remedy="apt install fluidsynth fluid-soundfont-gm, or name a file with --soundfont",
        )


def electric(rng: np.random.Generator) -> int:
    """Return the program of some lead, wind, string or pad."""
    return int(rng.choice(SINGING if rng.random() < 0.6 else PADS))


def acoustic(rng: np.random.Generator) -> int:
    """Return the program of an instrument that folk bands play."""
    return int(rng.choice(ACOUSTIC))


def render(
    path: Path, soundfont: Path, rng: np.random.Generator, *, recast: bool, pick: Pick = electric
) -> Audio:
    """Return the first minutes of a MIDI file as sound, float32 of shape (2, samples) at 44.1 kHz.

    Parameters
    ----------
    recast
        Give every part another instrument.
    pick
        Returns one.

    Raises
    ------
    DataError
        If the file can't be read or gives no sound.
    """
    song = read_midi(path)
    cast_parts(song, rng, recast=recast, pick=pick)
    return play(song, soundfont, path)


def read_midi(path: Path) -> mido.MidiFile:
    """Read the first `SECONDS` of a MIDI file.

    Raises
    ------
    DataError
        If that isn't possible.
    """
    try:
        import mido

        song = mido.MidiFile(path, clip=True)
        cut(song, SECONDS)
    except Exception as error:  # of what a damaged file makes of mido
        raise DataError(
            f"{path} can't be read ({error!r})",
            expected="a MIDI file, and mido installed",
            remedy="leave it out with --exclude",
        ) from error
    return song


def cast_parts(
    song: mido.MidiFile, rng: np.random.Generator, *, recast: bool, pick: Pick = electric
) -> None:
    """Take human voices out, and if told so give every part another instrument, in place."""
    import mido

    cast = {c: pick(rng) for c in range(16)}
    for track in song.tracks:
        used = {m.channel for m in track if m.type == "note_on"} - {DRUM_CHANNEL}
        for message in track:
            if message.type == "program_change" and message.channel != DRUM_CHANNEL:
                if recast:
                    message.program = cast[message.channel]
                elif message.program in VOICES:
                    message.program = PADS[-1]
        if recast:  # parts that never say which instrument they want
            track[:0] = [
                mido.Message("program_change", channel=c, program=cast[c]) for c in sorted(used)
            ]


def play(song: mido.MidiFile, soundfont: Path, path: Path) -> Audio:
    """Return a song as sound, float32 of shape (2, samples) at 44.1 kHz; ``path`` is its name.

    Raises
    ------
    DataError
        If it gives no sound.
    """
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder) / "song.mid", Path(folder) / "song.wav"
        song.save(midi)
        command = [
            "fluidsynth",
            "-ni",
            "-q",
            "-F",
            str(wav),
            "-r",
            str(SAMPLE_RATE),
            "-g",
            "0.3",
            "-T",
            "wav",
            "-O",
            "s16",
            str(soundfont),
            str(midi),
        ]
        try:
            subprocess.run(command, capture_output=True, check=True, timeout=RENDER_TIMEOUT_S)
        except subprocess.SubprocessError as error:
            raise DataError(
                f"fluidsynth can't play {path} ({error})",
                expected="a MIDI file and a soundfont",
                remedy="leave it out with --exclude",
            ) from error
        return read_stereo_44k(wav)


def cut(song: mido.MidiFile, seconds: float) -> None:
    """Drop every event after ``seconds``, in place: what isn't heard needn't be rendered."""
    import mido

    ticks, left, tempo = 0, seconds, 500_000  # microseconds a beat until a file says otherwise
    for message in mido.merge_tracks(song.tracks):
        tick_s = tempo * 1e-6 / song.ticks_per_beat
        if message.time * tick_s > left:
            ticks += int(left / tick_s)
            break
        left, ticks = left - message.time * tick_s, ticks + message.time
        if message.type == "set_tempo":
            tempo = message.tempo
    for track in song.tracks:
        at = 0
        for index, message in enumerate(track):
            at += message.time
            if at > ticks:
                # Notes that are held here would sound for ever.
                hush = [
                    mido.Message("control_change", channel=c, control=ALL_SOUND_OFF, time=0)
                    for c in range(16)
                ]
                hush[0].time = message.time - (at - ticks)
                track[index:] = hush
                break
