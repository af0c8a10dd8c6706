"""A catalogue over a real Ray cluster of two nodes, with a real object store, whatever dies."""

import os
import re
import signal
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from streamsep.cli.separate_on_ray import Wanted
from streamsep.cluster.manifest import FAILED, Manifest
from streamsep.cluster.orders import ModelBundle, SeparationTask, SongOrder
from streamsep.cluster.ray import RayWorkers
from streamsep.cluster.store import PARTS
from streamsep.cluster.worker import SongWorker
from streamsep.errors import BackendError, ModelError
from streamsep.offline.separate import separate_file
from streamsep.offline.song_states import DONE
from testing.cluster import RAY_ENVIRONMENT, Nodes, song_bytes, workers_now
from testing.servers import PATIENCE_S, wait_until
from tests.support.commands import COMMAND

pytestmark = pytest.mark.slow

STEMS = ("vocals", "beat")
SONGS = 8


@pytest.fixture(scope="module")
def nodes(store):
    """After the store: whoever works on a node finds its address in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in RAY_ENVIRONMENT.items():
            patch.setenv(name, value)
        nodes = Nodes()
        yield nodes
        nodes.stop()


@pytest.fixture(scope="module")
def songs():
    return {f"s{number:02}.wav": song_bytes(1.5, seed=number) for number in range(SONGS)}


@pytest.fixture(scope="module")
def alone(songs, half, tmp_path_factory):
    """The stems of the songs as one machine makes them, by their names."""
    folder = tmp_path_factory.mktemp("alone")
    for name, content in songs.items():
        (folder / name).write_bytes(content)
        separate_file(folder / name, folder / "out", model=half)
    return {path.name: path.read_bytes() for path in (folder / "out").glob("*.wav")}


@pytest.fixture
def catalogue(bucket, songs, nodes):
    """The songs in the store; the stems are to go to its folder ``out``."""
    for name, content in songs.items():
        bucket.put(f"in/{name}", content)
    return bucket


def separate(command, catalogue, half, *options):
    top = catalogue.top
    return command("separate", f"{top}/in", "-o", f"{top}/out", "--model", half, *options, "--ray")


def orders(catalogue):
    return [
        SongOrder(
            f"{catalogue.top}/{name}",
            {s: f"{catalogue.top}/out/{Path(name).stem}.{s}.wav" for s in STEMS},
            STEMS,
        )
        for name in catalogue.names("in")
    ]


def stems(catalogue):
    names = [name for name in catalogue.names("out") if name.endswith(".wav")]
    return {Path(name).name: catalogue.get(f"{catalogue.top}/{name}") for name in names}


def states(catalogue):
    rows = Manifest(f"{catalogue.top}/out/streamsep-manifest.csv").rows
    return {Path(song).name: row.state for song, row in rows.items()}


def test_stems_are_those_of_one_machine_and_are_made_once(
    command, catalogue, half, alone, nodes, tmp_path
):
    catalogue.put("in/bad.wav", b"no sound")
    catalogue.put(f"out/{PARTS}/0123.wav", b"left by a killed worker")
    totals = tmp_path / "streamsep.prom"
    first = separate(command, catalogue, half, "--prometheus", totals)
    assert first.code == 3, first.stderr
    assert stems(catalogue) == alone
    assert states(catalogue) == {f"s{n:02}.wav": DONE for n in range(SONGS)} | {"bad.wav": FAILED}
    assert f"{SONGS} separated, 1 failed" in first.stderr
    assert "times real time a worker" in first.stderr
    assert f"}} {SONGS}\n" in totals.read_text()
    done = rf'ray_streamsep_songs\w*{{[^}}]*state="done"[^}}]*}} {SONGS}\.0'
    wait_until(lambda: re.search(done, nodes.metrics()), "the songs among Ray's metrics")
    catalogue.fs.rm_file("songs/in/bad.wav")
    catalogue.fs.rm_file("songs/out/s03.beat.wav")
    again = separate(command, catalogue, half)
    assert again.code == 0, again.stderr
    assert again.stdout.splitlines() == [f"s3://songs/out/s03.{stem}.wav" for stem in STEMS]
    assert f"1 separated, {SONGS - 1} done before" in again.stderr
    assert stems(catalogue) == alone


def test_a_dry_run_measures_and_keeps_nothing(command, catalogue, half):
    told = separate(command, catalogue, half, "--dry-run")
    assert told.code == 0, told.stderr
    assert f"{SONGS} of {SONGS} songs to do; 3 measured" in told.stdout
    assert "with 2 workers" in told.stdout
    assert catalogue.names("out") == []


def test_a_killed_worker_costs_no_song(catalogue, half, alone):
    """Workers that have a share of a GPU, of which their models make no use here."""
    workers = RayWorkers(SeparationTask(ModelBundle.of(half), "cpu"), gpus_per_worker=0.5)
    outcomes = workers.run(orders(catalogue))
    ended = [next(outcomes)]
    os.kill(workers_now()[0], signal.SIGKILL)
    ended += list(outcomes)
    assert len(ended) == SONGS
    assert all(outcome.error is None for _, outcome in ended)
    assert stems(catalogue) == alone


def test_a_long_song_is_done_in_parts_whoever_is_killed(
    command, bucket, nodes, half, tmp_path, monkeypatch
):
    """And its parts are gone when it is done."""
    usual = Wanted.task.fget
    monkeypatch.setattr(
        Wanted, "task", property(lambda self: replace(usual(self), long_s=4.0, part_s=1.5))
    )
    songs = {"long.wav": song_bytes(6.0, seed=1), "short.wav": song_bytes(1.5, seed=2)}
    alone = {}
    for name, content in songs.items():
        bucket.put(f"in/{name}", content)
        (tmp_path / name).write_bytes(content)
        paths = separate_file(tmp_path / name, tmp_path / "alone", model=half)
        alone |= {path.name: path.read_bytes() for path in paths.values()}
    made = []

    def is_made():
        return made or any(PARTS in name for name in bucket.names("out"))

    def kill_who_makes_parts():
        # Workers of a busy machine need half a minute to begin.
        wait_until(is_made, "a part", 10 * PATIENCE_S)
        made.append(workers_now())
        with suppress(ProcessLookupError, IndexError):
            os.kill(made[-1][0], signal.SIGKILL)

    killer = Thread(target=kill_who_makes_parts)
    killer.start()
    done = separate(command, bucket, half)
    made.append([])  # it waits no longer
    killer.join()
    assert done.code == 0, done.stderr
    assert len(made[0]) > 0
    assert stems(bucket) == alone
    assert not [name for name in bucket.names("out") if PARTS in name]
    row = Manifest(f"{bucket.top}/out/streamsep-manifest.csv").rows["s3://songs/in/long.wav"]
    assert (row.state, row.sound_s) == (DONE, 6.0)
    # 7.5 s, or without the part that was kept and whose worker died before it said so.
    assert re.search(r"2 songs, 0 failed, [68] s of sound", done.stderr), done.stderr


class Fragile(SongWorker):
    """Is ended by a song whose name says so, as by one that needs too much memory."""

    def separate(self, order):
        if "poison" in order.song:
            with open(os.environ["STREAMSEP_TEST_DEATHS"], "a") as file:
                file.write(f"{os.getpid()} {order.deaths}\n")
            os.kill(os.getpid(), signal.SIGKILL)
        return super().separate(order)


class Marked(Fragile):
    """Keeps which process did which song."""

    marks = ""

    def separate(self, order):
        os.environ["STREAMSEP_TEST_DEATHS"] = f"{self.marks}.deaths"
        with open(f"{self.marks}.songs", "a") as file:
            file.write(f"{os.getpid()} {order.song}\n")
        return super().separate(order)


@pytest.mark.soak
def test_a_poison_song_takes_one_worker_and_one_of_its_own(catalogue, half, alone, tmp_path):
    catalogue.put("in/poison.wav", song_bytes())

    class Here(Marked):
        marks = str(tmp_path / "marks")

    workers = RayWorkers(SeparationTask(ModelBundle.of(half)), worker_class=Here)
    most, ended = 0, {}
    for order, outcome in workers.run(orders(catalogue)):
        most = max(most, workers.count)
        ended[Path(order.song).name] = outcome
    assert most <= 2  # as many as cores
    poison = ended.pop("poison.wav")
    assert poison.deaths == 2
    assert "poison.wav ended 2 workers" in str(poison.error)
    assert all(outcome.error is None for outcome in ended.values())
    assert stems(catalogue) == alone
    deaths = [line.split() for line in Path(f"{Here.marks}.deaths").read_text().splitlines()]
    assert [count for _, count in deaths] == ["0", "1"]
    # The second had been started for it alone.
    done_by = [line.split() for line in Path(f"{Here.marks}.songs").read_text().splitlines()]
    assert [song for number, song in done_by if number == deaths[1][0]] == [
        "s3://songs/in/poison.wav"
    ]
    # And in a later run it gets one try of its own, and no worker that others need.
    (again,) = [o for o in orders(catalogue) if "poison" in o.song]
    again = SongOrder(again.song, again.targets, again.stems, deaths=2)
    ((_, outcome),) = RayWorkers(SeparationTask(ModelBundle.of(half)), worker_class=Here).run(
        [again]
    )
    assert outcome.deaths == 3


def test_a_share_that_no_node_has_is_refused(nodes):
    workers = RayWorkers(SeparationTask(ModelBundle("none")), gpus_per_worker=2.0)
    with pytest.raises(BackendError, match="2 GPUs"):
        list(workers.run([SongOrder("a.wav", {}, STEMS)]))


def test_a_model_that_workers_can_not_load_is_said(nodes):
    bundle = ModelBundle("bad.onnx", (("bad.onnx", b"no model"),))
    workers = RayWorkers(SeparationTask(bundle))
    with pytest.raises(ModelError):
        list(workers.run([SongOrder("a.wav", {}, STEMS)]))
    assert workers.count == 0


@pytest.mark.soak
def test_a_driver_that_was_killed_is_gone_on_from(command, catalogue, half, alone, nodes):
    top = catalogue.top
    arguments = ["separate", f"{top}/in", "-o", f"{top}/out", "--model", half]
    driver = subprocess.Popen(
        [*COMMAND, *map(str, arguments), "--ray", nodes.address],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        wait_until(lambda: len(stems(catalogue)) >= 4 or driver.poll() is not None, "stems")
        assert driver.poll() is None, driver.stdout.read()
    finally:
        driver.kill()
        driver.communicate()
    wait_until(lambda: not workers_now(), "its workers to end")
    assert len(stems(catalogue)) < len(alone)
    again = separate(command, catalogue, half)
    assert again.code == 0, again.stderr
    assert stems(catalogue) == alone
    assert set(states(catalogue).values()) == {DONE}


@pytest.mark.soak
def test_a_node_that_is_lost_costs_no_song(catalogue, half, alone, nodes):
    workers = RayWorkers(SeparationTask(ModelBundle.of(half)))
    outcomes = workers.run(orders(catalogue))
    ended = [next(outcomes)]
    nodes.lose()
    ended += list(outcomes)
    assert len(ended) == SONGS
    assert all(outcome.error is None for _, outcome in ended)
    assert stems(catalogue) == alone
