"""Subtitles of one container as another holds them: their text, with few of its ornaments."""

from __future__ import annotations

import re

# By FFmpeg's names: codecs whose packets are text, and what each video format has of them.
TEXT_CODECS = ("subrip", "srt", "text", "mov_text", "webvtt", "ass", "ssa")
CODEC_OF = {
    ".mp4": "mov_text",
    ".m4v": "mov_text",
    ".mov": "mov_text",
    ".mkv": "subrip",
    ".webm": "webvtt",
}
# What FFmpeg's encoders want to know of looks.
HEADER = b"""[Script Info]
ScriptType: v4.00+
PlayResX: 384
PlayResY: 288

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, \
Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
ASS_FIELDS = 8  # before the text, in Matroska's packets
TAG, OVERRIDE = re.compile(r"</?[^<>]{1,80}>"), re.compile(r"\{[^{}]*\}")


def text_of(payload: bytes, codec: str) -> str:
    """Return the text of a packet."""
    if codec == "mov_text":
        size = int.from_bytes(payload[:2], "big")
        payload = payload[2 : 2 + size]
    text = payload.decode("utf-8", "replace")
    if codec in ("ass", "ssa"):
        text = text.split(",", ASS_FIELDS)[-1]
        text = OVERRIDE.sub("", text).replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    return text.replace("\r\n", "\n").strip("\n\0")


def payload_of(text: str, codec: str) -> bytes:
    """Return the packet of a text; those of MP4 and WebVTT have no tags in them."""
    if codec == "subrip":
        return text.encode()
    plain = TAG.sub("", text).encode()
    return len(plain).to_bytes(2, "big") + plain if codec == "mov_text" else plain
