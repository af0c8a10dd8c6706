"""Pictures of the party's pages for docs/, from a real browser: python tools/party_pages.py.

Plays chords under made-up titles to nowhere, joins as the host and shows each page in it.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from testing.browser import PHONE, WALL, page
from testing.party import PartyRun
from testing.servers import wait_until
from testing.signals import music
from testing.singing import sing

DOCS = Path(__file__).parents[1] / "docs"
RATE = 44_100
SONGS = (
    ("The Paper Boats", "Lanterns on the Water"),
    ("Ida & the Night Bus", "Last Stop, Harbour"),
    ("Grünes Licht", "Über die Brücke"),
    ("Marble Arcade", "Insert Coin"),
    ("Sóley Vik", "Norðurljós"),
    ("The Paper Boats", "Slow Tide"),
    ("周末电台", "海边的灯"),
    ("Kaffe Klub", "Two Sugars"),
)
WORDS = (
    (1, "We set our little lights afloat"),
    (6, "Lanterns on the water, carry me home"),
    (14, "Every wish a paper boat"),
    (20, "Every wave a stepping stone"),
)


def make_songs(folder: Path) -> None:
    """Write the songs, and words for the first one."""
    for number, (artist, title) in enumerate(SONGS):
        with sf.SoundFile(folder / f"{number}.flac", "w", RATE, 2) as file:
            file.title, file.artist = title, artist
            file.write(np.tile(0.3 * music(18.0, seed=number).T, (10, 1)) + voice(number)[:, None])
    lines = []
    for start, text in WORDS:
        words = text.split()
        marks = [f"<00:{start + 0.6 * n:05.2f}>{word}" for n, word in enumerate(words)]
        lines.append(f"[00:{start:02}.00]{' '.join(marks)}")
    (folder / "0.lrc").write_text("\n".join(lines))


def voice(seed: int) -> np.ndarray:
    """Three minutes of somebody who sings, (N,)."""
    return np.tile(sing(seconds=18.0, seed=seed), 10)


def add(phone, singer: str, query: str) -> None:
    """Put the one song that a query finds into the queue."""
    phone.press("[data-view=songs]")
    phone.type("#singer", singer)
    phone.type("#query", query)
    wait_until(lambda: _only(phone.text("#results .title"), query), query)
    phone.press("#results button")
    phone.shows("#notice", singer)


def _only(found: str, query: str) -> bool:
    return query in found.casefold() and any(found == title for _, title in SONGS)


def shot(shown, path: Path) -> Path:
    """Take a picture when what is told at the top has gone."""
    wait_until(lambda: not shown.text("#notice"), "no notice")
    shown.driver.save_screenshot(str(path))
    return path


def main() -> None:
    """Write docs/phone.png and docs/wall.png."""
    with tempfile.TemporaryDirectory() as name:
        folder, songs = Path(name), Path(name) / "songs"
        songs.mkdir()
        make_songs(songs)
        sf.write(folder / "singer.wav", 0.5 * voice(99), RATE)
        options = ["--output", "null", "--port", "0", "--cache-size", "0", "--model", "live"]
        options += ["--mic", str(folder / "singer.wav"), "--voice-effects", "off"]
        with (
            PartyRun(folder, songs, *options) as party,
            page(PHONE) as phone,
            page(WALL) as wall,
        ):
            wall.open(party.address("screen"))
            wall.shows("#address", "http")
            invited = shot(wall, folder / "invited.png")
            phone.open(party.address("host"))
            for singer, query in (("Mara", "lanterns"), ("Tom", "coin"), ("Mara", "sugars")):
                add(phone, singer, query)
            add(phone, "Jón", "norð")
            phone.clear("#query")
            wait_until(lambda: phone.count("#results li") == len(SONGS), "all songs")
            pictures = [shot(phone, folder / "1.png")]
            phone.press("[data-view=queue]")
            pictures.append(shot(phone, folder / "2.png"))
            phone.press("[data-view=playing]")
            phone.slide("#guide", 20)
            pictures.append(shot(phone, folder / "3.png"))
            phone.press("#restart")
            wall.shows("#line .sung", "carry")
            sung = shot(wall, folder / "sung.png")
            phone.dark()
            pictures.append(shot(phone, folder / "4.png"))
            side_by_side(pictures, DOCS / "phone.png", 24)
            side_by_side([invited, sung], DOCS / "wall.png", 24, height=540)


def side_by_side(paths: list[Path], target: Path, gap: int, height: int = 900) -> None:
    """Join pictures into one, on nothing."""
    pictures = [Image.open(path).convert("RGBA") for path in paths]
    pictures = [p.resize((p.width * height // p.height, height)) for p in pictures]
    width = sum(p.width for p in pictures) + gap * (len(pictures) - 1)
    joined = Image.new("RGBA", (width, height))
    left = 0
    for picture in pictures:
        joined.paste(picture, (left, 0))
        left += picture.width + gap
    joined.quantize(128, dither=Image.Dither.NONE).save(target, optimize=True)


if __name__ == "__main__":
    main()
