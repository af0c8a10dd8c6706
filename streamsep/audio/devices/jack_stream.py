"""A stream on a JACK server, with the part of sounddevice's streams that is used here."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamsep.audio.devices.jack_client import JackClient, JackError, port_latency


@dataclass(slots=True)
class CycleTimes:
    """Moments by one clock, in seconds; see PortAudio's ``PaStreamCallbackTimeInfo``."""

    currentTime: float = 0.0  # noqa: N815  (sounddevice's names)
    inputBufferAdcTime: float = 0.0  # noqa: N815
    outputBufferDacTime: float = 0.0  # noqa: N815


class JackStream:
    """Ports of ours and their connections to those of a device, until the server ends.

    A cycle of the server is a call, whatever its length: who is called has buffers of its own.

    Parameters
    ----------
    device
        Its name at the server.
    captures
        Whether it is listened to, or played to.
    role
        Names the ports.
    channels
        The device's first ones are taken.
    blocksize
        Samples that the caller takes or gives at once, at the server's rate.
    callback
        Called as ``callback(data, frames, times, status)``: ``data`` is float32 (frames, C), with
        what came in or for what goes out; ``status`` is true after a cycle that was late.

    Attributes
    ----------
    samplerate
        The server's, in Hz.
    latency
        In seconds: what the device has beyond the cycle that is being called for, and for an input
        what it hands over at once beyond a block.
    closed
        Whether it has been.

    Raises
    ------
    JackError
        If there is no server, or no such device at it.
    """

    def __init__(
        self,
        device: str,
        *,
        captures: bool,
        role: str,
        channels: int,
        blocksize: int,
        callback: Callable[[np.ndarray, int, Any, bool], None],
    ) -> None:
        self.captures, self.channels, self.closed = captures, channels, False
        self._callback, self._started, self._broken, self._late = callback, False, False, False
        self._times = CycleTimes()
        self._ports: list[Any] = []
        self._client = JackClient.join()
        try:
            self._open(device, role, blocksize)
        except JackError:
            self.close()
            raise

    def _open(self, device: str, role: str, blocksize: int) -> None:
        self.samplerate = self._client.sample_rate
        self._theirs = self._client.ports_of(device, captures=self.captures)[: self.channels]
        if len(self._theirs) < self.channels:
            raise JackError(
                f"JACK's '{device}' has {len(self._theirs)} of {self.channels} ports",
                expected="as many as there were",
                remedy="start it again with all of them, or choose another device",
            )
        self._ports = self._client.register(role, self.channels, captures=self.captures)
        self._data = np.zeros((self._client.period, self.channels), np.float32)
        self._outside_s = self._way_outside() / self.samplerate
        self.latency = self._latency(blocksize) / self.samplerate

    def _way_outside(self) -> int:
        return max(port_latency(port, captures=self.captures) for port in self._theirs)

    def _latency(self, blocksize: int) -> int:
        way, period = self._way_outside(), self._client.period
        if self.captures:
            return max(way - period, 0) + max(period - blocksize, 0)
        return max(way - min(period, blocksize), 0)

    @property
    def active(self) -> bool:
        """Whether it is called; not any more once the server has ended."""
        return self._started and not (self._broken or self.closed or self._client.down)

    def start(self) -> None:
        """Connect the ports, and be called from now on.

        Raises
        ------
        JackError
            If the device has gone.
        """
        self._started = True
        self._client.add(self)
        if self.captures:
            self._client.connect(self._theirs, self._ports)
        else:
            self._client.connect(self._ports, self._theirs)

    def stop(self) -> None:
        """Be called no more."""
        self._started = False
        self._client.remove(self)

    def close(self) -> None:
        """Take the ports away; may be called again."""
        if self.closed:
            return
        self.stop()
        self.closed = True
        self._client.leave(self._ports)

    def xrun(self) -> None:
        """Note that a cycle was late."""
        self._late = True

    def process(self, frames: int, began: float) -> None:
        """Do a cycle; see `CycleCallback`."""
        try:
            if not self._broken:
                self._process(frames, began)
        except Exception:  # it ends the stream, as it does PortAudio's
            self._broken = True
            sys.excepthook(*sys.exc_info())
        if self._broken and not self.captures:
            for port in self._ports:
                port.get_array()[:] = 0.0

    def _process(self, frames: int, began: float) -> None:
        if len(self._data) != frames:  # the server's period was changed
            self._data = np.zeros((frames, self.channels), np.float32)
        late, self._late = self._late, False
        times, data = self._times, self._data
        times.currentTime = time.monotonic()
        times.inputBufferAdcTime = began - self._outside_s
        times.outputBufferDacTime = began + self._outside_s
        sound = [port.get_array() for port in self._ports]
        if self.captures:
            for channel, port in enumerate(sound):
                data[:, channel] = port
        self._callback(data, frames, times, late)
        if not self.captures:
            for channel, port in enumerate(sound):
                port[:] = data[:, channel]
