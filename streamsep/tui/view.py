"""The screen, as a pure function of what is to be seen on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from streamsep.events import Event
from streamsep.lyrics import LyricsMoment
from streamsep.realtime.latency import LatencyReport
from streamsep.realtime.stats import SessionStats
from streamsep.scoring import ScoreSnapshot

METER_FLOOR_DB = -60.0
FADER_FLOOR_DB, FADER_CEILING_DB = -40.0, 6.0
SPECTRUM_FLOOR_DB = -70.0
SPECTRUM_ROWS, MIN_SPECTRUM_ROWS = 16, 2  # at most; with fewer it says nothing
WIDE = 72  # columns from which faders stand two in a row
EIGHTHS = " ▁▂▃▄▅▆▇█"
# Where a terminal can't show blocks.
ASCII = str.maketrans("█▓▒░│▁▂▃▄▅▆▇▸●←→↑↓…♪", "#%+-|__..ooO>*<>^v.~")


@dataclass(frozen=True, slots=True)
class Shown:
    """All that a screen shows, at one moment.

    Attributes
    ----------
    held_db
        Peaks that meters hold, by name: in, out, mic.
    spectrum_db
        Level of each band of what is taken out.
    microphone
        Whether there is one.
    recorded_s
        Length of the recording, or None without one.
    score
        Of who sings along, where that is asked for.
    fader
        The one that keys move.
    keys
        Keys and what they do.
    news
        Events since the last look, oldest first.
    """

    stats: SessionStats
    held_db: Mapping[str, float] = field(default_factory=dict)
    spectrum_db: Sequence[float] = ()
    microphone: bool = False
    recorded_s: float | None = None
    lyrics: LyricsMoment | None = None
    lyrics_offset_s: float = 0.0
    message: str = ""
    score: ScoreSnapshot | None = None
    fader: str = ""
    keys: Sequence[tuple[str, str]] = ()
    news: Sequence[Event] = ()


def screen(shown: Shown, width: int, height: int) -> Text:
    """Return at most ``height`` lines of at most ``width`` columns.

    Where there is too little room the blank lines go first, then the spectrum, the keys and so
    on: meters, lyrics and messages are left to the last.
    """
    sections = {
        "title": [_title(shown, width)],
        "meters": _meters(shown, width),
        "spectrum": [],
        "timing": _flow([*_timing(shown.stats), *_scores(shown)], width),
        "faders": _faders(shown, width),
        "lyrics": _lyrics(shown, width),
        "message": [_fit(line, width, "bold") for line in wrap(shown.message, width)],
        "keys": _flow([f"{key} {what}" for key, what in shown.keys], width),
    }
    used = sum(map(len, sections.values()))
    blanks = sum(map(bool, sections.values())) - (0 if shown.spectrum_db else 1)
    spaced = height - used - blanks >= (MIN_SPECTRUM_ROWS + 1 if shown.spectrum_db else 0)
    rows = min(height - used - blanks * spaced - 1, SPECTRUM_ROWS)
    if shown.spectrum_db and rows >= MIN_SPECTRUM_ROWS:
        sections["spectrum"] = [*_bars(shown.spectrum_db, width, rows), _axis(shown, width)]
    for name in ("keys", "faders", "timing", "title"):
        if sum(map(len, sections.values())) > height:
            sections[name] = []
    lines: list[Text] = []
    for section in filter(None, sections.values()):
        lines += [Text()] * (spaced and bool(lines)) + section
    return Text("\n").join(lines[:height])


def _fit(text: str, width: int, style: str = "") -> Text:
    """Return the text in exactly ``width`` columns."""
    return Text(set_cell_size(text, width).rstrip(), style)


def _title(shown: Shown, width: int) -> Text:
    stats = shown.stats
    key = f"  key {stats.key:+}" if stats.key else ""
    left = f"{stats.model} on {stats.provider}{key}" + ("  BYPASS" if stats.bypass else "")
    recording = "" if shown.recorded_s is None else f"● {clock(shown.recorded_s)}  "
    right = f"{recording}{place(stats)}"
    room = max(width - cell_len(right) - 1, 0)
    return _fit(f"{set_cell_size(left, room)} {right}", width, "bold")


def levels(shown: Shown) -> dict[str, float]:
    """Return the level of each meter in dBFS."""
    stats = shown.stats
    found = {"in": stats.level_in_db, "out": stats.level_out_db}
    if shown.microphone:
        found |= stats.levels_mics_db or {"mic": stats.level_mic_db}
    return found


def _meters(shown: Shown, width: int) -> list[Text]:
    found = levels(shown)
    named = max(5, max(map(len, found)) + 1)
    cells = max(width - named - len(" -60.0 dB"), 4)
    return [
        _fit(f"{name:<{named}}{meter(level, cells, shown.held_db.get(name, level))}", width)
        for name, level in found.items()
    ]


def meter(level_db: float, cells: int, held_db: float = -math.inf) -> str:
    """Return a bar with a mark at the held peak, and a figure, for levels in dBFS."""
    filled, mark = (
        min(round(_share(level, METER_FLOOR_DB, 0.0) * cells), cells)
        for level in (level_db, held_db)
    )
    bar = "█" * filled + "░" * (cells - filled)
    if mark > filled:
        bar = f"{bar[: mark - 1]}│{bar[mark:]}"
    return f"{bar}{decibels(level_db)}"


def _share(level_db: float, low_db: float, high_db: float) -> float:
    return (max(level_db, low_db) - low_db) / (high_db - low_db)


def decibels(level_db: float) -> str:
    """Return nine columns."""
    return f"{'-inf' if math.isinf(level_db) else f'{level_db:.1f}':>6} dB"


def _bars(levels_db: Sequence[float], width: int, rows: int) -> list[Text]:
    """Draw each band as a bar of eighths of a line."""
    columns = max(width // len(levels_db), 1)
    bar = columns - (columns > 1)
    eighths = [round(_share(level, SPECTRUM_FLOOR_DB, 0.0) * 8 * rows) for level in levels_db]
    lines = []
    for row in reversed(range(rows)):
        cells = [EIGHTHS[min(max(height - 8 * row, 0), 8)] * bar for height in eighths]
        lines.append(_fit("".join(f"{cell:<{columns}}" for cell in cells), width))
    return lines


def _axis(shown: Shown, width: int) -> Text:
    """Return what stands below the spectrum."""
    columns = max(width // len(shown.spectrum_db), 1) * len(shown.spectrum_db)
    return _fit(f"80 Hz{'taken out':^{max(columns - 11, 0)}}16 kHz", width, "dim")


def _timing(stats: SessionStats) -> list[str]:
    latency = stats.latency
    measured = "…"
    if stats.measured_latency is not None:
        measured = f"{latency.ms(latency.heard(stats.measured_latency)):.0f}"
    voice = [] if stats.mic_latency is None else [f"mic {latency.ms(stats.mic_latency):.0f} ms"]
    drift = [] if stats.drift_ppm is None else [f"drift {stats.drift_ppm:+.0f} ppm"]
    return [
        f"latency {latency.ms(latency.total):.0f} ms (measured {measured})",
        *voice,
        f"hop {_hop_times(stats)}",
        f"dropouts {_lost(stats)}",
        *([f"bad samples {stats.bad_samples}"] if stats.bad_samples else []),
        *drift,
    ]


def _hop_times(stats: SessionStats) -> str:
    """Return median and 99th percentile of the budget; before the first hop, nothing much."""
    if math.isnan(stats.hop_p50_ms):
        return "…"
    return f"p50 {stats.hop_p50_ms:.1f}, p99 {stats.hop_p99_ms:.1f} of {stats.hop_budget_ms:.0f} ms"


def _lost(stats: SessionStats) -> str:
    """Return how many blocks weren't what they should have been, whoever is to blame.

    The microphone's are told apart: one that is unplugged loses all, and the song none.
    """
    mic = f", mic {stats.mic_glitches}" if stats.mic_glitches else ""
    return f"{stats.dropouts + stats.device_glitches}{mic}"


def _faders(shown: Shown, width: int) -> list[Text]:
    names = [name for name in shown.stats.faders if name != "mic" or shown.microphone]
    across = 2 if width >= WIDE else 1
    # Marker, name, bar, figure.
    cells = max(width // across - len("▸ master ") - len("  100 % ") - 3, 4)
    drawn = [
        f"{'▸' if name == shown.fader else ' '} {name:<7}"
        f"{fader(name, shown.stats.faders[name], cells)}"
        for name in names
    ]
    rows = [drawn[start : start + across] for start in range(0, len(drawn), across)]
    return [_fit("  ".join(row), width) for row in rows]


def fader(name: str, gain_db: float, cells: int) -> str:
    """Return a fader: the guide in percent, the others in decibels."""
    if name == "guide":
        percent = 100.0 * 10.0 ** (gain_db / 20.0)
        share, figure = percent / 100.0, f"{percent:6.0f} % "
    else:
        share = _share(gain_db, FADER_FLOOR_DB, FADER_CEILING_DB)
        figure = decibels(gain_db)
    filled = min(round(share * cells), cells)
    return f"{'█' * filled}{'░' * (cells - filled)}{figure:>9}"


def _lyrics(shown: Shown, width: int) -> list[Text]:
    lyrics = shown.lyrics
    if lyrics is None:
        return []
    current = _fit(f"♪ {lyrics.current}", width)
    current.stylize("bold")
    current.stylize("underline", 2, 2 + lyrics.sung)
    wait = "" if lyrics.wait_s is None else f" in {lyrics.wait_s:.0f} s"
    offset = f"  shift {shown.lyrics_offset_s:+.1f} s" if round(shown.lyrics_offset_s, 1) else ""
    after = set_cell_size(f"  {lyrics.next}", max(width - len(wait + offset), 0)) + wait + offset
    return [current, _fit(after, width, "dim")]


def _flow(items: Sequence[str], width: int) -> list[Text]:
    """Set items side by side, three columns apart, over as many lines as they need."""
    lines: list[str] = []
    for item in items:
        if lines and cell_len(lines[-1]) + 3 + cell_len(item) <= width:
            lines[-1] += f"   {item}"
        else:
            lines.append(item)
    return [_fit(line, width) for line in lines]


def place(stats: SessionStats) -> str:
    """Return where in the song a run is, or for how long it has run."""
    if stats.song is None:
        return clock(stats.seconds)
    paused = "paused  " if stats.song.paused else ""
    length = "" if stats.song.duration_s is None else f" / {clock(stats.song.duration_s)}"
    return f"{paused}{clock(stats.song.position_s)}{length}"


def clock(seconds: float) -> str:
    """Return m:ss, or h:mm:ss from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def ascii_only(text: str) -> str:
    """Return a screen or line for where blocks can't be shown: as long, and readable."""
    return text.translate(ASCII).encode("ascii", "replace").decode()


