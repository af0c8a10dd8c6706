import pytest

from export.data.manifest import Track
from export.data.split import assign_splits
from export.errors import DataError


def track(name: str, kind: str = "song", split: str = "") -> Track:
    return Track(name, kind, split, 44_100, 0.0, {})


SONGS = [track(f"s{i}") for i in range(20)] + [track(f"a{i}", "accompaniment") for i in range(3)]


def valid(tracks: list[Track]) -> set[str]:
    return {t.id for t in tracks if t.split == "valid"}


def test_the_seed_decides_and_order_does_not() -> None:
    first = valid(assign_splits(SONGS, seed=1, valid_share=0.1))
    assert first == valid(assign_splits(SONGS[::-1], seed=1, valid_share=0.1))
    assert first != valid(assign_splits(SONGS, seed=2, valid_share=0.1))


def test_each_kind_gives_its_share_and_at_least_one() -> None:
    chosen = valid(assign_splits(SONGS, seed=0, valid_share=0.1))
    assert sum(n.startswith("s") for n in chosen) == 2
    assert sum(n.startswith("a") for n in chosen) == 1


def test_an_only_track_is_trained_on() -> None:
    assert not valid(assign_splits([track("only")], seed=0, valid_share=0.5))


def test_an_official_split_stays() -> None:
    tracks = [track("x", split="test"), track("y", split="valid"), *SONGS]
    done = assign_splits(tracks, seed=0, valid_share=0.5)
    assert [t.split for t in done[:2]] == ["test", "valid"]


def test_patterns_replace_the_draw() -> None:
    done = assign_splits(SONGS, seed=0, valid_share=0.5, valid_patterns=["s1*", "a0"])
    assert valid(done) == {"s1", *(f"s1{i}" for i in range(10)), "a0"}


def test_a_pattern_that_matches_nothing_is_an_error() -> None:
    with pytest.raises(DataError, match=r"--valid s99 matches no track; .* a0"):
        assign_splits(SONGS, seed=0, valid_share=0.1, valid_patterns=["s1", "s99"])
