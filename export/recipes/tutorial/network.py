"""The network: a one-dimensional U-Net over STFT frames with recurrent skips.

Five convolutions over time (frequency bins are channels), two of them strided, and a GRU on
each skip, so that what passes around the bottleneck also remembers the past.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import Tensor, nn
from torch.nn.functional import leaky_relu
from torch.nn.utils.parametrizations import weight_norm

from export.constants import BINS

HEADS = ("direct", "gated")
NEGATIVE_SLOPE = 0.01


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """What it takes to build a ``VocalModel`` again.

    Attributes
    ----------
    width
        Scales the inner channels 1024, 512 and 256; 1.0 is the full network of 18.11 M
        parameters, 0.5 has 6.11 M.
    head
        ``"direct"``: the last convolution is the estimate. ``"gated"``: the estimate is the
        input times a sigmoid of it, so it lies between silence and the mixture.
    stems
        How many targets are estimated.
    """

    bins: int = BINS
    width: float = 1.0
    head: str = "direct"
    stems: int = 1

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise ValueError(f"head {self.head!r}: 'direct' or 'gated'")
        if self.bins < 1 or min(self.channels) < 1 or self.stems < 1:
            raise ValueError(
                f"bins {self.bins}, width {self.width}, stems {self.stems}: all must be positive"
            )

    @property
    def channels(self) -> tuple[int, int, int]:
        """Channels after the first, second and third convolution."""
        first, second, third = (round(n * self.width) for n in (1024, 512, 256))
        return first, second, third

    def to_dict(self) -> dict[str, object]:
        """Return the fields for a checkpoint."""
        return asdict(self)


class VocalModel(nn.Module):
    """Mixture log1p magnitude in, targets' log1p magnitudes out.

    Frames must be a multiple of 4: the two strided convolutions halve them twice.
    """

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NetworkConfig()
        c1, c2, c3 = config.channels
        self.conv1 = weight_norm(nn.Conv1d(config.bins, c1, 3, padding=1))
        self.conv2 = weight_norm(nn.Conv1d(c1, c2, 3, stride=2, padding=1))
        self.conv3 = weight_norm(nn.Conv1d(c2, c3, 3, stride=2, padding=1))
        # A transposed convolution keeps its output channels in dimension 1.
        self.up1 = weight_norm(nn.ConvTranspose1d(c3, c2, 3, 2, 1, output_padding=1), dim=1)
        self.up2 = weight_norm(nn.ConvTranspose1d(c2, c1, 3, 2, 1, output_padding=1), dim=1)
        self.out = weight_norm(nn.Conv1d(c1, config.stems * config.bins, 3, padding=1))
        self.gru1 = nn.GRU(c1, c1, batch_first=True)
        self.gru2 = nn.GRU(c2, c2, batch_first=True)

    def forward(self, features: Tensor) -> Tensor:
        """Estimate the targets.

        Parameters
        ----------
        features
            float32 log1p magnitude of the mixture, shape (batch, bins, frames).

        Returns
        -------
        Tensor
            float32 log1p magnitudes of the targets, shape (batch, stems, bins, frames). The
            direct head may go a little below zero; the host takes that as silence.
        """
        a = leaky_relu(self.conv1(features), NEGATIVE_SLOPE)
        b = leaky_relu(self.conv2(a), NEGATIVE_SLOPE)
        c = leaky_relu(self.conv3(b), NEGATIVE_SLOPE)
        d = leaky_relu(self.up1(c), NEGATIVE_SLOPE) + self.gru2(b.mT)[0].mT
        e = leaky_relu(self.up2(d), NEGATIVE_SLOPE) + self.gru1(a.mT)[0].mT
        z = self.out(e).unflatten(1, (self.config.stems, self.config.bins))
        estimate: Tensor = features[:, None] * z.sigmoid() if self.config.head == "gated" else z
        return estimate
