"""What reads files that others wrote, each as a function of a path: what `tools/fuzz.py` tries.

The path is in a folder where readers may write. A reader may raise a `StreamsepError`, which is an
answer, and nothing else. What must hold of what it returns it asserts.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from streamsep.lyrics import Lyrics

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

    _check_lyrics(load_lyrics(path))


def _check_lyrics(lyrics: Lyrics) -> None:
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
    from streamsep.audio.files.mp4_boxes import index_end
    from streamsep.audio.files.ogg_pages import read_pages

    assert math.isfinite(held_s(path))
    promised = promised_s(path)
    assert promised is None or 0.0 <= promised < math.inf
    index_end(path.read_bytes())
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

    if (kept := read_tags(path, lambda line: None)) is None:
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


def read_playlist(path: Path) -> None:
    """As M3U and as PLS; nothing but ordinary files is taken, and no playlist."""
    from streamsep.audio.files import playlist
    from streamsep.errors import AudioFileError

    for name in ("a.wav", "b ü.flac", "inner.m3u"):
        path.with_name(name).touch()
    for suffix in playlist.SUFFIXES:
        copy = path.with_suffix(suffix)
        shutil.copyfile(path, copy)
        try:
            files = playlist.read_playlist(copy, _one_line)
        except AudioFileError as error:
            _one_line(str(error))
            continue
        assert files
        assert all(file.is_file() and not playlist.is_playlist(file) for file in files)


def _one_line(line: str) -> None:
    assert line.isprintable(), repr(line)


def read_mdx_table(path: Path) -> None:
    """The parameters of a model whose table somebody gave, up to the spec made of them."""
    from streamsep.models.contracts.mdx import mdx_spec, read_parameters

    model = path.with_name("model.onnx")
    model.write_bytes(b"a model")  # whose MD5 is in the corpus
    known = read_parameters(path, model)
    shape: list[object] = ["batch", 4, known.dim_f, known.dim_t]
    spec = mdx_spec("mdx", shape, known, output=shape, origin="", licence="")
    assert min(spec.features_shape[1:]) > 0


def read_manifest(path: Path) -> None:
    _manifest(path, ".csv")


def read_parquet_manifest(path: Path) -> None:
    _manifest(path, ".parquet")


def _manifest(path: Path, suffix: str) -> None:
    """What was read is written, and is the same when it is read again."""
    from streamsep.cluster.manifest import Manifest

    copy = path.with_suffix(suffix)
    shutil.copyfile(path, copy)
    manifest = Manifest(str(copy))
    for row in manifest.rows.values():
        row.is_of(row.made_from)
        assert math.isfinite(row.seconds + row.sound_s + row.time_s)
    manifest.save()
    assert Manifest(str(copy)).rows == manifest.rows


def read_queue(path: Path) -> None:
    """The queue that a party keeps: what is read of it can be sung, and is told as JSON."""
    from streamsep.remote.protocol import encode
    from streamsep.remote.singers_queue import Entry, SingersQueue

    kept = path.with_name("queue.json")
    shutil.copyfile(path, kept)
    queue = SingersQueue(kept, _one_line)
    added = queue.add(Entry(0, 1, "title", "artist", "Ann", "ann"), limited=False)
    queue.move(added.id, 0)
    ids = [entry.id for entry in queue.waiting]
    assert len(ids) == len(set(ids))
    while (entry := queue.take()) is not None:
        assert encode(asdict(entry)).encode()
    assert not SingersQueue(kept).waiting


def read_tokens(path: Path) -> None:
    from streamsep.remote.access import load_tokens

    tokens = load_tokens(path)
    assert tokens.role(tokens.host) == "host"
    assert tokens.role("x") is None


def read_song_tags(path: Path) -> None:
    """Title, artist and lyrics of a sound file's tags."""
    from streamsep.audio.files.song_tags import read_song_tags as song_tags
    from streamsep.lyrics.embedded_lyrics import embedded_lyrics

    tags = song_tags(path)
    assert tags.title
    assert tags.seconds is None or math.isfinite(tags.seconds)
    if (found := embedded_lyrics(path, say=_one_line)) is not None:
        _check_lyrics(found[0])


def read_arrays(path: Path) -> None:
    """Weights in a pickle."""
    from streamsep.models.plain_arrays import read_plain_arrays

    with path.open("rb") as file:
        for array in read_plain_arrays(file).values():
            assert array.dtype == np.float32


def read_external_data(path: Path) -> None:
    """A model whose weights are in a file beside it."""
    from streamsep.models.external_data import as_one_file
    from streamsep.onnx_file import read_metadata

    path.with_name("weights.bin").write_bytes(bytes(64))
    with as_one_file(path) as whole:
        read_metadata(whole)


def read_midi(path: Path) -> None:
    """A tune to train with."""
    from export.data import midi, midi_songs

    midi_songs.find_tunes(midi.read_midi(path))


def send_messages(path: Path) -> None:
    from testing import fuzz_remote

    fuzz_remote.send_messages(path)


def connect(path: Path) -> None:
    from testing import fuzz_remote

    fuzz_remote.connect(path)


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
    "playlist": read_playlist,
    "mdx-table": read_mdx_table,
    "manifest": read_manifest,
    "parquet": read_parquet_manifest,
    "queue": read_queue,
    "tokens": read_tokens,
    "song-tags": read_song_tags,
    "arrays": read_arrays,
    "weights": read_external_data,
    "midi": read_midi,
    "control": send_messages,
    "connection": connect,
}


def corpus(target: str) -> list[Path]:
    """Return the files that are kept to begin with, and that were once too much for a reader."""
    return sorted((CORPUS / target).iterdir())
