"""Long files have no seams: in blocks they become what they would in one piece."""

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.encoding import Encoding
from streamsep.models import BUILTIN, find_model
from streamsep.offline.stem_writer import write_stems
from streamsep.separation import ChunkedSeparator, load_separator
from streamsep.separation.backend import OnnxBackend
from streamsep.separation.stateful import StatefulSeparator
from testing.signals import music
from tests.contract.test_streaming_equals_offline import TOLERANCE, whole_file_vocals
from tests.support import models
from tests.support.cases import one_of_many

pytestmark = pytest.mark.slow  # as a whole

RATE = 44_100
# Nobody hears -60 dB below full scale under music; float32 keeps 40 dB more, at every sample.
LOUDEST_SEAM_DB = -60.0 - 40.0

# Graphs that give all of the sound back as vocals; none sees more than 1.5 s at once.
IDENTITIES = {
    "stateful": lambda path: models.constant_mask(path, 1.0),
    "sliding": lambda path: models.constant_mask(
        path, 1.0, mode="sliding", frames_per_run=32, stride_frames=4, lookahead_frames=8
    ),
    "mdx": lambda path: models.mdx(path, dim_f=2049),
    "mdx of another window": lambda path: models.mdx(path, n_fft=6144, dim_f=3073, frames=64),
}


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    path = tmp_path_factory.mktemp("song") / "song.wav"
    sf.write(path, music(12.0).T, RATE, subtype="FLOAT")
    return path


def vocals_of(song, model, folder):
    """What ``separate`` writes, (2, N)."""
    target = folder / "vocals.wav"
    separator = load_separator(model, device="cpu", offline=True)
    write_stems(
        separator, song, {"vocals": target}, encoding=Encoding(32), on_progress=lambda share: None
    )
    return sf.read(target, dtype="float32")[0].T


@pytest.mark.parametrize("kind", IDENTITIES)
def test_no_seam_is_louder_than_60_db_on_an_identity(tmp_path, song, kind):
    whole = sf.read(song, dtype="float32")[0].T
    vocals = vocals_of(song, IDENTITIES[kind](tmp_path / "model.onnx"), tmp_path)
    assert vocals.shape == whole.shape
    assert 20 * np.log10(np.abs(vocals - whole).max()) < LOUDEST_SEAM_DB


@pytest.mark.parametrize(
    "make",
    [
        lambda path: models.lookahead_mask(path, frames=4, lookahead=8),
        lambda path: models.windowed_mask(path, frames=32, stride=4, lag=5),
    ],
    ids=["stateful", "sliding"],
)
def test_a_long_file_becomes_what_one_transform_of_all_of_it_gives(tmp_path, song, make):
    whole = sf.read(song, dtype="float32")[0].T
    vocals = vocals_of(song, make(tmp_path / "model.onnx"), tmp_path)
    expected = whole_file_vocals(whole, 5)
    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(vocals, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", one_of_many(sorted(BUILTIN, key="fast".__eq__), 4))
def test_a_built_in_model_takes_pieces_of_any_size_for_the_whole(tmp_path, song, name):
    model = find_model(name)
    separator = load_separator(model, device="cpu", offline=True)
    chunked = ChunkedSeparator(separator)
    whole = sf.read(song, dtype="float32")[0].T
    if separator.spec.prior:  # which runs every other hop, and has no window as long as the song
        whole = whole[:, : 3 * RATE]
        song = tmp_path / "start.wav"
        sf.write(song, whole.T, RATE, subtype="FLOAT")
    at_once = np.concatenate([chunked.feed(whole), chunked.finish()], axis=-1)[0]
    assert np.abs(at_once).max() > 0.01
    np.testing.assert_array_equal(vocals_of(song, model, tmp_path), at_once)


def test_a_long_file_is_what_one_run_of_the_graph_over_all_of_it_gives(tmp_path, song):
    whole = sf.read(song, dtype="float32")[0].T
    frames = whole.shape[-1] // 1024 + 4  # what the transform holds back, too
    backend = OnnxBackend(find_model("light"), device="cpu", runs_at_once=frames)
    separator = StatefulSeparator(backend)
    block = np.zeros((2, separator.block_size), np.float32)
    block[:, : whole.shape[-1]] = whole
    stems = np.zeros((2, *block.shape), np.float32)
    separator.process(block, stems)
    expected = stems[0, :, separator.delay :][:, : whole.shape[-1]]
    assert np.abs(expected).max() > 0.01
    # Equal to the bit here; kernels may sum in other orders for other sizes.
    vocals = vocals_of(song, find_model("light"), tmp_path)
    np.testing.assert_allclose(vocals, expected, atol=1e-6, rtol=0)
