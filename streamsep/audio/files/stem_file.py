"""Native Instruments' stem files: the mixture and four stems in one M4A, for DJ programs.

What readers ask for is `docs/decisions/0035-stem-files.md`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from streamsep.audio.files.container import MediaWriter
from streamsep.audio.files.encoding import STEM_FILE, Encoding
from streamsep.audio.files.mp4_boxes import add_user_data
from streamsep.audio.files.notices import Notices
from streamsep.dsp.channels import STEREO, match_channels
from streamsep.errors import ArgumentError, OutputError
from streamsep.types import Float32

PLACES = 4
# Where DJs expect a stem, from the first fader on; what has no place takes the first free one.
USUAL_PLACE = {"drums": 0, "beat": 0, "bass": 1, "other": 2, "vocals": 3}
COLORS = ("#009E73", "#D55E00", "#CC79A7", "#56B4E9")  # of the places
SILENT, SILENT_COLOR = "(silent)", "#808080"
MIX = "mix"
# Effects on the sum that a program may apply: none. All keys are there, as in others' files.
NO_MASTERING = {
    "compressor": {
        "enabled": False,
        "input_gain": 0.0,
        "output_gain": 0.0,
        "threshold": 0.0,
        "dry_wet": 50,
        "attack": 0.003,
        "release": 0.3,
        "ratio": 3,
        "hp_cutoff": 300,
    },
    "limiter": {"enabled": False, "threshold": 0.0, "ceiling": -0.35, "release": 0.05},
}


def check_stem_file(stems: tuple[str, ...], all_stems: tuple[str, ...]) -> None:
    """Refuse a stem file of stems that don't make the song, or of more than it holds.

    Raises
    ------
    ArgumentError
        If some of the model's stems aren't among them, or they are too many.
    """
    if set(stems) != set(all_stems):
        raise ArgumentError(
            f"a stem file of {', '.join(stems)} alone was asked for",
            expected=f"all stems of the model: {', '.join(all_stems)}",
            remedy="name no stems, or choose another format for some of them",
        )
    if len(stems) > PLACES:
        raise ArgumentError(
            f"a stem file has places for {PLACES} stems, and the model gives {len(stems)}: "
            + ", ".join(stems),
            expected=f"a model of at most {PLACES} stems",
            remedy="choose another model, or another format",
        )


def places_of(stems: tuple[str, ...]) -> tuple[str | None, ...]:
    """Return which stem has each of the four places; None for one that is silent."""
    places: list[str | None] = [None] * PLACES
    for stem in sorted(stems, key=lambda stem: stem not in USUAL_PLACE):
        place = USUAL_PLACE.get(stem, -1)
        if place < 0 or places[place] is not None:
            place = places.index(None)
        places[place] = stem
    return tuple(places)


class StemFileWriter:
    """Writes a stem file: five stereo tracks, the first of which is the sum of the others.

    In a lossless codec it is that to the last bit: all but the last stem are rounded, and the last
    one is what they leave of the rounded sum. Only what is cut at full scale is missing from it.

    Parameters
    ----------
    path
        Where to; an existing file is overwritten.
    stems
        Names, in the order in which they will come; the last one is what the others leave.
    sample_rate
        Of what will be written, in Hz.
    encoding
        Its codec and depth.
    source, tags
        See `MediaWriter`.
    notices
        Told what of the source isn't in the file as it is.

    Raises
    ------
    OutputError
        If PyAV isn't installed, or the file can't be written.
    """

    def __init__(
        self,
        path: Path,
        stems: tuple[str, ...],
        sample_rate: int,
        *,
        encoding: Encoding,
        source: Path | None,
        tags: Mapping[str, str] = MappingProxyType({}),
        notices: Notices,
    ) -> None:
        self.path = path
        self._places = places_of(stems)
        self._order = [None if stem is None else stems.index(stem) for stem in self._places]
        self._notices, self._mono_said = notices, False
        bits = encoding.depth_for(STEM_FILE)
        self._steps = 2.0 ** (bits - 1) if bits else 0.0
        self._writer = MediaWriter(
            path,
            sample_rate,
            STEREO,
            source=source,
            tags=tags,
            say=notices.say_once,
            bits=bits,
            encoder=encoding.codec_for(STEM_FILE),
            titles=(MIX, *(stem or SILENT for stem in self._places)),
        )

    def write(self, stems: Float32) -> None:
        """Append (S, C, n), C 1 or 2.

        Raises
        ------
        OutputError
            If the disk is full or gone.
        """
        if stems.shape[1] == 1 and not self._mono_said:
            self._mono_said = True
            self._notices.say_once("its one channel is both of a stem file, which is stereo")
        exact = stems.astype(np.float64)
        mix = exact.sum(axis=0)
        if self._steps:
            # Such numbers are what float32 holds, and are rounded to themselves.
            mix = np.rint(mix * self._steps) / self._steps
            others = np.rint(exact[:-1] * self._steps) / self._steps
            others = np.clip(others, -1.0, 1.0 - 1.0 / self._steps)
            exact = np.concatenate([others, (mix - others.sum(axis=0))[None]])
        silence = np.zeros_like(mix)
        tracks = [mix, *(silence if i is None else exact[i] for i in self._order)]
        self._writer.write(*(match_channels(t.astype(np.float32), 2) for t in tracks))

    def close(self) -> None:
        """Finish the file, so that it plays.

        Raises
        ------
        OutputError
            If what is still in memory can't be written.
        """
        self._writer.close()
        try:
            add_user_data(self.path, b"stem", json.dumps(self._manifest()).encode())
        except (OSError, ValueError) as error:
            raise OutputError(
                f"{self.path} can't be written ({getattr(error, 'strerror', None) or error})",
                expected="a writable folder with room",
                remedy="choose another place",
            ) from error

    def _manifest(self) -> dict[str, object]:
        """Return what names the tracks to DJ programs."""
        stems = [
            {"name": stem or SILENT, "color": color if stem else SILENT_COLOR}
            for stem, color in zip(self._places, COLORS, strict=True)
        ]
        return {"version": 1, "mastering_dsp": NO_MASTERING, "stems": stems}

    def __enter__(self) -> StemFileWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Close; a file that won't be kept needs no more than to be closed."""
        if kind is None:
            self.close()
        else:
            self._writer.__exit__(kind, *rest)
