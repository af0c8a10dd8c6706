"""Two singers before a real sound server: on two sides of one source, and on two sources."""

import re
import time

import numpy as np
import pytest
import soundfile as sf

from testing.servers import wait_until
from tests.integration.conftest import RATE, make_song
from tests.integration.takes import mic_losses, until_clean
from tests.support.commands import Live, streamsep

VOICES = (("mic", 330), ("mic2", 550))


@pytest.fixture(scope="module")
def beat(tmp_path_factory):
    return make_song(tmp_path_factory.mktemp("songs") / "beat.wav", 30.0)


def take(folder, bus):
    return sf.read(folder / f"take.{bus}.wav", dtype="float32", always_2d=True)[0].T


def tone(hz, seconds=2.0):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)


def share_at(sound, hz):
    """Level of a frequency as a share of all."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    place = round(hz * len(sound) / RATE)
    return spectrum[place - 3 : place + 4].sum() / spectrum.sum()


def sung(folder, bus):
    """What is heard of a voice, without a quarter of a second at each end; nothing for silence."""
    heard = take(folder, bus)[0]
    loud = np.flatnonzero(np.abs(heard) > 0.1)
    return heard[loud[0] + RATE // 4 : loud[-1] - RATE // 4] if len(loud) else np.zeros(RATE)


def duet(server, folder, beat, model, *mics, **options):
    chosen = [part for mic in mics for part in ("--mic", mic)]
    return Live(
        folder,
        *("--input", beat.path, "--output", "pulse", *chosen, "--voice-effects", "off"),
        *("--record", folder / "take.wav", "--record-stems", "mic,mic2", "--model", model),
        env=server.env(sink="B", **options),
    )


def test_left_and_right_of_one_device_are_two_singers(server, beat, identity_model, tmp_path):
    sf.write(tmp_path / "duet.wav", np.stack([tone(330), tone(550)], axis=-1), RATE)
    mics = ("pulse:left", "pulse:right")

    def sing(number):
        place = tmp_path / f"take{number}"
        place.mkdir()
        with duet(server, place, beat, identity_model, *mics, source="A.monitor") as live:
            with live.losses_while(server):
                time.sleep(2.0)  # until the microphones' buffer knows the bursts
                before = mic_losses(live)
                assert len(server.streams("source-outputs", "A.monitor")) == 1
                server.play(tmp_path / "duet.wav", "A")
                time.sleep(1.0)  # what is on its way is heard too
            assert live.end() == 0, live.stderr
        live.losses.session += mic_losses(live) - before
        # On a busy machine bursts come late, and the buffer jumps: each tone is in two parts then.
        live.losses.session += any(share_at(sung(place, bus), hz) < 0.99 for bus, hz in VOICES)
        return live.losses, (place, live)

    place, live = until_clean(sing)
    begins = []
    for bus, hz, other in (("mic", 330, 550), ("mic2", 550, 330)):
        heard, voice = take(place, bus), sung(place, bus)
        np.testing.assert_array_equal(heard[0], heard[1])
        assert len(voice) > RATE
        assert np.quantile(np.abs(voice), 0.99) == pytest.approx(0.5, rel=0.02)
        assert share_at(voice, hz) > 0.99
        assert share_at(voice, other) < 1e-4
        begins.append(np.flatnonzero(heard[0])[0])
    assert abs(begins[0] - begins[1]) <= 1  # a tone's first sample is nothing
    ways = re.findall(r"^microphone(?: 2)?: (\d+) ms from voice to output$", live.stdout, re.M)
    assert len(ways) == 2
    assert ways[0] == ways[1]


def test_one_of_two_devices_is_pulled_out_and_only_that_one_falls_silent(
    server, beat, identity_model, tmp_path
):
    """The server moves it to the default source, which hears what is played on: no howl."""
    before = server.pactl("get-default-source").stdout.strip()
    server.pactl("set-default-source", "B.monitor")
    modules = [
        server.pactl("load-module", *made).stdout.strip()
        for made in (
            ("module-null-sink", "sink_name=ROOM", "rate=44100"),
            ("module-remap-source", "source_name=SECOND", "master=ROOM.monitor"),
        )
    ]
    env = dict(source="A.monitor")
    try:
        with duet(server, tmp_path, beat, identity_model, "pulse", "SECOND", **env) as live:
            live.wait_until_running()
            for module in reversed(modules):
                server.pactl("unload-module", module)
            modules.clear()
            wait_until(lambda: "microphone 2: it would hear 'B'" in live.stdout, "the line")
            sf.write(tmp_path / "one.wav", np.stack([tone(330)] * 2, axis=-1), RATE)
            server.play(tmp_path / "one.wav", "A")
            assert live.end() == 0, live.stderr
    finally:
        server.pactl("set-default-source", before, check=False)
        for module in reversed(modules):
            server.pactl("unload-module", module, check=False)
    assert np.abs(take(tmp_path, "mic")).max() > 0.4
    assert not [line for line in live.stdout.splitlines() if "microphone: it would hear" in line]
    second = take(tmp_path, "mic2")
    assert np.count_nonzero(np.abs(second).max(axis=0) > 1e-4) < 0.2 * RATE


def test_a_second_one_that_would_hear_what_is_played_is_refused_by_its_name(
    server, beat, identity_model
):
    done = streamsep(
        *("live", "--input", beat.path, "--output", "pulse", "--voice-effects", "off"),
        *("--mic", "pulse", "--mic", "B.monitor", "--model", identity_model),
        env=server.env(source="A.monitor", sink="B"),
    )
    assert done.returncode == 5
    assert (
        "microphone 2 'pulse' would hear what is played: its source is 'B.monitor'" in done.stderr
    )
    assert done.stderr.endswith("(--mic)\n")
