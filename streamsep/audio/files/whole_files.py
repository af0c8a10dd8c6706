"""Files that are there whole or not at all, with all that isn't sound from the file they are of."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from streamsep.audio.files import tags
from streamsep.audio.files.container import ENCODERS, MediaWriter
from streamsep.audio.files.encoding import STEM_FILE, Encoding, sound_suffix
from streamsep.audio.files.media import installed
from streamsep.audio.files.output_folder import make_folder
from streamsep.audio.files.part_files import PartFile, one_at_a_time
from streamsep.audio.files.sound_file import AudioReader
from streamsep.audio.files.sound_writer import FORMATS, AudioWriter
from streamsep.audio.files.stem_file import StemFileWriter
from streamsep.audio.files.tags import Kept
from streamsep.errors import OutputError

# Ogg has an order of its own, and no names for channels.
STEREO_ALONE = (".mp3", ".ogg", STEM_FILE)
Writer = AudioWriter | MediaWriter | StemFileWriter


@contextmanager
def written_whole(
    targets: dict[str, Path], reader: AudioReader, encoding: Encoding
) -> Iterator[list[Writer]]:
    """Writers under temporary names; the final ones appear only when all is written.

    Parameters
    ----------
    targets
        File for each stem; its folder is made if missing. A stem file is that of all of them, and
        gets one writer, a `StemFileWriter`.
    reader
        Of the file that the stems are of.
    encoding
        Of all files.

    Raises
    ------
    OutputError
        If a file can't be written. Nothing is left then.
    """
    parts: list[PartFile] = []
    try:
        # Read while the stems are made: that takes a while, and they take the time anyway.
        with ThreadPoolExecutor() as beside, ExitStack() as stack:
            for target in dict.fromkeys(targets.values()):
                _check_channels(target, reader)
                make_folder(target.parent)
                _check_name(target)
                parts.append(PartFile(target))
            tagged = [part.path for part in parts if part.path.suffix.lower() in tags.SUFFIXES]
            found = beside.submit(_kept, reader) if tagged else None
            writers: list[Writer] = []
            for part in parts:
                writer: Writer
                if sound_suffix(part.target) == STEM_FILE:
                    writer = _open_stem_file(part.path, tuple(targets), reader, encoding)
                else:
                    writer = _open_writer(part.path, reader, encoding)
                stack.push(writer)
                writers.append(writer)
            yield writers
            stack.pop_all()
            # Together, since each waits for the disk.
            for closed in [beside.submit(writer.close) for writer in writers]:
                closed.result()
        kept = found.result() if found else None
        if kept is not None:
            for path in tagged:
                tags.write_tags(path, kept)
        with one_at_a_time(target.parent for target in targets.values()):
            for part in parts:
                part.take_place()
    except OutputError as error:
        what = error.what
        for part in parts:
            what = what.replace(str(part.path), str(part.target))  # the name that was asked for
        raise OutputError(what, expected=error.expected, remedy=error.remedy) from error
    finally:
        for part in parts:
            part.discard()


def _check_channels(target: Path, reader: AudioReader) -> None:
    """Refuse more channels than a format holds, or holds in a way that tells what they are."""
    suffix = sound_suffix(target)
    if reader.channels > 2 and suffix in STEREO_ALONE:
        raise OutputError(
            f"{suffix} files hold two channels here, and {reader.path} has {reader.channels}",
            expected="another format, such as wav or flac, to keep them",
            remedy="choose one, or have them mixed to stereo",
        )


def _check_name(target: Path) -> None:
    """Refuse a name that no file can have, before the work."""
    try:
        target.lstat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{target} can't be written ({getattr(error, 'strerror', None) or error})",
            expected="a name that a file can have",
            remedy="choose another place or name",
        ) from error


def _kept(reader: AudioReader) -> Kept | None:
    if reader.is_pipe:
        texts = {key.lower(): text for key, text in reader.tags.items() if text}
        return Kept(texts, [], []) if texts else None
    return tags.read_tags(reader.path, reader.notices.say_once)


def _open_stem_file(
    part: Path, stems: tuple[str, ...], reader: AudioReader, encoding: Encoding
) -> StemFileWriter:
    return StemFileWriter(
        part,
        stems,
        reader.sample_rate,
        encoding=encoding,
        source=None if reader.is_pipe else reader.path,
        tags=reader.tags,
        notices=reader.notices,
    )


def _open_writer(part: Path, reader: AudioReader, encoding: Encoding) -> AudioWriter | MediaWriter:
    """Choose who writes: PyAV where it can carry a cover or a picture along."""
    suffix, rate = part.suffix.lower(), reader.sample_rate
    if suffix in ENCODERS and (suffix not in FORMATS or installed()):
        return MediaWriter(
            part,
            rate,
            reader.speakers,
            source=None if reader.is_pipe else reader.path,
            tags=reader.tags,
            say=reader.notices.say_once,
            start_s=reader.start_s,
            bits=encoding.depth_for(suffix),
            encoder=encoding.codec_for(suffix),
        )
    return AudioWriter(
        part,
        rate,
        reader.channels,
        speakers=reader.speakers,
        bits=encoding.bits,
        tags=reader.tags,
    )
