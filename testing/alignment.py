"""Finding a sound again in a recording, to the sample."""

import numpy as np
from scipy.signal import correlate


def locate(
    sound: np.ndarray, recording: np.ndarray, window: int = 32_768, *, least: float = 0.9
) -> int:
    """Return where the start of ``sound`` (N,) lies in ``recording`` (M,).

    By normalised cross-correlation over ``window`` samples.

    Raises
    ------
    AssertionError
        If it isn't there: the match is below ``least`` of 1 everywhere.
    """
    needle = sound[:window].astype(np.float64)
    recording = recording.astype(np.float64)
    assert len(recording) >= window, f"only {len(recording)} samples were recorded"
    match = correlate(recording, needle, mode="valid", method="fft")
    energy = np.cumsum(np.concatenate([[0.0], recording**2]))
    energy = np.maximum(energy[window:] - energy[:-window], 1e-6)
    score = match / np.sqrt(energy * np.sum(needle**2))
    best = int(np.argmax(score))
    assert score[best] > least, f"the sound isn't in the recording: best match {score[best]:.3f}"
    return best


def snr_db(sound: np.ndarray, recording: np.ndarray, sample_rate: int, below_hz: float) -> float:
    """Return how well ``recording`` (N,) repeats ``sound`` (N,) below a frequency.

    What `locate` leaves of a shift, at most half a sample, is taken out: a straight line
    through the phase of the cross-spectrum.
    """
    window = np.hanning(len(sound))
    ours, theirs = np.fft.rfft(sound * window), np.fft.rfft(recording * window)
    frequencies = np.fft.rfftfreq(len(sound), 1 / sample_rate)
    band = frequencies < below_hz
    cross = np.where(band, theirs * np.conj(ours), 0.0)
    slope = np.sum(np.abs(cross) * frequencies * np.angle(cross))
    slope /= np.sum(np.abs(cross) * frequencies**2)
    turned = ours * np.exp(1j * slope * frequencies)
    left = np.sum(np.abs(theirs - turned)[band] ** 2)
    return float(10 * np.log10(np.sum(np.abs(turned)[band] ** 2) / left))
