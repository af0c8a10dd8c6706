"""The mix bus: faders, bypass and microphone line up to the sample, and what taps hear sums up."""

import threading

import numpy as np
import pytest

from streamsep.dsp.mixer import RAMP_SAMPLES
from streamsep.effects.key import KeyChanger
from streamsep.errors import ModelError
from streamsep.realtime import Session
from streamsep.realtime.mix_bus import FADERS
from streamsep.separation import load_separator
from streamsep.separation.with_effects import SeparatorWithEffects
from testing.sessions import play
from testing.signals import music
from tests.support import models
from tests.support.backends import SlowBackend
from tests.support.singer import Singer

BUSES = ("beat", "vocals", "mic", "mix")
FRAMES = 512
SETTLED = RAMP_SAMPLES + FRAMES  # samples until faders that were set at the start have arrived


class Keep:
    """A tap that keeps all that it hears."""

    def __init__(self, session, bus):
        self._blocks = []
        session.add_tap(bus, self)

    def push(self, block):
        self._blocks.append(block.copy())

    @property
    def sound(self):
        return np.concatenate(self._blocks, axis=-1)


def aligned(session, sound, count):
    return sound[:, session.latency.session :][:, :count]


def test_what_is_recorded_of_each_bus_sums_to_the_mix(unet_shaped_model):
    """Faders at one, so that the guide is all of the vocals."""
    mixture, voice = music(1.0), music(1.0, seed=7)
    session = Session(
        load_separator(unet_shaped_model), device_frames=FRAMES, microphones=[Singer(voice)]
    )
    session.set_gain("guide", 0.0)
    heard = {bus: Keep(session, bus) for bus in BUSES}
    output = play(session, mixture, FRAMES)
    sound = {bus: keep.sound for bus, keep in heard.items()}
    np.testing.assert_array_equal(sound["mix"], output)
    parts = sound["beat"] + sound["vocals"] + sound["mic"]
    # The same three float32 terms, summed in another order: units in the last place of one.
    np.testing.assert_allclose(parts[:, SETTLED:], output[:, SETTLED:], atol=3e-7, rtol=0)
    # Each is what it is called. The microphone comes at once, the song after its latency.
    np.testing.assert_array_equal(sound["mic"][:, : voice.shape[-1]], voice)
    count = mixture.shape[-1]
    assert np.abs(sound["vocals"]).max() > 0.01
    song = aligned(session, sound["beat"] + sound["vocals"], count)
    np.testing.assert_allclose(song, mixture, atol=3e-7, rtol=0)


def test_stems_beside_the_vocals_are_all_the_beat(tmp_path):
    path = models.constant_mask(tmp_path / "m.onnx", 0.2, stems=("drums", "bass", "vocals"))
    separator = load_separator(path)
    gains = {name: 1.0 for name in separator.stems if name != "vocals"}
    session = Session(separator, device_frames=FRAMES, gains=gains)
    beat, vocals = Keep(session, "beat"), Keep(session, "vocals")
    mixture = music(0.5)
    output = play(session, mixture, FRAMES)
    np.testing.assert_array_equal(beat.sound, output)
    song = aligned(session, beat.sound + vocals.sound, mixture.shape[-1])
    np.testing.assert_allclose(song, mixture, atol=3e-7, rtol=0)


@pytest.mark.parametrize(("percent", "share"), [(0, 0.0), (30, 0.3), (100, 1.0)])
def test_the_guide_is_a_share_of_the_vocals(unet_shaped_model, percent, share):
    mixture = music(0.5)
    session = Session(load_separator(unet_shaped_model), device_frames=FRAMES)
    session.set_gain("guide", 20 * np.log10(percent / 100) if percent else -np.inf)
    beat, vocals = Keep(session, "beat"), Keep(session, "vocals")
    output = play(session, mixture, FRAMES)
    expected = beat.sound + np.float32(share) * vocals.sound
    np.testing.assert_allclose(output[:, SETTLED:], expected[:, SETTLED:], atol=3e-7, rtol=0)
    assert 10 ** (session.snapshot().faders["guide"] / 20) == pytest.approx(share)


