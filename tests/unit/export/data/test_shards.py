"""Shards: dealt so that each can be mixed, read by one reader each, streamed from a store."""

from __future__ import annotations

import json
import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from export.cli import main
from export.data import songs as songs_module
from export.data.audio import Folder
from export.data.manifest import Track, read_manifest, write_manifest
from export.data.shards import Shard, deal, read_index, read_shard, write_shards
from export.data.songs import PreparedSongs, Readers, ShardedSongs, shard_at
from export.engine.checkpoint import read_content
from export.errors import DataError
from export.recipes.tutorial.excerpts import ExcerptSampler
from testing.cluster import Store, running_store
from tests.unit.export.conftest import tone

SONGS, SAMPLES = 6, 66_150
ALONE = Readers()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A prepared folder of six songs and a solo voice to train on, and two songs held out."""
    folder, tracks = tmp_path / "data", []
    for number in range(SONGS + 3):
        kind = "voice" if number == SONGS else "song"
        split = "valid" if number > SONGS else "train"
        names = ("vocals",) if kind == "voice" else ("vocals", "drums", "accompaniment", "mixture")
        (folder / str(number)).mkdir(parents=True)
        for place, name in enumerate(names):
            wave = tone(200 + 40 * number + 10 * place, SAMPLES / 44_100)
            sf.write(folder / str(number) / f"{name}.wav", wave, 44_100, subtype="PCM_16")
        files = {name: f"{number}/{name}.wav" for name in names}
        tracks.append(Track(f"{kind}.{number}", kind, split, SAMPLES, 0.0, files))
    write_manifest(folder, tracks)
    return folder


@pytest.fixture
def store() -> Iterator[Store]:
    with running_store() as there:
        yield there


@pytest.fixture
def short_temporary_folder() -> Iterator[str]:
    """One for sockets, whose paths must be short; those of tests are long."""
    with tempfile.TemporaryDirectory() as folder:
        yield folder


def write(data: Path, url: str, shards: int = 3) -> list[Shard]:
    size = sum(file.stat().st_size for n in range(SONGS + 1) for file in (data / str(n)).iterdir())
    return list(write_shards(data, read_manifest(data), url, size // shards))


def sharded(url: str, readers: Readers = ALONE, cache: Path | None = None) -> ShardedSongs:
    train, valid = (
        [s for s in read_index(url) if s.tracks[0].split == split] for split in ("train", "valid")
    )
    return ShardedSongs(url, train, valid, readers, cache)


def make(folder: Folder, tracks: Any, *, seed: int) -> ExcerptSampler:
    return ExcerptSampler(folder, tracks, ("vocals",), seed)


def test_each_hand_gets_as_much_of_each_kind() -> None:
    kinds = ["song"] * 7 + ["voice"] * 5 + ["accompaniment"] * 3
    tracks = [Track(str(i), k, "train", 1, 0.0, {"vocals": ""}) for i, k in enumerate(kinds)]
    hands = deal(tracks, 3, seed=1)
    assert sorted(t.id for hand in hands for t in hand) == sorted(t.id for t in tracks)
    for kind, least, most in (("song", 2, 3), ("voice", 1, 2), ("accompaniment", 1, 1)):
        counts = [sum(t.kind == kind for t in hand) for hand in hands]
        assert min(counts) >= least
        assert max(counts) <= most
    assert [t.id for t in deal(tracks, 3, seed=2)[0]] != [t.id for t in hands[0]]


def test_in_an_epoch_a_shard_is_one_readers() -> None:
    for epoch in range(4):
        had = [
            shard_at(reader, 2 * epoch + turn, readers=3, shards=7, seed=5)
            for reader in range(3)
            for turn in range(2)
        ]
        assert len(set(had)) == 6
    orders = {
        tuple(shard_at(0, 2 * e + t, readers=3, shards=7, seed=5) for t in (0, 1)) for e in range(9)
    }
    assert len(orders) > 4
    assert {shard for order in orders for shard in order} == set(range(7))  # none waits for ever


def test_steps_are_one_readers_by_turns_whoever_begins() -> None:
    readers = Readers(rank=1, ranks=2, workers=3)
    assert [readers.at(step) for step in range(2, 7)] == [(5, 0), (3, 1), (4, 1), (5, 1), (3, 2)]
    assert readers.count == 6


def test_shards_hold_what_the_prepared_folder_does(data: Path, tmp_path: Path) -> None:
    url = str(tmp_path / "shards")
    shards = write(data, url)
    assert read_index(url) == shards
    assert [s.name for s in shards] == [f"train-00000{i}.tar" for i in range(3)] + [
        "valid-000000.tar"
    ]
    before = {track.id: track for track in read_manifest(data)}
    seen = []
    for shard in shards:
        held = read_shard(url, shard)
        for track in shard.tracks:
            seen.append(track.id)
            assert replace(track, files=before[track.id].files) == before[track.id]
            for name, member in track.files.items():
                assert held[member] == (data / before[track.id].files[name]).read_bytes()
    assert sorted(seen) == sorted(before)


def test_a_track_is_a_sample_of_webdatasets(data: Path, tmp_path: Path) -> None:
    from webdataset.tariterators import group_by_keys, tar_file_expander

    shards = write(data, str(tmp_path / "shards"))
    found: dict[str, set[str]] = {}
    for shard in shards[:3]:
        with (tmp_path / "shards" / shard.name).open("rb") as stream:
            samples = list(group_by_keys(tar_file_expander([{"url": "", "stream": stream}])))
        found |= {json.loads(sample["json"])["id"]: set(sample) for sample in samples}
    kept = {"__key__", "__url__", "json", "vocals.wav"}
    assert found.pop("voice.6") == kept
    assert len(found) == SONGS
    for names in found.values():
        assert names == kept | {"drums.wav", "accompaniment.wav", "mixture.wav"}


@pytest.mark.parametrize("split", ["train", "valid"])
def test_what_is_drawn_of_all_shards_is_drawn_as_from_the_folder(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str
) -> None:
    url = str(tmp_path / "shards")
    write(data, url)
    monkeypatch.setattr(songs_module, "BLOCK", 10_007)  # neither headers nor parts end with one
    tracks = [track for track in read_manifest(data) if track.split == split]
    streamed = sharded(url)
    shards = streamed.valid if split == "valid" else streamed.train
    # In the order in which the shards have them.
    ids = [track.id for shard in shards for track in shard.tracks]
    tracks.sort(key=lambda track: ids.index(track.id))
    apart, together = (
        songs.held_out(make, 3) if split == "valid" else songs.whole(make, 3)
        for songs in (PreparedSongs(data, tracks, tracks), streamed)
    )
    for step in range(4):
        for one, other in zip(apart.sample(0, step, 1), together.sample(0, step, 1), strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.any()


def test_a_draw_depends_on_its_step_alone(data: Path, tmp_path: Path) -> None:
    """A run that goes on draws what it would have drawn, with whichever shard is whose turn."""
    url = str(tmp_path / "shards")
    write(data, url)
    samplers = [sharded(url, Readers(rank, 2)).to_train(make, 3, SAMPLES, 1) for rank in (0, 1)]
    samplers.append(pickle.loads(pickle.dumps(samplers[0])))  # as another process has it
    # Two songs and a third of one a shard: two steps or three from each.
    through = [samplers[0].sample(step, 0, 2)[0] for step in range(8)]
    np.testing.assert_array_equal(samplers[2].sample(6, 0, 2)[0], through[6])
    np.testing.assert_array_equal(samplers[2].sample(1, 0, 2)[0], through[1])
    other = samplers[1].sample(0, 1, 2)[0]
    assert not any(np.array_equal(other, mixture) for mixture in through[:2])


def test_what_can_t_be_trained_is_said(data: Path, tmp_path: Path) -> None:
    url = str(tmp_path / "shards")
    with pytest.raises(DataError, match=r"shards\.json can't be read"):
        read_index(url)
    shards = write(data, url)
    with pytest.raises(DataError, match="holds shards already"):
        write(data, url)
    with pytest.raises(DataError, match="3 shards to train on for 4 readers"):
        sharded(url, Readers(workers=2, ranks=2)).to_train(make, 0, SAMPLES, 1)
    many = sharded(url)
    many.train[1].tracks[:] = [t for t in many.train[1].tracks if t.kind == "voice"]
    with pytest.raises(DataError, match=r"train-000001\.tar: no track to train vocals on"):
        many.to_train(make, 0, SAMPLES, 1)
    tar = tmp_path / "shards" / shards[0].name
    content = tar.read_bytes()
    for damage in (content[: len(content) // 2], content[:-20_000], b"nothing"):
        tar.write_bytes(damage)
        with pytest.raises(DataError, match=r"train-000000\.tar") as caught:
            read_shard(url, shards[0])
        assert "\n" not in str(caught.value)
    index = tmp_path / "shards" / "shards.json"
    index.write_text(index.read_text().replace("train-000000.tar", "../train-000000.tar"))
    with pytest.raises(DataError, match="damaged"):
        read_index(url)


@pytest.mark.slow
def test_training_streams_from_a_store_and_writes_nothing_of_it(
    data: Path,
    tmp_path: Path,
    store: Store,
    short_temporary_folder: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, out, cache = f"{store.top}/shards", tmp_path / "run", tmp_path / "cache"
    for name, variable in (("home", "HOME"), ("here", "PWD")):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / name))
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("TMPDIR", short_temporary_folder)
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("fonts")))  # of the curve
    monkeypatch.setattr("tempfile.tempdir", None)
    main(["shard", "--data", str(data), "--out", url, "--shard-mb", "2.5"])
    assert "3 shards to train on, 1 held out" in capsys.readouterr().out
    for file in data.rglob("*.wav"):
        file.unlink()
    steps = ["--width", "0.01", "--batch", "2", "--valid-excerpts", "2", "--valid-every", "2"]
    train = ["train", "--data", url, *steps, "--threads", "1", "--device", "cpu", "--out"]
    main([*train, str(out), "--steps", "4"])
    folders = (tmp_path, Path(short_temporary_folder))
    names = {path.name for folder in folders for path in folder.rglob("*") if path.is_file()}
    assert names == {"best.pt", "last.pt", "curve.png", "manifest.json"}
    # In two parts, with a cache, the second one in a process: of the same shards, the same losses.
    again = [*train, str(tmp_path / "again"), "--cache", str(cache)]
    main([*again, "--steps", "2"])
    assert len(list(cache.iterdir())) >= 1
    main([*again, "--steps", "4", "--resume", "--workers", "1"])
    histories = [read_content(f / "last.pt")["history"] for f in (out, tmp_path / "again")]
    for one, other in zip(*histories, strict=True):
        # The same arithmetic on the same draws, on one thread.
        assert one["train_loss"] == other["train_loss"]
        assert one["valid_loss"] == other["valid_loss"]
