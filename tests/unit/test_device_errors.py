"""Devices that can't be had, through the real command line."""

import re

import pytest
import soundfile as sf

from streamsep.errors import DeviceError
from testing.signals import music
from tests.support.cases import one_fast
from tests.support.commands import streamsep, without_sound
from tests.support.refusals import refusal

DEVICE = DeviceError.exit_code


@pytest.fixture
def song(tmp_path):
    sf.write(tmp_path / "song.wav", music(1.0).T, 44_100)
    return tmp_path / "song.wav"


@pytest.mark.parametrize("kind", one_fast(["input", "output"]))
def test_no_such_device(identity_model, song, kind):
    ends = {"input": song, "output": "null"} | {kind: "theremin"}
    done = streamsep(
        "live",
        "--input",
        ends["input"],
        "--output",
        ends["output"],
        "--model",
        identity_model,
    )
    message = refusal(done, DEVICE)
    assert f"{kind} device 'theremin'" in message.what
    assert "'unset PULSE_SERVER'" in message.remedy  # for want of which there are none at all


@pytest.mark.slow
def test_no_devices_at_all(identity_model):
    done = streamsep("live", "--model", identity_model)
    assert "input device 'mic'" in refusal(done, DEVICE).what


@pytest.mark.slow
def test_loopback_without_a_sound_server(identity_model):
    done = streamsep("live", "--input", "loopback", "--model", identity_model)
    message = refusal(done, DEVICE)
    assert "PulseAudio or PipeWire" in message.what
    assert "'unset PULSE_SERVER'" in message.remedy


@pytest.mark.slow
def test_a_mistake_in_asoundrc_is_named(tmp_path, identity_model):
    (tmp_path / ".asoundrc").write_text("pcm.!default { type nonsense\n")
    env = without_sound() | {"HOME": str(tmp_path)}
    for arguments in (["devices"], ["live", "--model", identity_model]):
        message = refusal(streamsep(*arguments, env=env), DEVICE)
        assert "PortAudio doesn't start" in message.what
        assert f"ALSA reads {tmp_path}/.asoundrc" in message.expected
    assert "PortAudio doesn't start" in streamsep("doctor", env=env).stdout


@pytest.mark.slow
def test_the_doctor_opens_what_live_would_open(identity_model):
    for option in ("--input", "--output", "--mic"):
        done = streamsep("doctor", option, "theremin", "--model", identity_model)
        assert done.returncode == 1
        assert "device 'theremin'" in done.stdout


@pytest.mark.slow
def test_a_machine_without_devices_can_be_asked(identity_model):
    listed = streamsep("devices")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.endswith(
        "No devices: connect one, or start a sound server (PulseAudio, PipeWire, JACK).\n"
    )
    checked = streamsep("doctor", "--model", identity_model)
    assert checked.stderr == ""
    assert "note  input devices: none\n" in checked.stdout
    assert "note  output devices: none\n" in checked.stdout
    assert "note  loopback: no PulseAudio or PipeWire server answers\n" in checked.stdout
    # Its speed is that of this moment.
    assert re.search(r"  speed: .* ms \(p99\) of 23 ms a block", checked.stdout)
    assert re.findall(r"^ bad  (?!speed: ).*", checked.stdout, re.MULTILINE) == []


@pytest.fixture
def without_portaudio(tmp_path):
    """The library's absence, as sounddevice finds it out: it isn't where libraries are."""
    (tmp_path / "hide").mkdir()
    (tmp_path / "hide" / "sitecustomize.py").write_text(
        "import ctypes.util\n"
        "find = ctypes.util.find_library\n"
        "ctypes.util.find_library = lambda name: None if name == 'portaudio' else find(name)\n"
    )
    return without_sound() | {"PYTHONPATH": str(tmp_path / "hide")}


@pytest.mark.slow
@pytest.mark.parametrize("arguments", one_fast([["live"], ["devices"]]))
def test_no_portaudio_library(identity_model, without_portaudio, arguments):
    if arguments == ["live"]:
        arguments = ["live", "--model", identity_model]
    done = streamsep(*arguments, env=without_portaudio)
    message = refusal(done, DEVICE)
    assert "PortAudio" in message.what
    assert "'apt install libportaudio2'" in message.remedy


@pytest.mark.slow
def test_the_doctor_says_what_to_install_and_goes_on(identity_model, without_portaudio):
    done = streamsep("doctor", "--model", identity_model, env=without_portaudio)
    assert done.returncode == 1
    first, remedy, *rest = done.stdout.splitlines()
    assert first.startswith(" bad  the PortAudio library can't be loaded")
    assert "apt install libportaudio2" in remedy
    assert any("  speed: " in line for line in rest)


@pytest.mark.slow
def test_files_need_no_portaudio(song, identity_model, without_portaudio, tmp_path):
    done = streamsep(
        "live",
        "--input",
        song,
        "--output",
        tmp_path / "beat.wav",
        "--seconds",
        "0.2",
        "--model",
        identity_model,
        env=without_portaudio,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sf.info(tmp_path / "beat.wav").frames > 0
