"""Virtual cables: on systems without an own way to hear a player, devices that others make."""

from __future__ import annotations

from streamsep.audio.devices.device_list import DEFAULT_NAMES, DeviceInfo, find_device, list_devices
from streamsep.errors import DeviceError

# In the name of the end that is heard, and in that of the end that players play to. The first
# are separate devices; the last hear a sound card, and so all that is played there.
CABLES = {
    "cable output": "cable input",
    "blackhole": "blackhole",
    "soundflower": "soundflower",
    "loopback audio": "loopback audio",
}
MIXES = ("stereo mix", "[loopback]")
HIDES_ITS_DEVICE = ("sound mapper", "primary sound driver")

REMEDIES = {
    "win32": "install VB-Cable (vb-audio.com/Cable) and choose 'CABLE Input' as the player's "
    "output in Windows' volume mixer",
    "darwin": "install BlackHole ('brew install blackhole-2ch') and choose 'BlackHole 2ch' as "
    "the output of the player or of the system",
}


class VirtualCable:
    """The first device of a well-known name whose input is what players play.

    Parameters
    ----------
    system
        As in `sys.platform`; for what to recommend.

    Raises
    ------
    DeviceError
        If there is none.
    """

    def __init__(self, system: str) -> None:
        devices = [device for device in list_devices() if device.inputs]
        for name in (*CABLES, *MIXES):
            for device in devices:
                if name in device.name.lower():
                    self.input, self._name = device, name
                    return
        raise DeviceError(
            "no loopback device",
            expected="an input named CABLE Output, BlackHole, Soundflower, Loopback Audio, Stereo "
            "Mix or [Loopback]",
            remedy=REMEDIES.get(system, "name another device, see 'streamsep devices'"),
        )

    def output(self, name: str) -> DeviceInfo:
        """Return the output device of a name, if what is played there isn't heard again.

        Raises
        ------
        DeviceError
            If it would be, if that can't be known, or if there is no such device.
        """
        device = find_device(name, "output")
        played = device.name.lower()
        if self._name in CABLES:
            heard = CABLES[self._name] in played or any(n in played for n in HIDES_ITS_DEVICE)
        else:
            heard = name in DEFAULT_NAMES["output"] or played in self.input.name.lower()
        if heard:
            raise DeviceError(
                f"'{self.input.name}' may hear what is played on '{device.name}'",
                expected="an output device that players don't play to",
                remedy="name your speakers or headphones, see 'streamsep devices'",
            )
        return device
