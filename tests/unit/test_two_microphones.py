"""Two singers: two channels of one device, or two of them, each with a way of its own."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.devices.device_list import DeviceInfo
from streamsep.audio.devices.microphone import DeviceMicrophone, MicrophoneStream
from streamsep.audio.devices.microphone_buffer import MicrophoneBuffer
from streamsep.errors import ArgumentError
from streamsep.live.config import LiveConfig
from streamsep.live.player import LivePlayer
from streamsep.realtime import Session
from streamsep.separation import load_separator
from testing.sessions import play
from testing.signals import music
from testing.singing import sing
from tests.support.singer import Singer

RATE, BLOCK = 44_100, 512
PCM_24 = 2.0**-23


def chosen(*names, **settings):
    microphones = LiveConfig(mic=names, **settings).microphones
    return [(each.device, each.channel, each.gain_db, each.voice_effects) for each in microphones]


class TestChoice:
    def test_one_is_as_before(self):
        assert chosen("mic") == [("mic", "auto", 0.0, "room")]
        one = LiveConfig(mic="mic", mic_channel="left", mic_gain=-3.0)
        assert one.microphones[0].channel == "left"
        assert one == LiveConfig(mic=("mic",), mic_channel="left", mic_gain=(-3.0,))
        assert LiveConfig().microphones == LiveConfig(mic=()).microphones == ()

    @pytest.mark.parametrize(
        ("name", "device", "channel"),
        [
            ("USB Mic:left", "USB Mic", "left"),
            ("USB Mic:2", "USB Mic", "2"),
            ("USB Mic: Audio (hw:1,0)", "USB Mic: Audio (hw:1,0)", "auto"),
            ("hw:1", "hw:1", "auto"),
            ("hw:1:right", "hw:1", "right"),
            ("duet.wav:right", "duet.wav", "right"),
            (":left", ":left", "auto"),
            ("3", "3", "auto"),
        ],
    )
    def test_a_name_may_end_in_its_channel(self, name, device, channel):
        assert chosen(name)[0][:2] == (device, channel)

    def test_what_voices_get_is_one_for_all_or_one_each(self):
        settings = dict(mic_gain=(-3.0, 1.0), voice_effects=("off", "hall"))
        assert chosen("a", "b", **settings) == [
            ("a", "auto", -3.0, "off"),
            ("b", "auto", 1.0, "hall"),
        ]
        assert [each[2] for each in chosen("a", "b", mic_gain=-6.0)] == [-6.0, -6.0]

    @pytest.mark.parametrize(
        ("names", "settings", "complaint"),
        [
            (("a", "a"), {}, "'a' is named twice.*a:left and a:right"),
            (("a:left", "a:left"), {}, "named twice"),
            (("-:left", "-:right"), {}, "named twice"),
            (("a", "b"), {"mic_gain": (0.0, 0.0, 0.0)}, "mic_gain has 3 values for 2 microphones"),
            (("a", "b"), {"mic_gain": (0.0, 99.0)}, "mic_gain is 99"),
            (("a", "b"), {"voice_effects": ("room", "bath")}, "no voice effects are called 'bath'"),
            (("a", "b"), {"record_stems": ("mic3",)}, "no microphone to record"),
        ],
    )
    def test_what_can_t_be_is_refused(self, names, settings, complaint):
        with pytest.raises(ArgumentError, match=complaint):
            LiveConfig(mic=names, **settings)


class Keep:
    def __init__(self, session, bus):
        self._blocks = []
        session.add_tap(bus, self)

    def push(self, block):
        self._blocks.append(block.copy())

    @property
    def sound(self):
        return np.concatenate(self._blocks, axis=-1)


class TestMixBus:
    def test_each_has_its_fader_its_meter_and_its_bus(self, identity_model):
        voices = [music(0.5, seed=seed) for seed in (7, 8)]
        session = Session(
            load_separator(identity_model),
            device_frames=BLOCK,
            microphones=[Singer(voice) for voice in voices],
        )
        session.set_gain("beat", -np.inf)
        session.set_gain("mic 2", -6.0)
        heard = {bus: Keep(session, bus) for bus in ("mic", "mic1", "mic 2", "mic2", "mix")}
        play(session, music(0.5), BLOCK)
        sound = {bus: keep.sound[:, : 20 * BLOCK] for bus, keep in heard.items()}
        for bus, voice in zip(("mic", "mic 2"), voices, strict=True):
            np.testing.assert_array_equal(sound[bus], voice[:, : 20 * BLOCK])
        np.testing.assert_array_equal(sound["mic1"], sound["mic"])
        np.testing.assert_array_equal(sound["mic2"], sound["mic 2"])
        mixed = sound["mic"] + 10 ** (-6 / 20) * sound["mic 2"]
        settled = slice(2 * BLOCK, None)
        np.testing.assert_allclose(sound["mix"][:, settled], mixed[:, settled], atol=1e-6, rtol=0)
        stats = session.snapshot()
        assert list(stats.faders) == ["guide", "beat", "mic", "mic 2", "master"]
        assert stats.faders["mic 2"] == -6.0
        assert list(stats.levels_mics_db) == ["mic", "mic 2"]
        assert max(stats.levels_mics_db.values()) == stats.level_mic_db

    def test_one_that_isn_t_there_has_no_fader(self, identity_model):
        session = Session(load_separator(identity_model), device_frames=BLOCK)
        with pytest.raises(ValueError, match="no fader mic 2 among guide, beat, mic, master"):
            session.set_gain("mic2", 0.0)


class OneStream:
    """Stands for PortAudio's: counts how often it is opened, and with how many channels."""

    def __init__(self):
        self.opened, self.started = [], 0

    def open(self, device, role, rate, *, channels, **options):
        self.opened.append((role, channels))
        stream = SimpleNamespace(samplerate=rate, latency=0.005, channels=channels)

        def start():
            self.started += 1

        return SimpleNamespace(
            stream=stream, heartbeat=lambda: None, start=start, close=lambda: None
        )


