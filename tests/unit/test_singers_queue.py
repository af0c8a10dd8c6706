"""The queue is fair, bounded, and there again after a restart."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamsep.errors import ArgumentError
from streamsep.remote.singers_queue import MAX_ENTRIES, MAX_OF_ONE, Entry, SingersQueue


def put(queue, singer, title="song", owner=None, limited=True):
    return queue.add(Entry(0, 1, title, "", singer, owner or singer), limited=limited).id


def order(queue):
    return [(entry.singer, entry.title) for entry in queue.waiting]


def test_in_each_round_every_singer_has_one():
    queue = SingersQueue()
    for singer, title in [("A", "1"), ("A", "2"), ("A", "3"), ("B", "1"), ("C", "1"), ("B", "2")]:
        put(queue, singer, title)
    assert order(queue) == [
        *[("A", "1"), ("B", "1"), ("C", "1")],
        *[("A", "2"), ("B", "2"), ("A", "3")],
    ]


def test_who_comes_new_sings_in_the_round_that_goes_on():
    queue = SingersQueue()
    for title in "123":
        put(queue, "A", title)
    assert queue.take().title == "1"
    put(queue, "B", "new")
    assert order(queue)[0] == ("B", "new")


def test_one_name_is_one_singer_however_it_is_written():
    queue = SingersQueue()
    put(queue, "Ann", "1")
    put(queue, "ANN", "2", owner="other")
    put(queue, "Bob", "1")
    assert [singer for singer, _ in order(queue)] == ["Ann", "Bob", "ANN"]


def test_what_comes_after_a_removed_song_moves_up():
    queue = SingersQueue()
    first = put(queue, "A", "1")
    put(queue, "A", "2")
    put(queue, "B", "1")
    queue.remove(first)
    assert order(queue) == [("A", "2"), ("B", "1")]
    with pytest.raises(ArgumentError):
        queue.remove(first)


def test_the_host_moves_a_song():
    queue = SingersQueue()
    ids = [put(queue, singer) for singer in "ABC"]
    queue.move(ids[2], ids[0])
    assert [singer for singer, _ in order(queue)] == ["C", "A", "B"]
    queue.move(ids[2], 0)
    assert [singer for singer, _ in order(queue)] == ["A", "B", "C"]
    with pytest.raises(ArgumentError):
        queue.move(ids[0], 999)
    assert [singer for singer, _ in order(queue)] == ["A", "B", "C"]


@settings(max_examples=30)
@given(st.lists(st.sampled_from("ABCD"), max_size=15))
def test_nobody_who_waits_is_more_than_one_song_behind(singers):
    queue, sung = SingersQueue(), dict.fromkeys("ABCD", 0)
    for singer in singers:
        put(queue, singer, limited=False)
    while queue.take() is not None:
        sung[queue.current.singer] += 1
        waiting = {entry.singer for entry in queue.waiting}
        assert all(max(sung.values()) - sung[singer] <= 1 for singer in waiting)


def test_neither_the_queue_nor_a_guests_part_of_it_grows_without_end():
    queue = SingersQueue()
    for _ in range(MAX_OF_ONE):
        put(queue, "A")
    with pytest.raises(ArgumentError):
        put(queue, "B", owner="A")  # another name is no way around it
    for number in range(MAX_ENTRIES - MAX_OF_ONE):
        put(queue, "H", owner=f"h{number}")
    with pytest.raises(ArgumentError):
        put(queue, "H", limited=False)


def test_it_is_there_again_with_the_song_that_was_cut_short_first(tmp_path):
    path = tmp_path / "party" / "queue.json"
    queue = SingersQueue(path)
    for singer in ("A", "B", "A"):
        put(queue, singer)
    queue.take()
    before, current = order(queue), queue.current
    again = SingersQueue(path)
    assert order(again) == [("A", "song"), *before]
    assert again.waiting[0] == current
    assert again.add(Entry(0, 1, "x", "", "C", "C"), limited=True).id > max(
        entry.id for entry in queue.waiting
    )


@pytest.mark.parametrize("content", ["", "[]", '{"entries": 3}', '{"entries": [{"id": 1}]}'])
def test_a_broken_file_is_put_aside_and_said(tmp_path, content):
    path, said = tmp_path / "queue.json", []
    path.write_text(content)
    queue = SingersQueue(path, said.append)
    assert queue.waiting == []
    assert len(said) == 1
    assert (tmp_path / "queue.broken").read_text() == content
    put(queue, "A")
    assert json.loads(path.read_text())["entries"]


def test_a_disk_that_is_full_is_said_once_and_the_queue_goes_on(tmp_path):
    (tmp_path / "file").write_text("")
    said = []
    queue = SingersQueue(tmp_path / "file" / "queue.json", said.append)
    put(queue, "A")
    put(queue, "B")
    assert len(queue.waiting) == 2
    assert len(said) == 1
    assert "isn't kept on disk" in said[0]
    assert os.listdir(tmp_path) == ["file"]
