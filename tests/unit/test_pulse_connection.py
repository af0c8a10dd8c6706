"""What pulsectl gives, after libpulse's memory has been used for something else."""

import ctypes

from pulsectl import PulseSinkInfo
from pulsectl import _pulsectl as library

from streamsep.audio.devices.pulse_connection import PulseConnection


def test_a_sample_specification_stays_what_it_was():
    answer = library.PA_SINK_INFO(name=b"A", proplist=library.pa.proplist_from_string(b""))
    answer.sample_spec.rate, answer.sample_spec.channels = 48_000, 2
    answer.channel_map.channels = 2
    found = []
    PulseConnection._pulse_info_cb(
        PulseConnection.__new__(PulseConnection),
        *(PulseSinkInfo, found, lambda: None, None, ctypes.pointer(answer), 0, None),
    )
    ctypes.memset(ctypes.addressof(answer), 0xFF, ctypes.sizeof(answer))
    (sink,) = found
    assert (sink.sample_spec.rate, sink.sample_spec.channels) == (48_000, 2)
