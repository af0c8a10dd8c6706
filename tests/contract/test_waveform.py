"""Graphs from sound to stems, live and over files, against known answers."""

import numpy as np
import onnx
import pytest
from scipy.signal import fftconvolve

from streamsep.models.contracts.waveform import WaveformParameters, waveform_spec
from streamsep.onnx_file import metadata_entry
from streamsep.separation import ChunkedSeparator, load_separator
from streamsep.separation.backend import OnnxBackend, graph_ports
from streamsep.separation.waveform_engine import WaveformSeparator
from testing.signals import music
from tools import contract_graphs

# One float32 product and sum a sample, on sound of amplitude 0.5: half a unit in the last place.
FLOAT32 = 1e-6
FOUR = ("drums", "bass", "other", "vocals")
WINDOW = 16_384


def imported(path, **known):
    """Return the file with a spec, as import leaves it."""
    (taken,), (given,) = graph_ports(path)
    spec = waveform_spec(
        path.stem,
        (taken.name, taken.shape),
        given.shape,
        WaveformParameters(**known),
        origin="",
        licence="",
    )
    (entry,) = spec.to_metadata().items()
    path.write_bytes(path.read_bytes() + metadata_entry(*entry))
    return path


def stems_of(separator, mixture):
    """Return (S, C, N); the residual, which is last, too."""
    chunked = ChunkedSeparator(separator)
    stems = np.concatenate([chunked.feed(mixture), chunked.finish()], axis=-1)
    assert stems.shape == (len(separator.stems), *mixture.shape)
    np.testing.assert_allclose(stems.sum(axis=0), mixture, atol=1e-6)
    return stems


def engines(path, strides=(1, 3)):
    yield load_separator(path, device="cpu", offline=True)
    for stride in strides:
        yield load_separator(path, device="cpu", stride_blocks=stride)


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({}, {}),
        ({"batch": False}, {}),
        ({"ports": ("input", "output"), "declared": False}, {}),
        ({"samples": "n"}, {"window": WINDOW}),
        ({"samples": 16_385}, {"hop_length": 1_000}),  # no multiple of its hop
        ({}, {"normalise": "standard"}),
        ({}, {"normalise": "rms"}),
    ],
    ids=["plain", "no batch", "undeclared", "any size", "odd", "standard", "rms"],
)
def test_an_identity_graph_gives_the_sound_back_sample_for_sample(tmp_path, changes, known):
    graph = {"samples": WINDOW, "stems": 2} | changes
    path = contract_graphs.waveform(tmp_path / "model.onnx", **graph)
    path = imported(path, stems=("vocals", "instrumental"), **known)
    mixture = music(1.3)
    # What is divided by a gain after it was multiplied is off by a rounding more.
    for separator in engines(path):
        assert separator.stems == ("vocals", "beat", "rest")
        for stem in stems_of(separator, mixture)[:2]:
            np.testing.assert_allclose(stem, mixture, atol=FLOAT32, rtol=0)


@pytest.fixture
def kernel():
    return np.random.default_rng(3).uniform(-0.5, 0.5, (4, 129)).astype(np.float32)


def convolved(mixture, kernel):
    """In float64, the sound centred under the kernel: no code of ours."""
    return np.stack(
        [[fftconvolve(c.astype(np.float64), k, mode="same") for c in mixture] for k in kernel]
    )


