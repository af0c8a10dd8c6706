"""Take the vocals out in an audio stream of one's own: python examples/own_callback.py [SECONDS].

It listens to the system's default input and plays to the default output. Another model and other
devices: python examples/own_callback.py 10 fast pulse pulse.
"""

import sys

import sounddevice

import streamsep


def main(
    seconds: str = "10", model: str = "live", source: str | None = None, sink: str | None = None
) -> None:
    """Open a sounddevice stream with the session's settings, and let its callback do the work."""
    with streamsep.RealtimeSession(model, block_size=512) as session:
        session.set_gain("vocals", db=-20.0)  # a little of them, to sing along to
        with sounddevice.Stream(
            callback=session.callback, device=(source, sink), **session.stream_settings
        ):
            sounddevice.sleep(round(1_000 * float(seconds)))
        stats = session.stats()
        late_ms = 1_000 * session.latency / session.stream_settings["samplerate"]
        lost = stats.dropouts + stats.device_glitches  # by the model, and by the devices
        print(f"{late_ms:.0f} ms late besides the devices, {lost} blocks lost")


if __name__ == "__main__":
    main(*sys.argv[1:])
