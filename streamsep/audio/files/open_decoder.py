"""Which decoder reads a file: FFmpeg where it is installed, or libsndfile."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from streamsep.audio.files import media
from streamsep.audio.files.decoded import DecodeError, Decoder
from streamsep.audio.files.media_decoder import MediaDecoder
from streamsep.audio.files.mp4_boxes import BEGINNINGS, INDEX_NEAR, index_end
from streamsep.audio.files.ogg_pages import read_pages
from streamsep.audio.files.pipe_input import PipeInput
from streamsep.audio.files.sndfile_decoder import JoinedVorbis, SndfileDecoder
from streamsep.errors import AudioFileError, first_line

Maker = Callable[[], Decoder]


def open_decoder(
    path: Path, waiting: Callable[[], object] | None, track: str | None = None
) -> Decoder:
    """Open a file, or a pipe.

    Parameters
    ----------
    path
        The file's name.
    waiting
        For a pipe, what is called while nothing comes; None for a file.
    track
        Which of its tracks of sound; see `SoundChoice`.

    Raises
    ------
    AudioFileError
        If nothing can read it, or it has no such track.
    """
    pipe = None
    try:
        if waiting is not None:
            pipe = PipeInput(path, waiting)
            return _first(path, _decoders_of_pipe(path, pipe, track))
        if not os.path.isfile(path):
            raise AudioFileError(
                f"no sound file at {path}", expected="a file", remedy="check the path"
            )
        return _first(path, _decoders(path, track))
    except BaseException as error:
        if pipe is not None:
            pipe.close()
        if not isinstance(error, OSError | ValueError):
            raise
        # As for names that are too long or have a zero in them, and folders that can't be entered.
        why = error.strerror if isinstance(error, OSError) else None
        raise AudioFileError(
            f"{path} can't be opened ({why or first_line(error)})",
            expected="a file",
            remedy="check the path",
        ) from error


def _decoders(path: Path, track: str | None) -> list[Maker]:
    """Return what to try for a file, one after the other."""
    if track is not None:  # which FFmpeg alone knows of
        return [lambda: MediaDecoder(path, track=track)]
    ffmpeg: list[Maker] = [lambda: MediaDecoder(path)] if media.installed() else []
    pages = read_pages(path)
    if pages is not None and pages.whole and pages.plain_vorbis:
        return [lambda: JoinedVorbis(path, pages), *ffmpeg]
    return [*ffmpeg, lambda: SndfileDecoder(path)]


def _decoders_of_pipe(path: Path, pipe: PipeInput, track: str | None) -> list[Maker]:
    if not media.installed() and track is None:
        return [lambda: SndfileDecoder(path, pipe.as_file())]
    head = pipe.peek(32)
    later = head[4:8] in BEGINNINGS and index_end(pipe.peek(INDEX_NEAR)) is None
    if later or (head[:4] == b"caff" and head[28:] != b"lpcm"):  # which has its packets' sizes last
        return [lambda: MediaDecoder(path, pipe.as_file(), track)]
    return [lambda: MediaDecoder(path, pipe, track)]


def _first(path: Path, makers: list[Maker]) -> Decoder:
    """Return the first decoder that can read the file; the error tells what the first one says."""
    whys = []
    for make in makers:
        try:
            return make()
        except DecodeError as error:
            whys.append(first_line(error))
    expected, remedy = "WAV, FLAC, OGG or MP3", "convert it first, e.g. with ffmpeg"
    if not media.installed():
        remedy = f"pip install 'streamsep[media]' for other formats, or {remedy}"
    else:
        expected = "sound or video, complete, in a format that FFmpeg knows"
        remedy = "get the file again, or convert it to one"
    raise AudioFileError(
        f"{path} can't be read as sound ({whys[0]})", expected=expected, remedy=remedy
    )
