"""How well a live network separates mixes that it wasn't trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import pad

from export.engine.draw import draw_items
from export.engine.metrics import UsdrMeans
from export.engine.torch_stft import istft, stft
from export.recipes.live.features import planes
from export.recipes.live.loss import batch_loss
from export.recipes.live.mixing import StereoMixer
from export.recipes.live.network import CausalUNet, to_masks


def held_out_items(mixer: StereoMixer, count: int, batch_size: int) -> Iterator[Tensor]:
    """Yield the same items each time, float32 (batch_size, S + 1, 2, samples) each.

    Parameters
    ----------
    count
        Items at least: the last batch is a whole one too.
    """
    for start in range(0, count, batch_size):
        yield draw_items(mixer, start, range(batch_size))


@torch.no_grad()
def evaluate(
    network: CausalUNet,
    batches: Iterable[Tensor],
    window: Tensor,
    features: Callable[[Tensor], Tensor] = planes,
) -> dict[str, float]:
    """Score a network's stems, whole items at a time.

    Parameters
    ----------
    network
        In evaluation mode.
    batches
        Stems and what is in none of them, float32 (batch, S + 1, 2, samples) each.
    window
        Analysis and synthesis window, float32 (n_fft,), on the network's device.
    features
        Makes of the spectra of a batch's mixtures what the network is given.

    Returns
    -------
    dict
        ``loss``, as in training, and the means of `export.engine.metrics.UsdrMeans` in dB.
    """
    losses: list[float] = []
    scores = UsdrMeans()
    for sources in batches:
        whole, stems = sources.sum(1), sources[:, :-1]
        mixture = stft(whole.to(window.device), window)
        # After its end a song is silent.
        logits = network.logits(pad(features(mixture), (0, network.config.lookahead)))
        wanted = stft(stems.to(window.device), window)
        losses.append(batch_loss(logits, mixture, wanted).item())
        masks = to_masks(logits).unflatten(1, stems.shape[1:3])
        heard = istft(mixture[:, None] * masks, window, whole.shape[-1]).cpu()
        scores.add(whole, stems, heard)
    return {"loss": sum(losses) / len(losses), **scores.means()}
