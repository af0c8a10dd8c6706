"""Ways to get a song's vocals: the model live and offline, and what it is measured against."""

from __future__ import annotations

import threading

import numpy as np

from streamsep.audio.devices.simulated import SimulatedEndpoint
from streamsep.dsp.stft import StreamingSTFT
from streamsep.evaluation.songs import ReferenceSong
from streamsep.realtime import Session
from streamsep.separation import ChunkedSeparator, Separator, gains_for
from streamsep.separation.center_cut import CenterCut
from streamsep.spec import ModelSpec, SeparatorSpec
from streamsep.types import Float32

DEVICE_FRAMES = 512
DOERS = ("centre cut", "model live")  # what can be asked for a stem that is played alone
METHODS = ("mixture", "centre cut", "model live", "model offline", "ideal mask")


def separate_song(
    method: str, song: ReferenceSong, separator: Separator
) -> tuple[Float32, Float32]:
    """Return (beat, vocals) of a song by one of METHODS, (C, N) float32 each.

    Raises
    ------
    ValueError
        For an unknown method.
    """
    mixture = song.mixture
    if method == "mixture":
        return mixture, mixture
    if method == "model live":
        beat = _live_beat(separator, mixture)
        return beat, mixture - beat
    if method == "model offline":
        vocals = _offline_vocals(separator, mixture)
    elif method == "centre cut":
        vocals = _offline_vocals(CenterCut(sample_rate=separator.spec.sample_rate), mixture)
    elif method == "ideal mask":
        vocals = _ideal_vocals(song, *_transform_of(separator.spec))
    else:
        raise ValueError(f"unknown method {method!r}")
    return mixture - vocals, vocals


def _transform_of(spec: SeparatorSpec) -> tuple[int, int]:
    """Return n_fft and hop_length: the model's own, or the usual ones where it has none."""
    if isinstance(spec, ModelSpec) and spec.feature != "waveform":
        return spec.n_fft, spec.hop_length
    return 2048, 1024


def _live_beat(separator: Separator, mixture: Float32) -> Float32:
    """Play the song through a live session, device block by device block."""
    separator.reset()
    gains = gains_for("beat", separator.stems)
    session = Session(separator, device_frames=DEVICE_FRAMES, gains=gains)
    endpoint = SimulatedEndpoint(mixture, DEVICE_FRAMES, between=lambda _: session.wait_idle())
    with session:
        endpoint.run(session.process_block, threading.Event(), tail=session.latency.session)
        session.check()
    return endpoint.output[:, session.latency.session :][:, : mixture.shape[-1]]


def _offline_vocals(separator: Separator, mixture: Float32) -> Float32:
    separator.reset()
    chunked = ChunkedSeparator(separator)
    stems = np.concatenate([chunked.feed(mixture), chunked.finish()], axis=-1)
    vocals: Float32 = stems[separator.stems.index("vocals")]
    return vocals


def _ideal_vocals(song: ReferenceSong, n_fft: int, hop_length: int) -> Float32:
    """Mask the mixture by the true stems' share of magnitude in each bin: the masks' ceiling."""
    channels, count = song.vocals.shape
    stft = {
        name: StreamingSTFT(n_fft, hop_length, channels, window="sqrt_hann")
        for name in ("vocals", "beat", "mixture")
    }
    frames = -(-(count + n_fft) // hop_length)
    padded = {
        name: np.pad(sound, ((0, 0), (0, frames * hop_length - count)))
        for name, sound in (("vocals", song.vocals), ("beat", song.beat), ("mixture", song.mixture))
    }
    shape = (1, channels, n_fft // 2 + 1)
    spectra = {name: np.zeros(shape, np.complex64) for name in stft}
    out = np.zeros((1, channels, frames * hop_length), np.float32)
    for start in range(0, frames * hop_length, hop_length):
        hop = slice(start, start + hop_length)
        for name, transform in stft.items():
            transform.analyse(padded[name][:, hop], spectra[name])
        vocals, beat = np.abs(spectra["vocals"]), np.abs(spectra["beat"])
        mask = vocals / np.maximum(vocals + beat, np.float32(1e-9))
        stft["mixture"].synthesise((mask * spectra["mixture"])[None], out[..., hop])
    delay = stft["mixture"].delay
    return out[0, :, delay : delay + count]
