"""Checkpoints and model files from before things were renamed are read as they always were."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.cli import main
from export.engine.checkpoint import read_content, write_content
from export.errors import VerificationError
from export.onnx_graph.variant import read_spec
from export.recipes.live.live_checkpoint import with_current_names
from export.recipes.live.network import CausalConfig, CausalUNet
from export.recipes.live.onnx_export import Live, read_live, verify_live
from export.recipes.live.onnx_import import read_arrays, read_network
from export.recipes.live.recipe import Recipe, read_recipe
from streamsep.spec import SCHEMA

CONFIG = CausalConfig(channels=(4, 4, 4, 4), recurrent_levels=(2, 3), hidden=8)
# What each part was called, by what it is called today.
OLD = {
    "band_recurrences": "memories",
    "band_embedding": "place",
    "bottleneck": "gru",
    "projection": "back",
}


def old_names(weights: dict[str, Any]) -> dict[str, Any]:
    return {".".join(OLD.get(p, p) for p in name.split(".")): w for name, w in weights.items()}


@pytest.fixture
def network() -> CausalUNet:
    torch.manual_seed(3)
    return CausalUNet(CONFIG).eval()


@pytest.fixture
def old_checkpoint(network: CausalUNet, tmp_path: Path) -> Path:
    weights = old_names(network.state_dict())
    assert {"memories.2.place", "gru.weight_ih_l1", "back.bias"} <= weights.keys()
    recipe = asdict(Recipe(CONFIG))
    recipe["network"]["memory_levels"] = recipe["network"].pop("recurrent_levels")
    write_content(tmp_path / "old.pt", {"recipe": recipe, "model": weights, "average": weights})
    return tmp_path / "old.pt"


def test_an_old_checkpoint_is_the_network_it_was(network: CausalUNet, old_checkpoint: Path) -> None:
    live = read_live(old_checkpoint)
    assert live is not None
    for name, weight in network.state_dict().items():
        assert torch.equal(live.network.state_dict()[name], weight), name
    content = read_content(old_checkpoint)
    assert read_recipe(content) == Recipe(CONFIG)
    renamed = with_current_names(content)
    assert renamed["model"].keys() == renamed["average"].keys() == network.state_dict().keys()
    assert with_current_names(renamed) == renamed  # today's names stay


def test_the_fast_built_in_file_is_a_variant_of_the_light_one(tmp_path: Path) -> None:
    light, fast = (Path(str(files("streamsep.models") / f"{n}.onnx")) for n in ("light", "fast"))
    shutil.copy(light, tmp_path)
    source, made = (str(tmp_path / path.name) for path in (light, fast))
    main(["variant", source, "--hop", "256", "--prior", "studio", "--out", made])
    # A file keeps the number of the schema that it was written by.
    assert read_spec(tmp_path / fast.name) == replace(read_spec(fast), scores={}, schema=SCHEMA)
    first, second = (read_arrays(path) for path in (light, fast))
    assert first.keys() == second.keys()
    assert all(torch.equal(array, second[name]) for name, array in first.items())


def test_what_is_no_live_network_has_no_variants(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tutorial = str(files("streamsep.models") / "tutorial.onnx")
    with pytest.raises(SystemExit) as stop:
        main(["variant", tutorial, "--hop", "256", "--out", str(tmp_path / "x.onnx")])
    assert stop.value.code == VerificationError.exit_code
    assert "holds no live network" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["light", "fast"])
def test_the_built_in_files_are_read_back(name: str) -> None:
    """They were exported under the old names: what is read back computes what the file does."""
    path = Path(str(files("streamsep.models") / f"{name}.onnx"))
    network = read_network(read_arrays(path))
    assert network.config == CausalConfig()
    time = np.arange(44_100) / 44_100
    noise = np.random.default_rng(0).standard_normal((2, time.size))
    wave = (0.1 * noise * (1.1 + np.sin(2 * np.pi * 3 * time))).astype(np.float32)
    assert verify_live(path, Live(network, ("vocals",)), wave) > 0
