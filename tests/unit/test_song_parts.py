"""A song in parts is, joined, to the bit what it is in one."""

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.sound_choice import WHOLE, SoundChoice
from streamsep.errors import AudioFileError
from streamsep.models import find_model
from streamsep.offline.separate import separate_file
from streamsep.offline.song_parts import JoinedParts, divide, separate_part
from streamsep.offline.stem_writer import write_stems
from streamsep.separation import load_separator
from testing.signals import music
from tests.support import models
from tests.support.cases import one_fast

LENGTH_S = 7.3


def remembering(folder):
    """Carries a state on."""
    return models.remembering_mask(folder / "m.onnx", interleave=2)


def windowed(folder):
    """Looks at windows that overlap."""
    kernel = np.zeros((4, 4, 3), np.float32)
    kernel[range(4), range(4)] = 0.25, 0.5, 0.25
    return models.mdx(folder / "m.onnx", kernel=kernel)


def write_song(path, rate=44_100, channels=2, seconds=LENGTH_S):
    sound = music(seconds, sample_rate=rate, channels=channels, seed=5)
    sf.write(path, sound.T, rate)
    return path


def parts_of(engines, song, part_s, folder, length_s=LENGTH_S, choice=WHOLE):
    """Separate a song in parts, by an engine each, and return their files."""
    division = divide(engines[0], length_s, part_s)
    state, files, played_s = None, [], 0.0
    for number in range(division.count):
        files.append(folder / f"{number}.part")
        engine = engines[number % len(engines)]
        seconds, state = separate_part(
            engine, song, division, number, files[-1], choice=choice, state=state
        )
        played_s += seconds
    return files, played_s


def joined(engine, song, files, folder, **how):
    targets = {stem: folder / f"joined.{stem}.wav" for stem in engine.stems}
    write_stems(
        JoinedParts(engine, lambda: iter(files)), song, targets, on_progress=lambda s: None, **how
    )
    return {stem: target.read_bytes() for stem, target in targets.items()}


def whole(engine, song, folder, **how):
    targets = {stem: folder / f"whole.{stem}.wav" for stem in engine.stems}
    write_stems(engine, song, targets, on_progress=lambda s: None, **how)
    return {stem: target.read_bytes() for stem, target in targets.items()}


@pytest.mark.parametrize("make", one_fast([remembering, windowed]))
@pytest.mark.parametrize(
    ("name", "rate", "channels"),
    one_fast(
        [("a.wav", 44_100, 2), ("a.flac", 48_000, 2), ("a.ogg", 22_050, 1), ("a.mp3", 44_100, 2)]
    ),
)
def test_parts_joined_are_one_run_byte_by_byte(make, name, rate, channels, tmp_path):
    engines = [
        load_separator(make(tmp_path), device="cpu", offline=True, cores=1) for _ in range(2)
    ]
    song = write_song(tmp_path / name, rate, channels)
    files, played_s = parts_of(engines, song, 2.0, tmp_path)
    assert len(files) >= 3
    assert all(file.stat().st_size for file in files)
    assert played_s == pytest.approx(LENGTH_S, abs=0.1)  # MP3 is padded
    assert joined(engines[0], song, files, tmp_path) == whole(engines[1], song, tmp_path)


@pytest.mark.parametrize("make", one_fast([remembering, windowed]))
@pytest.mark.parametrize("said_s", one_fast([LENGTH_S / 2, 3 * LENGTH_S]))
def test_a_song_that_is_longer_or_shorter_than_it_says(make, said_s, tmp_path):
    engines = [load_separator(make(tmp_path), device="cpu", offline=True, cores=1)]
    song = write_song(tmp_path / "a.wav")
    files, played_s = parts_of(engines, song, 2.0, tmp_path, length_s=said_s)
    assert played_s == pytest.approx(LENGTH_S)
    assert joined(engines[0], song, files, tmp_path) == whole(engines[0], song, tmp_path)


@pytest.mark.parametrize("make", one_fast([remembering, windowed]))
@pytest.mark.parametrize("more", one_fast([-1, 0, 1]))
def test_a_song_that_ends_where_a_part_does(make, more, tmp_path):
    engine = load_separator(make(tmp_path), device="cpu", offline=True, cores=1)
    division = divide(engine, 5.0, 2.0)
    frames = (division.count - 1) * division.blocks * engine.block_size + more
    song = write_song(tmp_path / "a.wav", seconds=frames / 44_100)
    assert sf.info(song).frames == frames
    files, _ = parts_of([engine], song, 2.0, tmp_path, length_s=5.0)
    assert joined(engine, song, files, tmp_path) == whole(engine, song, tmp_path)


def test_one_side_alone_is_that_side_in_all_parts(tmp_path):
    engine = load_separator(remembering(tmp_path), device="cpu", offline=True)
    song, how = write_song(tmp_path / "a.wav"), dict(choice=SoundChoice(None, "left"))
    files, _ = parts_of([engine], song, 2.0, tmp_path, **how)
    assert joined(engine, song, files, tmp_path, **how) == whole(engine, song, tmp_path, **how)


def test_parts_that_hold_too_little_are_refused(tmp_path):
    engine = load_separator(remembering(tmp_path), device="cpu", offline=True)
    song = write_song(tmp_path / "a.wav")
    files, _ = parts_of([engine], song, 2.0, tmp_path)
    with pytest.raises(AudioFileError, match="end before"):
        joined(engine, song, files[:-1], tmp_path)
    assert not list(tmp_path.glob("joined*"))


@pytest.mark.slow
def test_the_built_in_models_too(tmp_path):
    song = write_song(tmp_path / "a.wav", 48_000, seconds=12.0)
    for name in ("light", "tutorial"):
        alone = separate_file(song, tmp_path / "alone", model=name)
        engines = [load_separator(find_model(name), offline=True, cores=1) for _ in range(2)]
        files, _ = parts_of(engines, song, 5.0, tmp_path, length_s=12.0)
        assert len(files) == 3
        assert joined(engines[0], song, files, tmp_path) == {
            stem: path.read_bytes() for stem, path in alone.items()
        }
