"""A track of sound in a container that PyAV writes: encoded as it comes, by FFmpeg's encoders."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from streamsep.dsp.channels import LAYOUTS, STEREO
from streamsep.errors import OutputError
from streamsep.types import Float32

# Encoders that keep every bit, and FFmpeg's names of samples of 16 and of 24 bits in them.
LOSSLESS = {"flac": ("s16", "s32"), "alac": ("s16p", "s32p")}
# Layouts of more than two channels that come back from an encoder as they were, each in its place;
# of what isn't here all do, up to eight channels.
HELD = {
    "aac": ("2.1", "3.0", "3.0(back)", "4.0", "quad", "5.0", "5.1"),
    "alac": ("3.0", "4.0", "5.0", "5.1"),
    "libopus": ("3.0", "quad", "5.1"),
}
MOST_CHANNELS_HELD = 8
SIDES_AS_BACKS = {"SL": "BL", "SR": "BR"}


def held_speakers(encoder: str, speakers: tuple[str, ...]) -> tuple[str, ...]:
    """Return what speakers an encoder has for those of a sound: where it must, backs for sides.

    Raises
    ------
    OutputError
        If it has no such layout.
    """
    held = {LAYOUTS[name] for name in HELD.get(encoder, ())}
    for names in (speakers, tuple(SIDES_AS_BACKS.get(name, name) for name in speakers)):
        if len(names) <= 2 or " ".join(names) in held:
            return names
    if encoder not in HELD and len(speakers) <= MOST_CHANNELS_HELD:
        return speakers
    raise OutputError(
        f"{encoder} holds no layout of {len(speakers)} channels, {' '.join(speakers)}",
        expected="flac for at most 8 channels, or wav",
        remedy="choose one of these formats, or have the sound mixed to stereo",
    )


class SoundTrack:
    """A new track of an opened container. What goes wrong is FFmpeg's own error.

    Parameters
    ----------
    av
        PyAV.
    container
        To add the track to.
    encoder
        FFmpeg's name of it, and its bit rate, 0 where it has none; libmp3lame knows half of it
        below 32 kHz.
    sample_rate
        Of what will be written; an encoder that doesn't know the rate gets the next higher one.
    speakers
        FFmpeg's name of each channel's.
    bits
        Per sample of a lossless encoder, 16 or 24.
    start
        Samples of the container's time before the first one.
    title
        Of the track; none where it is empty.
    """

    def __init__(
        self,
        av: Any,
        container: Any,
        encoder: tuple[str, int],
        sample_rate: int,
        *,
        speakers: tuple[str, ...] = STEREO,
        bits: int = 24,
        start: int = 0,
        title: str = "",
    ) -> None:
        (name, bit_rate), self._rate, self._bits = encoder, sample_rate, bits
        self._av, self._container, self._layout = av, container, "+".join(speakers)
        rates = av.Codec(name, "w").audio_rates or [sample_rate]
        rate = min((r for r in rates if r >= sample_rate), default=max(rates))
        self._stream = container.add_stream(name, rate=rate, layout=self._layout)
        self._form = LOSSLESS[name][bits != 16] if name in LOSSLESS else ""
        if self._form:
            self._stream.codec_context.format = self._form
        else:
            halved = name == "libmp3lame" and rate < 32_000
            self._stream.bit_rate = bit_rate // 2 if halved else bit_rate
        if title:
            self._stream.metadata.update(title=title, handler_name=title)
        self.position = start  # where the next sample goes

    def write(self, sound: Float32) -> None:
        """Append (C, n)."""
        frame = self._frame(sound)
        frame.sample_rate, frame.pts = self._rate, self.position
        frame.time_base = Fraction(1, self._rate)
        self.position += sound.shape[-1]
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder holds back."""
        self._container.mux(self._stream.encode(None))

    def _frame(self, sound: Float32) -> Any:
        if not self._form:
            return self._av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound), "fltp", self._layout
            )
        # Rounded here: the encoder would cut what is below its depth.
        full = 2.0 ** (self._bits - 1)
        steps = np.clip(np.rint(sound.astype(np.float64) * full), -full, full - 1)
        if self._bits == 24:
            steps *= 2.0**8  # in the upper three bytes of four
        steps = steps.astype(np.int16 if self._bits == 16 else np.int32)
        planes = steps if self._form.endswith("p") else steps.T.reshape(1, -1)
        return self._av.AudioFrame.from_ndarray(
            np.ascontiguousarray(planes), self._form, self._layout
        )
