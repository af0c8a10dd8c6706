"""Compare pitch shifters as streams: delay, time a block, purity of tones. Gives decision 0015.

    python tools/pitch.py

Signalsmith Stretch is compared too where python-stretch is installed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pedalboard
import pylibrb
from rich.console import Console
from rich.table import Table

RATE, BLOCK, CHANNELS = 44_100, 1_024, 2
KEYS = (-6, -3, 2, 5)
CHORD_HZ = (110.0, 220.5, 331.0, 440.0, 554.4, 659.3, 1_320.0, 2_640.0, 5_000.0)
Shifter = Callable[[np.ndarray], np.ndarray]  # (C, N) to (C, as much as is ready)


def pedalboards(semitones: int) -> Shifter:
    plugin = pedalboard.PitchShift(semitones)
    return lambda block: plugin.process(block, RATE, buffer_size=BLOCK, reset=False)


def rubber_band(*options: str) -> Callable[[int], Shifter]:
    def make(semitones: int) -> Shifter:
        flags = pylibrb.Option.PROCESS_REALTIME | pylibrb.Option.CHANNELS_TOGETHER
        for name in options:
            flags |= getattr(pylibrb.Option, name)
        stretcher = pylibrb.RubberBandStretcher(sample_rate=RATE, channels=CHANNELS, options=flags)
        stretcher.pitch_scale = 2 ** (semitones / 12)
        stretcher.set_max_process_size(2_048)
        pad = stretcher.get_preferred_start_pad()
        stretcher.process(np.zeros((CHANNELS, pad), np.float32))
        lead = stretcher.get_start_delay()

        def shift(block: np.ndarray) -> np.ndarray:
            nonlocal lead
            stretcher.process(block)
            ready = stretcher.retrieve_available()
            skipped = min(lead, ready.shape[-1])
            lead -= skipped
            return ready[:, skipped:]

        return shift

    return make


def signalsmith(semitones: int) -> Shifter:
    import python_stretch

    stretch = python_stretch.Signalsmith.Stretch()
    stretch.preset(CHANNELS, RATE)
    stretch.setTransposeSemitones(semitones)
    return stretch.process


SHIFTERS: dict[str, Callable[[int], Shifter]] = {
    "pedalboard PitchShift": pedalboards,
    "Rubber Band faster": rubber_band("ENGINE_FASTER", "PitchHighQuality"),
    "Rubber Band faster, short": rubber_band("ENGINE_FASTER", "PitchHighQuality", "WINDOW_SHORT"),
    "Rubber Band finer": rubber_band("ENGINE_FINER", "PitchHighQuality"),
    "Rubber Band finer, short": rubber_band("ENGINE_FINER", "PitchHighQuality", "WINDOW_SHORT"),
    "the same, quick change": rubber_band("ENGINE_FINER", "PitchHighConsistency", "WINDOW_SHORT"),
    "Signalsmith Stretch": signalsmith,
}


def stream(shifter: Shifter, sound: np.ndarray) -> tuple[np.ndarray, list[float], int]:
    """Return what came out, the times of the blocks in ms, and the most that was held back."""
    parts, times, held, most = [], [], 0, 0
    for start in range(0, sound.shape[-1] - BLOCK + 1, BLOCK):
        block = np.ascontiguousarray(sound[:, start : start + BLOCK])
        started = time.perf_counter()
        parts.append(shifter(block))
        times.append(1e3 * (time.perf_counter() - started))
        held += BLOCK - parts[-1].shape[-1]
        most = max(most, held)
    return np.concatenate(parts, axis=-1), times, most


def bursts() -> np.ndarray:
    rng, sound = np.random.default_rng(0), np.zeros(4 * RATE)
    for start in range(RATE // 2, 4 * RATE - RATE // 2, RATE // 5):
        sound[start : start + 600] = rng.uniform(-0.5, 0.5, 600) * np.hanning(600)
    return np.stack([sound, sound]).astype(np.float32)


def chord() -> np.ndarray:
    at = np.arange(4 * RATE) / RATE
    sound = sum(0.05 * np.sin(2 * np.pi * hertz * at + hertz) for hertz in CHORD_HZ)
    return np.stack([sound, sound]).astype(np.float32)


def purity_db(sound: np.ndarray, semitones: int) -> float:
    """Return the power within 6 Hz of where the chord's tones belong, over all the rest."""
    last = sound[0, -2 * RATE : -RATE]
    if len(last) < RATE:
        return float("nan")
    power = np.abs(np.fft.rfft(last * np.hanning(RATE))) ** 2
    near = np.zeros(len(power), bool)
    for hertz in CHORD_HZ:
        near |= np.abs(np.arange(len(power)) - hertz * 2 ** (semitones / 12)) < 6
    return float(10 * np.log10(power[near].sum() / power[~near].sum()))


def displacement(sound: np.ndarray, shifted: np.ndarray) -> int:
    """Return by how many samples the bursts' envelopes differ once what is held back is back."""
    size = 2**18
    ours, theirs = (
        np.fft.rfft(np.convolve(x[0] ** 2, np.hanning(256), "same"), size) for x in (sound, shifted)
    )
    match = np.fft.irfft(theirs * np.conj(ours))
    return int(np.argmax(np.concatenate([match[-4_000:], match[:4_000]]))) - 4_000


def main() -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("shifter", "key", "held back", "off by", "p50", "p99", "purity"):
        table.add_column(heading, justify="left" if heading == "shifter" else "right")
    for name, make in SHIFTERS.items():
        for key in KEYS:
            try:
                shifter = make(key)
            except ImportError:
                continue
            shifted, times, held = stream(shifter, bursts())
            pure = purity_db(stream(make(key), chord())[0], key)
            off = displacement(bursts(), shifted) if shifted.shape[-1] > RATE else None
            table.add_row(
                name,
                f"{key:+}",
                f"{1e3 * held / RATE:.0f} ms",
                "-" if off is None else f"{1e3 * off / RATE:.1f} ms",
                f"{np.percentile(times, 50):.2f} ms",
                f"{np.percentile(times, 99):.2f} ms",
                f"{pure:.0f} dB",
            )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
