"""How well a model separates songs whose stems are known, beside what else one could do."""

from streamsep.evaluation.methods import DOERS, METHODS, separate_song
from streamsep.evaluation.scores import Score, score_alone, score_song
from streamsep.evaluation.songs import Song, find_songs, read_song

__all__ = [
    "DOERS",
    "METHODS",
    "Score",
    "Song",
    "find_songs",
    "read_song",
    "score_alone",
    "score_song",
    "separate_song",
]
