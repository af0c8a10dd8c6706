"""Devices of a real PulseAudio server: one end only, stalls, other rates, and its death."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile as sf
import soxr

from testing.alignment import locate, snr_db
from testing.servers import FRONT, REAR
from tests.integration.conftest import RATE
from tests.integration.takes import PCM_24, span, until_clean
from tests.support.cases import one_of_many
from tests.support.commands import Live, Losses, streamsep


def test_what_is_captured_is_recorded_until_ctrl_c(server, short_song, identity_model, tmp_path):
    def take(attempt):
        recorded = tmp_path / f"take{attempt}.flac"
        with Live(
            tmp_path,
            "--input",
            "pulse",
            "--output",
            "null",
            "--record",
            recorded,
            "--model",
            identity_model,
            env=server.env(),
        ) as live:
            with live.losses_while(server):
                server.play(short_song.path, "A")
                time.sleep(0.5)  # more than the latency: all of the song has come out
            assert live.end(signal.SIGINT) == 0, live.stderr
        assert f"{recorded}: " in live.stdout
        assert live.stderr == ""
        sound, rate = sf.read(recorded, dtype="float32", always_2d=True)
        assert rate == RATE
        return live.losses, sound.T

    recording = until_clean(take)
    start = locate(short_song.sound[0], recording[0])
    whole = span(recording, start, short_song.sound.shape[-1])
    np.testing.assert_allclose(whole, short_song.sound, atol=PCM_24, rtol=0)


def test_a_file_plays_on_a_device_to_its_last_sample(server, short_song, identity_model, tmp_path):
    def take(attempt):
        underruns = server.underruns
        with (
            server.recording("B.monitor") as sound,
            Live(
                tmp_path,
                "--input",
                short_song.path,
                "--output",
                "pulse",
                "--model",
                identity_model,
                "--block",
                1024,
                env=server.env(),
            ) as live,
        ):
            assert live.wait() == 0, live.stderr
            sound.wait_for(RATE // 2)
        live.losses.server = server.underruns - underruns
        return live.losses, sound.sound()

    output = until_clean(take)
    start = locate(short_song.sound[0], output[0])
    whole = span(output, start, short_song.sound.shape[-1])
    np.testing.assert_array_equal(whole, short_song.sound)


def stop_the_process(server, live):
    live.process.send_signal(signal.SIGSTOP)
    time.sleep(0.4)
    live.process.send_signal(signal.SIGCONT)


def stop_the_source(server, live):
    server.pactl("suspend-source", "FRONT_IN", "1")
    time.sleep(0.4)
    server.pactl("suspend-source", "FRONT_IN", "0")


@pytest.mark.parametrize("stall", [stop_the_process, stop_the_source])
def test_after_a_stall_the_sound_is_back_with_the_reported_latency(
    server, long_song, identity_model, tmp_path, stall
):
    """Neither is all that comes later late, nor is everything missed by a little."""
    block = 512
    with (
        server.recording("AB.monitor", channels=f"{FRONT},{REAR}") as take,
        Live(
            tmp_path,
            "--input",
            "pulse",
            "--output",
            "pulse",
            "--model",
            identity_model,
            "--block",
            block,
            env=server.env(source="FRONT_IN", sink="REAR"),
        ) as live,
    ):
        with live.losses_while(server):
            with server.playing(long_song.path, "FRONT"):
                time.sleep(1.0)
                stall(server, live)
            take.wait_for(RATE)
        assert live.end() == 0, live.stderr
    assert live.losses.session > 0  # it was noticed
    heard, tail = take.sound(), long_song.sound[0, -RATE:]
    whole_way = locate(tail, heard[2]) - locate(tail, heard[0])
    reported = live.latencies_ms[0] * RATE / 1000
    # As without a stall three blocks, and what may be too much before it is put right.
    assert abs(whole_way - reported) <= 6 * block


RATES = """
import json, sys, threading
import numpy as np
from streamsep.audio.devices.device_list import find_device
from streamsep.audio.devices.portaudio import DeviceInput, DeviceOutput
from streamsep.audio.endpoint import DuplexPump

rate = int(sys.argv[1])
options = dict(sample_rate=rate, channels=2, device_frames=round(1024 * rate / 44_100))
source = DeviceInput(find_device("pulse", "input"), **options)
sink = DeviceOutput(find_device("pulse", "output"), **options)
stop, lost, blocks = threading.Event(), 0, 0

def copy(indata, outdata, status):
    global lost, blocks
    lost, blocks = lost + status, blocks + 1
    if blocks == 1:
        print("running", flush=True)
    np.copyto(outdata, indata)

