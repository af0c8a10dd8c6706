"""What a worker makes of a song: the same bytes as one machine, or a reason."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamsep.cluster.orders import ModelBundle, SeparationTask, SongOrder
from streamsep.cluster.worker import SongWorker
from streamsep.errors import AudioFileError, BackendError, ModelError, OutputError
from streamsep.offline.made_from import MadeFrom, StemRecords
from streamsep.offline.separate import separate_file
from testing.cluster import song_bytes
from tests.support.commands import limit_files

STEMS = ("vocals", "beat")


@pytest.fixture
def worker(half, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    worker = SongWorker(SeparationTask(ModelBundle.of(half)))
    worker.load()
    return worker


def order(song, top, **changes):
    targets = {stem: f"{top}/a.{stem}.wav" for stem in STEMS}
    return SongOrder(str(song), targets, STEMS, **changes)


def test_stems_in_a_store_are_those_of_one_machine(worker, bucket, tmp_path, half):
    content = song_bytes()
    song = tmp_path / "a.wav"
    song.write_bytes(content)
    alone = separate_file(song, tmp_path / "alone", model=half)
    outcome = worker.separate(order(bucket.put("in/a.wav", content), f"{bucket.top}/out"))
    assert outcome.error is None
    assert outcome.hash == hashlib.sha256(content).hexdigest()
    assert outcome.sound_s == pytest.approx(1.0, abs=1 / 44_100)
    assert bucket.names("out") == ["out/a.beat.wav", "out/a.vocals.wav"]
    for stem in STEMS:
        assert bucket.get(f"{bucket.top}/out/a.{stem}.wav") == alone[stem].read_bytes()


def test_nothing_stays_with_the_worker(worker, bucket, tmp_path):
    worker.separate(order(bucket.put("a.wav", song_bytes()), f"{bucket.top}/out"))
    worker.separate(order(bucket.put("b.wav", b"no sound"), f"{bucket.top}/out"))
    left = [path.name for path in (tmp_path / "tmp").rglob("*") if os.path.isfile(path)]
    assert left == ["half.onnx"]


def test_stems_in_a_local_folder_are_known_to_one_machine(worker, tmp_path):
    song = tmp_path / "a.wav"
    song.write_bytes(song_bytes())
    facts = MadeFrom(1, 2.0, "half", {})
    assert worker.separate(order(song, tmp_path / "out", facts=facts)).error is None
    records = StemRecords()
    assert all(records.of(tmp_path / "out" / f"a.{stem}.wav") == facts for stem in STEMS)


@pytest.mark.parametrize("where", ["store", "here"])
def test_a_bad_song_is_an_outcome_that_names_it(worker, bucket, tmp_path, where):
    if where == "store":
        bad = bucket.put("bad.wav", b"no sound at all")
    else:
        bad = str(tmp_path / "bad.wav")
        Path(bad).write_bytes(b"no sound at all")
    outcome = worker.separate(order(bad, f"{bucket.top}/out"))
    assert isinstance(outcome.error, AudioFileError)
    assert bad in str(outcome.error)
    assert str(tmp_path / "tmp") not in str(outcome.error)
    assert bucket.names("out") == []
    good = worker.separate(order(bucket.put("a.wav", song_bytes()), f"{bucket.top}/out"))
    assert good.error is None


def test_what_is_lost_of_a_song_is_said_of_its_uri(worker, bucket):
    content = song_bytes()
    uri = bucket.put("cut.wav", content[: len(content) // 2])
    outcome = worker.separate(order(uri, f"{bucket.top}/out"))
    assert outcome.error is None
    assert [notice.lost for notice in outcome.notices]
    assert {str(notice.path) for notice in outcome.notices} == {uri}


def test_a_place_that_can_not_be_written_is_an_outcome(worker, bucket):
    uri = bucket.put("a.wav", song_bytes())
    outcome = worker.separate(order(uri, "s3://nowhere/out"))
    assert isinstance(outcome.error, OutputError)
    assert "s3://nowhere/out/a." in str(outcome.error)


def test_another_version_of_streamsep_is_refused(half):
    with pytest.raises(BackendError, match=r"0\.0\.1"):
        SongWorker(SeparationTask(ModelBundle.of(half), version="0.0.1")).load()


def test_a_model_that_can_not_be_loaded_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bundle = ModelBundle("bad.onnx", (("bad.onnx", b"no model"),))
    with pytest.raises(ModelError):
        SongWorker(SeparationTask(bundle)).load()


def test_folders_of_killed_workers_are_removed(half, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = (
        "import os, sys; from streamsep.cluster.orders import *\n"
        "from streamsep.cluster.worker import SongWorker\n"
        "w = SongWorker(SeparationTask(ModelBundle.of(Path(sys.argv[1])))); w.load()\n"
        "os.kill(os.getpid(), 9)"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", code, str(half)], env=environment)
    assert killed.returncode == -9
    (top,) = tmp_path.glob("streamsep-workers-*")
    (left,) = top.iterdir()
    worker = SongWorker(SeparationTask(ModelBundle.of(half)))
    worker.load()
    assert not left.exists()
    assert len(list(top.iterdir())) == 1


@pytest.mark.slow
def test_a_disk_that_gets_full_is_an_outcome(half, tmp_path):
    song = tmp_path / "a.wav"
    song.write_bytes(song_bytes())
    code = (
        "import sys; from streamsep.cluster.orders import *\n"
        "from streamsep.cluster.worker import SongWorker\n"
        "w = SongWorker(SeparationTask(ModelBundle.of(Path(sys.argv[1])))); w.load()\n"
        "order = SongOrder(sys.argv[2], {'vocals': sys.argv[3]}, ('vocals',))\n"
        "print(type(w.separate(order).error).__name__)"
    )
    target = tmp_path / "out" / "a.vocals.wav"
    done = subprocess.run(
        [sys.executable, "-c", code, str(half), str(song), str(target)],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        preexec_fn=limit_files(100_000),
        capture_output=True,
        text=True,
    )
    assert done.stdout == "OutputError\n", done.stderr
    assert [*target.parent.iterdir()] == []
