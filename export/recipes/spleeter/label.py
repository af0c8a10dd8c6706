"""Songs without stems become songs with them where both published networks are sure.

One network estimates the vocals, the other the accompaniment. Where the vocals that one hears are
those that the other leaves, both know what they hear, and their estimate is as good as a stem for
training; elsewhere it isn't, and the song is cut.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from export.constants import SAMPLE_RATE
from export.data.audio import Audio, write_int16
from export.data.prepare import headroom_gain
from export.recipes.spleeter.features import HOP_LENGTH, N_FFT, stft
from export.recipes.spleeter.network import BINS
from export.recipes.spleeter.pair import Pair

WINDOW, KEPT = 512, 256  # frames that a network sees at a time, and those in the middle that count
MARGIN = (WINDOW - KEPT) // 2
# Above 11 kHz, where the published networks end, a mask is the mean of these bins below.
HIGHEST = slice(BINS - 64, BINS)
EPSILON = 1e-10
# How far the two estimates may differ, in dB of the mixture, over how many frames (two seconds),
# and how many of these have to follow one another.
SURE_DB, STRETCH, LEAST_STRETCHES = -17.0, round(2 * SAMPLE_RATE / HOP_LENGTH), 3
SUM_OF_SQUARES = 1.5  # of Hann windows that lie a quarter apart


def label(song: Audio, pair: Pair, folder: Path, name: str) -> list[float]:
    """Write the sure parts of a song, a folder each: ``vocals`` and ``other``.

    Parameters
    ----------
    song
        float32, (2, samples), at 44.1 kHz.
    folder, name
        Parts are ``folder / f"{name}_{number}"``, which 'prepare --songs' takes.

    Returns
    -------
    list of float
        Seconds of each part.
    """
    vocals, disagreement_db = estimate_vocals(song, pair)
    seconds = []
    for number, part in enumerate(sure_parts(disagreement_db)):
        stems = {"vocals": vocals[:, part], "other": song[:, part] - vocals[:, part]}
        gain = np.float32(headroom_gain(stems))
        into = folder / f"{name}_{number}"
        into.mkdir(parents=True, exist_ok=True)
        for stem, samples in stems.items():
            write_int16(into / f"{stem}.flac", gain * samples)
        seconds.append(stems["vocals"].shape[1] / SAMPLE_RATE)
    return seconds


@torch.no_grad()
def estimate_vocals(song: Audio, pair: Pair) -> tuple[Audio, NDArray[np.float64]]:
    """Return what both networks say that the vocals are, and how far they differ.

    Parameters
    ----------
    song
        float32, (2, samples).

    Returns
    -------
    tuple of ndarray
        The vocals, float32 (2, samples), by the mask v² / (v² + a²); and for each stretch of
        STRETCH frames the energy of its difference from the estimate by v alone, in dB of the
        mixture's.
    """
    count = song.shape[1]
    frames = -(-count // HOP_LENGTH) + 3  # so that four windows lie over every sample
    frames = -(-frames // KEPT) * KEPT
    # In front the windows' overlap, and on both sides what networks see beside what is kept.
    before = (MARGIN + 3) * HOP_LENGTH
    length = (frames + 2 * MARGIN - 1) * HOP_LENGTH + N_FFT
    padded = pad(torch.from_numpy(song), (before, length - before - count))
    synthesis = torch.hann_window(N_FFT) / SUM_OF_SQUARES
    out = torch.zeros(2, (frames - 1) * HOP_LENGTH + N_FFT)
    powers = []
    for start in range(0, frames, KEPT):
        first = start * HOP_LENGTH
        spectra = stft(padded[:, first : first + (WINDOW - 1) * HOP_LENGTH + N_FFT])
        v, a = (mask[..., MARGIN:-MARGIN] for mask in _masks(spectra, pair))
        spectra = spectra[..., MARGIN:-MARGIN]
        both = (v.square() + EPSILON / 2) / (v.square() + a.square() + EPSILON)
        difference = ((v - both) * spectra).abs().square().sum((0, 1))
        powers.append(torch.stack([difference, spectra.abs().square().sum((0, 1))]))
        windows = torch.fft.irfft((both * spectra).transpose(1, 2)) * synthesis
        for index, window in enumerate(windows.unbind(1)):
            at = (start + index) * HOP_LENGTH
            out[:, at : at + N_FFT] += window
    vocals = out[:, 3 * HOP_LENGTH :][:, :count].numpy()
    # A frame's middle is one hop after its place; what is over of the last stretch stays unsure.
    heard = torch.cat(powers, 1)[:, 1 : count // HOP_LENGTH + 1].double()
    stretches = heard[:, : heard.shape[1] // STRETCH * STRETCH].unflatten(1, (-1, STRETCH)).sum(2)
    ratio = (stretches[0] + EPSILON) / (stretches[1] + EPSILON)  # of silence nobody is sure
    return vocals, (10 * torch.log10(ratio)).numpy()


def _masks(spectra: Tensor, pair: Pair) -> list[Tensor]:
    """Return the masks of both networks for spectra (2, 2049, frames), as if alone."""
    rows = spectra.abs()[None, :, :BINS].transpose(2, 3)
    rows = rows.contiguous(memory_format=torch.channels_last)
    masks = []
    for network in (pair.vocals, pair.accompaniment):
        low = network.logits(rows).sigmoid()[0].transpose(1, 2)
        high = low[:, HIGHEST].mean(1, keepdim=True)
        masks.append(torch.cat([low, high.expand(-1, spectra.shape[1] - BINS, -1)], 1))
    return masks


def sure_parts(disagreement_db: NDArray[np.float64]) -> list[slice]:
    """Return the samples of the parts that are long enough and sure all along."""
    sure = np.concatenate([[False], disagreement_db <= SURE_DB, [False]]).astype(np.int8)
    begins, ends = (np.flatnonzero(np.diff(sure) == step) for step in (1, -1))
    samples = STRETCH * HOP_LENGTH
    return [
        slice(int(begin) * samples, int(end) * samples)
        for begin, end in zip(begins, ends, strict=True)
        if end - begin >= LEAST_STRETCHES
    ]