pump = DuplexPump(source, sink, device_frames=options["device_frames"], channels=2)
thread = threading.Thread(target=pump.run, args=(copy, stop))
thread.start()
sys.stdin.read()
stop.set()
thread.join()
rates = [int(end._device_stream.stream.samplerate) for end in (source, sink)]
print(json.dumps(dict(lost=lost, rates=rates)))
"""


def test_a_device_that_lacks_the_rate_is_converted_both_ways(server, short_song):
    """PulseAudio refuses 400 kHz: the device runs at its 44.1 kHz, we convert up and down."""

    def take(attempt):
        with (
            server.recording("B.monitor") as sound,
            subprocess.Popen(
                [sys.executable, "-c", RATES, "400000"],
                env=server.env(),
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ) as process,
        ):
            assert process.stdout.readline() == "running\n"
            underruns = server.underruns
            server.play(short_song.path, "A")
            sound.wait_for(RATE)
            told = json.loads(process.communicate()[0])
        assert told["rates"] == [RATE, RATE]
        return Losses(told["lost"], server.underruns - underruns), sound.sound()

    output = until_clean(take)
    start = locate(short_song.sound[0], output[0])
    for sound, heard in zip(short_song.sound[:, :RATE], span(output, start, RATE), strict=True):
        # soxr's default passes 91 % of the band; within it the two conversions together keep
        # 87 dB, a fault such as a lost sample leaves less than 40.
        assert snr_db(sound, heard, RATE, below_hz=18_000) > 75


def test_sinks_at_48_khz_play_the_same_music(server, short_song, identity_model, tmp_path):
    """A 44.1 kHz model between two 48 kHz sinks."""
    rate = 48_000

    def take(attempt):
        with (
            server.recording("B48.monitor", rate=rate) as sound,
            Live(
                tmp_path,
                "--input",
                "pulse",
                "--output",
                "pulse",
                "--model",
                identity_model,
                "--block",
                1024,
                env=server.env(source="A48.monitor", sink="B48"),
            ) as live,
        ):
            with live.losses_while(server):
                server.play(short_song.path, "A48")
                sound.wait_for(rate)
            assert live.end() == 0, live.stderr
        return live.losses, sound.sound()

    output = until_clean(take)
    song = soxr.resample(short_song.sound.T, RATE, rate).T[:, :rate]
    start = locate(song[0], output[0], least=0.8)  # the server's converter dulls the noise
    for sound, heard in zip(song, span(output, start, rate), strict=True):
        # The server converts three times, with its quick converter: below 12 kHz 62 dB are left.
        assert snr_db(sound, heard, rate, below_hz=12_000) > 50


def test_devices_and_doctor_see_the_server(server, identity_model):
    listed = streamsep("devices", env=server.env())
    assert (listed.returncode, listed.stderr) == (0, "")
    pulse = next(line for line in listed.stdout.splitlines() if " pulse " in line)
    assert pulse.split()[1:] == ["pulse", "ALSA", "32", "32", "44100"]
    assert "mic, speakers" in listed.stdout
    checked = streamsep("doctor", "--model", identity_model, env=server.env())
    assert checked.returncode == 0, checked.stdout
    assert "input devices: 2" in checked.stdout
    assert "output devices: 2" in checked.stdout
    assert "opened: input 'default' (A.monitor), 44100 Hz, 2 channels" in checked.stdout
    assert "opened: output 'default' (B), 44100 Hz, 2 channels" in checked.stdout


DOCTORED = ("--input", "pulse", "--output", "pulse")


@pytest.mark.parametrize(
    ("broken", "remedy"),
    one_of_many(
        [
            ({"PULSE_SINK": "nowhere"}, "'unset PULSE_SINK', or name one of these in it"),
            ({"ALSA_PLUGIN_DIR": "/nonexistent"}, "unset ALSA_PLUGIN_DIR"),
            ({"PULSE_SOURCE": "B.monitor"}, "connect one, choose it with"),
        ]
    ),
)
def test_the_doctor_says_of_live_what_live_does_and_the_remedy_mends_it(
    server, identity_model, broken, remedy
):
    env = server.env()
    for changes, mended in ((broken, False), ({}, True)):
        doctor = streamsep("doctor", *DOCTORED, "--model", identity_model, env=env | changes)
        live = streamsep(
            "live", *DOCTORED, "--seconds", 0.2, "--model", identity_model, env=env | changes
        )
        assert (doctor.returncode, live.returncode) == ((0, 0) if mended else (1, 5))
        assert mended or (remedy in doctor.stdout and remedy in live.stderr)
