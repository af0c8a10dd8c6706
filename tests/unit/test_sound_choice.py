"""Karaoke discs: one track of several, one side of stereo, each said."""

import warnings

import av
import numpy as np
import pytest
import soundfile as sf

from streamsep import separate_file
from streamsep.audio.files.sound_choice import SoundChoice
from streamsep.audio.files.sound_file import AudioReader
from streamsep.errors import ArgumentError, AudioFileError
from streamsep.live.player import LivePlayer
from testing.signals import music

RATE = 44_100
TRACKS = (("ger", "Lied"), ("eng", "Song with voice"), ("eng", "Song without voice"))
PCM_24 = 2.0**-23


@pytest.fixture(scope="module")
def sounds():
    return [music(0.5, seed=seed) for seed in range(3)]


@pytest.fixture(scope="module")
def disc(tmp_path_factory, sounds):
    """A video's sound in three tracks, two of them of one language."""
    path = tmp_path_factory.mktemp("discs") / "disc.mkv"
    with av.open(str(path), "w") as container:
        streams = []
        for (language, title), _ in zip(TRACKS, sounds, strict=True):
            stream = container.add_stream("pcm_f32le", rate=RATE, layout="stereo")
            stream.metadata.update(language=language, title=title)
            streams.append(stream)
        for stream, sound in zip(streams, sounds, strict=True):
            frame = av.AudioFrame.from_ndarray(sound.T.reshape(1, -1), "flt", "stereo")
            frame.sample_rate = RATE
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
    return path


@pytest.fixture(scope="module")
def song(tmp_path_factory, sounds):
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    sf.write(path, sounds[0].T, RATE, subtype="FLOAT")
    return path


def read(path, **choice):
    """Return the sound, and what was said of it."""
    with AudioReader(path, choice=SoundChoice(**choice)) as reader:
        sound = np.concatenate(list(reader.chunks()), axis=-1)
        assert len(sound) == reader.channels
        return sound, [notice.text for notice in reader.notices.all]


@pytest.mark.parametrize(
    ("track", "number"),
    [("1", 1), ("2", 2), ("3", 3), ("ger", 1), ("GER", 1), ("Lied", 1), ("without", 3)],
)
def test_a_track_is_found_by_number_language_or_title(disc, sounds, track, number):
    sound, said = read(disc, track=track)
    np.testing.assert_array_equal(sound, sounds[number - 1])
    titles = ", ".join(title for _, title in TRACKS)
    assert said == [f"3 tracks of sound are in it ({titles}); {TRACKS[number - 1][1]} is taken"]


@pytest.mark.parametrize(
    ("track", "complaint"),
    [
        ("4", "has no track '4'; expected 1 .ger, Lied., 2 .eng, Song with voice., 3"),
        ("fre", "has no track 'fre'"),
        ("", "has no track ''"),
        ("eng", "has several tracks 'eng'.*by its number"),
    ],
)
def test_what_is_no_one_track_is_refused(disc, track, complaint):
    with pytest.raises(AudioFileError, match=complaint):
        read(disc, track=track)


def test_a_file_of_one_track_has_that_one(song, sounds):
    np.testing.assert_array_equal(read(song, track="1")[0], sounds[0])
    with pytest.raises(AudioFileError, match="has no track '2'; expected 1"):
        read(song, track="2")


@pytest.mark.parametrize(("channel", "side"), [("left", 0), ("right", 1)])
def test_one_side_is_taken_alone(song, sounds, channel, side):
    sound, said = read(song, channel=channel)
    np.testing.assert_array_equal(sound, sounds[0][side : side + 1])
    assert said == [f"its {channel} side is taken"]


def test_both_sides_are_as_ever_and_mono_has_none(song, sounds, tmp_path):
    assert read(song, channel="both") == (pytest.approx(sounds[0]), [])
    sf.write(tmp_path / "mono.wav", sounds[0][0], RATE, subtype="FLOAT")
    sound, said = read(tmp_path / "mono.wav", channel="right")
    np.testing.assert_array_equal(sound, sounds[0][:1])
    assert said == ["it is mono: no right side"]
    with pytest.raises(ArgumentError, match="no channel of a sound is called 'middle'"):
        SoundChoice(channel="middle")


def test_live_plays_what_was_chosen_on_both_sides_and_says_so(
    disc, sounds, identity_model, tmp_path
):
    with LivePlayer(
        input=disc,
        track=2,
        channel="right",
        output="null",
        record=tmp_path / "take.wav",
        model=identity_model,
        block=2_048,
        slack=22_050,
    ) as player:
        player.wait()
    take = sf.read(tmp_path / "take.wav", dtype="float32", always_2d=True)[0].T
    expected = np.stack([sounds[1][1]] * 2)
    np.testing.assert_allclose(take, expected, atol=PCM_24, rtol=0)
    said = [event.text for event in player.events.latest()]
    assert any("Song with voice is taken" in text for text in said)
    assert any("its right side is taken" in text for text in said)


def test_a_choice_is_one_of_a_file(identity_model):
    with pytest.raises(ArgumentError, match="'mic' has no tracks or sides") as refused:
        LivePlayer(input="mic", channel="left")
    assert refused.value.settings == ("input", "channel")


def test_separate_takes_the_same_and_does_another_choice_anew(
    command, song, sounds, identity_model, tmp_path
):
    def separate(*options):
        done = command(
            *("separate", song, "-o", tmp_path / "out", "--stems", "beat", "--bits", 32),
            *("--model", identity_model, *options),
        )
        assert done.code == 0, done.stderr
        return done.stderr, sf.read(tmp_path / "out" / "song.beat.wav", always_2d=True)[0].T

    said, beat = separate("--channel", "left")
    assert "its left side is taken" in said
    np.testing.assert_allclose(beat, sounds[0][:1], atol=1e-6, rtol=0)
    assert "done before" in separate("--channel", "left")[0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = separate_file(
            song, tmp_path / "api", stems=["beat"], model=identity_model, track=1, channel="right"
        )
    assert "its right side is taken" in str(caught[-1].message)
    right = sf.read(made["beat"], always_2d=True)[0].T
    np.testing.assert_allclose(right, sounds[0][1:], atol=1e-6, rtol=0)
    said, beat = separate("--overwrite")
    np.testing.assert_allclose(beat, sounds[0], atol=1e-6, rtol=0)
    assert "side" not in said


def test_a_choice_that_isn_t_that_of_before_isn_t_done(command, song, identity_model, tmp_path):
    common = ("separate", song, "-o", tmp_path, "--stems", "beat", "--model", identity_model)
    assert command(*common).code == 0
    assert "1 separated" not in command(*common).stderr
    again = command(*common, "--channel", "left")
    assert sf.info(tmp_path / "song.beat.wav").channels == 1, again.stderr
