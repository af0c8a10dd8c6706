"""``separate --ray`` up to the cluster: what is refused, and what needs none."""

import sys

import pytest

from streamsep.cluster.manifest import Manifest
from streamsep.offline.song_states import DONE, TAKEN
from testing.cluster import song_bytes


@pytest.fixture
def song(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.wav").write_bytes(song_bytes())
    return tmp_path / "in" / "a.wav"


@pytest.mark.parametrize(
    "options",
    [
        ("--manifest", "all.csv"),
        ("--gpus-per-worker", "0.5"),
        ("--dry-run",),
        ("--prometheus", "x"),
        ("--ray",),  # without -o
        ("-o", "out", "--jobs", "2", "--ray"),
        ("-o", "out", "--ray", "a.wav"),  # a file for an address
        ("-o", "out", "--ray", "http://host/x"),
        ("-o", "out", "--ray", "ray://head:10001"),  # whose drivers are no part of the cluster
    ],
)
def test_options_that_do_not_go_together_are_refused(command, song, options):
    done = command("separate", song, *options)
    assert done.code == 2
    assert "--" in done.stderr


@pytest.mark.parametrize("address", ["local", "auto", "head:6379", "[::1]:1"])
def test_addresses_are_passed_on(command, tmp_path, half, address):
    (tmp_path / "empty").mkdir()
    done = command("separate", tmp_path / "empty", "-o", tmp_path, "--ray", address)
    assert done.code == 3, done.stderr  # it got as far as to look for songs


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_a_pipe_is_refused(command, tmp_path, half, name):
    done = command("separate", name, "-o", tmp_path / "out", "--model", half, "--ray")
    assert done.code == 3
    assert "pipe" in done.stderr


def test_without_the_extra_it_is_named(command, song, half, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = command("separate", song, "-o", song.parent / "out", "--model", half, "--ray")
    assert done.code == 7
    assert "streamsep[ray]" in done.stderr
    assert "(--ray)" in done.stderr


def test_what_one_machine_did_needs_no_cluster(command, song, half, tmp_path, monkeypatch):
    arguments = ("separate", song, "-o", tmp_path / "out", "--model", half)
    assert command(*arguments).code == 0
    monkeypatch.setitem(sys.modules, "ray", None)
    done = command(*arguments, "--manifest", tmp_path / "all.parquet", "--ray")
    assert done.code == 0, done.stderr
    assert "1 done before" in done.stderr
    (row,) = Manifest(str(tmp_path / "all.parquet")).rows.values()
    assert (row.song, row.state) == (str(song), DONE)


def test_files_of_others_are_left_alone_and_have_a_row(command, song, half, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.beat.wav").write_bytes(b"mine")
    done = command("separate", song, "-o", tmp_path / "out", "--model", half, "--ray")
    assert done.code == 0, done.stderr
    assert "names are those of other files" in done.stderr
    assert (tmp_path / "out" / "a.beat.wav").read_bytes() == b"mine"
    (row,) = Manifest(str(tmp_path / "out" / "streamsep-manifest.csv")).rows.values()
    assert row.state == TAKEN
    assert row.error


def test_a_dry_run_with_nothing_to_do_says_so(command, song, half, tmp_path):
    arguments = ("separate", song, "-o", tmp_path / "out", "--model", half)
    assert command(*arguments).code == 0
    told = command(*arguments, "--dry-run", "--ray")
    assert told.code == 0, told.stderr
    assert "nothing to do" in told.stdout


def test_stems_are_refused_names_of_others_before_any_work(command, song, half, tmp_path):
    (tmp_path / "in" / "b").mkdir()
    (tmp_path / "in" / "b" / "a.wav").write_bytes(song_bytes())
    output = str(tmp_path / "out" / "{name}.{stem}")
    done = command("separate", song.parent, "-o", output, "--model", half, "--ray")
    assert done.code == 4
    assert "would be both" in done.stderr
