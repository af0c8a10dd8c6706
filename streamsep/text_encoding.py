"""From the bytes of a text file to its text: by what it says of itself, or by its letters."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import NamedTuple

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# UltraStar's header of it, in any encoding that has ASCII in it.
HEADER = re.compile(rb"^\s*#\s*ENCODING\s*:\s*([\w.-]+)", re.IGNORECASE | re.MULTILINE)
# What most programs of the West write that don't write UTF-8.
WESTERN = "cp1252"
STAMP = re.compile(rb"[\[<]\d[^\]>]*[\]>]")
# Letters that languages have besides a to z, with a byte for each: a text that has those of one
# language alone, and no others, is in it. The likelier ones first.
WEST = (
    *("äöüß", "éèêëàâçîïôûùüÿœæ", "áéíóúüñ", "áâãàçéêíóôõúü", "àèéìíòóùú", "åäöé", "æøåéö"),
    "ëïéèöüáóç",
)
MIDDLE = ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîşţ")
LANGUAGES = {
    WESTERN: WEST,
    "cp1250": MIDDLE,
    "iso8859_2": MIDDLE,
    "cp1254": ("çğıöşüâî",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž"),
    "cp850": WEST,
    "mac_roman": WEST,
    "cp852": MIDDLE,
    "mac_latin2": MIDDLE,
}
INNER_CAPITAL = re.compile("[a-z][À-ÖØ-ÞĂĆČĎĐĘĚŁŃŇŐŒŘŚŠŞŢŤŮŰŸŹŻŽ]")  # as no word has
MARKS = set("’‘“”„–—…«»´°¡¿")
MOSTLY_ASCII = 0.35  # share of other bytes among the letters, at most: each letter has one byte
HALF_ASCII = 0.65  # likewise, where it has the letters of one language alone
FEW = 6  # bytes beyond ASCII that say little
FEW_OF_TAGS = 3
FEW_OF_KANA = 8  # letters
# Encodings that such a text isn't in.
SEVERAL_BYTES = (
    *("big5", "big5hkscs", "cp932", "cp949", "cp950", "euc_jis_2004", "euc_jisx0213"),
    *("euc_jp", "euc_kr", "gb18030", "gb2312", "gbk", "johab", "shift_jis", "shift_jis_2004"),
    *("shift_jisx0213", "utf_16", "utf_16_be", "utf_16_le", "utf_32"),
)
# Encodings in ASCII with marks of where something else begins.
ESCAPED = (
    (re.compile(rb"\x1b\$\)C"), "iso2022_kr"),
    (re.compile(rb"\x1b[$(]"), "iso2022_jp_ext"),
    (re.compile(rb"~\{(?:[\x21-\x7d][\x21-\x7e])+~\}"), "hz"),
)
# What Python calls encodings too, and no program writes texts in.
NO_TEXTS = ("idna", "punycode", "unicode-escape", "raw-unicode-escape")
GOOD_OF_BAD = 2  # letters of UTF-8 for each that is broken, at least, in what is still UTF-8
KANA = {chr(code) for code in range(0x3041, 0x30FB)}
KOI8_SMALL = range(0xC0, 0xE0)
KOI8_CAPITALS = re.compile(rb"(?<![\xc0-\xff])[\xe0-\xff][\xc0-\xdf]{2}")
HEBREW = range(0xE0, 0xFB)  # letters in Windows-1255; Cyrillic and Greek go on to the end


class DecodedText(NamedTuple):
    """A text, its encoding, and how that is known: "given", "said", "usual", "found" or "broken".

    What is broken has U+FFFD for what couldn't be read.
    """

    text: str
    encoding: str
    known: str


def decode_text(content: bytes, encoding: str | None = None) -> DecodedText | None:
    """Return the text of a file, or None of what is none.

    Parameters
    ----------
    content
        The file.
    encoding
        What it is, by a name that Python knows.  [default: what its first bytes or its header
        say, or UTF-8, or what its letters look like]

    Raises
    ------
    LookupError
        If there is no such encoding.
    """
    if encoding is not None:
        if not is_encoding(encoding):
            raise LookupError(encoding)
        return _decoded(content, encoding, "given")
    for mark, name in BOMS:
        if content.startswith(mark):
            return _decoded(content, name, "usual" if name == "utf-8-sig" else "said")
    if header := HEADER.search(content):
        name = header[1].decode("ascii", "replace")
        if is_encoding(name) and (text := _decoded(content, name, "said")) is not None:
            return text
    for pattern, name in ESCAPED if content.isascii() else ():
        if pattern.search(content) and (text := _decoded(content, name, "found")) is not None:
            return text
    return _decoded(content, "utf-8", "usual") or _broken_utf_8(content) or _by_letters(content)


def _broken_utf_8(content: bytes) -> DecodedText | None:
    """Return a text of UTF-8 that has lost some bytes, or got some of another encoding."""
    text = content.decode("utf-8", "replace").strip("\ufeff\0")
    bad = text.count("\ufffd")
    good = sum(letter >= "\x80" for letter in text) - bad
    if "\0" in text or good < GOOD_OF_BAD * bad:
        return None
    return DecodedText(text, "utf-8", "broken")


def _by_letters(content: bytes) -> DecodedText | None:
    for name in _likely(content):
        text = _decoded(content, name, "found")
        if text is not None:
            return text
    return None


def texts_of_tags(texts: Sequence[str]) -> tuple[list[str], str | None]:
    """Return the texts of one file's tags as their letters say, and in which encoding they are.

    Old formats name none, and many programs write their system's where the format says Latin-1.
    Whoever reads that makes a letter of Latin-1 of each byte, or a surrogate where it expects
    UTF-8.

    Parameters
    ----------
    texts
        As they were read.

    Returns
    -------
    texts, encoding
        None where they are what they say; what can't be told is taken for Western.
    """
    contents = [_bytes_behind(text) for text in texts]
    name = _encoding_of_tags(b"\n".join(content for content in contents if content is not None))
    read, changed = [], False
    for text, content in zip(texts, contents, strict=True):
        if content is not None and (name is not None or not _is_text(text)):
            decoded = content.decode(name or WESTERN, "replace")
            text, changed = decoded, changed or decoded != text
        read.append(text)
    return read, (name or WESTERN) if changed else None


def _bytes_behind(text: str) -> bytes | None:
    """Return the bytes that a text was made of, if its letters may be wrong."""
    if text.isascii():
        return None
    try:
        is_text = _is_text(text)
        return text.encode("latin-1") if is_text else text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return None


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _encoding_of_tags(content: bytes) -> str | None:
    """Return the encoding of a few words, None where that of the West is as likely as others."""
    if _decoded(content, "utf-8", "usual") is not None:
        return "utf-8" if content else None
    high = sum(byte >= 0x80 for byte in content)
    plain = sum(byte < 0x80 and chr(byte).isalpha() for byte in content)
    if high < FEW_OF_TAGS:
        return None
    if high < MOSTLY_ASCII * (high + plain):
        return next(iter(_latin(content)), None)
    found = _by_letters(content)
    return found.encoding if found is not None else None


def _likely(content: bytes) -> list[str]:
    """Return encodings that a text without any word of it may be in, the likeliest first."""
    from charset_normalizer import from_bytes

    if b"\0" in content:
        return ["utf-16-le" if content.find(b"\0") % 2 else "utf-16-be"]
    words = STAMP.sub(b" ", content)  # stamps say nothing, and are most of what is ASCII
    high = sum(byte >= 0x80 for byte in words)
    plain = sum(byte < 0x80 and chr(byte).isalpha() for byte in words)
    mostly_ascii = high < MOSTLY_ASCII * (high + plain) or high < FEW
    matches = [m for m in from_bytes(words) if not (mostly_ascii and m.encoding in SEVERAL_BYTES)]
    names = [match.encoding for match in matches]
    if names and WESTERN in matches[0].could_be_from_charset:
        names.insert(0, WESTERN)  # which is the same text
    latin = _latin(words) if mostly_ascii or high < HALF_ASCII * (high + plain) else []
    if latin:
        # Two may be meant: õ in Portuguese, and what looks alike in Hungarian.
        as_found = names and names[0] in latin and high >= FEW
        names.insert(0, names[0] if as_found else latin[0])
    if japanese := _japanese(words):
        names.insert(0, japanese)
    elif _is_hebrew(words):
        names.insert(0, "cp1255")
    elif _is_koi8(words):
        names.insert(0, "koi8_u")  # which has all of KOI8-R's letters
    return [*names, WESTERN]


def _latin(words: bytes) -> list[str]:
    """Return the encodings in which a text has the letters of one language that we know."""
    found = []
    for name, alphabets in LANGUAGES.items():
        text = words.decode(name, "replace")
        if INNER_CAPITAL.search(text):
            continue
        others = {letter for letter in text.lower() if ord(letter) >= 0x80} - MARKS
        if others and any(others <= set(alphabet) for alphabet in alphabets):
            found.append(name)
    return found


def _japanese(words: bytes) -> str | None:
    """Return the encoding in which much of a text are kana, which Chinese and Korean have not."""
    for name in ("euc_jp", "cp932"):
        text = _decoded(words, name, "found")
        letters = [letter for letter in text.text if letter >= "\x80"] if text is not None else []
        kana = sum(letter in KANA for letter in letters)
        if len(letters) >= FEW_OF_KANA and kana > len(letters) // 3:
            return name
    return None


def _is_hebrew(words: bytes) -> bool:
    letters = [byte for byte in words if byte >= 0x80 or chr(byte).isalpha()]
    hebrew = sum(byte in HEBREW for byte in letters)
    return hebrew >= 12 and hebrew > 0.9 * len(letters)


def _is_koi8(words: bytes) -> bool:
    """Say whether a text is Russian in KOI8-R, where capitals come after the small letters."""
    high = [byte for byte in words if byte >= 0x80]
    small, capital = sum(byte in KOI8_SMALL for byte in high), KOI8_CAPITALS.findall(words)
    return len(high) >= 12 and small > 0.8 * len(high) and bool(capital)


def is_encoding(name: str) -> bool:
    """Say whether a text may be in what is called so."""
    try:
        b"a".decode(name)
    except (LookupError, ValueError):  # of no encoding, of one of bytes, and of what is no name
        return False
    return codecs.lookup(name).name not in NO_TEXTS


def _decoded(content: bytes, encoding: str, known: str) -> DecodedText | None:
    try:
        text = content.decode(encoding)
    except UnicodeError:
        return None
    text = text.lstrip("\ufeff").rstrip("\0")
    # As in UTF-16 that is taken for something else, and in what is no text.
    return None if "\0" in text else DecodedText(text, codecs.lookup(encoding).name, known)
