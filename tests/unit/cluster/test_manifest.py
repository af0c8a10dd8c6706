"""The record of a catalogue: rows that come back, and a run that ends in the middle."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamsep.cluster import manifest as module
from streamsep.cluster.manifest import COLUMNS, FAILED, Manifest, ManifestRow
from streamsep.errors import ArgumentError, OutputError
from streamsep.offline.made_from import MadeFrom
from streamsep.offline.song_states import DONE

FACTS = MadeFrom(1_000, 1_700_000_000.125, "live-1", {"gain_db": -3.0, "bits": None})
ODD = 'a,"b"\nc; é\udcff.wav'  # bytes that are no text come so from a file system


@pytest.fixture(params=["csv", "parquet", "s3"])
def place(request, tmp_path):
    if request.param != "s3":
        return f"{tmp_path}/out/all.{request.param}"
    return f"{request.getfixturevalue('bucket').top}/out/all.csv"


def rows(uri):
    return Manifest(uri).rows


def test_rows_come_back_as_they_were(place):
    name = ODD if place.endswith("csv") else ODD.replace("\udcff", "")  # Parquet is text
    row = ManifestRow.planned(name, FACTS)
    manifest = Manifest(place)
    manifest.note(row)
    manifest.save()
    assert rows(place) == {name: row}
    assert rows(place)[name].made_from == FACTS


def test_the_first_columns_are_those_that_people_look_for():
    assert COLUMNS[:6] == ("song", "hash", "state", "seconds", "model", "error")


def test_a_table_program_reads_it(tmp_path):
    manifest = Manifest(f"{tmp_path}/all.csv")
    manifest.note(ManifestRow("a.wav", state=FAILED, error='say "no", twice'))
    manifest.save()
    with open(manifest.uri, newline="") as file:
        (read,) = csv.DictReader(file)
    assert (read["song"], read["state"], read["error"]) == ("a.wav", FAILED, 'say "no", twice')


def test_what_a_killed_run_flushed_is_known_and_later_rows_hold(place):
    saved = Manifest(place)
    for name in "abc":
        saved.note(ManifestRow(name))
    saved.save()
    killed = Manifest(place)
    killed.note(ManifestRow("a", state=FAILED))
    killed.flush()
    killed.note(ManifestRow("a", state=DONE))
    killed.flush()
    killed.note(ManifestRow("b", state=DONE))  # and is killed before this is written
    again = Manifest(place)
    assert {name: row.state for name, row in again.rows.items()} == {
        "a": DONE,
        "b": "to do",
        "c": "to do",
    }
    again.save()
    assert again._parts() == []
    assert rows(place) == again.rows


def test_rows_are_flushed_as_time_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FLUSH_S", -1.0)
    running = Manifest(f"{tmp_path}/all.csv")
    running.note(ManifestRow("a", state=DONE))
    assert rows(running.uri)["a"].state == DONE
    assert not os.path.isfile(running.uri)


def test_nothing_is_left_beside_it(tmp_path):
    manifest = Manifest(f"{tmp_path}/all.csv")
    manifest.note(ManifestRow("a"))
    manifest.flush()
    manifest.save()
    assert [path.name for path in tmp_path.iterdir() if path.name != "config"] == ["all.csv"]


@pytest.mark.parametrize("name", ["all.txt", "all", "s3://bucket/all.json"])
def test_another_suffix_is_refused(name):
    with pytest.raises(ArgumentError, match=r"\.csv"):
        Manifest(name)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    "content",
    [b"name,age\nx,3\n", b"\x00\xff", b"song,hash,state,seconds,model,error\na,b,c,d,e,f\n"],
)
def test_another_file_is_not_taken_for_one(tmp_path, suffix, content):
    path = Path(tmp_path / f"all{suffix}")
    path.write_bytes(content)
    with pytest.raises(OutputError):
        Manifest(str(path))
    assert path.read_bytes() == content


@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_numbers_that_are_none_are_no_manifest(tmp_path, suffix, seconds):
    """They would make every sum over the rows none."""
    uri = str(tmp_path / f"songs{suffix}")
    manifest = Manifest(uri)
    manifest.note(ManifestRow("a.wav", seconds=seconds))
    manifest.save()
    with pytest.raises(OutputError, match="is no manifest"):
        Manifest(uri)


@pytest.mark.slow
def test_a_program_that_only_reads_one_ends_by_itself(tmp_path):
    """With pyarrow's threads seven of eight were aborted at their end, with BytesIO one in 12."""
    uri = str(tmp_path / "songs.parquet")
    manifest = Manifest(uri)
    manifest.note(ManifestRow("a.wav"))
    manifest.save()
    code = f"from streamsep.cluster.manifest import Manifest; Manifest({uri!r})"
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
