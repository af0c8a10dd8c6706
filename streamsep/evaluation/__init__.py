"""How well a model separates songs whose stems are known, beside what else one could do."""

from streamsep.evaluation.methods import METHODS, separate_song
from streamsep.evaluation.scores import Score, score_song
from streamsep.evaluation.songs import Song, find_songs, read_song

__all__ = ["METHODS", "Score", "Song", "find_songs", "read_song", "score_song", "separate_song"]