def test_two_voices_of_one_device_open_it_once_and_never_mix(monkeypatch):
    portaudio = OneStream()
    monkeypatch.setattr("streamsep.audio.devices.microphone.open_reconnecting", portaudio.open)
    device = DeviceInfo(0, "USB", "ALSA", 2, 0, RATE, True, False)
    stream = MicrophoneStream(device, ["left", "right"], sample_rate=RATE, device_frames=BLOCK)
    sizes = dict(sample_rate=RATE, channels=2)
    broken = DeviceMicrophone(stream, **sizes, channel="left", effect=lambda sound: 1 / 0)
    left, right = (DeviceMicrophone(stream, **sizes, channel=side) for side in ("left", "right"))
    for microphone in (broken, left, right):
        microphone.start()
    assert (portaudio.opened, portaudio.started) == ([("microphone", 2)], 1)
    bursts = np.tile(np.array([[0.25, -0.5]], np.float32), (128, 1))

    def device_thread():
        for _ in range(20):
            stream._callback(bursts, 128, None, None)

    thread = threading.Thread(target=device_thread)  # it is promoted, which tests mustn't be
    thread.start()
    thread.join()
    for microphone, value in ((left, 0.25), (right, -0.5), (broken, 0.0)):
        out = np.ones((BLOCK, 2), np.float32)
        microphone.read(out)
        np.testing.assert_array_equal(out, np.float32(value))
        added = microphone.latency - round(0.005 * RATE)
        assert added <= MicrophoneBuffer.MOST_S * RATE
    assert isinstance(broken.fault, ZeroDivisionError)
    assert left.fault is right.fault is None


