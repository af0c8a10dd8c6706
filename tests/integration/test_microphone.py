"""A real microphone path: a file played into a PulseAudio source, sung over a beat from a file."""

import re
import subprocess
import time

import numpy as np
import pytest
import soundfile as sf

from testing.alignment import locate
from testing.servers import FRONT, REAR, wait_until
from tests.integration.conftest import RATE, make_song
from tests.integration.takes import PCM_24, mic_losses, span, until_clean
from tests.support.cases import one_of_many
from tests.support.commands import Live

BLOCK = 512
# Samples, as between any two of the server's devices, see test_pulse: blocks of chance phase.
MOST_LATE = 3 * BLOCK


def read(path):
    sound, rate = sf.read(path, dtype="float32", always_2d=True)
    assert rate == RATE
    return sound.T


def last_quarter(path):
    """The latest quarter of a second that has been written."""
    return read(path)[:, -RATE // 4 :]


def singing(server, folder, beat, model, *options, source="FRONT_IN"):
    """A live run that listens to a source, plays on REAR and records its buses."""
    return Live(
        folder,
        "--input",
        beat.path,
        "--output",
        "pulse",
        "--mic",
        "pulse",
        "--record",
        folder / "take.wav",
        "--record-stems",
        "beat,mic,mix",
        "--model",
        model,
        "--block",
        BLOCK,
        *options,
        env=server.env(source=source, sink="REAR"),
    )


def test_the_voice_is_heard_soon_and_whole_and_in_the_mix(
    server, short_song, long_song, identity_model, tmp_path
):
    def take(number):
        place = tmp_path / f"take{number}"
        place.mkdir()
        with (
            server.recording("AB.monitor", channels=f"{FRONT},{REAR}") as sound,
            singing(server, place, long_song, identity_model, "--voice-effects", "off") as live,
        ):
            with live.losses_while(server):
                time.sleep(2.0)  # until the microphone's buffer knows the bursts
                before = mic_losses(live)
                server.play(short_song.path, "FRONT")
                sound.wait_for(RATE // 4)
            assert live.end() == 0, live.stderr
        live.losses.session += mic_losses(live) - before
        # On a busy machine bursts of the microphone come late, and the voice with them, until the
        # level of the buffer is put right, by some samples more or fewer.
        mic, heard = read(place / "take.mic.wav"), sound.sound()
        whole = span(mic, locate(voice, mic[0]), voice.size)
        live.losses.session += not np.allclose(whole, voice, atol=PCM_24 + 1e-6, rtol=0)
        # From the source to the sink, both on one clock.
        way = locate(whole[0], heard[2], least=0.3) - locate(short_song.sound[0], heard[0])
        late = way - float(re.search(r"microphone: (\d+) ms", live.stdout)[1]) * RATE / 1000
        live.losses.session += late > MOST_LATE
        return live.losses, (place, late)

    # All of the voice, without a hole, as the one channel that a microphone has.
    voice = short_song.sound.mean(axis=0)
    place, late = until_clean(take)
    beat, mic, mix = (read(place / f"take{bus}.wav") for bus in (".beat", ".mic", ""))
    # The files sum up, whatever the microphone did.
    np.testing.assert_allclose(beat + mic, mix, atol=3 * PCM_24 + 1e-6, rtol=0)
    count = min(beat.shape[-1], long_song.sound.shape[-1])
    np.testing.assert_allclose(
        beat[:, RATE // 4 :][:, : count - RATE // 4],
        long_song.sound[:, : count - RATE // 4],
        atol=PCM_24,
        rtol=0,
    )
    whole = span(mic, locate(voice, mic[0]), voice.size)
    np.testing.assert_allclose(whole, np.stack([voice, voice]), atol=PCM_24 + 1e-6, rtol=0)
    assert abs(late) <= MOST_LATE


@pytest.mark.parametrize(
    ("side", "choice", "share"),
    one_of_many([(1, "auto", 1.0), (0, "mix", 0.5), (0, "auto", 1.0), (1, "mix", 0.5)], tested=2),
)
def test_a_voice_on_one_side_is_as_loud_as_it_is_unless_mixed(
    server, beat, identity_model, tmp_path, side, choice, share
):
    """As with a singer at one input of two of an interface."""
    time_s = np.arange(3 * RATE) / RATE
    sung = np.zeros((2, len(time_s)), np.float32)
    sung[side] = 0.5 * np.sin(2 * np.pi * 330 * time_s)
    sf.write(tmp_path / "voice.wav", sung.T, RATE, subtype="FLOAT")
    with singing(
        *(server, tmp_path, beat, identity_model, "--voice-effects", "off"),
        *("--mic-channel", choice),
    ) as live:
        live.wait_until_running()
        server.play(tmp_path / "voice.wav", "FRONT")
        assert live.end() == 0, live.stderr
    heard = read(tmp_path / "take.mic.wav")
    np.testing.assert_array_equal(heard[0], heard[1])
    loud = np.abs(heard[0][np.abs(heard[0]) > 0.01])
    assert np.quantile(loud, 0.99) == pytest.approx(0.5 * share, rel=0.02)


@pytest.fixture(scope="module")
def beat(tmp_path_factory):
    """Long enough to go on for as long as anything here takes."""
    return make_song(tmp_path_factory.mktemp("songs") / "beat.wav", 30.0)


def suspend(server, module):
    server.pactl("suspend-source", "VOICE", "1")


def unplug(server, module):
    server.pactl("unload-module", module)


@pytest.mark.parametrize("trouble", [suspend, unplug])
def test_a_microphone_that_stalls_or_goes_away_costs_the_beat_nothing(
    server, long_song, beat, identity_model, tmp_path, trouble
):
    def take(number):
        place = tmp_path / f"take{number}"
        place.mkdir()
        module = server.pactl(
            "load-module", "module-remap-source", "source_name=VOICE", "master=A.monitor"
        ).stdout.strip()
        mic_file = place / "take.mic.wav"
        with singing(server, place, beat, identity_model, source="VOICE") as live:
            with live.losses_while(server):
                with subprocess.Popen(
                    ["paplay", long_song.path],
                    env=server.env(sink="A"),
                    stderr=subprocess.DEVNULL,
                ) as player:
                    wait_until(lambda: np.abs(read(mic_file)).max(initial=0.0) > 0.05, "the voice")
                    trouble(server, module)
                    player.kill()
                # A reverb keeps itself from denormals with less than a bit.
                wait_until(lambda: np.abs(last_quarter(mic_file)).max() < 1e-6, "silence")
            assert live.end() == 0, live.stderr
        server.pactl("unload-module", module, check=False)
        return live.losses, place

    place = until_clean(take)
    sung = read(place / "take.beat.wav")
    count = sung.shape[-1] - RATE // 4
    np.testing.assert_allclose(sung[:, RATE // 4 :], beat.sound[:, :count], atol=PCM_24, rtol=0)
