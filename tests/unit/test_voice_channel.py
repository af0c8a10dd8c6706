"""A voice out of a microphone's channels: as loud as it is, whichever it is on."""

import numpy as np
import pytest

from streamsep.audio.devices.device_list import DeviceInfo
from streamsep.audio.devices.microphone import _channels_of
from streamsep.dsp.voice_channel import VoiceChannel, channel_number
from streamsep.errors import ArgumentError, DeviceError
from streamsep.live.config import LiveConfig
from testing.signals import music
from tests.support.cases import one_fast

RATE, BLOCK = 44_100, 128


def stream(voice, sound):
    blocks = range(0, sound.shape[-1] - BLOCK + 1, BLOCK)
    return np.concatenate([voice.process(sound[:, s : s + BLOCK]) for s in blocks], axis=-1)[0]


@pytest.fixture
def sung():
    return music(3.0, seed=4)[0, : 1_000 * BLOCK]


@pytest.mark.parametrize("channels", one_fast(range(1, 9)))
@pytest.mark.parametrize("noise_db", one_fast([-np.inf, -60.0]))
def test_on_one_channel_of_any_number_it_keeps_its_level(sung, channels, noise_db):
    noise = 10 ** (noise_db / 20) * np.std(sung)
    for place in range(channels):
        sound = np.random.default_rng(place).normal(0.0, noise, (channels, sung.size))
        sound = sound.astype(np.float32)
        sound[place] = sung
        heard = stream(VoiceChannel(channels, RATE), sound)
        # From the first moment at which there is anything to hear, but for the fade.
        np.testing.assert_allclose(heard[RATE // 2 :], sung[RATE // 2 :], atol=1e-7)


def test_on_both_it_is_their_average_to_the_bit(sung):
    sound = np.stack([sung, 0.5 * sung])
    np.testing.assert_array_equal(stream(VoiceChannel(2, RATE), sound), 0.75 * sung)


def test_a_second_voice_comes_in_without_a_click():
    time = np.arange(3 * RATE // BLOCK * BLOCK) / RATE
    tone = 0.5 * np.sin(2 * np.pi * 100 * time).astype(np.float32)
    late = np.where(time < 1.5, 0.0, tone).astype(np.float32)
    heard = stream(VoiceChannel(2, RATE), np.stack([tone, late]))
    assert np.abs(np.diff(heard)).max() < 2 * np.abs(np.diff(tone)).max()
    np.testing.assert_allclose(heard[RATE : int(1.4 * RATE)], tone[RATE : int(1.4 * RATE)])
    np.testing.assert_allclose(heard[2 * RATE :], tone[2 * RATE :], atol=1e-7)


@pytest.mark.parametrize(
    ("choice", "expected"), [("left", 0.2), ("right", 0.6), ("1", 0.2), ("2", 0.6), ("mix", 0.4)]
)
def test_what_is_chosen_is_taken(choice, expected):
    sound = np.tile(np.array([[0.2], [0.6]], np.float32), BLOCK)
    np.testing.assert_allclose(VoiceChannel(2, RATE, choice).process(sound)[0], expected)


@pytest.mark.parametrize("choice", ["", "0", "33", "-1", "middle", "1.5"])
def test_what_means_none_is_refused(choice):
    with pytest.raises(ArgumentError, match="no channel of a microphone is called"):
        LiveConfig(mic="mic", mic_channel=choice)


def test_so_many_channels_are_opened_as_it_takes():
    device = DeviceInfo(0, "mic", "ALSA", 4, 0, RATE, True, False)
    wanted = {"auto": 2, "left": 2, "mix": 2, "3": 3}
    assert {choice: _channels_of(device, [choice]) for choice in wanted} == wanted
    with pytest.raises(DeviceError, match="has no channel 5; expected 1 to 4"):
        _channels_of(device, ["left", "5"])
    assert _channels_of(device, ["1", "4"]) == 4
    assert channel_number("right") == 2
