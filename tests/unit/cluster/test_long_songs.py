"""A long song in parts, by workers that know nothing of each other: byte by byte one machine's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamsep.cluster.long_songs import LongSongs
from streamsep.cluster.orders import ModelBundle, Outcome, SeparationTask, SongOrder, Split
from streamsep.cluster.part_store import parts_folder, remove_left_parts, remove_parts
from streamsep.cluster.store import PARTS
from streamsep.cluster.worker import SongWorker
from streamsep.errors import AudioFileError
from streamsep.offline.made_from import MadeFrom
from streamsep.offline.separate import separate_file
from streamsep.offline.song_parts import Division
from testing.cluster import song_bytes
from tests.support import models
from tests.support.cases import one_fast

STEMS = ("vocals", "beat")
SONG_S, LONG_S, PART_S = 5.0, 4.0, 1.5


@pytest.fixture(scope="module")
def content():
    return song_bytes(SONG_S, seed=7)


@pytest.fixture(scope="module", params=one_fast(["in turn", "at once"]))
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    if request.param == "in turn":
        return models.remembering_mask(folder / "m.onnx")
    kernel = np.zeros((4, 4, 3), np.float32)
    kernel[range(4), range(4)] = 0.25, 0.5, 0.25
    return models.mdx(folder / "m.onnx", kernel=kernel)


@pytest.fixture(scope="module")
def alone(content, model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    (folder / "a.wav").write_bytes(content)
    stems = separate_file(folder / "a.wav", folder / "out", model=model)
    return {stem: path.read_bytes() for stem, path in stems.items()}


@pytest.fixture
def start(model, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def start():
        worker = SongWorker(
            SeparationTask(ModelBundle.of(model), "cpu", long_s=LONG_S, part_s=PART_S)
        )
        worker.load()
        return worker

    return start


@pytest.fixture(params=one_fast(["store", "here"]))
def order(request, bucket, content, tmp_path):
    """Of a song in a store, or on this machine."""
    if request.param == "store":
        top, song = f"{bucket.top}/out", bucket.put("in/a.wav", content)
    else:
        top, song = str(tmp_path / "out"), str(tmp_path / "a.wav")
        Path(song).write_bytes(content)
    targets = {stem: f"{top}/a.{stem}.wav" for stem in STEMS}
    parts = parts_folder(targets["vocals"], song)
    return SongOrder(song, targets, STEMS, MadeFrom(1, 2.0, "m", {}), parts=parts)


def read(bucket, target):
    return bucket.get(target) if "://" in target else Path(target).read_bytes()


def run(order, workers, songs, stop_after=1_000):
    """Have workers do in turn what is to be done next; return all outcomes."""
    waiting, outcomes = [order], []
    while waiting and len(outcomes) < stop_after:
        next_order = waiting.pop()  # the last first: parts needn't come in order
        outcome = workers[len(outcomes) % len(workers)].separate(next_order)
        outcomes.append((next_order, outcome))
        if outcome.is_share:
            waiting += songs.follow(next_order, outcome)
    return outcomes


def test_its_stems_are_those_of_one_machine(order, start, bucket, alone):
    workers = [start(), start()]
    outcomes = [outcome for _, outcome in run(order, workers, LongSongs())]
    assert [outcome.error for outcome in outcomes] == [None] * len(outcomes)
    first, *parts, last = outcomes
    assert len(parts) == first.split.count >= 3
    assert {s: read(bucket, target) for s, target in order.targets.items()} == alone
    # Each share counts once, and the song plays as long as it does.
    assert sum(part.sound_s for part in parts) == pytest.approx(SONG_S, abs=1 / 44_100)
    assert (first.sound_s, last.sound_s) == (0.0, 0.0)
    assert last.length_s == pytest.approx(SONG_S, abs=1 / 44_100)
    assert last.hash == first.hash != ""
    assert set(last.peaks) == set(STEMS)


def test_what_was_made_before_a_run_was_killed_is_not_made_again(order, start, bucket, alone):
    before = run(order, [start()], LongSongs(), stop_after=3)
    assert sum(outcome.sound_s > 0 for _, outcome in before) == 2
    outcomes = run(order, [start()], LongSongs())
    again = sum(outcome.sound_s > 0 for _, outcome in outcomes)
    assert again == outcomes[0][1].split.count - 2
    assert {s: read(bucket, target) for s, target in order.targets.items()} == alone


def test_a_song_that_is_not_long_is_done_as_one(order, start):
    worker = start()
    worker._task = replace(worker._task, long_s=SONG_S)
    (pair,) = run(order, [worker], LongSongs())
    assert pair[1].split is None
    assert pair[1].sound_s == pair[1].length_s == pytest.approx(SONG_S, abs=1 / 44_100)


def test_a_song_that_changes_meanwhile_is_an_error(order, start, bucket):
    first, second = start(), start()
    ((_, outcome),) = run(order, [first], LongSongs(), stop_after=1)
    (following, *_) = LongSongs().follow(order, outcome)
    changed = song_bytes(SONG_S, seed=8)
    if order.song.startswith("s3"):
        bucket.put("in/a.wav", changed)
    else:
        Path(order.song).write_bytes(changed)
    error = second.separate(following).error
    assert isinstance(error, AudioFileError)
    assert f"{order.song} was changed" in str(error)


def test_a_part_that_is_lost_is_an_error_and_no_shorter_song(order, start, bucket):
    outcomes = run(order, [start()], LongSongs())
    join = outcomes[-1][0]
    assert join.joins
    name = f"{order.parts}/{join.split.part_name(1)}"
    if order.song.startswith("s3"):
        bucket.fs.rm_file(name)
    else:
        Path(name).unlink()
    assert start().separate(join).error is not None


def test_parts_are_removed_when_nobody_needs_them(order, start, bucket, tmp_path):
    def left():
        return [n for n in bucket.names("out") if PARTS in n] + [*tmp_path.rglob("*.f32")]

    join = run(order, [start()], LongSongs())[-1][0]
    assert len(left()) >= join.split.count
    there = [f"s3://songs/{name}" for name in bucket.names("out")]
    remove_left_parts([], there)  # of a song that is still to do
    assert len(left()) >= join.split.count
    remove_left_parts([order.parts], there)
    assert left() == []
    remove_parts(order.parts)  # there is nothing any more


def test_parts_follow_in_turn_or_at_once_and_the_join_last():
    order = SongOrder("a.wav", {}, STEMS, deaths=1)
    for in_turn in (True, False):
        songs = LongSongs()
        split = Split("key", "hash", Division(3, 10), in_turn)
        todo = songs.follow(order, Outcome(split=split, is_share=True))
        assert [(o.number, o.deaths) for o in todo] == [(n, 0) for n in range(1 if in_turn else 3)]
        done = []
        while todo:
            done.append(todo.pop(0))
            assert not done[-1].joins or len(done) == 4
            if not done[-1].joins:
                # One that had ended a worker: the next isn't to blame for that.
                todo += songs.follow(replace(done[-1], deaths=1), Outcome(is_share=True))
        assert [o.number for o in done] == [0, 1, 2, 3]
        assert [o.deaths for o in done] == [0, 0, 0, 0]
        songs.note_death(order)
        assert songs.end(order) == 2
        assert not songs.knows(order)


def test_parts_of_a_song_that_has_ended_workers_before_are_suspects_too():
    split = Split("key", "hash", Division(2, 10), in_turn=False)
    order = SongOrder("a.wav", {}, STEMS, deaths=2)
    todo = LongSongs().follow(order, Outcome(split=split, is_share=True))
    assert [o.deaths for o in todo] == [2, 2]