class TestConvolution:
    # Sums of 129 products in float32 of stems that reach beyond full scale.
    ALLOWED = 1e-5

    @pytest.fixture
    def path(self, tmp_path, kernel):
        path = contract_graphs.waveform(tmp_path / "model.onnx", samples=WINDOW, kernel=kernel)
        return imported(path, stems=FOUR)

    @pytest.mark.parametrize("stride", [1, 5])
    def test_live_equals_the_whole_file_at_once(self, path, kernel, stride):
        mixture = music(1.1)
        backend = OnnxBackend(path, device="cpu")
        # A trim of half a kernel, so that no window's end is seen.
        separator = WaveformSeparator(
            backend, block_size=stride * 1_024, trim=kernel.shape[1] // 2, fade=1_024
        )
        stems = stems_of(separator, mixture)
        expected = convolved(mixture, kernel)
        assert np.abs(expected).max() > 0.3
        np.testing.assert_allclose(stems[:4], expected, atol=self.ALLOWED, rtol=0)

    def test_over_files_overlapped_windows_equal_it_too(self, path, kernel):
        mixture = music(1.2)
        separator = load_separator(path, device="cpu", offline=True)
        assert separator.block_size == WINDOW - WINDOW // 4
        block, fade = separator.block_size, WINDOW // 4
        stems = stems_of(separator, mixture)[:4]
        # Windows as they lie, each seen alone, faded by sin² from one to the next.
        count = -(-(mixture.shape[-1] + fade) // block)
        padded = np.pad(mixture, ((0, 0), (fade, count * block)))
        rise = np.sin(np.pi / 2 * (np.arange(fade) + 0.5) / fade) ** 2
        total = np.zeros((4, *padded.shape))
        for number in range(count):
            here = slice(number * block, number * block + WINDOW)
            window = convolved(padded[:, here], kernel)
            window[..., :fade] *= rise
            window[..., -fade:] *= rise[::-1]
            total[..., here] += window
        expected = total[..., fade:][..., : mixture.shape[-1]]
        np.testing.assert_allclose(stems, expected, atol=self.ALLOWED, rtol=0)


class TestAWindowWithAnEndThatIsMadeUp:
    """HS-TasNet as StemgenRT has it: 1,024 samples past, 512 new, 1,024 mirrored."""

    @pytest.fixture
    def model(self, tmp_path):
        def make(kernel):
            path = contract_graphs.waveform(
                tmp_path / "hs.onnx",
                samples=2_560,
                kernel=np.tile(kernel, (4, 1)).astype(np.float32),
                ports=("audio", "separated"),
            )
            return imported(path)

        return make

    def test_it_is_known_by_its_ports(self, model):
        separator = load_separator(model([[1.0]]), device="cpu", stride_blocks=1)
        assert separator.stems == ("drums", "bass", "vocals", "other", "rest")
        assert (separator.block_size, separator.delay) == (512, 0)  # 11.6 ms at 44.1 kHz
        assert (separator.spec.normalise, separator.spec.level_db) == ("rms", -12.0)

    def test_live_and_over_files_it_gives_the_same(self, model):
        path = model(np.random.default_rng(1).uniform(-0.1, 0.1, (1, 101)))
        mixture = music(0.4)
        live, offline = (stems_of(separator, mixture) for separator in engines(path, strides=(1,)))
        assert np.abs(live[0]).max() > 0.05
        np.testing.assert_array_equal(live, offline)

    def test_what_comes_after_is_the_newest_mirrored_and_held(self, model):
        # Each stem is what comes n samples later: of the newest frame, what is made up.
        for later in (1, 300, 512):
            kernel = np.zeros((1, 1_025))
            kernel[0, 512 - later] = 1.0
            separator = load_separator(model(kernel), device="cpu", stride_blocks=1)
            block = music(512 / 44_100)
            out = np.zeros((5, *block.shape), np.float32)
            separator.process(block, out)
            place = np.arange(later)
            hold = 1 - np.exp(-4 * place / 1_024)
            mirrored = block[:, ::-1][:, place % 512]
            expected = mirrored + hold * (block[:, -1:] - mirrored)
            # float32, divided by the gain of the level that it was multiplied with
            np.testing.assert_allclose(out[0][:, -later:], expected, atol=FLOAT32, rtol=0)

    def test_a_window_is_brought_to_the_level_before_it_is_run(self, model):
        path = model([[1.0]])
        backend = OnnxBackend(path, device="cpu")
        separator = WaveformSeparator.strided(backend, 1)
        out = np.zeros((5, 2, 512), np.float32)
        for block in np.split(0.1 * music(2_048 / 44_100), 4, axis=-1):
            separator.process(block, out)
        heard = backend.features[:, :1_536]
        level = 10 * np.log10(np.mean(heard.astype(np.float64) ** 2))
        assert level == pytest.approx(-12.0, abs=0.01)
        np.testing.assert_allclose(out[0], block, atol=1e-8, rtol=1e-5)


def test_ports_of_float16_round_and_nothing_else(tmp_path):
    path = contract_graphs.waveform(tmp_path / "half.onnx", samples=WINDOW, stems=1, half=True)
    mixture = music(0.8)
    for separator in engines(imported(path)):
        # 11 bits of amplitude 0.5
        np.testing.assert_allclose(stems_of(separator, mixture)[0], mixture, atol=2**-13, rtol=0)


@pytest.mark.parametrize("normalise", ["none", "rms", "standard"])
def test_silence_stays_silence_whatever_the_network_believes(tmp_path, normalise):
    path = contract_graphs.waveform(tmp_path / "model.onnx", samples=WINDOW, stems=1)
    model = onnx.load(path)
    model.graph.node[2].input.append("bias")
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array([0.5], np.float32), "bias")
    )
    onnx.save(model, path)
    for separator in engines(imported(path, normalise=normalise)):
        assert not stems_of(separator, np.zeros((2, 30_000), np.float32)).any()
        assert np.abs(stems_of(separator, music(0.3))[0]).max() > 0.3  # it does believe something


def test_what_is_no_number_is_left_out_and_forgotten(tmp_path):
    kernel = np.array([[3e38]], np.float32)
    path = contract_graphs.waveform(tmp_path / "model.onnx", samples=WINDOW, kernel=kernel)
    loud = np.full((2, 30_000), 0.9, np.float32)
    for separator in engines(imported(path), strides=(1,)):
        vocals, beat = stems_of(separator, 4 * loud)
        assert not vocals.any()
        np.testing.assert_array_equal(beat, 4 * loud)
