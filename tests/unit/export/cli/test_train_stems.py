"""A folder of songs with stems of any names becomes a model that tells them apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from export.cli import main
from export.constants import N_FFT, SAMPLE_RATE
from export.data.manifest import Track, read_manifest
from export.data.stem_names import host_names
from export.engine.loop import Budget, Trainer
from export.engine.torch_stft import make_window, stft
from export.errors import DataError, VerificationError
from export.recipes.live.features import planes
from export.recipes.live.mixing import ITEM_SAMPLES, StereoMixer
from export.recipes.live.network import CausalConfig
from export.recipes.live.onnx_export import live_spec, read_live, verify_live, write_live
from export.recipes.live.recipe import Recipe, read_recipe
from export.recipes.live.task import LiveTask
from export.recipes.tutorial.train_config import TrainConfig
from streamsep.errors import ModelError
from streamsep.separation import load_separator
from streamsep.spec import ModelSpec
from tests.support.cases import one_fast
from tests.support.commands import streamsep

TONES = {"drums": 110, "Bass-2": 55, "other": 440, "vocals": 880}
STEMS = ("drums", "bass-2", "other", "vocals")
MANY = tuple(f"s{i}" for i in range(17))
RECIPE = Recipe(
    network=CausalConfig(masks=6, channels=(4, 4, 4, 4), recurrent_levels=(3,), hidden=8),
    stems=("drums", "bass-2", "vocals"),
    batch_size=2,
    learning_rate=2e-2,
    valid_every=100,
    valid_items=2,
)


@pytest.fixture
def data(make_song: Callable[..., Path], tmp_path: Path) -> Path:
    """Two songs of four stems, and one whose drums aren't known apart."""
    make_song("one", seconds=6.5, **TONES)
    make_song("plain", seconds=6.5, vocals=700, accompaniment=200)
    songs = make_song("two", seconds=6.5, **TONES)
    main(
        ["prepare", "--songs", str(songs), "--out", str(tmp_path / "data"), "--valid", "songs-two"]
    )
    return tmp_path / "data"


@pytest.mark.slow
def test_from_a_folder_of_songs_to_separated_files(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, model = tmp_path / "run", tmp_path / "band.onnx"
    main(
        [
            "train",
            "--data",
            str(data),
            "--out",
            str(run),
            "--stems",
            ",".join(STEMS),
            "--mix",
            "--head",
            "gated",
            "--width",
            "0.01",
            "--batch",
            "1",
            "--valid-excerpts",
            "1",
            "--steps",
            "2",
            "--threads",
            "1",
            "--device",
            "cpu",
        ]
    )
    main(["onnx", "--checkpoint", str(run / "last.pt"), "--out", str(model), "--steps", "8"])
    main(["verify", str(model), "--checkpoint", str(run / "last.pt"), "--steps", "8"])
    assert "largest error" in capsys.readouterr().out.splitlines()[-1]
    song = next(data.glob("songs-two/mixture.*"))
    done = streamsep(
        "separate",
        song,
        "--model",
        model,
        "-o",
        tmp_path / "out",
        "--stems",
        "drums,vocals,bass-2,other,rest",
    )
    assert done.returncode == 0, done.stderr
    stems = {p.name.split(".")[1]: sf.read(p)[0] for p in (tmp_path / "out").glob("*.wav")}
    assert set(stems) == {*STEMS, "rest"}
    # Five stems are rounded to 24 bits each.
    np.testing.assert_allclose(sum(stems.values()), sf.read(song)[0], atol=5 * 2.0**-23)
    assert min(np.abs(stem).max() for stem in stems.values()) > 1e-3


def test_every_stem_is_prepared_by_its_name(data: Path) -> None:
    tracks = {track.id: track for track in read_manifest(data)}
    assert set(tracks["songs-one"].files) == {*STEMS, "mixture", "accompaniment"}
    read = {n: sf.read(data / f)[0] for n, f in tracks["songs-one"].files.items()}
    # Five files are rounded to 16 bit each.
    total = sum(read[stem] for stem in STEMS)
    np.testing.assert_allclose(total, read["mixture"], atol=2.5 / 32_768)
    assert np.abs(np.fft.rfft(read["drums"][:44_100, 0])).argmax() == 110


@pytest.mark.parametrize("recipe", one_fast(["tutorial", "live"]))
@pytest.mark.parametrize(
    ("stems", "says"),
    one_fast(
        [
            (
                "drums,kazoo",
                "no track to train drums, kazoo on; expected songs with these stems; the "
                "tracks here have accompaniment, bass-2, drums, other, vocals",
            ),
            ("drums,accompaniment", "the stems drums, accompaniment can't be told apart"),
            ("drums,rest", "not mixture or rest"),
            ("../drums", "can't be told apart; expected 1 to 16 different names of letters"),
        ]
    ),
)
def test_stems_that_can_t_be_trained_are_said(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    recipe: str,
    stems: str,
    says: str,
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "train",
                "--recipe",
                recipe,
                "--data",
                str(data),
                "--out",
                str(tmp_path / "run"),
                "--stems",
                stems,
                "--steps",
                "1",
            ]
        )
    assert stop.value.code == DataError.exit_code
    assert says in capsys.readouterr().err


