"""A stand-in for the player at the remote's seam: what it was told, and no sound."""

import math
from types import SimpleNamespace

from streamsep.errors import ArgumentError, AudioFileError
from streamsep.scoring import ScoreSnapshot


class SilentPlayer:
    """Has the names of `LivePlayer` that a remote uses; a song ends when `end` is called."""

    has_microphone = from_file = True

    def __init__(self):
        self.done = []
        self.playing = self.score = self.stems = None
        self.paused = False
        self.position_s = 0.0
        self.unreadable = set()
        self.refuses_stems = False
        self.session = SimpleNamespace(
            faders={"guide": -math.inf, "beat": 0.0, "mic": 0.0, "master": 0.0},
            key=0,
            bypass=False,
            seconds=0.0,
        )

    @property
    def idle(self):
        return self.playing is None

    @property
    def song(self):
        return self.playing

    @property
    def duration_s(self):
        return None if self.playing is None else 60.0

    def play(self, path, stems=None):
        if path.name in self.unreadable:
            raise AudioFileError(f"{path} is no sound", expected="sound", remedy="another")
        self._check(stems)
        self.playing, self.stems = path, stems

    def use_stems(self, stems):
        self._check(stems)
        self.stems = stems

    def _check(self, stems):
        if stems and self.refuses_stems:
            raise ArgumentError("stems of another model", expected="its own", remedy="none")

    def end(self):
        self.playing = None

    def seek(self, seconds):
        if self.playing is None:
            raise ArgumentError("no song plays", expected="one that plays", remedy="start one")
        self.done.append(("seek", seconds))
        if seconds >= self.duration_s:
            self.end()

    def restart_score(self):
        snapshot, self.score = self.score, self.score and ScoreSnapshot((), (), ())
        return snapshot

    def set_gain(self, fader, db):
        if fader not in self.session.faders:
            raise ValueError(f"no fader {fader}")
        self.session.faders[fader] = db

    def set_key(self, semitones):
        self.session.key = semitones

    def set_bypass(self, on):
        self.session.bypass = on

    def __getattr__(self, name):
        if name in ("pause", "resume", "restart", "next", "previous", "loop"):
            return lambda *values, **named: self.done.append((name, *values, *named.values()))
        raise AttributeError(name)


class NoStems:
    """Stands for songs that were separated before: those that a test puts there."""

    working = None

    def __init__(self):
        self.ready = {}
        self.wanted = []

    def want(self, songs):
        self.wanted = songs

    def find(self, song):
        return self.ready.get(song.name)