def test_the_faders_scale_what_they_are_called(unet_shaped_model):
    mixture, voice = music(0.5), music(0.5, seed=7)
    session = Session(
        load_separator(unet_shaped_model), device_frames=FRAMES, microphones=[Singer(voice)]
    )
    moves = {"guide": -3.0, "beat": -6.0, "mic": 4.0, "master": -2.0}
    for fader, gain_db in moves.items():
        session.set_gain(fader, gain_db)
    heard = {bus: Keep(session, bus) for bus in BUSES}
    output = play(session, mixture, FRAMES)
    assert session.snapshot().faders == moves
    guide, beat, mic, master = (10 ** (moves[fader] / 20) for fader in FADERS)
    song = heard["beat"].sound + guide * heard["vocals"].sound
    expected = master * (beat * song + mic * heard["mic"].sound)
    np.testing.assert_allclose(output[:, SETTLED:], expected[:, SETTLED:], atol=1e-6, rtol=0)


def test_bypass_is_the_song_in_its_place_and_the_singer_goes_on(unet_shaped_model):
    """From beat to original and back, at the same moment in the music."""
    mixture, voice = music(2.0), 0.3 * music(2.0, seed=7)
    session = Session(
        load_separator(unet_shaped_model), device_frames=FRAMES, microphones=[Singer(voice)]
    )
    beat = Keep(session, "beat")
    switched = range(60, 120)

    def between(index):
        session.wait_idle()
        session.set_bypass(index in switched)

    output = play(session, mixture, FRAMES, between=between)
    song = output[:, : voice.shape[-1]] - voice
    delayed = np.pad(mixture, ((0, 0), (session.latency.session, 0)))[:, : song.shape[-1]]
    # The switch is seen by the next block; one ramp later it is done.
    on = slice((switched.start + 1) * FRAMES + SETTLED, (switched.stop + 1) * FRAMES)
    off = slice((switched.stop + 1) * FRAMES + SETTLED, None)
    np.testing.assert_allclose(song[:, on], delayed[:, on], atol=1e-7, rtol=0)
    np.testing.assert_allclose(
        song[:, off], beat.sound[:, : song.shape[-1]][:, off], atol=1e-7, rtol=0
    )
    assert (
        np.abs(beat.sound - np.pad(delayed, ((0, 0), (0, output.shape[-1] - delayed.shape[-1]))))[
            :, on
        ].max()
        > 0.01
    )


def test_the_beat_fader_holds_in_bypass(unet_shaped_model):
    mixture = music(0.5)
    session = Session(load_separator(unet_shaped_model), device_frames=FRAMES)
    session.set_bypass(True)
    session.set_gain("beat", -20.0)
    live = aligned(session, play(session, mixture, FRAMES), mixture.shape[-1])
    np.testing.assert_allclose(live, 0.1 * mixture, atol=1e-6, rtol=0)


@pytest.mark.parametrize("frames", [64, 441, 2_048])
def test_nothing_clicks_when_everything_is_moved(tmp_path, frames):
    """A steady tone in song and microphone; every fader and the bypass jump again and again."""
    separator = load_separator(models.constant_mask(tmp_path / "m.onnx", 0.5))
    time = np.arange(66_150) / 44_100
    tone = 0.2 * np.sin(2 * np.pi * 100 * time).astype(np.float32) * np.ones((2, 1), np.float32)
    session = Session(separator, device_frames=frames, microphones=[Singer(tone)])
    rng = np.random.default_rng(1)

    def between(index):
        session.wait_idle()
        session.set_gain(FADERS[rng.integers(4)], float(rng.choice([-np.inf, -12.0, 0.0])))
        session.set_bypass(bool(rng.integers(2)))

    output = play(session, tone, frames, between=between)
    assert np.abs(output).max() > 0.2
    # Song and microphone at 0.2, their slope 2π·100/44100 of that, all at gain one; a ramp adds
    # its own slope to each of stems, song, original and microphone.
    slope = 2 * 0.2 * 2 * np.pi * 100 / 44_100
    assert np.abs(np.diff(output, axis=-1)).max() < slope + 4 * 0.2 / RAMP_SAMPLES


