"""Play a song without its voice: python examples/live_player.py SONG [OUTPUT] [SECONDS].

To the speakers, or another output, or a sound file. The song may also be "mic" or "loopback".
"""

import sys

import streamsep


def main(song: str, output: str = "speakers", seconds: str | None = None) -> None:
    """Start the music, wait for its end, and say how it went."""
    length = None if seconds is None else float(seconds)
    with streamsep.LivePlayer(input=song, output=output, seconds=length) as player:
        player.set_gain("vocals", db=-20.0)  # a little of them, to sing along to
        for event in player.events.latest():
            print(event.text)  # which model plays, and why
        player.wait()
        stats = player.stats()
    print(f"{stats.seconds:.1f} s by {stats.model}, {stats.dropouts} blocks missed")


if __name__ == "__main__":
    main(*sys.argv[1:])
