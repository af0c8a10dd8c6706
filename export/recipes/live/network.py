"""A causal U-Net over frequency with recurrent layers over time.

Going down, convolutions over two frames and five bins halve the number of bins; going up,
transposed ones double it beside the skips. What a sound looks like is learnt once for all
pitches, as in image networks. Time is seen by GRUs: on the middle levels one that all bands
share, as in band-split networks (Luo and Yu 2023), and one over the whole bottleneck. The live
network doesn't look ahead; one that does answers ``lookahead`` frames late: what goes down, and
the recurrent layers, hear the newest frame, and skips bring back the frames between.

Where bins are many and say little they are taken together, two by two from 5.5 kHz on and four
by four from 11 kHz on: half the work.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, pad

from export.recipes.live.features import FEATURE_GAIN

BINS = 1024  # of 1025: the last one, Nyquist, follows its neighbour
FINE = 256  # bins taken one by one
MIDDLE = 512  # to here two by two, above four by four
# Bins a band, and how many bands of that size there are.
BAND_SIZES = ((1, FINE), (2, (MIDDLE - FINE) // 2), (4, (BINS - MIDDLE) // 4))
BANDS = sum(count for _, count in BAND_SIZES)

FEATURE_SCALE = 0.25  # loud sounds then come to about 2.6
NEGATIVE_SLOPE = 0.1
KERNEL_BANDS = 5
ADDED = ("band_recurrences.", "fine.")  # begins the names of parts that add nothing at first


FINE_PARTS = 4  # that a bin is told apart in, by so many frames:
FINE_FRAMES = 6
FINE_WIDTH = 24


@dataclass(frozen=True, slots=True)
class CausalConfig:
    """What it takes to build a ``CausalUNet`` again.

    Attributes
    ----------
    planes
        Planes of log magnitude in: left, right, mid, side. After them come real and imaginary
        part of the mid.
    masks
        Masks out: left, right, of each stem.
    channels
        Width of each level, top first; each level has half the bands of the one above.
    recurrent_levels
        Levels, counted from 1, with a shared GRU over each band.
    fine
        Whether there is a `FineSpectrum`.
    hidden
        Units of the two-layer GRU at the bottleneck.
    dropout
        Share of the bottleneck's output that is dropped in training: for few songs.
    lookahead
        Frames that a mask is late: the mask of frame t comes out with frame t + lookahead.
    """

    planes: int = 4
    masks: int = 2
    channels: tuple[int, ...] = (16, 32, 48, 64, 80, 96)
    recurrent_levels: tuple[int, ...] = (3, 4)
    fine: bool = True
    hidden: int = 256
    dropout: float = 0.0
    lookahead: int = 0

    def to_dict(self) -> dict[str, object]:
        """Return the fields for a checkpoint."""
        return asdict(self)

    @property
    def left_context(self) -> int:
        """How many frames of each level are kept: a convolution's, or those a skip brings back."""
        return max(1, self.lookahead)

    def bands(self, level: int) -> int:
        """Return how many bands a level has; level 0 is the input."""
        return BANDS >> level


