"""Live against a real PulseAudio server: what comes out is the offline result, to the sample."""

from dataclasses import dataclass

import numpy as np
import soundfile as sf

from streamsep.separation import ChunkedSeparator, load_separator
from testing.alignment import locate
from testing.servers import FRONT, REAR
from tests.integration.conftest import RATE
from tests.integration.takes import PCM_24, span, until_clean
from tests.support.commands import Live

BLOCK = 1024
BETWEEN_DEVICES = ("--input", "pulse", "--output", "pulse")


@dataclass(frozen=True)
class Heard:
    """One take: the output sink, its recording by streamsep, and what it said of latency."""

    output: np.ndarray
    recording: np.ndarray
    reported_ms: int
    off_ms: set[int]


def offline_beat(model, mixture):
    chunked = ChunkedSeparator(load_separator(model, device="cpu"))
    return np.concatenate([chunked.feed(mixture), chunked.finish()], axis=-1)[-1]


def listen(server, song, folder, *options, env, sink="A", monitor="B.monitor", channels=FRONT):
    """Play the song into ``sink`` while live runs and ``monitor`` is recorded."""

    def take(number):
        place = folder / f"take{number}"
        place.mkdir()
        recorded = place / "recording.wav"
        with (
            server.recording(monitor, channels=channels) as sound,
            Live(place, *options, "--record", recorded, env=env) as live,
        ):
            with live.losses_while(server):
                server.play(song.path, sink)
                sound.wait_for(RATE)  # far more than the latency: all of it has come out
            assert live.end() == 0, live.stderr
        recording = sf.read(recorded, dtype="float32", always_2d=True)[0].T
        return live.losses, Heard(sound.sound(), recording, *live.latencies_ms)

    return until_clean(take)


def test_an_identity_model_gives_the_song_sample_for_sample(server, song, identity_model, tmp_path):
    heard = listen(
        server,
        song,
        tmp_path,
        *BETWEEN_DEVICES,
        "--model",
        identity_model,
        "--block",
        BLOCK,
        env=server.env(),
    )
    count = song.sound.shape[-1]
    start = locate(song.sound[0], heard.output[0])
    np.testing.assert_array_equal(span(heard.output, start, count), song.sound)
    start = locate(song.sound[0], heard.recording[0])
    np.testing.assert_allclose(span(heard.recording, start, count), song.sound, atol=PCM_24, rtol=0)
    # What was measured while it ran, at least once in three seconds, is what was reported.
    assert heard.off_ms == {0}


def test_a_model_with_lookahead_gives_the_offline_result(server, song, unet_shaped_model, tmp_path):
    heard = listen(
        server,
        song,
        tmp_path,
        *BETWEEN_DEVICES,
        "--model",
        unet_shaped_model,
        "--block",
        BLOCK,
        env=server.env(),
    )
    count = song.sound.shape[-1]
    beat = offline_beat(unet_shaped_model, song.sound)
    # The recording begins with the first sample that came in, so it tells where the STFT's
    # frames lie on the song; the offline result is taken on the same grid.
    lead = locate(beat[0], heard.recording[0])
    beat = offline_beat(unet_shaped_model, np.pad(song.sound, ((0, 0), (lead, 0))))[:, lead:]
    assert np.abs(beat - song.sound).max() > 0.05  # the model does something
    start = locate(beat[0], heard.output[0])
    # The invariant allows 1e-4 of full scale; the same arithmetic in the same order gives less.
    np.testing.assert_allclose(span(heard.output, start, count), beat, atol=1e-6, rtol=0)
    np.testing.assert_allclose(span(heard.recording, lead, count), beat, atol=1e-6 + PCM_24, rtol=0)
    assert heard.off_ms == {0}


def test_the_whole_way_takes_the_reported_latency(server, short_song, identity_model, tmp_path):
    """Both ends are pairs of channels of one sink, recorded together: one clock."""
    block = 512
    heard = listen(
        server,
        short_song,
        tmp_path,
        *BETWEEN_DEVICES,
        "--model",
        identity_model,
        "--block",
        block,
        env=server.env(source="FRONT_IN", sink="REAR"),
        sink="FRONT",
        monitor="AB.monitor",
        channels=f"{FRONT},{REAR}",
    )
    sound = short_song.sound
    way_in, way_out = (locate(sound[0], heard.output[channel]) for channel in (0, 2))
    np.testing.assert_array_equal(span(heard.output[2:], way_out, sound.shape[-1]), sound)
    reported = heard.reported_ms * RATE / 1000
    # The session's part is exact; the devices' was found by the server's own time stamps.
    assert abs(way_out - way_in - reported) <= block
