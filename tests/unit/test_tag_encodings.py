"""Tags in the encodings of the systems that they were written on, whatever their format says."""

import av
import pytest
import soundfile as sf
from mutagen import id3
from mutagen.mp3 import MP3

from streamsep.audio.files.song_tags import read_song_tags
from streamsep.lyrics import find_lyrics
from streamsep.text_encoding import texts_of_tags
from testing.signals import music
from tests.support.cases import one_fast

# What players show of these otherwise: "Íî÷ü", "ÖÜ½ÜÂ×".
TAGS = {
    "cp1251": ["Спокойная ночь", "Кино", "Группа крови"],
    "koi8-r": ["Спокойная ночь", "Кино", "Группа крови"],
    "gb18030": ["月亮代表我的心", "邓丽君", "岛国之情歌"],
    "big5": ["月亮代表我的心", "鄧麗君", "島國之情歌"],
    "shift_jis": ["上を向いて歩こう", "坂本九"],
    "euc_kr": ["사랑을 했다", "아이콘"],
    "cp1253": ["Τα παιδιά του Πειραιά", "Μελίνα Μερκούρη"],
    "cp1250": ["Żółta łódź", "Ktoś"],
    "utf-8": ["Motörhead", "Überdose"],
}
RIGHT = [
    ["Motörhead", "Überdose"],
    ["Café del Mar", "José Padilla"],
    ["Ágætis byrjun", "Sigur Rós"],
    ["Señorita", "Año Nuevo"],
    ["Für Elise", "Ludwig van Beethoven", "№ 25"],
    ["Ночь", "Кино"],  # no bytes can be behind these
    ["Live at 30°", "½"],
    ["plain", ""],
]


def mislabelled(texts, encoding):
    return [text.encode(encoding).decode("latin-1") for text in texts]


@pytest.mark.parametrize("encoding", one_fast(TAGS))
def test_what_calls_itself_latin_1_is_what_its_letters_are(encoding):
    texts, found = texts_of_tags(mislabelled(TAGS[encoding], encoding))
    assert texts == TAGS[encoding]
    assert found is not None


@pytest.mark.parametrize("encoding", one_fast([name for name in TAGS if name != "utf-8"]))
def test_bytes_that_are_no_utf_8_are_too(encoding):
    bad = [text.encode(encoding).decode("utf-8", "surrogateescape") for text in TAGS[encoding]]
    assert texts_of_tags(bad)[0] == TAGS[encoding]


@pytest.mark.parametrize("texts", RIGHT)
def test_texts_that_are_right_stay(texts):
    assert texts_of_tags(texts) == (texts, None)


@pytest.fixture
def tagged(tmp_path):
    """An MP3 whose tags say Latin-1, and are Russian and Chinese."""
    path = tmp_path / "song.mp3"
    sf.write(path, music(0.5).T, 44_100)
    file = MP3(path)
    file.add_tags()
    title, artist, _ = mislabelled(TAGS["cp1251"], "cp1251")
    file.tags.add(id3.TIT2(encoding=0, text=title))
    file.tags.add(id3.TPE1(encoding=0, text=artist))
    file.save(v2_version=3)
    return path


@pytest.mark.parametrize("form", one_fast(["wav", "flac", "mp3", "m4a", "ogg"]))
def test_stems_get_them_as_they_are_meant_and_a_line_says_so(command, tagged, half_model, form):
    done = command("separate", tagged, "--format", form, "--model", half_model)
    assert done.code == 0, done.stderr
    with av.open(str(tagged.with_suffix(f".beat.{form}"))) as container:
        found = {**container.streams.audio[0].metadata, **container.metadata}
    found = {key.lower(): text for key, text in found.items()}
    assert (found["title"], found["artist"]) == ("Спокойная ночь", "Кино")
    assert done.stderr.count("its tags are read as cp1251, by their letters") == 1


def test_a_library_shows_them_too(tagged):
    assert read_song_tags(tagged)[:2] == ("Спокойная ночь", "Кино")


def test_the_words_of_sylt_are_read_together(tagged):
    """One line alone has too few letters to tell."""
    lines = ["Спокойная ночь", "Крыши домов дрожат", "под тяжестью дней", "А я", "я"]
    pieces = [(text, 1_000 * at) for at, text in enumerate(mislabelled(lines, "cp1251"))]
    file = MP3(tagged)
    file.tags.add(id3.SYLT(encoding=0, lang="rus", format=2, type=1, desc="", text=pieces))
    file.save()
    said = []
    found = find_lyrics(tagged, say=said.append)
    assert [line.text for line in found.lyrics.lines] == lines
    assert said == ["the lyrics in SYLT of song.mp3 are read as cp1251, by their letters"]