class Encoder(nn.Module):
    """Halve the bands: a convolution over this frame and the one before."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels_in,
            channels_out,
            (2, KERNEL_BANDS),
            stride=(1, 2),
            padding=(0, KERNEL_BANDS // 2),
            bias=False,
        )
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor, left_context: Tensor, more: Tensor | None = None) -> Tensor:
        """Convolve, normalise, activate.

        Parameters
        ----------
        x
            float32, (batch, channels_in, frames, bands).
        left_context
            The frames before, (batch, channels_in, 1 or more, bands); the last one is used.
        more
            What is added to the lowest bands before they are normalised, (batch, channels_out,
            frames, at most bands // 2).

        Returns
        -------
        Tensor
            float32, (batch, channels_out, frames, bands // 2).
        """
        y = self.conv(torch.cat([left_context[:, :, -1:], x], 2))
        if more is not None:
            y = y + pad(more, (0, y.shape[3] - more.shape[3]))
        return leaky_relu(self.norm(y), NEGATIVE_SLOPE)


class Decoder(nn.Module):
    """Double the bands beside the skip, which sees every frame from that of the mask on."""

    def __init__(
        self, channels_in: int, channels_skip: int, channels_out: int, lookahead: int
    ) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(
            channels_in, channels_out, (1, 4), stride=(1, 2), padding=(0, 1), bias=False
        )
        self.skip = nn.Conv2d(channels_skip, channels_out, (1 + lookahead, 1), bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Upsample, add the skip, normalise, activate.

        Parameters
        ----------
        x
            float32, (batch, channels_in, frames, bands).
        skip
            float32, (batch, channels_skip, frames + lookahead, 2 · bands).

        Returns
        -------
        Tensor
            float32, (batch, channels_out, frames, 2 · bands).
        """
        return leaky_relu(self.norm(self.up(x) + self.skip(skip)), NEGATIVE_SLOPE)


class FineSpectrum(nn.Module):
    """What a longer window would show of the bins below 5.5 kHz, heard from the frames there are.

    From frame to frame a bin is a signal too, of what lies within a bin's width of its centre:
    filters over its last frames tell frequencies apart that fall into one bin of one frame. (A
    filter bank behind a filter bank, as in the hybrid ones of audio coding.) They begin as those of
    a Fourier transform over a window that falls towards the past, and are learnt.
    """

    def __init__(self, channels_out: int) -> None:
        super().__init__()
        ago = torch.arange(FINE_FRAMES)
        fall = torch.cos(torch.pi / 2 * ago / FINE_FRAMES).square()
        offsets = (torch.arange(FINE_PARTS) + 0.5) / FINE_PARTS - 0.5  # from the centre, in bins
        # What is one bin higher turns by half a turn more from frame to frame: hop over n_fft.
        turns = torch.pi * offsets[:, None] * ago
        self.real = nn.Parameter(fall / fall.sum() * turns.cos())  # newest frame first
        self.imag = nn.Parameter(fall / fall.sum() * turns.sin())
        self.conv = nn.Conv2d(2 * FINE_PARTS, FINE_WIDTH, (2, 3), padding=(0, 1), bias=False)
        self.norm = nn.BatchNorm2d(FINE_WIDTH)
        self.out = nn.Conv2d(FINE_WIDTH, channels_out, (1, 3), padding=(0, 1), bias=False)
        nn.init.zeros_(self.out.weight)  # as in `BandRecurrence`

    def kernel(self) -> Tensor:
        """Return the filters as one convolution's weights, (4 · FINE_PARTS, 2, FINE_FRAMES, 2).

        Of stride (1, 2): pairs of bins go in, real and imaginary part; out come the real parts of
        even bins, one a filter, those of odd bins, and the imaginary parts of both.
        """
        real, imag = self.real.flip(1), self.imag.flip(1)
        ago = torch.arange(FINE_FRAMES - 1, -1, -1, device=real.device)
        turned = 1 - 2 * (ago % 2)  # the centre of an odd bin turns by half a turn a frame
        rows = []
        for of_real, of_imag in ((real, -imag), (imag, real)):
            even = torch.stack([of_real, of_imag], 1)
            nothing = torch.zeros_like(even)
            rows += [torch.stack([even, nothing], -1), torch.stack([nothing, turned * even], -1)]
        return torch.cat(rows)

    def forward(self, both: Tensor) -> Tensor:
        """Take spectra of FINE_FRAMES frames before the first one and of the frames.

        Parameters
        ----------
        both
            (batch, 2, FINE_FRAMES + frames, FINE), real and imaginary part.

        Returns
        -------
        Tensor
            (batch, channels_out, frames, FINE // 2).
        """
        # In bfloat16 what is 50 dB louder would drown a part next to it.
        with torch.autocast(both.device.type, enabled=False):
            filters = FEATURE_GAIN * self.kernel().float()
            real, imag = conv2d(both.float(), filters, stride=(1, 2)).chunk(2, 1)
            fine = torch.log1p(real.square() + imag.square())
        x = self.norm(self.conv(FEATURE_SCALE / 2 * fine))
        added: Tensor = self.out(leaky_relu(x, NEGATIVE_SLOPE))
        return added


class BandRecurrence(nn.Module):
    """A GRU over time that all bands share, each told where it stands."""

    def __init__(self, bands: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.band_embedding = nn.Parameter(0.02 * torch.randn(bands, channels))
        self.gru = nn.GRU(channels, channels, batch_first=True)
        self.out = nn.Linear(channels, channels)
        # Nothing is added at first: it can be given to a network that has learnt already.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
        """Add what the GRU makes of each band.

        Parameters
        ----------
        x
            float32, (batch, channels, frames, bands).
        hidden
            The GRU's recurrent state before the first frame, (1, batch · bands, channels).
            [default: zeros]

        Returns
        -------
        tuple of Tensor
            float32 like ``x``, and the recurrent state after the last frame.
        """
        batch, channels, frames, bands = x.shape
        y = x.permute(0, 3, 2, 1)
        y = self.norm(y) + self.band_embedding[:, None]
        y, hidden = self.gru(y.reshape(-1, frames, channels), hidden)
        y = self.out(y).reshape(batch, bands, frames, channels)
        return x + y.permute(0, 3, 2, 1), hidden


class CausalUNet(nn.Module):
    """Log magnitudes and the mid's spectrum in, masks out; see the module."""

    def __init__(self, config: CausalConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CausalConfig()
        widths = (config.planes, *config.channels)
        levels = len(config.channels)
        self.encoders = nn.ModuleList(Encoder(widths[i], widths[i + 1]) for i in range(levels))
        self.band_recurrences = nn.ModuleDict(
            {str(i): BandRecurrence(config.bands(i), widths[i]) for i in config.recurrent_levels}
        )
        self.fine = FineSpectrum(widths[1]) if config.fine else None
        width = config.bands(levels) * widths[-1]
        self.bottleneck = nn.GRU(width, config.hidden, num_layers=2, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.projection = nn.Linear(config.hidden, width)
        # The top level comes out as wide as the one below it: the input is too narrow a model.
        outs = (widths[1], *widths[1:-1])
        self.decoders = nn.ModuleList(
            Decoder(widths[i + 1], widths[i], outs[i], config.lookahead) for i in range(levels)
        )
        self.head = nn.Conv2d(outs[0], config.masks, (1, 3), padding=(0, 1))

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of what `step` carries from frame to frame, for one stream, by name.

        ``left_context…`` are the last frames of a level, (1, channels, frames, bands), and
        ``fine`` those of the spectrum, (1, 2, FINE_FRAMES, FINE); ``band_state…`` (1, bands,
        channels) and ``bottleneck`` (layers, 1, hidden) are recurrent states.
        """
        config, widths = self.config, (self.config.planes, *self.config.channels)
        shapes: dict[str, tuple[int, ...]] = {
            f"left_context{i}": (1, widths[i], config.left_context, config.bands(i))
            for i in range(len(widths) - (not config.lookahead))
        }
        for i in config.recurrent_levels:
            shapes[f"band_state{i}"] = (1, config.bands(i), widths[i])
        if config.fine:
            shapes["fine"] = (1, 2, FINE_FRAMES, FINE)
        return shapes | {"bottleneck": (2, 1, config.hidden)}

    def forward(self, features: Tensor) -> Tensor:
        """Estimate masks for whole excerpts that begin in silence.

        Parameters
        ----------
        features
            float32, (batch, planes + 2, 1025, frames); see `export.recipes.live.features`.

        Returns
        -------
        Tensor
            float32 masks from 0 to 1, (batch, masks, 1025, frames): each of the frame
            ``lookahead`` before.
        """
        return self.step(features, {})[0]

    def logits(self, features: Tensor) -> Tensor:
        """Return what `forward` makes masks of, by band.

        Unlike those of `forward` they are of the frames in order, from the first one on: masks
        that come out before the first frame's are left out.

        Parameters
        ----------
        features
            As of `forward`.

        Returns
        -------
        Tensor
            float32, (batch, masks, frames − lookahead, 512), before the sigmoid.
        """
        return self._step(features, {})[0][:, :, self.config.lookahead :]

    def step(self, features: Tensor, states: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Do what `forward` does from given states on.

        Parameters
        ----------
        features
            As of `forward`, of one frame or more.
        states
            What the step before returned, by the names of `state_shapes`; those that are missing
            are zeros: silence before the first frame.

        Returns
        -------
        tuple
            float32 masks as of `forward`, and the states after the last frame.
        """
        logits, after = self._step(features, states)
        return to_masks(logits), after

    def _step(
        self, features: Tensor, states: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        batch, _, _, frames = features.shape
        late = self.config.lookahead
        sizes = [self.config.planes, 2]
        magnitudes, middle = features.transpose(2, 3).split(sizes, 1)
        x = bins_to_bands(FEATURE_SCALE * magnitudes[..., :BINS])
        after: dict[str, Tensor] = {}
        fine = None
        if self.fine is not None:
            middle = middle[..., :FINE]
            both = torch.cat([self._state("fine", batch, states, middle), middle], 2)
            after["fine"], fine = both[:, :, -FINE_FRAMES:], self.fine(both)
        skips = []
        for i, encoder in enumerate(self.encoders):
            left_context, both = self._with_left_context(f"left_context{i}", x, states, after)
            skips.append(both if late else x)
            x = encoder(x, left_context, None if i else fine)
            if str(i + 1) in self.band_recurrences:
                name = f"band_state{i + 1}"
                x, after[name] = self.band_recurrences[str(i + 1)](x, states.get(name))
        y = x.permute(0, 2, 1, 3).reshape(batch, frames, -1)
        y, after["bottleneck"] = self.bottleneck(y, states.get("bottleneck"))
        y = self.projection(self.dropout(y)).reshape(batch, frames, x.shape[1], -1)
        if late:
            x = self._with_left_context(f"left_context{len(skips)}", x, states, after)[1][
                :, :, :frames
            ]
        x = x + y.permute(0, 2, 1, 3)
        for i in reversed(range(len(self.decoders))):
            x = self.decoders[i](x, skips[i])
        return self.head(x), after

    def _state(self, name: str, batch: int, states: dict[str, Tensor], like: Tensor) -> Tensor:
        """Return a state, or silence."""
        shape = self.state_shapes()[name]
        state = states.get(name)
        return like.new_zeros(batch, *shape[1:]) if state is None else state

    def _with_left_context(
        self, name: str, x: Tensor, states: dict[str, Tensor], after: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return the frames before, and them with the new ones behind; keep the last for later."""
        left_context = self._state(name, len(x), states, x)
        both = torch.cat([left_context, x], 2)
        after[name] = both[:, :, -self.config.left_context :]
        return left_context, both


def bins_to_bands(x: Tensor) -> Tensor:
    """Return the mean of the bins (…, 1024) of each band, (…, 512)."""
    parts = x.split([size * count for size, count in BAND_SIZES], -1)
    means = [
        part.unflatten(-1, (-1, size)).mean(-1) if size > 1 else part
        for part, (size, _) in zip(parts, BAND_SIZES, strict=True)
    ]
    return torch.cat(means, -1)


def to_masks(logits: Tensor) -> Tensor:
    """Turn logits (batch, masks, frames, 512) into masks (batch, masks, 1025, frames)."""
    masks = bands_to_bins(logits.sigmoid()).transpose(2, 3)
    return torch.cat([masks, masks[:, :, -1:]], 2)


def bands_to_bins(x: Tensor) -> Tensor:
    """Give every bin (…, 1024) the value of its band (…, 512)."""
    parts = x.split([count for _, count in BAND_SIZES], -1)
    sizes = [size for size, _ in BAND_SIZES]
    return torch.cat(
        [part.repeat_interleave(n, -1) for part, n in zip(parts, sizes, strict=True)], -1
    )
