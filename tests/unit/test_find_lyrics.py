"""Lyrics found by themselves: beside the song and in its tags, as real programs write them."""

import json
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf
from mutagen import File as TaggedFile
from mutagen import id3

from streamsep.errors import LyricsError
from streamsep.lyrics import find_lyrics
from testing.signals import music

LRC = "[00:01.00]one\n[00:02.50]two"
GERMAN = "[00:01.00]Über die Brücken und weißen Straßen\n[00:02.00]schöne Mädchen"
CHINESE = "[00:01.00]月亮代表我的心你问我爱你有多深\n[00:05.00]我爱你有几分我的情也真我的爱也真"
JAPANESE = "[00:01.00]さくら さくら やよいの空は\n[00:05.00]見わたす限り かすみか雲か"


def make_song(path):
    sound = music(0.6)
    if path.suffix != ".m4a":
        sf.write(path, sound.T, 44_100)
        return path
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), "fltp", "stereo")
        frame.sample_rate = 44_100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def tag(path, tags):
    """Give a file tags: ID3 frames, or texts by key."""
    file = TaggedFile(path)
    if file.tags is None:
        file.add_tags()
    for key, value in tags.items() if isinstance(tags, dict) else ():
        file[key] = value
    for frame in () if isinstance(tags, dict) else tags:
        file.tags.add(frame)
    file.save()


def found_in(path, **how):
    """Return lines, their origin, and what was said."""
    said = []
    found = find_lyrics(path, say=said.append, **how)
    if found is None:
        return None, None, said
    return [(line.start_s, line.text) for line in found.lyrics.lines], found.origin, said


@pytest.mark.parametrize("suffix", [".lrc", ".LRC", ".txt", ".TXT"])
def test_a_file_beside_the_song_is_found(tmp_path, suffix):
    (tmp_path / f"song{suffix}").write_text(LRC)
    lines, origin, said = found_in(tmp_path / "song.mp3")
    assert lines == [(1.0, "one"), (2.5, "two")]
    assert (origin, said) == (f"song{suffix}", [])


def test_ultrastar_s_is_found_by_what_is_in_it(tmp_path):
    (tmp_path / "song.txt").write_text("#BPM:150\n: 0 4 0 la\n- 8\n: 10 4 0 lo\n")
    assert found_in(tmp_path / "song.flac")[0] == [(0.0, "la"), (1.0, "lo")]


def test_a_text_that_is_no_lyrics_is_told_and_what_is_in_the_tags_taken(tmp_path):
    song = make_song(tmp_path / "song.flac")
    (tmp_path / "song.txt").write_text("recorded in 1998")
    (tmp_path / "song.lrc").write_bytes(b"\x00" * (1 << 22 | 1))
    tag(song, {"LYRICS": LRC})
    lines, origin, said = found_in(song)
    assert len(lines) == 2
    assert origin == "LYRICS of song.flac"
    assert said[0].endswith("song.lrc have more than 4,194,304 bytes")
    assert said[1].endswith("song.txt has no time stamps")


@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
@pytest.mark.parametrize("key", ["lyrics", "UNSYNCEDLYRICS", "SyncedLyrics"])
def test_vorbis_comments_are_read(tmp_path, suffix, key):
    song = make_song(tmp_path / f"song{suffix}")
    tag(song, {key: CHINESE})
    lines, origin, said = found_in(song)
    assert lines[0] == (1.0, "月亮代表我的心你问我爱你有多深")
    assert origin == f"{key.upper()} of song{suffix}"
    assert said == []


def test_those_of_mp4_are_read(tmp_path):
    song = make_song(tmp_path / "song.m4a")
    tag(song, {"\xa9lyr": LRC})
    assert found_in(song)[:2] == ([(1.0, "one"), (2.5, "two")], "\xa9LYR of song.m4a")


@pytest.mark.parametrize(
    ("encoding", "text"), [("cp1252", GERMAN), ("gb18030", CHINESE), ("shift_jis", JAPANESE)]
)
def test_uslt_that_calls_itself_latin_1_is_what_its_letters_are(tmp_path, encoding, text):
    """As programs write it on a system in that encoding."""
    song = make_song(tmp_path / "song.mp3")
    mislabelled = text.encode(encoding).decode("latin-1")
    tag(song, [id3.USLT(encoding=0, lang="und", desc="", text=mislabelled)])
    expected = [row.split("]")[1] for row in text.splitlines()]
    assert [line for _, line in found_in(song)[0]] == expected
    assert [line for _, line in found_in(song, encoding=encoding)[0]] == expected


