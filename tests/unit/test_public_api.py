"""The public names: what there is, how lightly it loads, and what is refused with which words."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import streamsep
from streamsep.errors import ArgumentError
from streamsep.models import find_model
from streamsep.separation import ChunkedSeparator, load_separator
from testing.signals import music
from tests.support import models, separators

RATE = 44_100
PUBLIC = {
    "ArgumentError",
    "AudioFileError",
    "BackendError",
    "ConfigError",
    "DeviceError",
    "EffectError",
    "LiveConfig",
    "LivePlayer",
    "LyricsError",
    "Model",
    "ModelError",
    "ModelSpec",
    "OutputError",
    "RealtimeSession",
    "Separator",
    "SeparatorOptions",
    "SeparatorSpec",
    "SessionError",
    "StateSpec",
    "Stream",
    "StreamsepError",
    "__version__",
    "load",
    "separate",
    "separate_file",
}
# One sample there and back, and the float32 sum.
TOLERANCE = 1e-4


class TestNames:
    def test_what_is_public_is_this(self):
        assert set(streamsep.__all__) == PUBLIC

    @pytest.mark.parametrize("name", sorted(PUBLIC))
    def test_each_is_there_and_says_what_it_is(self, name):
        value = getattr(streamsep, name)
        assert name in dir(streamsep)
        if name != "__version__":
            assert value.__name__ == name
            assert value.__doc__

    def test_others_aren_t(self):
        with pytest.raises(AttributeError, match="has no attribute 'seperate'"):
            streamsep.seperate  # noqa: B018

    def test_all_errors_are_one_kind(self):
        errors = [value for name in PUBLIC if name.endswith("Error") for value in [name]]
        for name in errors:
            assert issubclass(getattr(streamsep, name), streamsep.StreamsepError)
        assert issubclass(ArgumentError, ValueError)

    def test_type_checkers_are_told_to_look(self):
        assert (Path(streamsep.__file__).parent / "py.typed").exists()

    def test_importing_it_loads_nothing(self):
        code = (
            "import sys, streamsep\n"
            "streamsep.StreamsepError, streamsep.__version__, dir(streamsep)\n"
            "heavy = ('numpy', 'onnxruntime', 'soundfile', 'sounddevice', 'click', 'rich')\n"
            "print([m for m in heavy if m in sys.modules])\n"
            "streamsep.load\n"
            "print([m for m in ('soundfile', 'sounddevice', 'click', 'rich') if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.split("\n")[:2] == ["[]", "[]"], done.stderr


def halves(options):
    return separators.Halves()


class TestSeparate:
    @pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
    @pytest.mark.parametrize("channels", [1, 2])
    def test_any_rate_gives_stems_that_sum_to_the_sound(self, half_model, rate, channels):
        sound = music(0.6, sample_rate=rate, channels=channels)
        stems = streamsep.separate(sound, rate, model=half_model)
        assert list(stems) == ["vocals", "beat"]
        for stem in stems.values():
            assert (stem.shape, stem.dtype) == (sound.shape, np.float32)
        np.testing.assert_allclose(stems["vocals"] + stems["beat"], sound, atol=1e-6)
        # Half, of what the model's rate can hold.
        assert 0.4 * np.std(sound) < np.std(stems["vocals"]) < 0.6 * np.std(sound)

    def test_it_is_the_engine_for_files(self, unet_shaped_model):
        sound = music(1.0)
        chunked = ChunkedSeparator(load_separator(unet_shaped_model, device="cpu", offline=True))
        expected = np.concatenate([chunked.feed(sound), chunked.finish()], axis=-1)
        stems = streamsep.separate(sound, RATE, model=unet_shaped_model, device="cpu")
        np.testing.assert_allclose(stems["vocals"], expected[0], atol=1e-6)
        assert np.abs(stems["vocals"]).max() > 0.05

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4", ">f8"])
    def test_any_float_and_any_layout(self, half_model, dtype):
        sound = music(0.4)
        expected = streamsep.separate(sound, RATE, model=half_model)["vocals"]
        for array in (sound.astype(dtype), np.asfortranarray(sound, dtype)):
            before = array.copy()
            stems = streamsep.separate(array, RATE, model=half_model)
            np.testing.assert_allclose(stems["vocals"], expected, atol=1e-7)
            np.testing.assert_array_equal(array, before)

    def test_mono_without_an_axis_comes_back_with_one(self, half_model):
        sound = music(0.4, channels=1)
        stems = streamsep.separate(sound[0], RATE, model=half_model)
        assert stems["beat"].shape == sound.shape
        np.testing.assert_allclose(stems["beat"], sound / 2, atol=1e-6)

    def test_names_choose(self, tmp_path):
        band = models.stem_masks(tmp_path / "band.onnx", {"drums": 0.1, "vocals": 0.4})
        sound = music(0.5)
        assert list(streamsep.separate(sound, RATE, model=band)) == ["drums", "vocals", "rest"]
        stems = streamsep.separate(sound, RATE, stems=["beat", "drums"], model=band)
        assert list(stems) == ["beat", "drums"]
        np.testing.assert_allclose(stems["beat"], 0.6 * sound, atol=1e-5)
        np.testing.assert_allclose(stems["drums"], 0.1 * sound, atol=1e-5)
        assert list(streamsep.separate(sound, RATE, stems="vocals", model=band)) == ["vocals"]

    def test_progress_ends_at_one(self, half_model):
        seen = []
        streamsep.separate(music(1.0), RATE, model=half_model, progress=seen.append)
        assert seen == sorted(seen)
        assert (len(seen) > 1, seen[-1]) == (True, 1.0)

    def test_an_error_in_progress_ends_it_and_no_thread_stays(self, half_model):
        def fail(share):
            raise KeyError("mine")

        before = threading.active_count()
        model = streamsep.load(half_model)
        with pytest.raises(KeyError, match="mine"):
            streamsep.separate(music(1.0), RATE, model=model, progress=fail)
        assert threading.active_count() <= before + 1  # the graph's own, kept with the model
        sound = music(0.3)
        stems = streamsep.separate(sound, RATE, model=model)  # nothing of the first is heard
        np.testing.assert_allclose(stems["vocals"], sound / 2, atol=1e-6)

    @pytest.mark.parametrize(
        ("sound", "says"),
        [
            (np.zeros((RATE, 2), np.float32), r"\(44100, 2\), .*pass its transpose, array.T"),
            (np.zeros((1, 2, 100), np.float32), r"shape \(1, 2, 100\); expected \(C, N\)"),
            (np.float32(0.5), r"shape \(\); expected \(C, N\) with 1 or 2 channels"),
            (np.zeros((6, 100), np.float32), "6 channels of 100 samples; .*mix it down"),
            (np.zeros((2, 100), np.int16), "array of int16; expected float32 .*divide it by 32768"),
            (np.zeros((2, 100), np.complex64), "array of complex64; expected float32 or float64"),
            (np.zeros((2, 0), np.float32), r"shape \(2, 0\): no samples"),
            ([], r"shape \(0,\): no samples"),
            (np.full((2, 9), np.nan), "NaN or Inf at sample 0; expected finite"),
            (np.array([0.0, 1.0, np.inf]), "NaN or Inf at sample 2"),
            (np.array([0.0, 1e300]), "NaN or Inf at sample 1"),  # beyond float32
            ("song.wav", "array of <U8; expected float32"),
        ],
    )
    def test_what_is_no_sound_is_refused(self, half_model, sound, says):
        with pytest.raises(ArgumentError, match=says):
            streamsep.separate(sound, RATE, model=half_model)

    @pytest.mark.parametrize("rate", [0, 1, -44_100, 44_100.5, "44100", None, True, 1e9])
    def test_what_is_no_rate_is_refused(self, half_model, rate):
        with pytest.raises(ArgumentError, match="a whole number of Hz, 8000 to 384000"):
            streamsep.separate(music(0.1), rate, model=half_model)

    @pytest.mark.parametrize("rate", [48_000.0, np.int64(48_000)])
    def test_a_rate_may_be_any_whole_number(self, half_model, rate):
        assert streamsep.separate(music(0.1), rate, model=half_model)["beat"].any()

    def test_stems_that_the_model_lacks_are_refused(self, half_model):
        with pytest.raises(streamsep.ModelError, match="gives vocals, beat and no drums"):
            streamsep.separate(music(0.1), RATE, stems=["drums"], model=half_model)
        with pytest.raises(ArgumentError, match="no stem is asked for"):
            streamsep.separate(music(0.1), RATE, stems=[], model=half_model)


class TestSeparateFile:
    @pytest.fixture
    def song(self, tmp_path):
        sf.write(tmp_path / "song.wav", music(0.7).T, RATE, subtype="FLOAT")
        return tmp_path / "song.wav"

    def test_all_stems_beside_the_file(self, song, half_model):
        seen = []
        paths = streamsep.separate_file(song, model=half_model, progress=seen.append)
        assert paths == {stem: song.with_name(f"song.{stem}.wav") for stem in ("vocals", "beat")}
        assert seen[-1] == 1.0
        for path in paths.values():
            sound, rate = sf.read(path)
            assert (rate, len(sound)) == (RATE, sf.info(song).frames)
            np.testing.assert_allclose(sound, sf.read(song)[0] / 2, atol=2.0**-22)

    def test_a_folder_a_format_and_a_depth(self, song, half_model, tmp_path):
        paths = streamsep.separate_file(
            str(song), f"{tmp_path}/new/stems/", stems=["beat"], model=half_model, format="flac",
            bits=16,
        )  # fmt: skip
        assert paths == {"beat": tmp_path / "new" / "stems" / "song.beat.flac"}
        assert sf.info(paths["beat"]).subtype == "PCM_16"

    def test_a_template(self, song, half_model, tmp_path):
        paths = streamsep.separate_file(song, tmp_path / "{name} ({stem}).ogg", model=half_model)
        assert paths["vocals"] == tmp_path / "song (vocals).ogg"
        assert sf.info(paths["vocals"]).format == "OGG"

    def test_what_is_cut_at_full_scale_is_said(self, song, identity_model):
        loud = dict(stems="beat", model=identity_model, gain_db=9.0)
        with pytest.warns(UserWarning, match=r"song.beat.wav is up to 3.0 dB beyond full scale"):
            streamsep.separate_file(song, **loud)
        paths = streamsep.separate_file(song, bits=32, **loud)
        assert np.abs(sf.read(paths["beat"])[0]).max() == pytest.approx(0.5 * 10 ** (9 / 20))

    @pytest.mark.parametrize(
        ("arguments", "error", "says"),
        [
            (dict(output="{title}.wav"), ArgumentError, r"a field \{title\}; expected fields"),
            (dict(output="x.wav", format="flac"), ArgumentError, "output ends in .wav"),
            (dict(format="ogg", bits=24), streamsep.OutputError, "don't hold samples of 24 bits"),
            (dict(stems=["drums"]), streamsep.ModelError, "no drums"),
            (dict(output="song.wav", stems="beat"), streamsep.OutputError, "both a file to sep"),
            (dict(gain_db=float("nan")), ArgumentError, "the gain is nan dB"),
        ],
    )
    def test_what_can_t_be_is_refused_before_any_work(
        self, song, half_model, monkeypatch, arguments, error, says
    ):
        monkeypatch.chdir(song.parent)
        before = sorted(song.parent.rglob("*"))
        with pytest.raises(error, match=says):
            streamsep.separate_file("song.wav", model=half_model, **arguments)
        assert sorted(song.parent.rglob("*")) == before

    def test_a_missing_file_is_said(self, tmp_path, half_model):
        with pytest.raises(streamsep.AudioFileError, match=r"no sound file at .*/no\.mp3"):
            streamsep.separate_file(tmp_path / "no.mp3", model=half_model)


class TestLoad:
    def test_the_built_in_one(self):
        model = streamsep.load(device="cpu")
        assert (model.stems, model.sample_rate) == (("vocals", "beat"), RATE)
        assert (model.spec.name, model.provider) == (model.spec.name, "CPU")
        assert isinstance(model.spec, streamsep.ModelSpec)
        live = load_separator(find_model("live"), device="cpu")
        assert model.latency == live.block_size + live.delay > 0

    def test_a_name_a_path_a_function_or_a_model(self, half_model):
        assert streamsep.load("center-cut").spec.name == "center-cut"
        assert streamsep.load(half_model).stems == streamsep.load(str(half_model)).stems
        own = streamsep.load(halves)
        assert (own.spec.name, own.stems) == ("halves", ("vocals", "beat"))
        assert streamsep.load(own) is own

    @pytest.mark.parametrize(
        ("source", "error", "says"),
        [
            ("no-such-model", streamsep.ModelError, "no model file at no-such-model"),
            (Path("no/such.onnx"), streamsep.ModelError, "no model file at no/such.onnx"),
            (separators.raising, streamsep.ModelError, "the separator raising can't be loaded"),
            (separators.doubling, streamsep.ModelError, "the separator doubling gives stems"),
        ],
    )
    def test_what_is_no_model_is_said_at_once(self, source, error, says):
        with pytest.raises(error, match=says):
            streamsep.load(source)

    def test_what_is_no_device_is_said(self, half_model):
        with pytest.raises(ArgumentError, match="'auto' or 'cuda' or 'cpu'"):
            streamsep.load(half_model, device="tpu")

    def test_an_engine_is_used_again_and_never_twice_at_a_time(self, monkeypatch):
        made = []

        def counted(options):
            made.append(options.offline)
            return separators.Halves()

        model = streamsep.load(counted)
        for _ in range(3):
            with model.stream() as stream:
                stream.feed(music(0.1))
        assert made == [False]
        with model.stream(), model.stream():
            assert made == [False, False]
        for _ in range(2):
            streamsep.separate(music(0.1), RATE, model=model)
        assert made == [False, False, True]

    def test_threads_may_share_one(self, unet_shaped_model):
        model = streamsep.load(unet_shaped_model, device="cpu")
        sounds = [music(0.6, seed=seed) for seed in range(4)]

        def beat_of(sound):
            return streamsep.separate(sound, RATE, model=model)["beat"]

        expected = [beat_of(sound) for sound in sounds]
        with ThreadPoolExecutor(len(sounds)) as pool:
            for beat, alone in zip(pool.map(beat_of, sounds), expected, strict=True):
                np.testing.assert_array_equal(beat, alone)

    def test_a_whole_window_model_needs_no_timing_before_it_runs_live(self, tmp_path, monkeypatch):
        def slow(*arguments, **options):
            raise streamsep.BackendError("too slow", expected="a faster one", remedy="none")

        monkeypatch.setattr("streamsep.separation.load.choose_schedule", slow)
        model = streamsep.load(models.mdx(tmp_path / "mdx.onnx"), device="cpu")
        sound = music(0.5)
        stems = streamsep.separate(sound, RATE, model=model)
        np.testing.assert_allclose(sum(stems.values()), sound, atol=1e-6)
        with pytest.raises(streamsep.BackendError, match="too slow"):
            model.stream()
        with pytest.raises(streamsep.BackendError, match="too slow"):
            model.latency  # noqa: B018