def test_two_voices_of_one_device_stay_together_whenever_each_is_read(monkeypatch):
    """What comes between the reads of one and of the other moves neither from the other."""
    monkeypatch.setattr("streamsep.audio.devices.microphone.open_reconnecting", OneStream().open)
    monkeypatch.setattr("streamsep.audio.devices.microphone.promote", lambda to: None)
    device = DeviceInfo(0, "USB", "ALSA", 2, 0, RATE, True, False)
    stream = MicrophoneStream(device, ["left", "right"], sample_rate=RATE, device_frames=BLOCK)
    left, right = (
        DeviceMicrophone(stream, sample_rate=RATE, channels=1, channel=side)
        for side in ("left", "right")
    )
    heard = {left: [], right: []}
    place = 0
    # A device that is fast by 1 %: the delay grows, and is jumped over again and again.
    for index in range(30 * RATE // BLOCK):
        for microphone, half in ((left, 0.5), (right, 1.0)):
            while place + 128 <= 1.01 * (index + half) * BLOCK:
                numbers = np.arange(place + 1, place + 129, dtype=np.float32)
                stream._callback(np.stack([numbers, numbers], axis=1) / RATE / 40, 128, None, None)
                place += 128
            out = np.zeros((BLOCK, 1), np.float32)
            assert microphone.read(out) == 0
            heard[microphone].append(out[:, 0])
    sound = np.concatenate(heard[left])
    np.testing.assert_array_equal(sound, np.concatenate(heard[right]))
    steps = np.diff(sound[np.flatnonzero(sound)]) * RATE * 40
    assert np.count_nonzero(steps > 1.1) >= 2 * BLOCK  # jumps were made


def test_two_names_of_one_device_are_one_voice(monkeypatch, identity_model, tmp_path):
    device = DeviceInfo(0, "USB", "ALSA", 2, 0, RATE, True, False)
    monkeypatch.setattr("streamsep.live.endpoints.find_device", lambda name, kind: device)
    sf.write(tmp_path / "song.wav", music(0.2).T, RATE)
    player = LivePlayer(
        input=tmp_path / "song.wav",
        output="null",
        mic=("USB", "0"),
        voice_effects="off",
        model=identity_model,
    )
    with pytest.raises(ArgumentError, match="'USB' and '0' are one device, 'USB'"):
        player.start()


@pytest.mark.slow
def test_two_singers_of_one_file_are_recorded_and_scored_apart(half_model, tmp_path):
    seconds = 1.6
    song = sing(seconds=seconds)
    sf.write(tmp_path / "song.wav", np.stack([song] * 2, axis=-1), RATE)
    sides = [song, sing(seconds=seconds, transpose=-1.0)]
    sf.write(tmp_path / "duet.wav", np.stack(sides, axis=-1), RATE, subtype="FLOAT")
    with LivePlayer(
        input=tmp_path / "song.wav",
        output="null",
        mic=(f"{tmp_path}/duet.wav:left", f"{tmp_path}/duet.wav:right"),
        mic_gain=(0.0, -6.0),
        voice_effects="off",
        record=tmp_path / "take.wav",
        record_stems=("mic", "mic2"),
        score=True,
        model=half_model,
        block=2_048,
        slack=22_050,
    ) as player:
        player.set_gain("mic 2", -3.0)
        player.wait()
        assert player.stats().faders["mic 2"] == -3.0
    exact, flat = player.score.singers
    assert (exact.name, flat.name) == ("mic", "mic 2")
    assert exact.percent >= 95.0
    assert flat.percent <= 60.0
    for name, side in zip(("mic", "mic2"), sides, strict=True):
        take = sf.read(tmp_path / f"take.{name}.wav", dtype="float32", always_2d=True)[0].T
        # What was read ahead isn't recorded of a microphone: its file begins with its voice.
        count = min(take.shape[-1], len(side)) - 2_048
        np.testing.assert_allclose(
            take[:, :count], np.stack([side[:count]] * 2), atol=PCM_24, rtol=0
        )
