"""Both published networks as one: what the vocals' mask and the accompaniment's say together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from export.recipes.spleeter.network import BINS, SpleeterUNet


class Pair(nn.Module):
    """Two networks that aren't taught: they say what they think.

    Parameters
    ----------
    vocals
        Of the vocals; its mask counts alone above 11 kHz.
    accompaniment
        Of the accompaniment, as published: it ends at 11 kHz.
    """

    def __init__(self, vocals: SpleeterUNet, accompaniment: SpleeterUNet) -> None:
        super().__init__()
        self.vocals, self.accompaniment = vocals, accompaniment
        self.eval().requires_grad_(False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def masks(self, rows: Tensor) -> Tensor:
        """Return the vocals' masks, (v + 1 − a) / 2 below 11 kHz and v above.

        Parameters
        ----------
        rows
            As of `SpleeterUNet.logits`.

        Returns
        -------
        Tensor
            float32, of the same shape.
        """
        masks = self.vocals.logits(rows).sigmoid()
        low = rows[..., :BINS].contiguous(memory_format=torch.channels_last)
        # 1 - sigmoid(x) is sigmoid(-x), which is exact where that is small.
        residual = (-self.accompaniment.logits(low)).sigmoid()
        masks[..., :BINS] = (masks[..., :BINS] + residual) / 2
        return masks
