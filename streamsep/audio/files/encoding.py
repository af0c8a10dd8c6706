"""How sound is encoded: the bits of a sample, and the codec where a format has several."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streamsep.audio.files.sound_writer import subtype_for
from streamsep.errors import OutputError

M4A, STEM_FILE = ".m4a", ".stem.m4a"
# Codecs of M4A, and the one that each suffix has by itself: a stem file's tracks are to sum to the
# song.
CODECS = ("aac", "alac")
USUAL_CODEC = {M4A: "aac", STEM_FILE: "alac"}
ALAC_DEPTHS = (16, 24)
# FFmpeg's ALAC keeps the lower 8 of 24 bits as they are: a silent track takes 5 MB a minute then.
USUAL_DEPTH = {M4A: 24, STEM_FILE: 16}


def sound_suffix(path: Path) -> str:
    """Return what says the format of a file, in lower case: its suffix, or both of a stem file."""
    return STEM_FILE if path.name.lower().endswith(STEM_FILE) else path.suffix.lower()


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file is to be encoded.

    Attributes
    ----------
    bits
        Per sample, 16, 24, or 32 for floating point; None for what the format usually has.
    codec
        One of `CODECS`, of ``.m4a`` and ``.stem.m4a``; None for what is usual there.
    """

    bits: int | None = None
    codec: str | None = None

    def check(self, suffix: str) -> None:
        """Refuse what the format of a suffix doesn't have.

        Raises
        ------
        OutputError
            If it has no such depth, or no codec to choose.
        """
        if suffix not in USUAL_CODEC:
            if self.codec is not None:
                raise OutputError(
                    f"{suffix} files have no codec to choose, and {self.codec} was asked for",
                    expected=f"a file in {' or '.join(USUAL_CODEC)}",
                    remedy="choose one of these formats, or no codec",
                )
            if self.bits is not None:
                subtype_for(suffix, self.bits)
        elif self.bits is not None:
            codec = self.codec_for(suffix)
            if codec != "alac":
                raise OutputError(
                    f"{codec} in {suffix} has no bits per sample, and {self.bits} were asked for",
                    expected="the codec alac, which is lossless",
                    remedy="choose that one, or no depth",
                )
            if self.bits not in ALAC_DEPTHS:
                raise OutputError(
                    f"alac doesn't hold samples of {self.bits} bits",
                    expected=" or ".join(map(str, ALAC_DEPTHS)),
                    remedy="choose another depth or format",
                )

    @property
    def facts(self) -> dict[str, object]:
        """What a file's content depends on, for `MadeFrom`; what wasn't chosen isn't in it."""
        return {"bits": self.bits} | ({"codec": self.codec} if self.codec else {})

    def depth_for(self, suffix: str) -> int | None:
        """Return the bits per sample of ALAC, where it is that; else those that were chosen."""
        return self.bits or (USUAL_DEPTH[suffix] if self.codec_for(suffix) == "alac" else None)

    def codec_for(self, suffix: str) -> str | None:
        """Return the codec of a suffix that has several; None where its format has one."""
        return self.codec or USUAL_CODEC[suffix] if suffix in USUAL_CODEC else None
