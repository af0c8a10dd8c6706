"""Sound with other channels: folded by where the speakers stand, as FFmpeg folds it too."""

import av
import numpy as np
import pytest

from streamsep.dsp.channels import (
    LAYOUTS,
    STEREO_GAINS,
    USUAL_SPEAKERS,
    fold_channels,
    folded_text,
    match_channels,
    speakers_of,
)


def noise(channels, count=500):
    return (0.1 * np.random.default_rng(0).standard_normal((channels, count))).astype(np.float32)


# FFmpeg itself leaves the rear ones above the listeners out.
FOLDED = [name for name in LAYOUTS if "TBL" not in LAYOUTS[name] and len(LAYOUTS[name]) > 5]


@pytest.mark.parametrize("layout", FOLDED)
def test_every_layout_is_folded_as_ffmpeg_does(layout):
    count = av.AudioLayout(layout).nb_channels
    speakers, sound = speakers_of(layout, count), noise(count)
    assert len(speakers) == count
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T).reshape(1, -1), "flt", layout)
    frame.sample_rate = 48_000
    (theirs,) = av.AudioResampler("fltp", "stereo", 48_000).resample(frame)
    # float32's rounding of sums of eight.
    np.testing.assert_allclose(fold_channels(sound, speakers), theirs.to_ndarray(), atol=1e-6)


@pytest.mark.parametrize("count", range(1, 9))
def test_each_channel_of_the_usual_ones_goes_where_it_belongs(count):
    for index, name in enumerate(USUAL_SPEAKERS[count]):
        sound = np.zeros((count, 10), np.float32)
        sound[index] = 1.0
        folded = fold_channels(sound, USUAL_SPEAKERS[count])
        if count == 1:
            assert folded.tolist() == sound.tolist()
            continue
        left, right = folded[:, 0]
        if name == "LFE":
            assert (left, right) == (0.0, 0.0)
        elif name in ("FC", "BC"):
            assert left == right > 0.4
        else:
            assert (left > right) == name.endswith("L")
            assert min(left, right) == 0.0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_names_are_ffmpeg_s_in_its_order(layout):
    described = "+".join(LAYOUTS[layout].split())
    assert av.AudioLayout(described).name == layout


def test_layouts_without_a_name_are_described():
    layout = av.AudioLayout("FL+FC+LFE")
    assert speakers_of(layout.name, 3) == ("FL", "FC", "LFE")
    assert speakers_of("3 channels", 3) == ("FL", "FR", "FC")
    assert speakers_of("20 channels", 20) == ("NONE",) * 20


def test_speakers_that_nobody_knows_go_by_turns():
    sound = np.arange(6, dtype=np.float32)[:, None]
    for speakers in (("NONE",) * 6, ("FL", "FL", "FR", "FR", "FC", "FC")):
        assert fold_channels(sound, speakers).tolist() == [[2.0], [3.0]]
        assert "nothing says where its 6 channels belong" in folded_text(speakers)


def test_what_is_left_out_is_said():
    assert folded_text(USUAL_SPEAKERS[6]) == (
        "its 6 channels (FL FR FC LFE BL BR) are mixed to stereo by ITU-R BS.775, FC to both sides "
        "alike, LFE left out"
    )
    assert folded_text(("FL", "FR", "SL", "SR")).endswith("are mixed to stereo by ITU-R BS.775")
    assert {gain for gains in STEREO_GAINS.values() for gain in gains} <= {0.0, 0.5, 0.5**0.5, 1.0}


def test_without_speakers_mono_is_copied_and_more_is_averaged_per_side():
    mono, six = np.ones((1, 3), np.float32), np.arange(6, dtype=np.float32)[:, None]
    assert match_channels(mono, 2).tolist() == [[1, 1, 1], [1, 1, 1]]
    # Channels alternate sides: 0, 2, 4 to the left and 1, 3, 5 to the right.
    assert match_channels(six, 2).tolist() == [[2.0], [3.0]]
    assert match_channels(six[:2], 1).tolist() == [[0.5]]
    assert match_channels(six, 6) is six
