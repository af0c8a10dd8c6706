"""The stems of a song, separated before, read side by side from a place in it on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from streamsep.audio.files.file_source import FileSource
from streamsep.types import Float32

# What can be passed over at once is less than a file is decoded ahead.
MOST_PASSED_S = 0.5 * FileSource.AHEAD_S


class StemFiles:
    """Reads files of stems together, sample by sample as in the song.

    Parameters
    ----------
    files
        File of each stem.
    open_file
        Opens one so that it begins at a sample of the song, or a little before.
    begin_at
        That sample.
    sample_rate, channels
        Of what `read` gives.

    Attributes
    ----------
    files
        As given.
    at
        The sample of the song that is read next.

    Raises
    ------
    AudioFileError
        If one of them can't be read.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        open_file: Callable[[Path, int], FileSource],
        begin_at: int,
        *,
        sample_rate: int,
        channels: int,
    ) -> None:
        self.files, self.at = files, begin_at
        self._claims: list[object] = []
        self._most = int(MOST_PASSED_S * sample_rate)
        self._scratch = np.zeros((self._most, channels), np.float32)
        self._closing = threading.Event()
        self._sources: dict[str, FileSource] = {}
        try:
            for name, path in files.items():
                source = self._sources[name] = open_file(path, begin_at)
                source.start()
                self._pass(source, begin_at - source.begins_at)
        except BaseException:
            self.close()
            raise

    @property
    def names(self) -> tuple[str, ...]:
        """The stems."""
        return tuple(self._sources)

    def claim(self, who: object) -> bool:
        """Say whether somebody may read these: the first one who asks for it, and nobody else."""
        if not self._claims:
            self._claims.append(who)  # the first of two at the same moment, too
        return self._claims[0] is who

    def reaches(self, sample: int) -> bool:
        """Say whether that sample is next, or soon after what is."""
        return 0 <= sample - self.at <= self._most

    def pass_to(self, sample: int) -> None:
        """Leave out what is before a sample."""
        for source in self._sources.values():
            self._pass(source, sample - self.at)
        self.at = max(sample, self.at)

    def read(self, name: str, out: Float32) -> None:
        """Fill (C, n) of one stem from `at` on, with silence after its end; waits for the disk.

        `step` goes on when all have been read.
        """
        source, count = self._sources[name], out.shape[-1]
        source.wait_for(count, self._closing)
        source.read(out.T)

    def step(self, count: int) -> None:
        """Go on by so many samples."""
        self.at += count

    def _pass(self, source: FileSource, count: int) -> None:
        while count > 0:
            part = min(count, self._most)
            source.wait_for(part, self._closing)
            if not source.take(self._scratch[:part]) or self._closing.is_set():
                return
            count -= part

    def close(self) -> None:
        """Close the files."""
        self._closing.set()
        for source in self._sources.values():
            source.close()
