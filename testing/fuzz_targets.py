"""What reads files that others wrote, each as a function of a path: what `tools/fuzz.py` tries.

The path is in a folder where readers may write. A reader may raise a `StreamsepError`, which is an
answer, and nothing else. What must hold of what it returns it asserts.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np

Reader = Callable[[Path], object]

LONGEST_S = 60.0  # of sound that is looked at: what compresses well may be very long
CORPUS = Path(__file__).parents[1] / "tests" / "fuzz" / "corpus"
SUBTITLES = ("mov_text", "ass", "subrip")


def read_model_file(path: Path) -> None:
    """All that is read of a model without onnxruntime."""
    from streamsep.models.integrity import is_intact, kept_self_test, model_files

    is_intact(path)
    kept_self_test(path)
    model_files(path)


def read_model_spec(path: Path) -> None:
    """The spec by itself, so that mutations reach its fields and not the protobuf around them."""
    from streamsep.spec import METADATA_KEY, ModelSpec

    text = path.read_bytes().decode("utf-8", "replace")
    spec = ModelSpec.from_metadata({METADATA_KEY: text})
    assert ModelSpec.from_metadata(spec.to_metadata()) == spec
    assert min(spec.features_shape) > 0
    assert min(spec.estimate_shape) > 0


def run_model(path: Path) -> None:
    """A model up to its first run; what comes out of an engine is finite."""
    from streamsep.separation import load_separator

    separator = load_separator(path, device="cpu", stride_blocks=1, prior_stride=0)
    noise = np.random.default_rng(0).uniform(-1, 1, (separator.spec.channels, separator.block_size))
    out = np.zeros((len(separator.stems), *noise.shape), np.float32)
    separator.process(noise.astype(np.float32), out)
    assert np.isfinite(out).all()


def read_lyrics(path: Path) -> None:
    from streamsep.lyrics import load_lyrics

    lyrics = load_lyrics(path)
    assert all(math.isfinite(line.start_s) for line in lyrics.lines)
    assert all(first.start_s <= then.start_s for first, then in pairwise(lyrics.lines))
    for position_s in (-1.0, 0.0, lyrics.lines[0].start_s, 1e9):
        moment = lyrics.at(position_s)
        assert 0 <= moment.sung <= len(moment.current)


def read_profile(path: Path) -> None:
    from streamsep.cli import profiles
    from streamsep.cli.live import command

    profiles.read_profile(path, None, command)
    profiles.read_profile(path, "party", command)


def read_records(path: Path) -> None:
    from streamsep.offline.made_from import RECORDS, StemRecords

    shutil.copyfile(path, path.with_name(RECORDS))
    for name in ("a.wav", "b.wav"):
        path.with_name(name).touch()
        if (record := StemRecords().of(path.with_name(name))) is not None:
            assert math.isfinite(record.time_s)
            record.is_same(record)


def read_subtitles(path: Path) -> None:
    from streamsep.audio.files.subtitle_text import payload_of, text_of

    payload = path.read_bytes()
    for codec in SUBTITLES:
        for other in ("mov_text", "subrip", "webvtt"):
            payload_of(text_of(payload, codec), other)


def read_frames(path: Path) -> None:
    """Lengths as MP3 and Ogg say them, without decoding."""
    from streamsep.audio.files.mp3_header import held_s, promised_s
    from streamsep.audio.files.ogg_pages import read_pages
    from streamsep.audio.files.pipe_input import index_comes_last

    assert math.isfinite(held_s(path))
    promised = promised_s(path)
    assert promised is None or 0.0 <= promised < math.inf
    index_comes_last(path.read_bytes())
    if (pages := read_pages(path)) is not None:
        assert all(0 <= start < path.stat().st_size for start in pages.starts)


def read_sound(path: Path) -> None:
    from streamsep.audio.files.sound_file import AudioReader

    with AudioReader(path) as reader:
        left = LONGEST_S * reader.sample_rate
        with closing(_chunks(reader)) as chunks:
            for chunk in chunks:
                assert np.isfinite(chunk).all()
                left -= chunk.shape[-1]
                if left <= 0:
                    break


def _chunks(reader: object) -> Iterator[np.ndarray]:
    yield from reader.chunks()  # type: ignore[attr-defined]


def copy_tags(path: Path) -> None:
    """Tags and covers, as they go on to WAV and OGG."""
    from streamsep.audio.files.sound_writer import AudioWriter
    from streamsep.audio.files.tags import SUFFIXES, read_tags, write_tags

    if (kept := read_tags(path)) is None:
        return
    for suffix in SUFFIXES:
        target = path.with_name(f"tagged{suffix}")
        with AudioWriter(target, 44_100, 1) as writer:
            writer.write(np.zeros((1, 64), np.float32))
        write_tags(target, kept)


def copy_video(path: Path) -> None:
    """All that isn't sound, as it goes on to another video."""
    from streamsep.audio.files.container import MediaWriter

    target = path.with_name("copied.mkv")
    with MediaWriter(target, 44_100, ("FC",), source=path) as writer:
        writer.write(np.zeros((1, 4_096), np.float32))


# A line each, and a folder of this name in tests/fuzz/corpus with what to begin with.
TARGETS: dict[str, Reader] = {
    "model-file": read_model_file,
    "model-spec": read_model_spec,
    "model-run": run_model,
    "lyrics": read_lyrics,
    "profile": read_profile,
    "records": read_records,
    "subtitles": read_subtitles,
    "frames": read_frames,
    "sound": read_sound,
    "tags": copy_tags,
    "video": copy_video,
}


def corpus(target: str) -> list[Path]:
    """Return the files that are kept to begin with, and that were once too much for a reader."""
    return sorted((CORPUS / target).iterdir())
