"""The live network and how it is taught."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial, reduce
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.optim.swa_utils import update_bn

from export.augment.effects import random_equalizer_gains
from export.engine.draw import draw_items
from export.engine.ema import Logits, make_ema, restore_ema
from export.engine.muon import Muon
from export.engine.rng import STEP_EQUALIZERS, generator_at
from export.engine.torch_stft import make_window, stft
from export.recipes.live.evaluator import evaluate, held_out_items
from export.recipes.live.features import planes
from export.recipes.live.live_checkpoint import with_current_names
from export.recipes.live.loss import batch_loss
from export.recipes.live.mixing import StereoMixer, draw_batch
from export.recipes.live.network import ADDED, CausalUNet
from export.recipes.live.recipe import Recipe, read_recipe

AVERAGE = 0.999  # of the weights, an exponential mean over about 1,000 steps
CALIBRATION_ITEMS, CALIBRATION_STEP = 128, 10**8  # of steps of their own
SECOND_RUN_RATE = 0.5  # of the recipe's, for weights that have learnt already
# Some steps are seen through the window of the variant that answers sooner: one network is both.
FAST_HOP, FAST_SHARE = 256, 0.35


class LiveTask:
    """Random stereo mixes, the loss of `export.recipes.live.loss`, averaged weights.

    Parameters
    ----------
    recipe
        That of a checkpoint replaces it on `restore`.
    train, valid
        Where items come from.
    whole
        Where those come from that batch norms are measured on, if all that there is to train on
        isn't at hand in `train`.
    channels_last
        Lay out what the network computes with so, which is faster in bfloat16.
    """

    schedule = "cosine"

    def __init__(
        self,
        recipe: Recipe,
        train: StereoMixer,
        valid: StereoMixer,
        *,
        whole: StereoMixer | None = None,
        device: torch.device | None = None,
        channels_last: bool = False,
    ) -> None:
        self._train, self._valid, self._whole = train, valid, whole or train
        self._channels_last = channels_last
        self._device = device or torch.device("cpu")
        self._window = make_window("sqrt_hann").to(self._device)
        self._fast_window = make_window("asymmetric", hop_length=FAST_HOP).to(self._device)
        self._set_up(recipe)

    def _set_up(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.learning_rate, self.valid_every = recipe.learning_rate, recipe.valid_every
        self.batch_size, self.clip_norm = recipe.batch_size, recipe.clip_norm
        self.seed = recipe.seed
        self.batch = partial(draw_batch, self._train, recipe.seed)
        torch.manual_seed(recipe.seed)
        self.model = CausalUNet(recipe.network).to(self._device)
        self.ema = make_ema(self.model, AVERAGE)
        self.average.eval().dropout.p = 0.0  # `update_bn` has it train
        if self._channels_last:  # of 32-bit convolutions this order makes slower ones
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = Muon(
            self.model, [self.model.head], recipe.learning_rate, recipe.weight_decay
        )

    @property
    def network(self) -> nn.Module:
        """What `loss` calls."""
        return Logits(self.model)

    @property
    def average(self) -> CausalUNet:
        """The network with the averaged weights."""
        return cast(CausalUNet, self.ema.module)

    def start_from(self, content: dict[str, Any]) -> None:
        """Begin with the averaged weights of a checkpoint, at a gentler rate.

        Band recurrences and the fine spectrum, if it lacks them, begin as they are made: adding
        nothing. So do the later frames of skips, where this network looks ahead and that one
        doesn't.

        Raises
        ------
        ValueError
            If it is of another network.
        """
        content = with_current_names(content)
        for network in (self.model, self.average):
            weights = look_no_further(content["average"], network)
            lacking, unknown = network.load_state_dict(weights, strict=False)
            if unknown or any(not name.startswith(ADDED) for name in lacking):
                raise ValueError(f"weights of another network: {(unknown or lacking)[0]}")
        rate = self.recipe.learning_rate * SECOND_RUN_RATE
        self.recipe = replace(self.recipe, learning_rate=rate)  # what is resumed goes on so
        self.learning_rate = rate

    def loss(self, network: Any, batch: Tensor, step: int, places: range | None = None) -> Tensor:
        """Return the mean loss of a batch."""
        mixture, stems = self._spectra(batch, step, places)
        return batch_loss(network(self.features(mixture)), mixture, stems)

    def recalibrate_batch_norm(self) -> None:
        """Measure anew what the averaged network's batch norms divide by.

        The running statistics of the network that learns belong to other weights, and to its last
        few batches: with them the same averaged weights score up to a decibel lower.
        """
        update_bn(map(self.features, self.calibration_batches()), self.average)

    def calibration_batches(self) -> Iterator[Tensor]:
        """Yield mixtures as of `spectra`: enough of them to measure what training meets."""
        return self.spectra(CALIBRATION_STEP, -(-CALIBRATION_ITEMS // self.recipe.batch_size))

    def spectra(self, first: int, count: int) -> Iterator[Tensor]:
        """Yield the mixtures of steps, complex64 (batch_size, 2, bins, frames) each."""
        for step in range(first, first + count):
            items = draw_items(self._whole, step, range(self.batch_size))
            yield self._spectra(items, step)[0]

    def features(self, mixture: Tensor) -> Tensor:
        """Return what the network is given of the mixtures of a batch."""
        return planes(mixture)

    def _held_out_items(self) -> Iterator[Tensor]:
        """Yield fixed items of held-out tracks, as `batch` returns those to learn from."""
        return held_out_items(self._valid, self.recipe.valid_items, self.recipe.batch_size)

    def _spectra(
        self, sources: Tensor, step: int, places: range | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return mixture (batch, 2, bins, frames) and stems (batch, S, 2, bins, frames).

        Each source has gone through an equaliser of its own.
        """
        places = places or range(len(sources))
        rng = generator_at(self.recipe.seed, step, STEP_EQUALIZERS)
        window = self._fast_window if rng.random() < FAST_SHARE else self._window
        sides = []
        for side in sources.unbind(1):
            spectrum = stft(side.to(self._device), window)
            curves = random_equalizer_gains(rng, places, spectrum.shape[2])
            sides.append(spectrum * torch.from_numpy(curves).to(self._device)[:, None, :, None])
        return reduce(torch.add, sides), torch.stack(sides[:-1], 1)

    def validate(self) -> dict[str, float]:
        """Recalibrate the averaged network's batch norms and `score` it."""
        self.recalibrate_batch_norm()
        return self.score()

    def score(self) -> dict[str, float]:
        """Score the averaged weights on fixed items of held-out tracks.

        Returns
        -------
        dict
            As of `export.recipes.live.evaluator.evaluate`.
        """
        items = self._held_out_items()
        return evaluate(self.average, items, self._window, self.features)

    def state(self) -> dict[str, Any]:
        """Return the recipe, the weights, their mean and the optimiser's state."""
        return {
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "averaged": int(self.ema.n_averaged),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on by the recipe of a checkpoint."""
        state = with_current_names(state)
        self._set_up(read_recipe(state))
        self.model.load_state_dict(state["model"])
        # Not kept at first: one a step, and what the run began with.
        count = state["averaged"] if "averaged" in state else state["step"] + 1
        restore_ema(self.ema, state["average"], count)
        self.optimizer.load_state_dict(state["optimizer"])


def look_no_further(weights: dict[str, Tensor], network: CausalUNet) -> dict[str, Tensor]:
    """Return weights with the skips' kernels as long as the network's: zeros for later frames.

    Parameters
    ----------
    weights
        By the names of the network's parameters; of a network that looks no further ahead.
    """
    fitted = dict(weights)
    for name, wanted in network.named_parameters():
        kernel = weights.get(name)
        if name.endswith("skip.weight") and kernel is not None:
            fitted[name] = pad(kernel, (0, 0, 0, max(0, wanted.shape[2] - kernel.shape[2])))
    return fitted
