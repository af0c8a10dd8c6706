"""Time that an output loses in pieces: too short each for a standstill, too long together."""

from __future__ import annotations

import math


class LostTime:
    """Compares when an output's blocks are heard with how many there were.

    Of a program that gets too little time an output plays what it has, and silence in between
    that nobody asked for. Then what follows is late by that, and what came in meanwhile has no
    place. A clock's drift is no loss, nor is a larger buffer, which asks for more at once.

    Attributes
    ----------
    LOST_S
        Less isn't told: time stamps err, by some milliseconds, and for a moment by more.
    SETTLE_S
        Stamps of a stream that has just begun tell nothing yet.
    DRIFT
        What a clock may be slow by.
    """

    LOST_S, WINDOW_S, SETTLE_S, DRIFT = 1.0, 1.0, 3.0, 1e-3

    def __init__(self) -> None:
        self._position_s = 0.0
        self.begin()

    def begin(self) -> None:
        """Have another stream from now on."""
        self._believed_from_s = self._position_s + self.SETTLE_S
        self.restart()

    def restart(self) -> None:
        """Forget what was lost so far: it is made up for."""
        self._usual = self._lowest = math.inf
        self._window_end_s = max(self._position_s, self._believed_from_s) + self.WINDOW_S

    def played(self, length_s: float, due: float) -> float:
        """Note a block of this length, heard at ``due``; return what was lost, mostly nothing.

        Audio thread only.
        """
        behind = due - self._position_s
        self._position_s += length_s
        if self._position_s < self._believed_from_s:
            return 0.0
        self._lowest = min(self._lowest, behind)
        if self._position_s < self._window_end_s:
            return 0.0
        self._window_end_s = self._position_s + self.WINDOW_S
        lowest, self._lowest = self._lowest, math.inf
        lost_s = lowest - self._usual
        self._usual = min(lowest, self._usual + self.DRIFT * self.WINDOW_S)
        return lost_s if lost_s > self.LOST_S else 0.0
