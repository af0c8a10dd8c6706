"""Models that separate together: blends against a whole-signal computation, and a second pass."""

import numpy as np
import pytest
import soundfile as sf
from scipy import signal

import streamsep
from streamsep.errors import ArgumentError, ModelError
from streamsep.separation import ChunkedSeparator
from streamsep.separation.center_cut import CenterCut
from streamsep.separation.combination import BLENDS, Combination, combined
from streamsep.separation.ensemble import HOP_LENGTH, N_FFT, EnsembleSeparator
from streamsep.separation.load import load_separator
from streamsep.separation.two_pass import TwoPassSeparator
from streamsep.spec import SeparatorSpec
from testing.signals import music
from tests.support import models
from tests.support.separators import Halves

RATE = 44_100
USAGE, MODEL = 2, 6
# Of full scale: transforms and sums in float32 against float64.
TOLERANCE = 2e-6
# Where two magnitudes are one but for rounding, either may be chosen: a bin among thousands.
CHOICE = 2e-5


class Band:
    """Takes for vocals what a filter of a few taps lets through, some samples late."""

    slack, provider = 0, "CPU"

    def __init__(self, taps, *, block_size, delay=0, stems=("vocals", "beat"), rate=RATE):
        self.spec = SeparatorSpec("band", rate, 2)
        self.stems, self.block_size, self.delay = stems, block_size, delay
        self._taps = np.asarray(taps, np.float32)
        self.reset()

    def process(self, block, out):
        heard = np.concatenate([self._past, block], axis=-1)
        size = block.shape[-1]
        late = heard[:, len(self._taps) - 1 : heard.shape[-1] - self.delay]
        vocals = np.stack(
            [
                np.convolve(row[: row.size - self.delay], self._taps, mode="valid")[-size:]
                for row in heard
            ]
        )
        order = [self.stems.index("vocals"), self.stems.index("beat")]
        out[order[0]] = vocals
        out[order[1]] = late[:, -size:] - vocals
        self._past = heard[:, size:]

    def reset(self):
        self._past = np.zeros((2, len(self._taps) - 1 + self.delay), np.float32)

    def whole(self, sound):
        """The vocals of a whole sound, in float64."""
        return signal.lfilter(self._taps.astype(np.float64), 1.0, sound.astype(np.float64))


def members():
    """Two of different sizes and delays, of which each hears more in some bins."""
    return (
        Band([0.4, 0.4], block_size=512, delay=300),
        Band([0.5, -0.4], block_size=1_000, delay=7, stems=("beat", "vocals")),
    )


def run(separator, sound):
    chunked = ChunkedSeparator(separator)
    return np.concatenate([chunked.feed(sound), chunked.finish()], axis=-1)


def stft(sound):
    """(C, bins, frames) of a whole sound, with zeros around it."""
    padded = np.pad(sound, ((0, 0), (N_FFT, N_FFT)))
    starts = range(0, padded.shape[-1] - N_FFT + 1, HOP_LENGTH)
    window = signal.windows.hann(N_FFT, sym=False)
    return np.stack(
        [np.fft.rfft(padded[:, s : s + N_FFT] * window, axis=-1) for s in starts], axis=-1
    )


def inverse(spectra, length):
    window = signal.windows.hann(N_FFT, sym=False)
    out = np.zeros((len(spectra), length + 2 * N_FFT))
    weight = np.zeros(length + 2 * N_FFT)
    for number in range(spectra.shape[-1]):
        part = slice(number * HOP_LENGTH, number * HOP_LENGTH + N_FFT)
        out[:, part] += np.fft.irfft(spectra[..., number], axis=-1) * window
        weight[part] += window**2
    return out[:, N_FFT:-N_FFT] / weight[N_FFT:-N_FFT]


def expected_vocals(blend, sounds):
    if blend == "mean":
        return np.mean(sounds, axis=0)
    first, second = (stft(sound) for sound in sounds)
    larger = np.abs(second) > np.abs(first)
    chosen = np.where(larger == (blend == "max"), second, first)
    return inverse(chosen, sounds[0].shape[-1])


@pytest.mark.parametrize("blend", BLENDS)
def test_a_blend_is_what_a_computation_over_the_whole_sound_gives(blend):
    sound = music(1.5)
    separators = members()
    # What a filter gives behind the end is part of the last frames.
    longer = np.pad(sound, ((0, 0), (0, N_FFT)))
    whole = [separator.whole(longer) for separator in separators]
    ensemble = EnsembleSeparator(separators, blend)
    stems = run(ensemble, sound)
    assert ensemble.stems == ("vocals", "beat")
    assert stems.shape == (2, *sound.shape)
    expected = expected_vocals(blend, whole)[:, : sound.shape[-1]]
    np.testing.assert_allclose(stems[0], expected, atol=CHOICE, rtol=0)
    np.testing.assert_allclose(stems.sum(axis=0), sound, atol=TOLERANCE, rtol=0)


def test_max_takes_more_vocals_than_mean_and_min_less():
    sound = music(1.5)
    loud = {blend: np.std(run(EnsembleSeparator(members(), blend), sound)[0]) for blend in BLENDS}
    assert loud["min"] < loud["mean"] < loud["max"]


def test_after_a_reset_all_is_as_at_first():
    sound = music(0.6)
    for separator in (
        EnsembleSeparator(members(), "max"),
        TwoPassSeparator(*members()),
    ):
        np.testing.assert_array_equal(run(separator, sound), run(separator, sound))