def test_a_wrong_guess_can_be_overridden(tmp_path):
    song = make_song(tmp_path / "song.mp3")
    text = "[00:01.00]Ящик".encode("cp866").decode("latin-1")
    tag(song, [id3.USLT(encoding=0, lang="rus", desc="", text=text)])
    assert found_in(song, encoding="cp866")[0] == [(1.0, "Ящик")]
    with pytest.raises(LyricsError, match="no encoding is called 'klingon'"):
        find_lyrics(song, encoding="klingon")


@pytest.mark.parametrize("encoding", [1, 3])
def test_uslt_in_unicode_is_what_it_says(tmp_path, encoding):
    song = make_song(tmp_path / "song.mp3")
    tag(song, [id3.USLT(encoding=encoding, lang="jpn", desc="", text=JAPANESE)])
    assert found_in(song)[0][0] == (1.0, "さくら さくら やよいの空は")


def test_sylt_is_lines_or_syllables(tmp_path):
    song = make_song(tmp_path / "song.mp3")
    plain = [("one", 1_000), ("two", 2_500)]
    tag(song, [id3.SYLT(encoding=3, lang="eng", format=2, type=1, desc="", text=plain)])
    assert found_in(song)[:2] == ([(1.0, "one"), (2.5, "two")], "SYLT of song.mp3")
    sung = [("\nTwin", 500), ("kle", 750), (" star", 1_000), ("\nHow", 2_000), (" I", 2_200)]
    tag(song, [id3.SYLT(encoding=3, lang="eng", format=2, type=1, desc="", text=sung)])
    lyrics = find_lyrics(song).lyrics
    assert [(line.start_s, line.text) for line in lyrics.lines] == [
        (0.5, "Twinkle star"),
        (2.0, "How I"),
    ]
    assert lyrics.at(0.8).sung == len("Twinkle ")


def test_sylt_s_frames_are_those_of_the_file(tmp_path):
    song = make_song(tmp_path / "song.mp3")
    tag(song, [id3.SYLT(encoding=3, lang="eng", format=1, type=1, desc="", text=[("la", 100)])])
    ((start_s, text),) = found_in(song)[0]
    assert (start_s, text) == (pytest.approx(100 * 1_152 / 44_100), "la")


def test_words_without_times_are_told(tmp_path):
    song = make_song(tmp_path / "song.flac")
    tag(song, {"LYRICS": "la la la"})
    lines, _, said = found_in(song)
    assert lines is None
    assert said == ["lyrics not shown: LYRICS of song.flac has no time stamps"]


def test_what_is_too_long_for_a_song_isn_t_read(tmp_path):
    song = make_song(tmp_path / "song.flac")
    tag(song, {"LYRICS": f"{LRC}\n" * 50_000})
    lines, _, said = found_in(song)
    assert lines is None
    assert said == ["lyrics not shown: LYRICS of song.flac has 1,400,000 characters"]


@pytest.mark.parametrize("content", [b"", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + b"\xff" * 200])
def test_what_is_no_song_has_none(tmp_path, content):
    song = tmp_path / "song.mp3"
    song.write_bytes(content)
    assert found_in(song)[0] is None
    assert found_in(tmp_path / "missing.mp3") == (None, None, [])
    assert found_in(Path("\x00.mp3")) == (None, None, [])


class TestLive:
    def live(self, command, song, identity_model, *options):
        done = command(
            *("live", "--input", song, "--output", "null", "--model", identity_model),
            *("--json", "--seconds", 0.2, *options),
        )
        assert done.code == 0, done.stderr
        return done.stderr, json.loads(done.stdout.splitlines()[-1])["lyric"]

    @pytest.mark.slow
    def test_they_are_shown_unasked_and_where_they_are_from_is_said(
        self, command, identity_model, tmp_path
    ):
        song = make_song(tmp_path / "song.wav")
        (tmp_path / "song.lrc").write_text("[00:00.00]la")
        said, shown = self.live(command, song, identity_model)
        assert "lyrics: song.lrc (--lyrics)" in said
        assert shown == "la"
        said, shown = self.live(command, song, identity_model, "--lyrics", "none")
        assert "lyrics" not in said
        assert shown is None

    def test_those_that_are_named_come_first(self, command, identity_model, tmp_path):
        song = make_song(tmp_path / "song.wav")
        (tmp_path / "song.lrc").write_text("[00:00.00]la")
        (tmp_path / "other.lrc").write_text("[00:00.00]lo")
        _, shown = self.live(command, song, identity_model, "--lyrics", tmp_path / "other.lrc")
        assert shown == "lo"
