"""``--layout keep``: each pair of speakers separated, and as many channels written as came."""

import av
import numpy as np
import pytest
import soundfile as sf

import streamsep
from streamsep.audio.files.container import MediaWriter
from streamsep.audio.files.sound_file import AudioReader
from streamsep.audio.files.sound_track import HELD, held_speakers
from streamsep.dsp.channels import LAYOUTS, USUAL_SPEAKERS
from streamsep.dsp.speaker_layout import ORDER, arrange, kept_text, speaker_groups
from streamsep.errors import ArgumentError, AudioFileError, ModelError, OutputError
from streamsep.separation.center_cut import CenterCut
from streamsep.separation.per_pair import PairSeparators
from streamsep.spec import SeparatorSpec
from testing.signals import music
from tests.support.cases import one_fast
from tests.support.commands import ffmpeg
from tests.support.separators import Halves

RATE = 48_000
OUTPUT, AUDIO = 4, 3
SIX = USUAL_SPEAKERS[6]
STEP_24 = 2.0**-23


def surround(count=6, seconds=0.5):
    """(C, N), each channel of its own."""
    pairs = [music(seconds, sample_rate=RATE, seed=seed) for seed in range((count + 1) // 2)]
    return np.concatenate(pairs)[:count] * 0.5


@pytest.fixture
def song(tmp_path):
    """5.1 in WAV."""
    path = tmp_path / "song.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s24le", rate=RATE, layout="5.1")
        steps = np.rint(surround() * 2.0**23).astype(np.int32) << 8
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(steps.T).reshape(1, -1), "s32", "5.1"
        )
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def keep(path, **options):
    with pytest.warns(UserWarning, match="are kept"):
        return streamsep.separate_file(path, layout="keep", model="center-cut", **options)


def read(path):
    """Sound as the file has it, and its layout by FFmpeg."""
    with av.open(str(path)) as container:
        layout = container.streams.audio[0].layout.name
    with AudioReader(path, keep_layout=True) as reader:
        return np.concatenate(list(reader.chunks()), axis=-1), layout, reader.speakers


def test_pairs_are_separated_as_they_would_be_alone_and_the_low_stays_in_the_beat(song):
    sound, *_ = read(song)
    vocals, beat = (read(path)[0] for path in keep(song, bits=32).values())
    np.testing.assert_allclose(vocals + beat, sound, atol=2e-7, rtol=0)
    for left, right in ((0, 1), (4, 5)):
        alone = streamsep.separate(sound[[left, right]], RATE, model="center-cut")
        np.testing.assert_allclose(vocals[[left, right]], alone["vocals"], atol=2e-7, rtol=0)
    centre = streamsep.separate(sound[[2]], RATE, model="center-cut")
    np.testing.assert_allclose(vocals[[2]], centre["vocals"], atol=2e-7, rtol=0)
    assert not vocals[3].any()
    np.testing.assert_array_equal(beat[3], sound[3])


@pytest.mark.parametrize("layout", one_fast(["5.1", "5.1(side)", "quad", "7.1", "2.1"]))
@pytest.mark.parametrize("suffix", one_fast([".wav", ".flac"]))
def test_the_same_layout_comes_back_and_the_stems_sum_to_it(tmp_path, layout, suffix):
    count = len(LAYOUTS[layout].split())
    sf.write(tmp_path / "plain.wav", surround(count).T, RATE, subtype="PCM_24")
    song = tmp_path / "song.flac"
    ffmpeg("-i", tmp_path / "plain.wav", "-af", f"aformat=channel_layouts={layout}", song)
    sound, came, speakers = read(song)
    assert came == layout
    parts = []
    for path in keep(song, output=tmp_path / "out", format=suffix).values():
        part, went, told = read(path)
        assert (went, told) == (layout, speakers)
        parts.append(part)
    np.testing.assert_allclose(sum(parts), sound, atol=2 * STEP_24, rtol=0)


