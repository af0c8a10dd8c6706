"""Songs on a real PulseAudio server: paused, moved in and changed while another program listens."""

import json
import subprocess
import sys

import numpy as np
import soundfile as sf

from testing.alignment import locate
from testing.servers import PATIENCE_S, wait_until
from tests.integration.conftest import RATE, make_song
from tests.integration.takes import PCM_24, span, until_clean
from tests.support.commands import Losses
from tests.support.terminal import Terminal

# In a process of its own, as PortAudio finds the server by the environment.
SCRIPT = """
import json, sys, time
from streamsep import LivePlayer

song, stems, model, take = sys.argv[1:]
ended = []

def wait(until):
    while not until():
        time.sleep(0.01)

player = LivePlayer(
    input=(), output="pulse", model=model, device="cpu", block=2048, slack=22050,
    record=take, record_stems=("mix",),
)
player.on_song_end = lambda path: ended.append(str(path))
with player:
    latency = player.latency.session
    player.play(song)
    wait(lambda: player.position_s > 0.8)
    player.pause()
    wait(lambda: player.session.held)
    stood = player.position_s
    time.sleep(0.5)
    paused = player.position_s
    player.resume()
    wait(lambda: player.position_s > stood + 0.7)
    player.seek(2.0)
    wait(lambda: player.idle)
    player.play(song, {"vocals": stems})
    wait(lambda: player.idle)
    time.sleep(0.5)
    stats = player.stats()
    print(json.dumps({
        "lost": stats.dropouts + stats.device_glitches,
        "held": stood == paused,
        "stood": stood,
        "latency": [latency, player.latency.session],
        "ended": ended,
    }))
"""


def test_what_is_played_paused_and_moved_in_is_heard_to_the_sample(server, half_model, tmp_path):
    song = make_song(tmp_path / "song.wav", 3.0)  # a quarter of a second of silence, and the sound
    whole = sf.read(song.path, dtype="float32", always_2d=True)[0].T
    vocals = tmp_path / "vocals.wav"
    sf.write(vocals, 0.25 * whole.T, RATE, subtype="FLOAT")

    def take(number):
        recorded = tmp_path / f"take{number}.wav"
        before = server.underruns
        with server.recording("B.monitor") as sound:
            done = subprocess.run(
                [sys.executable, "-c", SCRIPT, song.path, vocals, half_model, recorded],
                env=server.env(),
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
            )
            assert done.returncode == 0, done.stderr
            sound.wait_for(RATE // 2)
        told = json.loads(done.stdout.splitlines()[-1])
        losses = Losses(session=told["lost"], server=server.underruns - before)
        recording = sf.read(recorded, dtype="float32", always_2d=True)[0].T
        return losses, (told, sound.sound(), recording)

    told, heard, recording = until_clean(take)
    assert told["held"]
    assert told["latency"][0] == told["latency"][1]
    assert told["ended"] == [str(song.path)] * 2
    # What another program heard is what was recorded here, from the first to the last sample.
    sounding = np.flatnonzero(recording.any(axis=0))
    first, count = sounding[0], sounding[-1] + 1 - sounding[0]
    start = locate(recording[0, first:], heard[0])
    np.testing.assert_allclose(
        span(heard, start, count), recording[:, first : first + count], atol=PCM_24, rtol=0
    )
    # And that is the song: half of it, up to where it stood and from there on; from the place that
    # was gone to up to its end; and the second time three quarters of it, as its stems say.
    stood = round(told["stood"] * RATE)
    begin = locate(0.5 * whole[0, RATE // 2 :], recording[0, : 2 * RATE], 8_192) - RATE // 2
    fade = 2_048  # a block
    parts = [(begin, 0, stood - fade, 0.5)]
    for place, share in ((stood + fade, 0.5), (2 * RATE + fade, 0.5), (RATE // 2, 0.75)):
        after = parts[-1][0] + parts[-1][2] - parts[-1][1]
        soon = recording[0, after : after + 2 * RATE]  # later it comes again
        at = locate(share * whole[0, place:], soon, 8_192) + after
        end = whole.shape[-1] if place > RATE + RATE // 2 or share > 0.5 else stood + RATE // 2
        parts.append((at, place, end, share))
    for at, place, end, share in parts:
        np.testing.assert_allclose(
            span(recording, at, end - place),
            share * whole[:, place:end],
            atol=1e-6 + PCM_24,
            rtol=0,
        )


def test_keys_pause_move_and_change_songs(tmp_path, identity_model):
    for name in ("a", "b"):
        sf.write(tmp_path / f"{name}.wav", np.zeros((60 * RATE, 2), np.float32), RATE)
    (tmp_path / "list.pls").write_text("[playlist]\nFile1=a.wav\nFile2=b.wav\n")
    with Terminal(tmp_path, 100, 30) as terminal:
        terminal.live(
            "--input", tmp_path / "list.pls", "--output", "null", "--model", identity_model
        )
        terminal.wait_for("hop p50", "< > songs")
        terminal.press("p")
        terminal.wait_for("paused")
        terminal.press("]", "]", "]")
        terminal.wait_for("paused  0:3")
        terminal.press("r")
        wait_until(lambda: "paused" not in terminal.text, "the beginning")
        terminal.press(">")
        terminal.wait_for("b.wav plays now")
        terminal.press(">")
        terminal.wait_for("no song comes after this one")
        terminal.press("q")
        terminal.wait_for("exit code 0")
