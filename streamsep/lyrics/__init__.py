"""Lyrics with times: LRC and UltraStar files, and which line is sung at a moment."""

from streamsep.lyrics.find_lyrics import FoundLyrics, find_lyrics
from streamsep.lyrics.lyrics_file import load_lyrics, parse_lyrics
from streamsep.lyrics.timeline import Line, Lyrics, LyricsMoment

__all__ = [
    "FoundLyrics",
    "Line",
    "Lyrics",
    "LyricsMoment",
    "find_lyrics",
    "load_lyrics",
    "parse_lyrics",
]
