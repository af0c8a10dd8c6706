"""Effects by name and from files, with the real pedalboard."""

import numpy as np
import pedalboard
import pytest
import soundfile as sf

from streamsep.effects.effect_plugins import BeatEffects, load_effect
from streamsep.errors import EffectError
from testing.signals import music
from tests.support import vst3

RATE, BLOCK = 44_100, 1_024


def run(effects, vocals, beat):
    parts = []
    for start in range(0, beat.shape[-1] - BLOCK + 1, BLOCK):
        stems = np.stack([vocals, beat])[..., start : start + BLOCK].copy()
        effects.process(stems)
        parts.append(stems)
    return np.concatenate(parts, axis=-1)


def test_parameters_are_set_and_the_beat_alone_is_changed():
    plugin = load_effect("Gain:gain_db=-6")
    vocals, beat = music(1.0), music(1.0, seed=1)
    heard = run(BeatEffects([plugin], RATE, 2, BLOCK), vocals, beat)
    count = heard.shape[-1]
    np.testing.assert_array_equal(heard[0], vocals[:, :count])
    np.testing.assert_allclose(heard[1], 10 ** (-6 / 20) * beat[:, :count], atol=1e-6)


def test_several_parameters_and_several_effects():
    delay = load_effect("Delay:delay_seconds=0.1, feedback=0, mix=1")
    assert (delay.delay_seconds, delay.feedback, delay.mix) == (pytest.approx(0.1), 0.0, 1.0)
    beat = music(1.0)
    effects = BeatEffects([delay, load_effect("Gain:gain_db=20")], RATE, 2, BLOCK)
    heard = run(effects, beat, beat)[1]
    np.testing.assert_allclose(heard[:, 4_410:], 10 * beat[:, : heard.shape[-1] - 4_410], atol=1e-4)


def test_what_a_plugin_holds_back_is_its_delay_and_the_vocals_wait():
    """Of pedalboard's own effects only those that resample hold sound back."""
    plugin = pedalboard.Resample(RATE / 2)
    effects = BeatEffects([plugin], RATE, 2, BLOCK)
    assert effects.delay > 0
    time = np.arange(RATE) / RATE
    tone = np.tile(0.5 * np.sin(2 * np.pi * 300 * time), (2, 1)).astype(np.float32)
    heard = run(effects, tone, tone)
    np.testing.assert_array_equal(
        heard[0][:, effects.delay :], tone[:, : heard.shape[-1] - effects.delay]
    )
    assert np.abs(heard[1][:, : effects.delay]).max() < 1e-3


@pytest.fixture(scope="module")
def wet(tmp_path_factory):
    """A VST3 plugin that plays (1 - 2 wet) times its input, and is LATENCY samples late."""
    return vst3.build(tmp_path_factory.mktemp("plugins"))


def test_a_vst3_plugin_changes_the_beat_and_the_vocals_wait_for_it(wet):
    vocals, beat = music(1.0), music(1.0, seed=1)
    effects = BeatEffects([load_effect(f"{wet}:wet=0.25")], RATE, 2, BLOCK)
    assert effects.delay == vst3.LATENCY
    heard = run(effects, vocals, beat)
    count = heard.shape[-1] - effects.delay
    np.testing.assert_array_equal(heard[0][:, effects.delay :], vocals[:, :count])
    np.testing.assert_array_equal(heard[1][:, effects.delay :], 0.5 * beat[:, :count])
    effects.reset()
    again = run(effects, vocals, beat)
    np.testing.assert_array_equal(again, heard)


def test_what_a_vst3_plugin_doesn_t_take_is_named(wet):
    with pytest.raises(EffectError, match=r"'dry'.* wet;"):
        load_effect(f"{wet}:dry=1")
    with pytest.raises(EffectError, match="wet=7"):
        load_effect(f"{wet}:wet=7")


@pytest.mark.slow
def test_an_instrument_is_no_effect(tmp_path):
    bundle = vst3.build(tmp_path, instrument=True)
    with pytest.raises(EffectError, match=f"{bundle} .*instrument"):
        load_effect(str(bundle))


@pytest.mark.parametrize(
    ("wish", "named", "known"),
    [
        ("Wobble", "'Wobble'", "Bitcrush"),
        ("Gain:loud=1", "'loud'", "gain_db"),
        ("Gain:gain_db", "'gain_db'", "gain_db"),
        ("Delay:mix=3", "mix=3", ""),
        ("Delay:mix=much", "mix=much", ""),
        ("/nowhere/good.vst3:wet=1", "/nowhere/good.vst3", "VST3"),
    ],
)
def test_what_isn_t_there_is_named_and_what_there_is(wish, named, known):
    with pytest.raises(EffectError) as raised:
        load_effect(wish)
    assert named in raised.value.what
    assert known in raised.value.expected


def broken_file(folder):
    path = folder / "broken.vst3"
    path.write_bytes(b"no plugin at all" * 100)
    return path


def broken_bundle(folder):
    """The folders of a plugin, with no machine code in its library."""
    library = folder / "broken.vst3" / "Contents" / "x86_64-linux" / "broken.so"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"\x7fELF" + bytes(200))
    return folder / "broken.vst3"


@pytest.mark.parametrize("broken", [broken_file, broken_bundle])
def test_a_plugin_that_fails_to_load_ends_it_before_the_music(
    command, identity_model, tmp_path, broken
):
    path = broken(tmp_path)
    sf.write(tmp_path / "song.wav", music(0.5).T, RATE)
    done = command(
        "live",
        "--input",
        tmp_path / "song.wav",
        "--output",
        tmp_path / "out.wav",
        "--model",
        identity_model,
        "--effect",
        f"{path}:wet=0.3",
    )
    assert (done.code, done.stdout) == (11, "")
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"streamsep: the plugin {path} can't be loaded (")
    assert line.endswith("try it in another host, or leave it out")
    assert not (tmp_path / "out.wav").exists()