class TestLive:
    """The built-in recipe: two masks a stem."""

    TONES_HZ = (2_000, 100, 500)

    @pytest.fixture
    def mixer(self, tmp_path: Path) -> StereoMixer:
        rng = np.random.default_rng(0)
        count = 4 * 44_100
        time = np.arange(count) / 44_100
        tones = {
            name: 0.1 * np.stack([np.sin(2 * np.pi * hz * time)] * 2)
            for name, hz in zip(RECIPE.stems, self.TONES_HZ, strict=True)
        }
        rest = 0.02 * rng.standard_normal((2, count))
        band = tones["drums"] + tones["bass-2"] + rest
        sounds = tones | {"accompaniment": band, "mixture": band + tones["vocals"]}
        for name, sound in sounds.items():
            sf.write(tmp_path / f"{name}.wav", sound.T, 44_100, subtype="PCM_16")
        track = Track("song", "song", "train", count, 0.0, {n: f"{n}.wav" for n in sounds})
        return StereoMixer(tmp_path, [track], 1, RECIPE.stems)

    @pytest.mark.slow
    def test_a_draw_is_the_stems_in_order_and_what_is_in_none(self, mixer: StereoMixer) -> None:
        seen = 0
        for step in range(30):
            item = mixer.sample(step, 0)
            assert item.shape == (4, 2, ITEM_SAMPLES)
            assert item.dtype == np.float32
            drums, bass, _, rest = (np.abs(np.fft.rfft(sound.sum(0))) for sound in item)
            # 3 s a draw: bins of a third of a hertz. Speeds differ by a third of an octave, and a
            # second band may be another speed of the same.
            if drums.any():
                assert 1_600 < drums.argmax() * 44_100 / ITEM_SAMPLES < 2_480
            if bass.any():
                assert 78 < bass.argmax() * 44_100 / ITEM_SAMPLES < 125
            if drums.any() or bass.any():
                # What is in no stem is noise: nothing of the tones is left in it.
                assert rest.max() < 0.1 * max(drums.max(), bass.max())
            seen += bool(drums.any() and bass.any())
        assert seen > 10  # the rest has one of them, or no band

    @pytest.mark.slow
    def test_it_learns_and_becomes_a_model_of_its_stems(
        self, mixer: StereoMixer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "export.recipes.live.task.CALIBRATION_ITEMS", 16
        )  # most of the time else
        monkeypatch.setattr("export.recipes.live.mixing.STEP_FRAMES", (12,))
        network = replace(RECIPE.network, channels=(16, 16, 16, 16), hidden=16)
        recipe = replace(RECIPE, network=network, batch_size=4, learning_rate=3e-3)
        Trainer(LiveTask(recipe, mixer, mixer), tmp_path / "run").run(Budget(steps=60))
        live = read_live(tmp_path / "run" / "last.pt")
        assert live is not None
        song = torch.from_numpy(sf.read(tmp_path / "mixture.wav", dtype="float32")[0].T)
        with torch.no_grad():
            masks = live.network(planes(stft(song[None], make_window("sqrt_hann"))))[0]
        bins = [round(hz * N_FFT / SAMPLE_RATE) for hz in self.TONES_HZ]
        at_tones = masks.unflatten(0, (3, 2)).mean((1, 3))[:, bins]
        # Each stem's masks let its own tone through more than another's: with this seed 11 times
        # and up, with three seeds 3 times and up.
        own = at_tones.diagonal()
        assert (own[:, None] >= 2 * (at_tones - torch.diag(own))).all(), at_tones
        wave = 0.1 * np.random.default_rng(1).standard_normal((2, 30_000)).astype(np.float32)
        path = tmp_path / "live.onnx"
        write_live(live, live_spec(live, name="band"), path, wave)
        assert load_separator(path, device="cpu").stems == (*RECIPE.stems, "rest")
        others = live._replace(stems=("bass-2", "drums", "vocals"))
        with pytest.raises(VerificationError, match="stems are drums, bass-2, vocals"):
            verify_live(path, others, wave)


def test_what_was_trained_when_there_was_one_stem_is_still_read() -> None:
    kept = {"target": "accompaniment", "head": "gated", "width": 0.5}
    assert TrainConfig.from_dict(kept).stems == ("accompaniment",)
    recipe = Recipe(seed=3)
    fields = asdict(recipe)
    del fields["stems"]
    assert read_recipe({"recipe": fields}) == recipe
    with pytest.raises(ValueError, match="2 masks for 3 stems"):
        replace(RECIPE, network=CausalConfig())


@pytest.mark.parametrize(
    ("stems", "names"),
    [
        (STEMS, STEMS),
        (("accompaniment",), ("beat",)),
        (("vocals", "accompaniment"), ("vocals", "beat")),
        (("Ω-1", "x" * 40), ("Ω-1", "x" * 40)),
    ],
)
def test_what_training_lets_through_a_spec_takes_too(
    stems: tuple[str, ...], names: tuple[str, ...]
) -> None:
    assert host_names(TrainConfig(stems=stems).stems) == names
    spec = make_spec(names)
    assert spec.stems == names
    assert ModelSpec.from_metadata(spec.to_metadata()) == spec


@pytest.mark.parametrize(
    "stems",
    [(), ("a", "a"), ("../a",), ("a b",), ("x" * 41,), ("",), ("mixture",), ("rest",), MANY],
)
def test_what_a_spec_refuses_training_refuses_first(stems: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="can't be told apart"):
        TrainConfig(stems=stems)
    with pytest.raises(DataError, match="can't be told apart"):
        replace(RECIPE, stems=stems)
    if not {"mixture", "rest"}.intersection(stems):
        with pytest.raises(ModelError, match="stems"):
            make_spec(stems)


def make_spec(stems: tuple[str, ...]) -> ModelSpec:
    return ModelSpec(
        name="m",
        sample_rate=44_100,
        channels=2,
        stems=stems,
        n_fft=2048,
        hop_length=1024,
        window="hann",
        feature="log1p_magnitude",
        output="mask",
        mode="stateful",
        frames_per_run=1,
        stride_frames=1,
        lookahead_frames=0,
    )