def test_missed_blocks_leave_the_microphone_and_the_recorded_sum(tmp_path):
    """While a run hangs the original stands in for the beat; vocals are silent; no step."""
    path = models.constant_mask(tmp_path / "m.onnx", 0.5)
    gate = threading.Event()
    gate.set()
    time = np.arange(88_200) / 44_100
    tone = 0.4 * np.sin(2 * np.pi * 100 * time).astype(np.float32) * np.ones((2, 1), np.float32)
    voice = 0.1 * music(2.0, seed=7)
    session = Session(
        SlowBackend.separator(path, lambda: gate.wait(20)),
        device_frames=FRAMES,
        microphones=[Singer(voice)],
    )
    session.set_gain("guide", 0.0)
    heard = {bus: Keep(session, bus) for bus in BUSES}

    def between(index):
        if index == 60:
            gate.clear()
        if index == 70:
            gate.set()
        if not 60 <= index < 70:
            session.wait_idle()

    output = play(session, tone, FRAMES, between=between)
    assert session.snapshot().dropouts >= 5
    sound = {bus: keep.sound for bus, keep in heard.items()}
    np.testing.assert_array_equal(sound["mic"][:, : voice.shape[-1]], voice)
    middle = slice(66 * FRAMES, 69 * FRAMES)
    assert not sound["vocals"][:, middle].any()
    delayed = np.pad(tone, ((0, 0), (session.latency.session, 0)))
    np.testing.assert_array_equal(sound["beat"][:, middle], delayed[:, middle])
    parts = sound["beat"] + sound["vocals"] + sound["mic"]
    np.testing.assert_allclose(parts[:, SETTLED:], output[:, SETTLED:], atol=3e-7, rtol=0)
    for bus in ("beat", "vocals"):
        # The tone moves by 0.0057 a sample, the fade from 0.2 to 0.4 or 0 by 0.0004.
        later = sound[bus][:, session.latency.session + 4_096 : 80 * FRAMES]
        assert np.abs(np.diff(later, axis=-1)).max() < 0.0065


def test_what_isn_t_there_is_refused(identity_model):
    session = Session(load_separator(identity_model), device_frames=FRAMES)
    with pytest.raises(ValueError, match="no fader drums among guide, beat, mic, master"):
        session.set_gain("drums", 0.0)
    with pytest.raises(ValueError, match="nan dB"):
        session.set_gain("beat", float("nan"))
    with pytest.raises(ModelError, match="this model gives vocals, beat and no drums"):
        session.add_tap("drums", Singer(None))


def with_key(path, semitones):
    separator = load_separator(path)
    key = KeyChanger(semitones, 44_100, 2, separator.block_size)
    return Session(
        SeparatorWithEffects(separator, [key]),
        device_frames=FRAMES,
        key=key,
        effects_delay=key.delay,
    )


def test_a_key_of_zero_is_the_beat_at_the_reported_latency(unet_shaped_model):
    mixture = music(1.0)
    plain = Session(load_separator(unet_shaped_model), device_frames=FRAMES)
    beat = aligned(plain, play(plain, mixture, FRAMES), mixture.shape[-1])
    session = with_key(unet_shaped_model, 0)
    assert session.latency.session - plain.latency.session == session.latency.effects > 0
    live = aligned(session, play(session, mixture, FRAMES), mixture.shape[-1])
    np.testing.assert_array_equal(live, beat)
    assert session.snapshot().measured_latency == session.latency.session


@pytest.mark.slow
def test_in_another_key_the_bypass_is_the_original_equally_late(tmp_path):
    """A tone burst a second: shifted it starts where the original does, to 5 ms."""
    path = models.constant_mask(tmp_path / "m.onnx", 0.0)
    time = np.arange(3 * 44_100) / 44_100
    sound = 0.4 * np.sin(2 * np.pi * 500 * time) * (time % 1.0 > 0.5)
    mixture = np.stack([sound, sound]).astype(np.float32)
    heard = {}
    for bypass in (False, True):
        session = with_key(path, 3)
        session.set_bypass(bypass)
        heard[bypass] = aligned(session, play(session, mixture, FRAMES), mixture.shape[-1])
        assert session.snapshot().key == 3
    np.testing.assert_array_equal(heard[True][:, FRAMES:], mixture[:, FRAMES:])
    shifted, original = (np.abs(heard[b][0]) > 0.2 for b in (False, True))
    starts = [np.flatnonzero(loud[44_100:])[0] for loud in (shifted, original)]
    assert abs(starts[0] - starts[1]) < 220
    crossings = [np.sum(np.diff(np.signbit(heard[b][0, 70_000:80_000]))) for b in (False, True)]
    assert crossings[0] / crossings[1] == pytest.approx(2 ** (3 / 12), rel=0.01)


def test_the_key_can_be_changed_only_where_there_is_one(identity_model):
    session = Session(load_separator(identity_model), device_frames=FRAMES)
    assert session.snapshot().key is None
    with pytest.raises(ValueError, match="made without one"):
        session.set_key(1)
    session = with_key(identity_model, 0)
    session.set_key(-4)
    assert session.snapshot().key == -4
