"""The models that come along: they load, keep their promises, and take a voice out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamsep.evaluation.methods import separate_song
from streamsep.evaluation.scores import score_song
from streamsep.evaluation.songs import find_reference_songs, read_reference_song
from streamsep.models import BUILTIN, find_model
from streamsep.separation import ChunkedSeparator, load_separator
from streamsep.separation.schedule import choose_schedule
from testing.signals import music
from tests.support.cases import one_of_many

pytestmark = pytest.mark.slow  # as a whole

# Algorithmic latency in samples: from a sample's way in to its way out on an infinitely fast
# machine.
LATENCY = {"live": 2_048, "fast": 512, "light": 2_048, "tutorial": 10_240}
HOP_BY_HOP = [name for name in BUILTIN if name != "studio"]  # which knows more of a file
SONGS = Path(__file__).parents[3] / "shared" / "data" / "dev"


@pytest.fixture(params=BUILTIN)
def name(request):
    return request.param


def test_it_is_found_by_name_and_says_what_it_is(name):
    path = find_model(name)
    separator = load_separator(path, device="cpu")
    assert path.stat().st_size < 20e6
    assert separator.spec.name == name
    assert separator.spec.licence == "GPL-3.0-or-later"
    assert separator.stems == ("vocals", "beat")
    if name in HOP_BY_HOP:
        assert separator.delay + separator.block_size == LATENCY[name]
    else:  # on a machine that runs a window in 12 ms, which a busy one doesn't
        schedule = choose_schedule(separator.spec, 0.012)
        assert schedule.latency < 0.3 * 44_100  # as late as it may be nearly live
    assert f"`{name}`" in path.with_name("MODEL_CARD.md").read_text(encoding="utf-8")


def test_no_name_means_the_first():
    assert find_model(None) == find_model(BUILTIN[0])
    assert find_model("elsewhere/my.onnx") == Path("elsewhere/my.onnx")


def test_silence_and_absurd_input_stay_bounded(name):
    separator = load_separator(find_model(name), device="cpu")
    shape = (2, separator.block_size)
    out = np.zeros((2, *shape), np.float32)
    for _ in range(20):
        separator.process(np.zeros(shape, np.float32), out)
        assert not out.any()
    noise = np.random.default_rng(0).uniform(-1_000, 1_000, (20, *shape)).astype(np.float32)
    for block in noise:
        separator.process(block, out)
        assert np.isfinite(out).all()


def test_vocals_never_exceed_the_mixture_by_much(name):
    """Masks are at most one in every bin, so what is taken out has at most the song's energy."""
    separator = load_separator(find_model(name), device="cpu")
    size = separator.block_size
    sound = music(3.0)
    out = np.zeros((2, 2, size), np.float32)
    taken = 0.0
    for start in range(0, sound.shape[-1] - size, size):
        separator.process(np.ascontiguousarray(sound[:, start : start + size]), out)
        taken += float((out[0] ** 2).sum())
    assert taken <= 1.01 * float((sound**2).sum())


@pytest.mark.parametrize("name", one_of_many(sorted(HOP_BY_HOP, key="fast".__eq__), 3))
def test_files_are_separated_by_the_numbers_of_live(name):
    """Invariant 1 where a graph does many hops at once, also over a last block cut short."""
    live, offline = (
        load_separator(find_model(name), offline=o, wait=True, device="cpu") for o in (0, 1)
    )
    if live.spec.prior:
        assert (offline.delay, offline.block_size) == (live.delay, live.block_size)
    else:
        assert offline.delay == live.delay + offline.block_size  # a run later
        assert (offline.block_size > live.block_size) == live.spec.any_frames
    sound = music(3.0)
    stems = []
    for separator in (live, offline):
        chunked = ChunkedSeparator(separator)
        stems.append(np.concatenate([chunked.feed(sound), chunked.finish()], axis=-1))
    assert np.abs(stems[0][0]).max() > 0.01  # the comparison is about something
    # The invariant's own bound; float32 sums in another order stay far below.
    np.testing.assert_allclose(stems[1], stems[0], atol=1e-4)


@pytest.mark.skipif(not SONGS.is_dir(), reason=f"no songs with stems at {SONGS}")
def test_the_voice_of_an_unheard_song_gets_quieter(name):
    separator = load_separator(find_model(name), device="cpu")
    path = next(p for p in find_reference_songs(SONGS) if p.name.startswith("eif_4"))
    song = read_reference_song(path, sample_rate=44_100, channels=2)
    part = slice(0, 5 * 44_100)
    song = replace(song, vocals=song.vocals[:, part], beat=song.beat[:, part])
    live, mixture = (
        score_song(song, m, *separate_song(m, song, separator), 44_100, museval=False)
        for m in ("model live", "mixture")
    )
    # All gained two decibels or more when they were shipped; a broken stream gains none.
    assert live.beat_usdr > mixture.beat_usdr + 1.0
