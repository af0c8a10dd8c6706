from pathlib import Path

import numpy as np
import pytest

from export.constants import EXCERPT_SAMPLES
from export.data.audio import write_int16
from export.data.manifest import Track
from export.data.track_pools import VOCAL_FREE, VOICE_ONLY
from export.errors import DataError
from export.recipes.tutorial.mixing import (
    ITEM_SHARES,
    LEVEL_DBFS,
    FixedSet,
    RandomMixer,
)
from tests.unit.export.conftest import tone

DRAWS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixing")
    for name, hz in (("vocals", 1000), ("accompaniment", 200), ("other", 300)):
        write_int16(folder / f"{name}.wav", tone(hz, 8).T)
    total = tone(1000, 8) + tone(200, 8)
    write_int16(folder / "mixture.wav", total.T)
    return folder


def track(name: str, kind: str, *files: str) -> Track:
    return Track(name, kind, "train", 8 * 44_100, 0.0, {f: f"{f}.wav" for f in files})


TRACKS = [
    track("song", "song", "mixture", "vocals", "accompaniment", "other"),
    track("free", "accompaniment", "accompaniment", "other"),
    track("singer", "voice", "vocals"),
    track("speaker", "speech", "vocals"),
]


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def share_above_600_hz(x: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(x)) ** 2
    return float(power[600 * x.size // 44_100 :].sum() / power.sum())


def test_seed_step_and_place_decide_a_draw(folder: Path) -> None:
    one, same = (RandomMixer(folder, TRACKS, ("vocals",), 3) for _ in range(2))
    same.sample(0, 0)  # what was drawn before doesn't matter
    for a, b in zip(one.sample(5, 2), same.sample(5, 2), strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(one.sample(5, 2)[0], one.sample(5, 3)[0])
    assert not np.array_equal(one.sample(5, 2)[0], one.sample(6, 2)[0])
    other_seed = RandomMixer(folder, TRACKS, ("vocals",), 4)
    assert not np.array_equal(one.sample(5, 2)[0], other_seed.sample(5, 2)[0])


@pytest.mark.slow
@pytest.mark.parametrize("tracks", [TRACKS, TRACKS[1:]], ids=["songs", "no songs"])
def test_draws_are_finite_levelled_and_of_the_shares_stated(
    folder: Path, tracks: list[Track]
) -> None:
    mixer = RandomMixer(folder, tracks, ("vocals",), 0)
    pairs = [mixer.sample(0, i) for i in range(DRAWS)]
    for mixture, vocals in pairs:
        assert (mixture.shape, vocals.shape) == ((EXCERPT_SAMPLES,), (1, EXCERPT_SAMPLES))
        assert mixture.dtype == vocals.dtype == np.float32
        assert np.isfinite(mixture).all()
        level_db = 20 * np.log10(rms(mixture))
        assert LEVEL_DBFS[0] - 0.1 < level_db < LEVEL_DBFS[1] + 0.1
    free = sum(not v.any() for _, v in pairs) / DRAWS
    alone = sum(np.array_equal(m, v[0]) for m, v in pairs) / DRAWS
    # Two standard deviations of a share of 60 draws.
    assert free == pytest.approx(ITEM_SHARES[VOCAL_FREE], abs=0.08)
    assert alone == pytest.approx(ITEM_SHARES[VOICE_ONLY], abs=0.06)


@pytest.mark.slow
def test_the_target_is_the_voice_and_nothing_but(folder: Path) -> None:
    mixer = RandomMixer(folder, TRACKS, ("vocals",), 0)
    for i in range(20):
        mixture, (vocals,) = mixer.sample(1, i)
        if vocals.any():
            # Tones of 1000 Hz, at most a quarter octave away; reverberation is noise-like.
            assert share_above_600_hz(vocals) > 0.98
        rest = mixture - vocals
        assert not rest.any() or share_above_600_hz(rest) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize(("target", "hz"), [("accompaniment", 200), ("other", 300)])
def test_other_targets_are_drawn_too(folder: Path, target: str, hz: int) -> None:
    mixer = RandomMixer(folder, TRACKS, (target,), 0)
    for i in range(10):
        (part,) = mixer.sample(2, i)[1]
        if part.any():
            peak_hz = np.abs(np.fft.rfft(part)).argmax() * 44_100 / part.size
            assert hz * 0.8 < peak_hz < hz * 1.25


@pytest.mark.slow
def test_several_stems_are_drawn_of_one_band(folder: Path) -> None:
    """The fixture's other of 300 Hz isn't in its accompaniment of 200 Hz: each can be told."""
    mixer = RandomMixer(folder, TRACKS, ("other", "vocals"), 0)
    seen = set()
    for i in range(20):
        mixture, stems = mixer.sample(2, i)
        assert stems.shape == (2, EXCERPT_SAMPLES)
        other, vocals = stems
        rest = mixture - vocals
        seen.add((bool(other.any()), bool(vocals.any())))
        assert not vocals.any() or share_above_600_hz(vocals) > 0.98
        if other.any():
            # Both files of the band are equally loud, and were read at one place and speed.
            assert rms(other) == pytest.approx(rms(rest), rel=0.02)
    assert seen >= {(True, True), (True, False)}


def test_the_validation_set_is_the_same_each_time(folder: Path) -> None:
    pairs = FixedSet(folder, TRACKS, ("vocals",), 0, excerpts=4, mix=True)
    assert len(pairs) == 8
    again = FixedSet(folder, TRACKS, ("vocals",), 0, excerpts=4, mix=True)
    for i in (0, 3, 4, 7):
        assert np.array_equal(pairs[i][0], again[i][0])
    assert len(FixedSet(folder, TRACKS, ("vocals",), 0, excerpts=4, mix=False)) == 4


def test_a_pool_without_voices_or_without_music_is_an_error(folder: Path) -> None:
    with pytest.raises(DataError, match="voice"):
        RandomMixer(folder, TRACKS[1:2], ("vocals",), 0)
    with pytest.raises(DataError, match="the tracks here have none"):
        RandomMixer(folder, TRACKS[2:], ("vocals",), 0)
