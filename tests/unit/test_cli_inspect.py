"""``streamsep inspect``: exact text on the terminal, and a picture that shows what is there."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from matplotlib.image import imread

from streamsep.evaluation.spectrogram import COLUMNS, Spectrogram, spectrogram_of
from testing.signals import music
from tests.support import models

pytestmark = pytest.mark.slow  # as a whole

RATE = 44_100
DARK = (0x44, 0x01, 0x54)  # the colour map's lowest: silence
BRIGHT = (0xFD, 0xE7, 0x24)  # and its highest
BLUE, ORANGE = (0x1F, 0x77, 0xB4), (0xFF, 0x7F, 0x0E)  # beat and vocals in the chart


@pytest.fixture
def song(tmp_path):
    """Two seconds of a tone at 250 Hz, a second of nothing, a softer one at 4 kHz."""
    time = np.arange(2 * RATE) / RATE
    low, high = 0.9 * np.sin(2 * np.pi * 250 * time), 0.09 * np.sin(2 * np.pi * 4_000 * time)
    sound = np.concatenate([low, np.zeros(RATE), high])
    sf.write(tmp_path / "song.wav", np.stack([sound, sound], axis=1), RATE, subtype="FLOAT")
    return tmp_path / "song.wav"


@pytest.fixture
def inspect(command, monkeypatch, tmp_path):
    """Run the command with a model that takes a tenth of everything for vocals."""
    monkeypatch.setenv("COLUMNS", "80")
    model = models.constant_mask(tmp_path / "tenth.onnx", 0.1)
    return lambda *arguments: command("inspect", *arguments, "--model", model)


def test_exact_text(inspect, song):
    done = inspect(song)
    assert (done.code, done.stderr) == (0, "")
    *drawn, path = done.stdout.splitlines()
    assert path == str(song.with_name("song.spectrogram.png"))
    expected = (Path(__file__).parent / "screens" / "inspect.txt").read_text()
    assert "\n".join(drawn) + "\n" == expected


def test_where_blocks_can_t_be_shown(inspect, song, monkeypatch):
    monkeypatch.setattr("rich.console.Console.encoding", "ascii")
    drawn = inspect(song).stdout
    assert drawn.isascii()
    assert "  250 ####" in drawn


class TestPicture:
    @pytest.fixture
    def image(self, inspect, song):
        assert inspect(song).code == 0
        return np.rint(255 * imread(song.with_name("song.spectrogram.png"))[..., :3]).astype(int)

    @pytest.fixture
    def panels(self, image):
        """The three spectrograms without their frames: where the song's middle is silent."""
        dark = (image == DARK).all(axis=-1)
        columns = np.flatnonzero(dark.sum(axis=0) > 100)
        middle = dark[:, (columns[0] + columns[-1]) // 2].astype(int)
        edges = np.flatnonzero(np.diff(np.pad(middle, 1))).reshape(-1, 2)
        return [image[a:b, columns[0] : columns[-1]] for a, b in edges if b - a > 100]

    def test_both_tones_are_where_they_are(self, panels):
        assert len(panels) == 3
        loudest = []
        for panel in panels:
            height, width = panel.shape[:2]
            # Brighter along the colour map is greener.
            green = [
                panel[:, int(a * width) : int(b * width), 1].mean(axis=-1)
                for a, b in ((0.05, 0.35), (0.42, 0.58), (0.65, 0.95))
            ]
            assert green[1].std() == 0
            octaves = np.log2(16_000 / 40)
            places = [1 - np.log2(hertz / 40) / octaves for hertz in (250, 4_000)]
            rows = [np.flatnonzero(green[tone] > green[tone].max() - 2) for tone in (0, 2)]
            found = [(row.mean() + 0.5) / height for row in rows]
            # Spectra have steps of 22 Hz, at the lower tone two rows.
            assert found == pytest.approx(places, abs=2.5 / height)
            loudest.append(green[2].max())
        mixture, beat, vocals = loudest
        assert mixture >= beat > vocals

    def test_a_scale_says_what_colours_mean(self, image):
        right = image[:, int(0.92 * image.shape[1]) :]
        ends = [np.abs(right - colour).max(axis=-1) < 6 for colour in (DARK, BRIGHT)]
        (dark, _), (bright, _) = (np.argwhere(end).mean(axis=0) for end in ends)
        assert dark > 0.8 * len(image)
        assert bright < 0.2 * len(image)

    def test_levels_are_as_far_apart_as_the_stems(self, image):
        chart = image[int(0.75 * len(image)) :]
        places = {}
        for name, colour in (("beat", BLUE), ("vocals", ORANGE)):
            left = (chart[:, : chart.shape[1] // 3] == colour).all(axis=-1)
            places[name] = left.sum(axis=1).argmax()
        # The chart's frame reaches from 0 to -60 dB.
        black = chart.max(axis=-1) < 100
        pixels_per_db = black.sum(axis=0).max() / 60
        # 0.9 against 0.1 of the song, to a line's width.
        distance_db = (places["vocals"] - places["beat"]) / pixels_per_db
        assert distance_db == pytest.approx(20 * np.log10(9), abs=1.0)


class TestWhere:
    def test_an_excerpt(self, inspect, song, tmp_path):
        done = inspect(song, "--start", 2.5, "--seconds", 1, "-o", tmp_path / "new" / "a.PNG")
        assert done.code == 0, done.stderr
        rows = {line[:5].strip(): line[6:] for line in done.stdout.splitlines()[:10]}
        assert rows["250"].strip("█░▒▓ ") == ""
        assert "█" not in rows["250"]
        # Half a second of silence, then the tone, now the loudest.
        assert rows["4k"][:33].isspace()
        assert rows["4k"][40:70] == "█" * 30
        assert " 0:02 " in done.stdout.splitlines()[-3]
        assert done.stdout.splitlines()[-1] == str(tmp_path / "new" / "a.PNG")

    def test_a_folder(self, inspect, song, tmp_path):
        done = inspect(song, "-o", tmp_path / "out")
        assert done.stdout.splitlines()[-1] == str(tmp_path / "out" / "song.spectrogram.png")

    @pytest.mark.parametrize(
        ("arguments", "code", "line"),
        [
            (["--start", 5], 3, "song.wav lasts 5.0 s"),
            (["-o", "a.jpg"], 4, "a.jpg"),
            (["-o", "/dev/null/a.png"], 4, "/dev/null"),
            (["-o", "/proc/a.png"], 4, "/proc/a.png"),
            (["--seconds", 0], 2, "'--seconds'"),
        ],
    )
    def test_what_can_t_be(self, inspect, song, arguments, code, line):
        done = inspect(song, *arguments)
        assert done.code == code
        assert line in done.stderr
        assert ".png" not in done.stdout


def test_without_matplotlib_the_terminal_still_draws(inspect, song, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = inspect(song)
    assert (done.code, len(done.stdout.splitlines())) == (0, 38)
    (line,) = done.stderr.splitlines()
    assert line.endswith("pip install 'streamsep[eval]'")
    assert not song.with_name("song.spectrogram.png").exists()
    assert inspect(song, "-o", "asked-for.png").code == 1


class TestOverview:
    def test_a_sine_of_full_scale_is_0_db_in_its_band_alone(self):
        tone = np.sin(2 * np.pi * 1_000 * np.arange(RATE) / RATE).astype(np.float32)
        spectrogram = spectrogram_of(tone[np.newaxis], RATE)
        inner = spectrogram.bands_db(np.array([500.0, 707.0, 1_414.0, 2_000.0]), 9)[:, 1:-1]
        np.testing.assert_allclose(inner[1], 0.0, atol=0.01)
        assert inner[[0, 2]].max() < -75  # what a Hann window leaks so far away
        np.testing.assert_allclose(spectrogram.levels_db(9)[1:-1], 0.0, atol=0.01)

    def test_silence_and_what_no_sample_rate_holds_are_nothing(self):
        assert spectrogram_of(np.zeros((2, 9_000), np.float32), RATE).mean_db == -np.inf
        noise = np.random.default_rng(0).standard_normal((1, 8_000)).astype(np.float32)
        bands = spectrogram_of(noise, 8_000).bands_db(np.array([1e3, 2e3, 5e3, 6e3]), 20)
        assert np.isfinite(bands[:2]).all()
        assert (bands[2] == -np.inf).all()

    @pytest.mark.parametrize("size", [1, 1_000, 100_000])
    def test_pieces_of_any_size_come_to_the_same(self, size):
        sound = music(0.5 if size == 1 else 3.0)
        whole, pieces = spectrogram_of(sound, RATE), Spectrogram(sound.shape[-1], RATE)
        for start in range(0, sound.shape[-1], size):
            pieces.add(sound[:, start : start + size])
        pieces.finish()
        # float32 sums in another order.
        np.testing.assert_allclose(pieces.levels_db(70), whole.levels_db(70), atol=1e-4)

    @pytest.mark.parametrize("seconds", [0.0001, 0.1, 1.0, 45.0])
    def test_it_is_as_wide_as_asked_and_never_larger_than_a_picture(self, seconds):
        spectrogram = Spectrogram(max(round(seconds * RATE), 1), RATE)
        assert spectrogram.columns <= COLUMNS
        for columns in (8, 74, COLUMNS):
            assert spectrogram.levels_db(columns).shape == (columns,)

    def test_a_file_longer_or_shorter_than_it_said(self):
        sound, edges = music(2.0), np.array([100.0, 1_000.0])
        short, long = Spectrogram(3 * RATE, RATE), Spectrogram(RATE, RATE)
        for spectrogram in (short, long):
            spectrogram.add(sound)
            spectrogram.finish()
        assert np.isneginf(short.bands_db(edges, 30)[0, 22:]).all()
        assert np.isfinite(short.bands_db(edges, 30)[0, :19]).all()
        first = spectrogram_of(sound[:, :RATE], RATE).levels_db(30)
        first = first[:-1]  # the last sees what follows
        np.testing.assert_allclose(long.levels_db(30)[:-1], first, atol=1e-4)
