from pathlib import Path

import numpy as np
import pytest

from export.constants import EXCERPT_SAMPLES
from export.data.audio import read_part, write_int16
from export.data.manifest import Track
from export.errors import DataError
from export.recipes.tutorial.excerpts import (
    ExcerptSampler,
    list_excerpts,
    pick_channel,
    read_excerpt,
)

HALF_SECOND = 22_050


def track(name: str, kind: str, samples: int, *files: str) -> Track:
    return Track(name, kind, "train", samples, 0.0, {f: f"{name}/{f}.wav" for f in files})


SONG_FILES = ("mixture", "vocals", "other", "accompaniment")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A song and a vocal-free piece of 8 s whose samples tell file and place."""
    place = np.linspace(0, 0.1, 8 * 44_100, dtype=np.float32)
    for i, (name, file) in enumerate(
        [("song", f) for f in SONG_FILES] + [("free", "accompaniment")]
    ):
        (tmp_path / name).mkdir(exist_ok=True)
        write_int16(tmp_path / name / f"{file}.wav", np.stack([place + 0.1 * i] * 2))
    return tmp_path


SONG = track("song", "song", 8 * 44_100, *SONG_FILES)
FREE = track("free", "accompaniment", 8 * 44_100, "accompaniment")


def test_one_excerpt_every_half_second_and_none_past_the_end() -> None:
    starts = [e.start for e in list_excerpts([SONG])]
    assert starts == [0, *(i * HALF_SECOND for i in range(1, 5))]
    assert starts[-1] + EXCERPT_SAMPLES <= SONG.samples < starts[-1] + HALF_SECOND + EXCERPT_SAMPLES


def test_a_short_track_gives_one_excerpt_filled_up_with_silence(tmp_path: Path) -> None:
    write_int16(tmp_path / "a.wav", np.full((2, 1000), 0.5, np.float32))
    assert [e.start for e in list_excerpts([track("short", "voice", 1000, "vocals")])] == [0]
    part = read_part(tmp_path / "a.wav", 0, 1500)
    assert part.shape == (2, 1500)
    assert (part[:, :1000] > 0.49).all()
    assert not part[:, 1000:].any()
    assert not read_part(tmp_path / "a.wav", 5000, 10).any()


def test_reading_seeks_to_the_place(folder: Path) -> None:
    excerpt = list_excerpts([SONG])[3]
    mixture, vocals = read_excerpt(folder, excerpt, ("vocals",))
    assert mixture.shape == (2, EXCERPT_SAMPLES)
    # Each file carries 0.1 more than the one before; 16-bit steps are the tolerance.
    assert np.abs(vocals - mixture - 0.1).max() < 1e-4
    assert mixture[0, 0] == pytest.approx(0.1 * excerpt.start / SONG.samples, abs=1e-4)


@pytest.mark.parametrize(
    ("target", "offset"), [("vocals", 0.1), ("other", 0.2), ("accompaniment", 0.3)]
)
def test_every_target_reads_its_own_file(folder: Path, target: str, offset: float) -> None:
    mixture, part = read_excerpt(folder, list_excerpts([SONG])[0], (target,))
    assert np.abs(part - mixture - offset).max() < 1e-4


def test_a_vocal_free_piece_is_its_own_mixture(folder: Path) -> None:
    excerpt = list_excerpts([FREE])[0]
    mixture, vocals = read_excerpt(folder, excerpt, ("vocals",))
    assert mixture.any()
    assert not vocals.any()
    mixture, beat = read_excerpt(folder, excerpt, ("accompaniment",))
    assert np.array_equal(mixture, beat)


def test_an_epoch_meets_every_excerpt_once_in_a_seeded_order(folder: Path) -> None:
    def epoch(seed: int, first: int) -> list[float]:
        sampler = ExcerptSampler(folder, [SONG, FREE], ("vocals",), seed)
        return [float(sampler.sample(first + i, 0, 1)[0][0]) for i in range(len(sampler))]

    first = epoch(0, 0)
    assert len(set(first)) == len(first) == 10
    assert epoch(0, 0) == first
    assert epoch(0, 10) != first
    assert sorted(epoch(0, 10)) == sorted(first)
    assert epoch(1, 0) != first


def test_channels_are_picked_alike_for_mixture_and_target() -> None:
    a = np.array([[1, 1], [3, 3]], np.float32)
    b = 10 * a
    seen = set()
    for seed in range(20):
        x, y = pick_channel(np.random.default_rng(seed), a, b)
        assert np.array_equal(y, 10 * x)
        seen.add(float(x[0]))
    assert seen == {1, 2, 3}


def test_a_target_that_no_track_has_is_an_error(folder: Path) -> None:
    with pytest.raises(DataError, match=r"other on; .* the tracks here have accompaniment, vocals"):
        ExcerptSampler(folder, [FREE], ("other",), 0)


def test_several_stems_come_in_the_order_asked_for(folder: Path) -> None:
    """Only the song has an 'other'; a vocal-free piece without it isn't drawn."""
    sampler = ExcerptSampler(folder, [FREE, SONG], ("other", "vocals"), 0)
    assert len(sampler) == len(list_excerpts([SONG]))
    mixture, stems = sampler.sample(0, 0, 1)
    assert stems.shape == (2, EXCERPT_SAMPLES)
    for stem, offset in zip(stems, (0.2, 0.1), strict=True):
        assert np.abs(stem - mixture - offset).max() < 1e-4
