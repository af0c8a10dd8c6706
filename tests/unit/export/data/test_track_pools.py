"""What is drawn: kinds of items by their shares, tracks by their lengths, places that sound."""

from pathlib import Path

import numpy as np
import pytest

from export.data.audio import write_int16
from export.data.manifest import Track
from export.data.track_pools import (
    MIX,
    SONG,
    VOCAL_FREE,
    VOICE_ONLY,
    draw_item_kind,
    draw_track,
    pools,
    read_sounding_part,
)

SHARES = {SONG: 0.28, VOCAL_FREE: 0.12, VOICE_ONLY: 0.06}


def track(name: str, kind: str = "song", samples: int = 44_100, *files: str) -> Track:
    return Track(name, kind, "train", samples, 0.0, {f: f"{f}.wav" for f in files})


@pytest.mark.parametrize("songs", [True, False])
def test_kinds_have_their_shares_whether_there_are_songs_or_not(songs: bool) -> None:
    rng, draws = np.random.default_rng(0), 20_000
    kinds = [draw_item_kind(rng, SHARES, songs=songs) for _ in range(draws)]
    # Four standard deviations of a share of a half are 0.014.
    wanted = dict(SHARES) if songs else {**SHARES, SONG: 0.0}
    for kind, share in wanted.items():
        assert kinds.count(kind) / draws == pytest.approx(share, abs=0.014), kind
    assert kinds.count(MIX) / draws == pytest.approx(1 - sum(wanted.values()), abs=0.014)


def test_shares_of_kinds_that_are_there_sum_to_one() -> None:
    tracks = [track("a", "song", 1, "vocals"), track("b", "speech", 1, "vocals"), track("c")]
    found = pools(tracks, "vocals", {"song": 0.3, "speech": 0.1, "voice": 0.6})
    assert [share for share, _ in found] == pytest.approx([0.75, 0.25])
    assert [[t.id for t in members] for _, members in found] == [["a"], ["b"]]


def test_a_track_sixteen_times_as_long_is_drawn_four_times_as_often() -> None:
    pool = [(1.0, [track("short", samples=1_000), track("long", samples=16_000)])]
    rng = np.random.default_rng(0)
    names = [draw_track(rng, pool).id for _ in range(4_000)]
    assert names.count("long") / len(names) == pytest.approx(0.8, abs=0.03)


def test_files_are_read_from_one_place_at_which_the_first_sounds(tmp_path: Path) -> None:
    """Two of ten seconds sound: one try would miss them three times of four."""
    rate = 44_100
    first = np.zeros((2, 10 * rate), np.float32)
    first[:, 4 * rate : 6 * rate] = 0.3
    place = np.tile(np.linspace(0, 0.5, 10 * rate, dtype=np.float32), (2, 1))
    write_int16(tmp_path / "vocals.wav", first)
    write_int16(tmp_path / "drums.wav", place)
    song, found = track("song", "song", 10 * rate, "vocals", "drums"), 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        vocals, drums = read_sounding_part(rng, tmp_path, song, ["vocals", "drums"], rate // 2)
        assert vocals.shape == drums.shape == (2, rate // 2)
        start = round(float(drums[0, 0]) / 0.5 * 10 * rate)
        # The ramp tells the place to 27 samples, by which an edge of the sound may be off.
        expected = first[0, start : start + rate // 2]
        assert np.sum(np.abs(vocals[0] - expected) > 0.01) <= 27
        found += bool(vocals.any())
    assert found > 12
