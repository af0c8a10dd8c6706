"""Pseudo labels: kept where two networks agree, and then they are the stems."""

import numpy as np
import pytest
import soundfile as sf
import torch
from torch import nn

from export.data.sources import find_songs
from export.recipes.spleeter.features import HOP_LENGTH
from export.recipes.spleeter.label import STRETCH, estimate_vocals, label, sure_parts
from export.recipes.spleeter.pair import Pair

RATE = 44_100
SPLIT = 100  # bins below which the made-up networks hear a voice: to 1.1 kHz
DOUBT = 300  # from here on both networks want everything


class Splitter(nn.Module):
    """Takes low bins for the voice, or all others; above DOUBT it claims all."""

    def __init__(self, *, low):
        super().__init__()
        self.low = low

    def logits(self, rows):
        out = torch.full_like(rows, -12.0)
        out[..., : SPLIT if self.low else DOUBT] = 12.0
        if not self.low:
            out[..., :SPLIT] = -12.0
        out[..., DOUBT:] = 12.0
        return out


@pytest.fixture
def pair():
    return Pair(Splitter(low=True), Splitter(low=False))


def sounds(seconds):
    """Return a low voice and a higher band: apart by their bins, all along."""
    time = np.arange(int(seconds * RATE)) / RATE
    voice, band = 0.3 * np.sin(2 * np.pi * 440 * time), 0.2 * np.sin(2 * np.pi * 2_000 * time)
    return tuple(np.stack([s, 0.5 * s]).astype(np.float32) for s in (voice, band))


def test_what_both_agree_on_is_what_was_mixed(pair):
    voice, band = sounds(8.3)
    estimate, disagreement = estimate_vocals(voice + band, pair)
    assert estimate.shape == voice.shape
    # But for a window's length at the ends, where tones that begin have all frequencies.
    inner = slice(4_096, -4_096)
    np.testing.assert_allclose(estimate[:, inner], voice[:, inner], atol=1e-3)
    assert len(disagreement) == int(8.3 * RATE) // HOP_LENGTH // STRETCH
    assert (disagreement < -30).all()


@pytest.mark.slow
def test_parts_that_are_unsure_or_short_are_left_out(tmp_path, pair):
    voice, band = sounds(24.0)
    doubtful = 0.3 * np.random.default_rng(0).standard_normal(voice.shape).astype(np.float32)
    band[:, 9 * RATE : 11 * RATE] += doubtful[:, : 2 * RATE]
    voice[:, 19 * RATE :] = band[:, 19 * RATE :] = 0  # silence: nobody is sure of what isn't there
    seconds = label(voice + band, pair, tmp_path / "out", "song")
    assert len(seconds) == 2
    assert seconds == pytest.approx([4 * 2, 4 * 2], abs=0.1)
    tracks = list(find_songs(tmp_path / "out"))
    assert [track.kind for track in tracks] == ["song", "song"]
    stems = tracks[1].load()
    start = 6 * STRETCH * HOP_LENGTH
    part = slice(start, start + stems["vocals"].shape[1])
    inner = slice(4_096, 6 * RATE)  # before it breaks off
    np.testing.assert_allclose(stems["vocals"][:, inner], voice[:, part][:, inner], atol=2e-3)
    total = stems["vocals"] + stems["other"]
    np.testing.assert_allclose(total, (voice + band)[:, part], atol=1e-4)  # two roundings
    assert sf.info(tmp_path / "out" / "song_0" / "vocals.flac").samplerate == RATE


def test_sure_parts_are_three_stretches_or_more():
    stretch = STRETCH * HOP_LENGTH
    db = np.array([-20.0, -20, -16, -17, -30, -18, 0, -40, -40, -40, -40])
    assert sure_parts(db) == [slice(3 * stretch, 6 * stretch), slice(7 * stretch, 11 * stretch)]
    assert sure_parts(np.array([])) == []
