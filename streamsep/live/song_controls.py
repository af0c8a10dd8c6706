"""What a program does with the songs of a live run: the part of a player for files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path

from streamsep.audio.files.song_source import Song
from streamsep.errors import ArgumentError
from streamsep.live.build import LiveParts
from streamsep.live.transport import Transport


class SongControls(ABC):
    """Moves within songs and between them, where the input of a run is files.

    Every method returns at once, and the sound follows: without a click, a counted dropout or a
    change of latency, and recordings go on.

    Attributes
    ----------
    on_song_end
        Called, on a thread of ours, with each song that was heard to its end; not where another one
        was played in its place before.
    """

    def __init__(self) -> None:
        self.on_song_end: Callable[[Path], object] = lambda song: None

    @property
    @abstractmethod
    def _parts(self) -> LiveParts:
        """Of the run, once it has started."""

    @property
    def _transport(self) -> Transport:
        transport = self._parts.transport
        if transport is None:
            raise ArgumentError(
                "what an input device hears can't be stopped or moved in",
                expected="a sound file as input",
                remedy="choose one",
                settings=("input",),
            )
        return transport

    def pause(self) -> None:
        """Have the song stand still; the microphone is heard all the same.

        Raises
        ------
        ArgumentError
            If the input is a device, here as in all that follows.
        """
        self._transport.pause()

    def resume(self) -> None:
        """Have the song go on from where it stands, to the sample."""
        self._transport.resume()

    @property
    def paused(self) -> bool:
        """Whether the song stands still."""
        return self._transport.paused

    def seek(self, seconds: float) -> None:
        """Go to a place in the song; one outside of it is its beginning or its end.

        Raises
        ------
        ArgumentError
            If nothing plays, the song comes through a pipe, or ``seconds`` is no number.
        """
        self._transport.seek(seconds)

    def restart(self) -> None:
        """Play the song from its beginning.

        Raises
        ------
        ArgumentError
            As for `seek`.
        """
        self._transport.seek(0.0)
        self._transport.resume()

    def next(self) -> None:
        """Play the next of several songs.

        Raises
        ------
        ArgumentError
            If there is none.
        """
        self._transport.step(1)

    def previous(self) -> None:
        """Play the song before, or this one anew where more than three seconds were heard.

        Raises
        ------
        ArgumentError
            As for `seek`.
        """
        self._transport.step(-1)

    def loop(self, start_s: float | None, end_s: float | None = None) -> None:
        """Repeat a part of the song without a gap; None ends that.

        Parameters
        ----------
        start_s, end_s
            In seconds, half a second apart at least.  [default: the song's end]

        Raises
        ------
        ArgumentError
            As for `seek`, or if that is no part of it.
        """
        self._transport.loop(start_s, end_s)

    @property
    def looping(self) -> bool:
        """Whether a part is repeated."""
        return self._transport.looping

    def play(self, path: Path | str, stems: Mapping[str, Path] | None = None) -> None:
        """Change over to a song now, whatever plays.

        With several inputs it goes on with those that follow the present one.

        Parameters
        ----------
        path
            Its file.
        stems
            Files of its stems, separated before; see `use_stems`.  [default: separated live]

        Raises
        ------
        AudioFileError
            If it can't be read; all goes on as it was then.
        """
        self._transport.play(Song(Path(path), dict(stems or {})))

    def use_stems(self, stems: Mapping[str, Path]) -> None:
        """Take the song's stems from files from now on, without a seam, in place of the model.

        Parameters
        ----------
        stems
            By name: all of the model's, or all but one, which is what these leave of the song. They
            are as long as the song, as `separate` writes them.

        Raises
        ------
        ArgumentError
            If nothing plays.
        """
        self._transport.use_stems(stems)

    @property
    def idle(self) -> bool:
        """Whether no song plays and none is about to: there is silence."""
        return self._transport.idle

    @property
    def song(self) -> Path | None:
        """The file that is heard, None when idle."""
        song = self._transport.place().song
        return None if song is None else song.path

    @property
    def position_s(self) -> float:
        """Where in the song the output is, in seconds; 0 when idle."""
        now = self._transport.now()
        return 0.0 if now is None else now.position_s

    @property
    def duration_s(self) -> float | None:
        """How long the song is, in seconds; None where nothing tells, or when idle."""
        now = self._transport.now()
        return None if now is None else now.duration_s

    @property
    def several_songs(self) -> bool:
        """Whether there is another song to go to."""
        return self._transport.several