def test_silence_stays_silence():
    silence = np.zeros((2, 40_000), np.float32)
    for blend in BLENDS:
        assert not run(EnsembleSeparator(members(), blend), silence).any()


def test_a_second_pass_takes_what_vocals_are_left_in_the_beat():
    sound = music(1.5)
    first, second = members()
    vocals = first.whole(sound)
    vocals = vocals + second.whole(sound - vocals)
    stems = run(TwoPassSeparator(first, second), sound)
    np.testing.assert_allclose(stems[0], vocals, atol=TOLERANCE, rtol=0)
    np.testing.assert_allclose(stems.sum(axis=0), sound, atol=TOLERANCE, rtol=0)


def test_several_stems_are_blended_each_and_the_last_one_is_what_they_leave(tmp_path):
    shares = [{"vocals": 0.4, "drums": 0.2}, {"vocals": 0.2, "drums": 0.3}]
    paths = [models.stem_masks(tmp_path / f"{i}.onnx", masks) for i, masks in enumerate(shares)]
    sound = music(0.6)
    for blend, vocals, drums in [("mean", 0.3, 0.25), ("max", 0.4, 0.3), ("min", 0.2, 0.2)]:
        stems = streamsep.separate(sound, RATE, model=paths, blend=blend)
        for name, share in {"vocals": vocals, "drums": drums, "rest": 1 - vocals - drums}.items():
            np.testing.assert_allclose(stems[name], share * sound, atol=1e-5, rtol=0)


def test_a_blend_and_then_a_second_pass_from_python(tmp_path):
    paths = [models.constant_mask(tmp_path / f"{share}.onnx", share) for share in (0.2, 0.4, 0.5)]
    sound = music(0.6)
    stems = streamsep.separate(sound, RATE, model=paths[:2], blend="max", two_pass=paths[2])
    np.testing.assert_allclose(stems["vocals"], 0.7 * sound, atol=1e-5, rtol=0)
    stems = streamsep.separate(sound, RATE, model=paths[0], two_pass=paths[1])
    np.testing.assert_allclose(stems["beat"], 0.8 * 0.6 * sound, atol=1e-5, rtol=0)


def test_the_command_blends_and_knows_what_it_made(command, tmp_path):
    one, two = (models.constant_mask(tmp_path / f"{s}.onnx", s) for s in (0.2, 0.4))
    song = tmp_path / "song.wav"
    sf.write(song, music(0.6).T, RATE, subtype="FLOAT")
    arguments = ["separate", song, "--bits", "32", "--model", f"{one},{two}"]
    for options, share in [
        ([], 0.3),
        (["--blend", "min"], 0.2),
        (["--blend", "max", "--two-pass", one], 0.52),
    ]:
        assert command(*arguments, *options).code == 0
        vocals, beat = (sf.read(tmp_path / f"song.{s}.wav")[0] for s in ("vocals", "beat"))
        np.testing.assert_allclose(vocals, share * sf.read(song)[0], atol=1e-5, rtol=0)
        np.testing.assert_allclose(vocals + beat, sf.read(song)[0], atol=TOLERANCE, rtol=0)
    assert "done before" in command(*arguments, *options).stderr


def test_a_file_s_name_may_have_a_comma(command, tmp_path):
    model = models.constant_mask(tmp_path / "half,half.onnx", 0.5)
    sf.write(tmp_path / "song.wav", music(0.3).T, RATE)
    assert command("separate", tmp_path / "song.wav", "--model", model).code == 0


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--model", "center-cut", "--blend", "max"], USAGE, "two models or more"),
        (["--model", "center-cut,center-cut"], USAGE, "named twice"),
        (["--model", "center-cut,{band}"], MODEL, "models of the same stems"),
        (["--model", "{band}", "--two-pass", "center-cut"], MODEL, "vocals and beat alone"),
        (["--model", "center-cut", "--two-pass", "{drums}"], MODEL, "vocals, for a second pass"),
        (["--model", "center-cut", "--two-pass", "nowhere"], MODEL, "nowhere"),
    ],
)
def test_what_doesn_t_go_together_is_one_line(command, tmp_path, options, code, told):
    band = models.stem_masks(tmp_path / "band.onnx", {"vocals": 0.4, "drums": 0.2})
    drums = models.stem_masks(tmp_path / "drums.onnx", {"drums": 0.4})
    sf.write(tmp_path / "song.wav", music(0.3).T, RATE)
    options = [option.format(band=band, drums=drums) for option in options]
    done = command("separate", tmp_path / "song.wav", *options)
    assert done.code == code
    assert told in done.stderr.splitlines()[-1]
    assert not list(tmp_path.glob("song.*.wav"))


def test_other_rates_are_refused():
    with pytest.raises(ModelError, match="48000 Hz"):
        EnsembleSeparator([Halves(), Band([1.0], block_size=10, rate=48_000)], "mean")


def test_live_they_are_refused():
    with pytest.raises(ArgumentError, match="separate a file"):
        load_separator(Combination((CenterCut, Halves), "mean"))


def test_a_loaded_model_isn_t_combined():
    with pytest.raises(ArgumentError, match="name all of them"):
        streamsep.load(streamsep.load("center-cut"), blend="max")


@pytest.mark.parametrize(
    ("sources", "options"), [([], {}), (["a"], {"blend": "max"}), (["a", "b"], {"blend": "sum"})]
)
def test_no_models_one_to_blend_and_unknown_blends_are_refused(sources, options):
    with pytest.raises(ArgumentError):
        combined(sources, **options)