def plain_line(shown: Shown) -> str:
    """Return one line for a log."""
    sound = (f"{name} {decibels(level)}" for name, level in levels(shown).items())
    return "  ".join([clock(shown.stats.seconds), *sound, *_figures(shown)])


def event_line(event: Event) -> str:
    """Return what happened, as a line for a log."""
    gap = f"gap of {event.gap_s:.1f} s: " if event.gap_s else ""
    return f"{clock(event.seconds)}  {gap}{event.text}"


def last_line(shown: Shown) -> str:
    """Return what is worth keeping of a screen that is left."""
    return "  ".join([clock(shown.stats.seconds), *_figures(shown)])


def _figures(shown: Shown) -> list[str]:
    recorded = [] if shown.recorded_s is None else [f"recorded {clock(shown.recorded_s)}"]
    return [*_timing(shown.stats), shown.stats.provider, *recorded, *_scores(shown)]


def _scores(shown: Shown) -> list[str]:
    """Return what each singer has of 100, and of the line under way."""
    if shown.score is None:
        return []
    return [
        f"score {singer.name} {_points(singer.percent)} (line {_points(singer.line_percent)})"
        for singer in shown.score.singers
    ]


def _points(percent: float | None) -> str:
    return "…" if percent is None else f"{percent:.0f}"


