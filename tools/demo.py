"""The main job in one go: a song, streamed live without its voice, measured and drawn.

    python tools/demo.py [SONG]

Without a song it takes the six seconds of "Falcon 69" by The Easton Ellises that the stempeg
package carries (a song of MUSDB18), whose true stems are known.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import soundfile as sf
from rich.console import Console
from rich.table import Table

import streamsep
from streamsep.audio.devices.device_list import find_device
from streamsep.errors import DeviceError, StreamsepError
from streamsep.evaluation.metrics import song_usdr
from streamsep.evaluation.picture import draw_picture
from streamsep.evaluation.spectrogram import spectrogram_of
from streamsep.live.player import LivePlayer
from streamsep.realtime import SessionStats
from streamsep.tui.display import choose_display

OUT = Path("demo")
RATE = 44_100
VOCALS_STREAM = 4  # the stems' order in a .stem.mp4: mixture, drums, bass, other, vocals
console = Console(highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("song", nargs="?", type=Path, help="any sound file; or none")
    song = parser.parse_args().song
    try:
        demo(song)
    except StreamsepError as error:
        console.print(f"demo: {error}", markup=False)
        sys.exit(error.exit_code)
    except (OSError, av.FFmpegError) as error:
        console.print(f"demo: {song} can't be read ({error}); expected a sound file", markup=False)
        sys.exit(3)


def demo(song: Path | None) -> None:
    OUT.mkdir(exist_ok=True)
    source = song or packaged_song()
    mixture = decode(source)
    true_vocals = decode(source, VOCALS_STREAM)[:, : mixture.shape[1]] if song is None else None
    sf.write(OUT / "song.wav", mixture.T, RATE, subtype="FLOAT")
    speakers = has_speakers()
    console.print(
        f"{source.name}: {mixture.shape[1] / RATE:.1f} s, streamed live at real-time pace, "
        + ("to your speakers" if speakers else "to disk only (no output device here)"),
        markup=False,
    )
    player = LivePlayer(
        input=OUT / "song.wav",
        output="speakers" if speakers else "null",
        record=OUT / "beat.flac",
        tune_process=True,
    )
    with player:
        stats = player.run(choose_display(player))
    beat = sf.read(OUT / "beat.flac", dtype="float32", always_2d=True)[0].T
    # Recorded in step with the song, so what was taken out is the difference.
    vocals = mixture - beat
    sf.write(OUT / "vocals.flac", vocals.T, RATE, subtype="PCM_24")
    beside = separate_by("live", mixture)
    sf.write(OUT / "beat.live.flac", beside.T, RATE, subtype="PCM_24")
    sounds = {
        "song": mixture,
        f"beat, {stats.model}": beat,
        "beat, live": beside,
        f"vocals taken out, {stats.model}": vocals,
    }
    spectrograms = {name: spectrogram_of(sound, RATE) for name, sound in sounds.items()}
    draw_picture(spectrograms, OUT / "spectrograms.png")
    report(stats)
    if true_vocals is not None:
        report_sdr(true_vocals, mixture, {stats.model: beat, "live": beside})
    written = ("beat.flac", "vocals.flac", "beat.live.flac", "spectrograms.png")
    console.print("written: " + ", ".join(str(OUT / name) for name in written))
    console.print("next: .venv-demo/bin/streamsep live --help")


def packaged_song() -> Path:
    spec = find_spec("stempeg")
    assert spec is not None  # in the demo extra
    assert spec.origin is not None
    return next((Path(spec.origin).parent / "data").glob("*.stem.mp4"))


def decode(path: Path, stream: int = 0) -> np.ndarray:
    """Return an audio stream of any file as (2, N) float32 at 44.1 kHz."""
    resampler = av.AudioResampler("fltp", "stereo", RATE)
    with av.open(str(path)) as container:
        frames = [
            out.to_ndarray()
            for frame in container.decode(container.streams.audio[stream])
            for out in resampler.resample(frame)
        ]
    frames += [out.to_ndarray() for out in resampler.resample(None)]
    return np.concatenate(frames, axis=1)


def separate_by(model: str, mixture: np.ndarray) -> np.ndarray:
    """Return the beat that a model gives, at once: what it would give live, to the sample."""
    beat: np.ndarray = streamsep.separate(mixture, RATE, model=model, stems=["beat"])["beat"]
    return beat


def has_speakers() -> bool:
    try:
        find_device("speakers", "output")
    except DeviceError:
        return False
    return True


def report(stats: SessionStats) -> None:
    latency = stats.latency
    measured = stats.measured_latency
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("model", f"{stats.model} on {stats.provider}")
    table.add_row(
        "latency reported",
        f"{latency.ms(latency.session):.1f} ms ({latency.session} samples: "
        f"buffering {latency.buffering}, slack {latency.slack}, stft {latency.stft}, "
        f"look-ahead {latency.lookahead}), {latency.ms(latency.ahead):.1f} ms of it before the "
        f"song began; device out {latency.ms(latency.device_out):.1f} ms",
    )
    table.add_row(
        "latency measured",
        "nothing to measure on"
        if measured is None
        else f"{latency.ms(measured):.1f} ms ({measured} samples, by correlation)",
    )
    table.add_row(
        "hop time",
        f"p50 {stats.hop_p50_ms:.2f} ms, p99 {stats.hop_p99_ms:.2f} ms "
        f"of {stats.hop_budget_ms:.1f} ms",
    )
    table.add_row("dropouts", f"{stats.dropouts} late blocks, {stats.device_glitches} device")
    console.print(table)


def report_sdr(true_vocals: np.ndarray, mixture: np.ndarray, beats: dict[str, np.ndarray]) -> None:
    true_beat = mixture - true_vocals
    table = Table(box=None, pad_edge=False)
    for heading in ("SDR", "beat", "vocals"):
        table.add_column(heading, justify="left" if heading == "SDR" else "right")
    rows = {"song as it is": (mixture, mixture)}
    rows |= {f"model {name}": (beat, mixture - beat) for name, beat in beats.items()}
    for name, (b, v) in rows.items():
        table.add_row(
            name, f"{song_usdr(true_beat, b):.1f} dB", f"{song_usdr(true_vocals, v):.1f} dB"
        )
    console.print(table)


if __name__ == "__main__":
    main()
