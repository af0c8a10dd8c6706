"""A live run of files on a clock that keeps no time, so that what comes out is known exactly."""

import threading
import time
from functools import partial

import numpy as np

from streamsep.audio.endpoint import DuplexPump
from streamsep.audio.files.song_source import Place, SongSource
from streamsep.events import EventLog
from streamsep.live.config import LiveConfig
from streamsep.live.model_loader import ModelLoader
from streamsep.live.prepared_stems import PreparedStems
from streamsep.live.song_files import song_opener, songs_of
from streamsep.live.song_list import SongList
from streamsep.live.song_mover import SongMover
from streamsep.live.transport import Transport
from streamsep.realtime import Session

RATE = 44_100
PATIENCE_S = 20.0


class Stage:
    """Plays songs through a session, block by block; every sample of it is kept.

    Parameters
    ----------
    model, songs
        Files.
    frames
        Samples of a block.
    """

    latency = 0  # as a sink

    def __init__(self, model, *songs, frames=512, slack=777, **options):
        self.config = LiveConfig(
            input=tuple(songs), model=model, device="cpu", block=frames, slack=slack
        )
        self.loader = ModelLoader(
            self.config,
            [model],
            prepared=lambda separator: PreparedStems(separator, lambda: self.source),
        )
        loaded = self.loader.load(model, None)
        self.separator = loaded.separator
        self.spec, self.frames = loaded.separator.spec, frames
        self.events = EventLog()
        self.session = Session(
            loaded.separator,
            device_frames=frames,
            slack=loaded.slack,
            events=self.events,
            **options,
        )
        self.source = SongSource(RATE, self.spec.channels)
        self.notices, self.stop = [], threading.Event()
        open_song = song_opener(
            self.spec, self.config.sound_choice, self.notices.append, self.stop.is_set
        )
        songs = SongList(songs_of(self.config, self.events), open_song, self.events)
        first = songs.open_first()
        stays = not self.config.inputs
        self.mover = SongMover(
            self.session,
            self.source,
            songs,
            first,
            open_song,
            stays=stays,
            events=self.events,
        )
        stems = loaded.separator.stems
        self.transport = Transport(
            self.mover, self.session, self.source, songs, stems=stems, stays=stays
        )
        self.stays = stays
        self.ended = []
        self.mover.on_song_end = self.ended.append
        # Before each block: the song and the sample that it begins with, where no jump is made.
        self.places = []
        self._blocks, self._plan, self._due = [], [], 0

    def at(self, samples, do):
        """Have something done once so many samples have come out; until then all before is."""
        self._plan.append((samples, do))
        return self

    def until(self, done):
        """Have the clock go on until this is so, then for the next thing as from there."""
        self._plan.append((done, None))
        return self

    def run(self, render, stop):
        """As a sink: one block after the other, each once the model is done with the last one."""
        out = np.zeros((self.frames, self.spec.channels), np.float32)
        since, deadline = 0, time.monotonic() + PATIENCE_S
        while not stop.is_set():
            while self._plan:
                when, do = self._plan[0]
                if do is None and not when():
                    break
                if do is not None and len(self._blocks) * self.frames - since < when:
                    break
                self._plan.pop(0)
                if do is None:
                    since = len(self._blocks) * self.frames
                else:
                    do()
            jumping = self.mover._wanted or self.mover._doing
            self.places.append(Place(None, 0) if jumping else self.transport.place())
            self.source.wait_for(self.frames, stop)  # no clock is as fast as this one
            render(out, 0)
            self._blocks.append(out.T.copy())
            if self.session.held:
                time.sleep(0.0005)  # lets the other thread in
            else:
                self.session.wait_idle()
            while self._opening() and time.monotonic() < deadline:
                time.sleep(0.0005)
            assert self.mover.fault is None
            assert time.monotonic() < deadline, f"it plays on and on; {self._plan} is left"

    def _opening(self):
        """Say whether a file is being opened, for which a clock would leave time."""
        mover = self.mover
        song = self.source.reading.song
        if mover._wanted or mover.reloop or (song is not None and song.asks):
            return True
        if mover._doing:
            return not self.session._processor.hold  # else it takes blocks
        follows = not self.stays or mover.loop is not None
        return follows and self.source.more and self.source.waiting

    def close(self):
        """As a sink."""

    def play(self):
        """Play to the end of all; return (C, N)."""
        pump = DuplexPump(self.source, self, device_frames=self.frames, channels=2)
        with self.session:
            try:
                pump.run(
                    self.session.process_block,
                    self.stop,
                    read_ahead=partial(self.mover.begin, self.stop),
                    held=lambda: self.session.held,
                )
            finally:
                self.stop.set()
                self.mover.close()
            self.session.check()
            if self.mover.fault is not None:
                raise self.mover.fault
        assert not self._plan
        return np.concatenate(self._blocks, axis=-1)


def ending(out, count):
    """Return the last samples of what isn't silent."""
    end = np.flatnonzero(out.any(axis=0))[-1] + 1
    return out[:, end - count : end]


def settled(stage):
    """Say whether every jump that was asked for has been made."""
    return lambda: stage.mover._wanted is None and stage.mover._doing is None
