"""A causal U-Net over frequency with recurrent memory over time.

Every frame is a column of patches of neighbouring bins. Going down, pairs of patches merge (as
in Swin transformers, Liu et al. 2021), which is a plain matrix product where a strided
convolution would be slow on CPUs; going up they part again beside the skips. Time is seen by
GRUs alone: one over the whole bottleneck, and on the middle levels one that all bands share, as
in band-split networks (Luo and Yu 2023). Nothing looks ahead.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

BINS = 1024  # of 1025: the last one, Nyquist, follows its neighbour


@dataclass(frozen=True, slots=True)
class CausalConfig:
    """What it takes to build a ``CausalUNet`` again.

    Attributes
    ----------
    planes
        Feature planes in: left, right, mid, side.
    masks
        Masks out: left, right.
    patch
        Bins per patch at the top.
    channels
        Width of each level, top first.
    memory_levels
        Levels with a shared GRU over each band and a mix across bands.
    hidden
        Units of the two-layer GRU at the bottom.
    """

    planes: int = 4
    masks: int = 2
    patch: int = 8
    channels: tuple[int, ...] = (48, 64, 64, 64)
    memory_levels: tuple[int, ...] = (1, 2)
    hidden: int = 256

    def to_dict(self) -> dict[str, object]:
        """Return the fields for a checkpoint."""
        return asdict(self)


class BandMemory(nn.Module):
    """A GRU over time that all bands share, then a mix across bands that all channels share."""

    def __init__(self, bands: int, channels: int) -> None:
        super().__init__()
        self.norm_time = nn.LayerNorm(channels)
        self.place = nn.Parameter(0.02 * torch.randn(bands, channels))
        self.gru = nn.GRU(channels, channels, batch_first=True)
        self.out = nn.Linear(channels, channels)
        self.norm_band = nn.LayerNorm(channels)
        self.widen = nn.Linear(bands, bands)
        self.narrow = nn.Linear(bands, bands)

    def forward(self, x: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
        """Take (batch, frames, bands, channels) and the GRU's state (1, batch·bands, channels)."""
        batch, frames, bands, channels = x.shape
        y = (self.norm_time(x) + self.place).transpose(1, 2).reshape(-1, frames, channels)
        y, hidden = self.gru(y, hidden)
        x = x + self.out(y).reshape(batch, bands, frames, channels).transpose(1, 2)
        y = self.norm_band(x).transpose(2, 3)
        return x + self.narrow(silu(self.widen(y))).transpose(2, 3), hidden


class CausalUNet(nn.Module):
    """Log magnitudes in, masks out; see the module."""

    def __init__(self, config: CausalConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CausalConfig()
        widths, top = config.channels, BINS // config.patch
        levels = range(len(widths) - 1)
        self.patches = nn.Linear(2 * config.planes * config.patch, widths[0])
        self.patches_norm = nn.LayerNorm(widths[0])
        self.down = nn.ModuleList(nn.Linear(2 * widths[i], widths[i + 1]) for i in levels)
        self.down_norm = nn.ModuleList(nn.LayerNorm(widths[i + 1]) for i in levels)
        self.memories = nn.ModuleDict(
            {str(i): BandMemory(top >> i, widths[i]) for i in config.memory_levels}
        )
        bottom = (top >> len(levels)) * widths[-1]
        self.gru = nn.GRU(bottom, config.hidden, num_layers=2, batch_first=True)
        self.back = nn.Linear(config.hidden, bottom)
        self.up = nn.ModuleList(nn.Linear(widths[i + 1], 2 * widths[i]) for i in levels)
        self.up_norm = nn.ModuleList(nn.LayerNorm(widths[i]) for i in levels)
        self.skip = nn.ModuleList(nn.Linear(widths[i], widths[i]) for i in levels)
        self.refine = nn.ModuleList(nn.Linear(widths[i], widths[i]) for i in levels)
        self.head = nn.Linear(
            widths[0] + config.planes * config.patch, config.masks * config.patch
        )

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return what `step` carries from frame to frame, for one stream, by name."""
        config = self.config
        top = BINS // config.patch
        shapes = {"frame": (1, 1, top, config.planes * config.patch)}
        for i in config.memory_levels:
            shapes[f"memory{i}"] = (1, top >> i, config.channels[i])
        return shapes | {"bottom": (2, 1, config.hidden)}

    def forward(self, features: Tensor) -> Tensor:
        """Estimate masks for whole excerpts that begin in silence.

        Parameters
        ----------
        features
            float32 log1p magnitudes, (batch, planes, 1025, frames).

        Returns
        -------
        Tensor
            float32 masks from 0 to 1, (batch, masks, 1025, frames).
        """
        return self.step(features, {})[0]

    def step(self, features: Tensor, states: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Do what `forward` does from given states on, and return the states after it."""
        batch, _planes, _, frames = features.shape
        raw = features[:, :, :BINS].permute(0, 3, 2, 1)
        raw = raw.reshape(batch, frames, BINS // self.config.patch, -1)
        before = states.get("frame", torch.zeros_like(raw[:, :1]))
        after = {"frame": raw[:, -1:]}
        past = torch.cat([before, raw[:, :-1]], 1) if frames > 1 else before
        x = silu(self.patches_norm(self.patches(torch.cat([raw, past], -1))))
        skips = [x]
        for i, (down, norm) in enumerate(zip(self.down, self.down_norm, strict=True), start=1):
            x = silu(norm(down(x.reshape(batch, frames, x.shape[2] // 2, -1))))
            if str(i) in self.memories:
                x, after[f"memory{i}"] = self.memories[str(i)](x, states.get(f"memory{i}"))
            skips.append(x)
        y, after["bottom"] = self.gru(x.reshape(batch, frames, -1), states.get("bottom"))
        x = x + self.back(y).reshape(x.shape)
        for i in reversed(range(len(self.up))):
            y = self.up[i](x).reshape(batch, frames, 2 * x.shape[2], -1)
            x = silu(self.up_norm[i](y + self.skip[i](skips[i])))
            x = x + self.refine[i](x)
        masks = self.head(torch.cat([x, raw], -1)).sigmoid()
        masks = masks.reshape(batch, frames, BINS, -1).permute(0, 3, 2, 1)
        return torch.cat([masks, masks[:, :, -1:]], 2), after