@pytest.mark.parametrize("encoder", [*HELD, "flac"])
def test_encoders_keep_every_channel_of_what_they_hold_in_its_place(tmp_path, encoder):
    suffix = {"aac": ".m4a", "alac": ".m4a", "libopus": ".webm", "flac": ".flac"}[encoder]
    time = np.arange(RATE // 4) / RATE
    for layout in HELD.get(encoder, ("5.1(side)", "6.1")):
        speakers = tuple(LAYOUTS[layout].split())
        # A tone of its own in each, of the LFE below 120 Hz.
        tones = [60 if name == "LFE" else 400 * (n + 1) for n, name in enumerate(speakers)]
        sound = 0.3 * np.sin(2 * np.pi * np.array(tones)[:, None] * time).astype(np.float32)
        path = tmp_path / f"{encoder}{suffix}"
        with MediaWriter(path, RATE, speakers, source=None, encoder=encoder) as writer:
            writer.write(sound)
        again, came, _ = read(path)
        assert came == layout
        bins = np.abs(np.fft.rfft(again[:, 2_000:11_600])).argmax(axis=-1)  # of 5 Hz
        np.testing.assert_allclose(5 * bins, tones, atol=5)


def test_side_speakers_become_back_ones_where_there_are_no_others_and_it_is_said(tmp_path, song):
    path = tmp_path / "film.mka"
    ffmpeg("-i", song, "-af", "aformat=channel_layouts=5.1(side)", "-c:a", "flac", path)
    with pytest.warns(UserWarning, match="side speakers are written as back ones: aac"):
        paths = keep(path, output=tmp_path / "out", format="m4a")
    assert {read(path)[1] for path in paths.values()} == {"5.1"}


@pytest.mark.parametrize(
    ("encoder", "layout"), [("aac", "7.1"), ("alac", "quad"), ("libopus", "2.1"), ("flac", "7.1.4")]
)
def test_a_layout_that_an_encoder_doesn_t_hold_is_refused(encoder, layout):
    with pytest.raises(OutputError, match="holds no layout"):
        held_speakers(encoder, tuple(LAYOUTS[layout].split()))


def test_without_it_the_middle_goes_to_both_sides_by_bs_775(song):
    with pytest.warns(UserWarning, match=r"BS\.775"):
        paths = streamsep.separate_file(song, bits=32, model="center-cut")
    total = sum(sf.read(path, dtype="float32")[0].T for path in paths.values())
    sound, *_ = read(song)
    half = np.float32(0.5**0.5)
    left = sound[0] + half * sound[2] + half * sound[4]
    np.testing.assert_allclose(total[0], left, atol=1e-6, rtol=0)


def test_stereo_and_mono_are_as_ever(tmp_path):
    for channels in (1, 2):
        path = tmp_path / f"{channels}.wav"
        sf.write(path, music(0.3, channels=channels).T, RATE)
        kept, plain = (
            streamsep.separate_file(path, tmp_path / layout, model="center-cut", layout=layout)
            for layout in ("keep", "stereo")
        )
        for stem in ("vocals", "beat"):
            np.testing.assert_array_equal(sf.read(kept[stem])[0], sf.read(plain[stem])[0])


def test_the_command_says_what_it_keeps_and_knows_it_again(command, song):
    arguments = ["separate", song, "--model", "center-cut", "--layout", "keep"]
    done = command(*arguments)
    assert done.code == 0
    assert "FL with FR, BL with BR, FC by itself; LFE stays whole, in the beat" in done.stderr
    assert sf.info(song.with_name("song.beat.wav")).channels == 6
    assert "done before" in command(*arguments).stderr
    assert "done before" not in command(*arguments[:-2]).stderr


@pytest.mark.parametrize("form", ["ogg", "mp3", "stem.m4a"])
def test_formats_of_two_channels_are_refused(command, song, form):
    arguments = ["separate", song, "--model", "center-cut", "--layout", "keep"]
    done = command(*arguments, "--format", form)
    assert done.code == OUTPUT
    assert "hold two channels" in done.stderr.splitlines()[-1]
    assert [path.name for path in song.parent.glob("*.*")] == ["song.wav"]


def test_speakers_that_nobody_knows_are_each_separated_by_themselves(tmp_path):
    path = tmp_path / "many.wav"
    sound = surround(10, 0.2)
    sf.write(path, sound.T, RATE, subtype="FLOAT")
    with pytest.warns(UserWarning, match="each is separated by itself"):
        paths = streamsep.separate_file(path, bits=32, layout="keep", model="center-cut")
    parts = [sf.read(part, dtype="float32")[0].T for part in paths.values()]
    np.testing.assert_allclose(sum(parts), sound, atol=2e-7, rtol=0)


def test_too_many_channels_are_refused(command, tmp_path):
    path = tmp_path / "many.wav"
    sf.write(path, np.zeros((100, 17)), RATE)
    done = command("separate", path, "--model", "center-cut", "--layout", "keep")
    assert done.code == AUDIO
    assert "at most 16" in done.stderr.splitlines()[-1]


def test_a_model_of_another_number_of_channels_is_refused():
    mono = Halves(spec=SeparatorSpec("mono", 44_100, 1))
    with pytest.raises(ModelError, match="1 channels"):
        PairSeparators(mono, Halves).for_speakers(SIX)


def test_separators_are_loaded_as_they_are_needed_and_kept():
    loaded = []
    pairs = PairSeparators(CenterCut(), lambda: loaded.append(CenterCut()) or loaded[-1])
    assert pairs.for_speakers(("FL", "FR")) is pairs.first
    assert (pairs.for_speakers(SIX).stems, len(loaded)) == (("vocals", "beat"), 2)
    pairs.for_speakers(SIX)
    assert len(loaded) == 2
    with pytest.raises(AudioFileError):
        pairs.for_speakers(("NONE",) * 17)


def test_another_way_than_these_is_refused(song):
    with pytest.raises(ArgumentError, match="'stereo' or 'keep'"):
        streamsep.separate_file(song, layout="mono")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_speaker_of_every_layout_is_in_one_group_and_pairs_are_two_sides(layout):
    speakers = tuple(LAYOUTS[layout].split())
    groups = speaker_groups(speakers)
    taken = [*(n for pair in groups.pairs for n in pair), *groups.single, *groups.low]
    assert sorted(taken) == list(range(len(speakers)))
    for left, right in groups.pairs:
        assert speakers[left].replace("L", "R") == speakers[right]
    assert all(speakers[n].endswith("C") for n in groups.single)
    assert sorted(speakers, key=ORDER.index) == [*speakers]  # FFmpeg's own order


def test_sound_in_another_order_is_put_in_order_and_of_another_layout_in_front():
    sound = np.arange(6, dtype=np.float32)[:, None]
    vorbis = ("FL", "FC", "FR", "BL", "BR", "LFE")
    assert arrange(sound, vorbis, SIX)[:, 0].tolist() == [0, 2, 1, 5, 3, 4]
    assert arrange(sound[:1] + 1, ("FC",), SIX)[:, 0].tolist() == [1, 1, 0, 0, 0, 0]
    assert arrange(sound[1:3], ("FL", "FR"), SIX)[:, 0].tolist() == [1, 2, 0, 0, 0, 0]


def test_what_is_kept_is_said():
    assert kept_text(("FL", "FR", "LFE")).endswith(
        "separated FL with FR; LFE stays whole, in the beat"
    )
