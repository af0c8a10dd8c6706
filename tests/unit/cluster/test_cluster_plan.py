"""What is to do: by the manifest, by what is there, and by what one machine noted."""

import pytest

from streamsep.cluster.catalogue import find_catalogue
from streamsep.cluster.manifest import FAILED
from streamsep.cluster.orders import Outcome
from streamsep.cluster.plan import folder_of, place_of, plan_run
from streamsep.cluster.store import is_uri, names_under
from streamsep.errors import AudioFileError
from streamsep.offline.jobs import Template, plan
from streamsep.offline.made_from import note_made
from streamsep.offline.song_states import DONE, TAKEN, TO_DO

STEMS = ("vocals", "beat")


class Run:
    """Plans over a song, and what comes of them."""

    def __init__(self, top, output):
        self.top, self.output, self.rows = top, output, {}

    def plan(self, model="m", overwrite=False):
        catalogue = find_catalogue([self.top])
        jobs = plan(catalogue.found.files, Template(place_of(self.output), None), None, STEMS)
        folder = folder_of(self.output)
        songs = plan_run(
            jobs,
            catalogue,
            self.rows,
            there=names_under(folder) if is_uri(folder) else set(),
            model=model,
            options={"gain_db": 0.0},
            overwrite=overwrite,
        )
        (self.song,) = songs
        return self.song.state

    def note(self, row=None):
        row = row or self.song.row
        self.rows[row.song] = row


@pytest.fixture
def run(bucket):
    bucket.put("in/a.wav", b"x")
    run = Run(f"{bucket.top}/in", f"{bucket.top}/out")
    run.stems = lambda *stems: [bucket.put(f"out/a.{stem}.wav", b"x") for stem in stems]
    return run


def test_targets_are_uris(run):
    assert run.plan() == TO_DO
    assert run.song.order.targets == {s: f"s3://songs/out/a.{s}.wav" for s in STEMS}
    assert run.song.order.song == "s3://songs/in/a.wav"


def test_what_is_done_is_done_until_something_changes(run, bucket):
    run.plan()
    run.stems(*STEMS)
    run.note(run.song.ended(Outcome(peaks={})))
    assert run.plan() == DONE
    assert run.plan(model="other") == TO_DO
    assert run.plan(overwrite=True) == TO_DO
    bucket.put("in/a.wav", b"changed")
    assert run.plan() == TO_DO


def test_a_stem_that_is_gone_is_made_again(run, bucket):
    run.plan()
    run.stems("vocals")
    run.note(run.song.ended(Outcome(peaks={})))
    assert run.plan() == TO_DO


def test_files_of_others_are_left_alone(run):
    run.stems("vocals")
    assert run.plan() == TAKEN
    run.note()
    assert run.plan() == TAKEN  # and aren't ours because a row speaks of them
    assert run.plan(overwrite=True) == TO_DO


@pytest.mark.parametrize("there", [("vocals",), STEMS])
def test_stems_of_a_run_that_was_killed_are_its_own_and_made_again(run, there):
    run.plan()
    run.note()  # as a run does before it begins
    run.stems(*there)
    assert run.plan() == TO_DO


def test_what_failed_is_tried_again_and_its_deaths_are_known(run):
    run.plan()
    run.note(run.song.ended(Outcome(AudioFileError("x", expected="y", remedy="z"), deaths=2)))
    assert run.rows["s3://songs/in/a.wav"].state == FAILED
    assert run.plan() == TO_DO
    assert run.song.order.deaths == 2
    assert run.plan(model="other") == TO_DO
    assert run.song.order.deaths == 0


def test_what_one_machine_did_is_done(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.wav").write_bytes(b"x")
    run = Run(str(tmp_path / "in"), str(tmp_path / "out"))
    run.plan()
    targets = [*run.song.job.targets.values()]
    targets[0].parent.mkdir()
    for target in targets:
        target.write_bytes(b"x")
    assert run.plan() == TAKEN
    note_made(targets, run.song.facts)
    assert run.plan() == DONE


def test_the_folder_of_an_output(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert folder_of("s3://b/out/") == "s3://b/out"
    assert folder_of("s3://b/out/{folder}/x{name}.{stem}.wav") == "s3://b/out"
    assert folder_of("{name}.{stem}.wav") == str(tmp_path)
    assert folder_of("file:///a/b") == "/a/b"
    assert folder_of("out") == str(tmp_path / "out")
