"""Which devices share a clock."""

from dataclasses import replace

import pytest

from streamsep.audio.devices.device_list import DeviceInfo, share_a_clock

CARD = DeviceInfo(3, "USB Audio: - (hw:1,0)", "ALSA", 2, 2, 48_000, False, False)
SERVER = DeviceInfo(5, "pulse", "ALSA", 32, 32, 44_100, True, True)


@pytest.mark.parametrize(
    ("source", "sink", "shared"),
    [
        (CARD, CARD, True),
        (CARD, replace(CARD, index=4, name="HDA Intel: ALC (hw:0,0)"), False),
        (SERVER, SERVER, False),  # its source and its sink may be two cards
        (replace(SERVER, host_api="JACK Audio Connection Kit"),) * 2 + (True,),
        (replace(CARD, host_api="Core Audio", name="Built-in"),) * 2 + (True,),
        (replace(CARD, name="Loopback", host_api="Windows WASAPI"),) * 2 + (False,),
        (CARD, replace(CARD, host_api="OSS"), False),
    ],
)
def test_one_clock_only_where_that_is_certain(source, sink, shared):
    assert share_a_clock(source, sink) is shared