def record(shown: Shown, *, final: bool) -> dict[str, Any]:
    """Return one moment as an object for programs; docs/usage.md documents its fields.

    Levels in dB are None for silence, and times are None before they were measured.
    """
    stats, latency = shown.stats, shown.stats.latency
    measured = stats.measured_latency
    if measured is not None:
        measured = latency.heard(measured)
    values = {
        "time_s": stats.seconds,
        "song": stats.song and str(stats.song.path),
        "position_s": stats.song and stats.song.position_s,
        "duration_s": stats.song and stats.song.duration_s,
        "paused": bool(stats.song and stats.song.paused),
        "level_in_db": stats.level_in_db,
        "level_out_db": stats.level_out_db,
        "level_mic_db": stats.level_mic_db,
        "spectrum_db": list(shown.spectrum_db),
        "latency_ms": latency.ms(latency.total),
        "measured_latency_ms": None if measured is None else latency.ms(measured),
        "mic_latency_ms": None if stats.mic_latency is None else latency.ms(stats.mic_latency),
        "av_offset_ms": -latency.ms(latency.total),
        "hop_p50_ms": stats.hop_p50_ms,
        "hop_p99_ms": stats.hop_p99_ms,
        "hop_budget_ms": stats.hop_budget_ms,
        "dropouts": stats.dropouts,
        "device_glitches": stats.device_glitches,
        "mic_glitches": stats.mic_glitches,
        "bad_samples": stats.bad_samples,
        "drift_ppm": stats.drift_ppm,
        "provider": stats.provider,
        "model": stats.model,
        "faders_db": dict(stats.faders),
        "bypass": stats.bypass,
        "key": stats.key,
        "recorded_s": shown.recorded_s,
        "lyric": shown.lyrics and shown.lyrics.current,
        "next_lyric": shown.lyrics and shown.lyrics.next,
        "scores": shown.score and {each.name: each.percent for each in shown.score.singers},
        "events": [
            {"time_s": event.seconds, "text": event.text, "gap_s": event.gap_s}
            for event in shown.news
        ],
        "final": final,
    }
    return {name: _finite(value) for name, value in values.items()}


def _finite(value: Any) -> Any:
    """Return a value that JSON has: two decimals are enough, and infinity isn't one of them."""
    if isinstance(value, float):
        return round(value, 2) if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return value


def video_settings(latency: LatencyReport) -> str:
    """Return what keeps a video in step whose sound comes out so much later.

    All three take a negative number for "play the sound earlier": mpv's and VLC's options delay
    the audio by it, OBS adds it to the audio's time stamps.
    """
    delay_ms = latency.ms(latency.total)
    return (
        f"video: mpv --audio-delay=-{delay_ms / 1_000.0:.3f}  vlc --audio-desync=-{delay_ms:.0f}  "
        f"OBS offset -{delay_ms:.0f} ms"
    )
