"""Paths and URIs, a real object store, and what of it passes by itself."""

import pickle
import random
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from streamsep.cluster import retries
from streamsep.cluster.catalogue import find_catalogue
from streamsep.cluster.retries import with_retries
from streamsep.cluster.store import PARTS, as_path, fetch_song, is_uri, names_under, put
from streamsep.errors import AudioFileError, ModelError, OutputError
from testing.cluster import song_bytes


@pytest.mark.parametrize("uri", ["s3://bucket/a b/c.d.wav", "https://host:80/x.mp3", "gs://b/k"])
def test_a_uri_stays_itself_as_a_path(uri):
    path = as_path(uri)
    assert (str(path), str(as_path(Path(uri))), str(pickle.loads(pickle.dumps(path)))) == (uri,) * 3
    assert str(path.with_suffix(".flac")).startswith(uri.partition("/")[0] + "//")
    assert is_uri(uri)


def test_a_file_uri_is_of_this_machine():
    assert as_path("file:///a/b.wav") == Path("/a/b.wav")
    assert not is_uri("file:///a/b.wav")
    assert str(as_path("c:/a")) == "c:/a"


@pytest.mark.slow
def test_a_folder_of_a_store_is_searched_as_one_of_this_machine(bucket):
    for name in ("in/b.wav", "in/a/x.mp3", "in/.trash/y.wav", "in/note.txt", "in/odd.xyz"):
        bucket.put(name, b"x")
    bucket.put("in//empty.wav", b"x")
    found = find_catalogue([f"{bucket.top}/in", f"{bucket.top}/in/b.wav"]).found
    assert [str(song.path) for song in found.files] == [
        "s3://songs/in/a/x.mp3",
        "s3://songs/in/b.wav",
    ]
    assert [str(song.folder) for song in found.files] == ["a", "."]
    lines = " ".join(found.left_out_lines)
    assert ".trash/y.wav" in lines
    assert "odd.xyz" in lines
    assert "empty.wav" in lines
    assert "note.txt" not in lines


def test_a_glob_of_a_store_gives_its_files(bucket):
    for name in ("a.wav", "b.wav", "c.mp3"):
        bucket.put(name, b"x")
    found = find_catalogue([f"{bucket.top}/*.wav"]).found
    assert [song.name for song in found.files] == ["a", "b"]


def test_what_is_not_there_or_holds_no_sound_is_said(bucket):
    bucket.put("empty/note.txt", b"x")
    for name in ("nothing.wav", "empty"):
        with pytest.raises(AudioFileError) as raised:
            find_catalogue([f"{bucket.top}/{name}"])
        assert f"songs/{name}" in str(raised.value)


def test_the_time_and_size_of_a_song_tell_whether_it_changed(bucket):
    uri = bucket.put("a.wav", b"x")

    def facts():
        catalogue = find_catalogue([uri])
        return catalogue.facts(catalogue.found.files[0].path, "model", {})

    before = facts()
    assert facts().is_same(before)
    bucket.put("a.wav", b"xy")
    assert not facts().is_same(before)


def test_a_song_comes_whole_and_goes_whole(bucket, tmp_path):
    content = song_bytes()
    uri = bucket.put("a.wav", content)
    assert fetch_song(uri, tmp_path).read_bytes() == content
    put(tmp_path / "a.wav", f"{bucket.top}/out/b.wav")
    assert bucket.get(f"{bucket.top}/out/b.wav") == content
    assert names_under(f"{bucket.top}/out") == {f"{bucket.top}/out/b.wav"}


def test_where_writing_is_not_whole_a_temporary_name_comes_first(tmp_path, monkeypatch):
    """By fsspec's own file system of this machine, under a name that makes it a store."""
    local = fsspec.filesystem("file")
    seen = []
    real = type(local).put_file

    def put_file(self, file, path, **others):
        seen.append(path)
        return real(self, file, path, **others)

    monkeypatch.setattr(type(local), "put_file", put_file)
    fs = fsspec.filesystem("dir", path=str(tmp_path / "store"), fs=local)
    monkeypatch.setattr("streamsep.cluster.store.file_system", lambda uri: (fs, "a/x.wav"))
    (tmp_path / "x.wav").write_bytes(b"new")
    for _ in range(2):  # the second time there is one already
        put(tmp_path / "x.wav", "dir://a/x.wav")
    assert (tmp_path / "store/a/x.wav").read_bytes() == b"new"
    assert len(seen) == 2
    assert all(PARTS in path for path in seen)
    assert not list((tmp_path / "store/a" / PARTS).iterdir())


def test_a_song_comes_from_a_web_server(tmp_path):
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "a b.wav").write_bytes(b"content")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "web")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        uri = f"http://127.0.0.1:{server.server_port}/a%20b.wav"
        try:
            found = find_catalogue([uri])
            (song,) = found.found.files
            assert str(song.path) == uri
            assert found.facts(song.path, "model", {}).size == len(b"content")
            assert fetch_song(uri, tmp_path).read_bytes() == b"content"
            with pytest.raises(AudioFileError):
                find_catalogue([f"http://127.0.0.1:{server.server_port}/none.wav"])
        finally:
            server.shutdown()


@pytest.mark.slow
def test_a_store_that_comes_back_is_waited_for(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.2)
    uri = bucket.put("a.wav", b"content")
    bucket.server.stop()
    began = threading.Timer(1.0, bucket.start)
    began.start()
    try:
        assert fetch_song(uri, tmp_path).read_bytes() == b"content"
    finally:
        began.join()


def test_a_store_without_the_bucket_is_said_at_once(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda s: pytest.fail("it waited"))
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(OutputError) as raised:
        put(tmp_path / "a", "s3://nowhere/a")
    assert "s3://nowhere/a" in str(raised.value)
    with pytest.raises(AudioFileError):
        fetch_song(f"{bucket.top}/none.wav", tmp_path)


def test_waits_double_are_random_and_end():
    waits, calls = [], []

    def fail():
        calls.append(1)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        with_retries(fail, sleep=waits.append, share=lambda: 1.0)
    assert len(calls) == retries.TRIES
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0]
    waits.clear()
    source = random.Random(0)
    with pytest.raises(ConnectionResetError):
        with_retries(fail, sleep=waits.append, share=source.random)
    assert len(set(waits)) == len(waits)


@pytest.mark.parametrize("kind", [FileNotFoundError, PermissionError, ValueError])
def test_what_lasts_is_not_tried_again(kind):
    calls = []

    def fail():
        calls.append(1)
        raise kind

    with pytest.raises(kind):
        with_retries(fail, sleep=lambda s: pytest.fail("it waited"))
    assert len(calls) == 1


def test_a_full_disk_is_not_tried_again():
    with pytest.raises(OSError, match="full"):
        with_retries(lambda: (_ for _ in ()).throw(OSError(28, "full")), sleep=pytest.fail)


def test_an_error_of_another_process_comes_back_whole():
    error = ModelError("what", expected="that", remedy="do", settings=("model",))
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), back.settings) == (ModelError, str(error), ("model",))
