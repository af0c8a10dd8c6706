"""Lyrics files of both kinds, written here, and what is sung when."""

from pathlib import Path

import pytest

from streamsep.errors import LyricsError
from streamsep.lyrics import Line, load_lyrics, parse_lyrics


def lines(*rows: str) -> list[tuple[float, str]]:
    parsed = parse_lyrics("\n".join(rows), "song")
    # Times are sums of decimal fractions: a microsecond is far below what a file can say.
    return [(round(line.start_s, 6), line.text) for line in parsed.lines]


class TestLrc:
    def test_lines_and_tags_that_are_no_times(self):
        assert lines(
            "[ar:Nobody]", "[length:0:30]", "", "[00:01.50]First", "[01:02]Second  line ", "no time"
        ) == [(1.5, "First"), (62.0, "Second line")]

    @pytest.mark.parametrize(
        ("stamp", "seconds"),
        [
            ("0:07", 7.0),
            ("00:07.5", 7.5),
            ("00:07.05", 7.05),
            ("00:07.005", 7.005),
            ("00:07:05", 7.05),
            ("100:00.00", 6_000.0),
        ],
    )
    def test_ways_to_write_a_time(self, stamp, seconds):
        assert lines(f"[{stamp}]la") == [(seconds, "la")]

    def test_a_time_beyond_all_songs_is_none(self):
        assert lines(f"[{'9' * 400}:00]la", "[00:01]lu") == [(1.0, "lu")]

    def test_a_line_sung_several_times(self):
        assert lines("[00:10.00][00:30.00] Chorus", "[00:20.00]Verse") == [
            (10.0, "Chorus"),
            (20.0, "Verse"),
            (30.0, "Chorus"),
        ]

    @pytest.mark.parametrize(
        ("tag", "seconds"),
        [
            ("[offset:+500]", 9.5),
            ("[offset: -500]", 10.5),
            ("[OFFSET:250]", 9.75),
            ("[offset:]", 10.0),
        ],
    )
    def test_a_positive_offset_is_sooner(self, tag, seconds):
        assert lines("[00:10.00]la", tag) == [(seconds, "la")]

    def test_words_with_times(self):
        (line,) = parse_lyrics("[00:12.00] <00:12.50> When <00:13.00> the moon", "song").lines
        assert line == Line(12.0, "When the moon", ((12.5, 0), (13.0, 5)))
        assert [line.sung(t) for t in (12.0, 12.5, 12.9, 13.0)] == [0, 5, 5, 13]

    def test_words_before_the_first_tag_begin_with_the_line(self):
        (line,) = parse_lyrics("[00:12.00]When <00:13.00>the <00:14.00>", "song").lines
        assert line == Line(12.0, "When the", ((12.0, 0), (13.0, 5)))

    def test_words_of_a_repeated_line_move_with_it(self):
        again = parse_lyrics("[00:10.00][00:30.00]la <00:11.00>lu", "song").lines[1]
        assert again == Line(30.0, "la lu", ((30.0, 0), (31.0, 3)))

    def test_the_offset_moves_words_too(self):
        (line,) = parse_lyrics("[offset:-1000]\n[00:10.00]la <00:11.00>lu", "song").lines
        assert line == Line(11.0, "la lu", ((11.0, 0), (12.0, 3)))


ULTRASTAR = """#TITLE:Song
#BPM:150
#GAP:2000
: 0 4 0 Hel
: 4 4 2 lo
* 10 4 0  world
- 20
F 30 2 0 Sec
R 34 2 0 ~
G 38 2 0 ond
E
: 50 1 0 after the end
"""  # a beat is 60 / 150 / 4 = 0.1 s


class TestUltraStar:
    def test_syllables_become_words_and_breaks_lines(self):
        first, second = parse_lyrics(ULTRASTAR, "song").lines
        assert (first.text, second.text) == ("Hello world", "Second")
        times = [(round(t, 6), index) for t, index in first.words]
        assert times == [(2.0, 0), (2.4, 3), (3.0, 6)]
        assert (round(first.start_s, 6), round(second.start_s, 6)) == (2.0, 5.0)

    def test_spaces_after_words_are_as_good_as_before(self):
        assert lines("#BPM:150", ": 0 1 0 one ", ": 2 1 0 two", "- 4 ") == [(0.0, "one two")]

    def test_a_comma_in_numbers_and_a_negative_gap(self):
        assert lines("#BPM:187,5", "#GAP:-500", ": 100 1 0 la") == [(7.5, "la")]

    def test_relative_beats_count_from_the_line(self):
        assert lines(
            "#BPM:150",
            "#GAP:1000",
            "#RELATIVE:yes",
            ": 0 4 0 one",
            "- 6 10",
            ": 0 4 0 two",
            "- 5 8",
            ": 2 4 0 three",
        ) == [(1.0, "one"), (2.0, "two"), (3.0, "three")]

    def test_without_the_header_a_break_s_second_number_says_nothing(self):
        assert lines("#BPM:150", ": 0 4 0 one", "- 6 10", ": 12 4 0 two") == [
            (0.0, "one"),
            (1.2, "two"),
        ]

    def test_the_voices_of_a_duet_are_told_in_time(self):
        assert lines(
            "#BPM:150",
            "#RELATIVE:yes",
            "P1",
            ": 0 1 0 one",
            "- 10 20",
            ": 0 1 0 three",
            "P2",
            ": 10 1 0 two",
            "- 20 30",
            ": 0 1 0 four",
        ) == [(0.0, "one"), (1.0, "two"), (2.0, "three"), (3.0, "four")]

    @pytest.mark.parametrize(
        ("rows", "complaint"),
        [
            ([": 0 4 0 la"], "the #BPM of song is 'missing'"),
            (["#BPM:fast", ": 0 4 0 la"], "the #BPM of song is 'fast'"),
            (["#BPM:0", ": 0 4 0 la"], "the #BPM of song is '0'"),
            (["#BPM:1e-320", ": 0 4 0 la"], "the #BPM of song is '1e-320'"),
            (["#BPM:100", "#GAP:x", ": 0 4 0 la"], "the #GAP of song is 'x'"),
            (["#BPM:100", "#GAP:inf", ": 0 4 0 la"], "the #GAP of song is 'inf'"),
            (["#BPM:nan", ": 0 4 0 la"], "the #BPM of song is 'nan'"),
            (
                ["#BPM:100", ": 0 4 0 la", f": {'9' * 400} 4 0 la"],
                f"line 3 of song is no UltraStar note: ': {'9' * 58}…'",
            ),
            (
                ["#BPM:100", ": 0 4 0 la", ": zero 4 0 la"],
                "line 3 of song is no UltraStar note: ': zero 4 0 la'",
            ),
            (["#BPM:100", ": 0 4 0 la", "- later"], "line 3 of song is no UltraStar note"),
            (["#BPM:100", "E"], "song has no time stamps"),
        ],
    )
    def test_what_makes_no_sense_is_named(self, rows, complaint):
        with pytest.raises(LyricsError) as raised:
            lines(*rows)
        assert raised.value.what.startswith(complaint)


class TestFiles:
    def test_plain_text_has_no_time_stamps(self, tmp_path):
        (tmp_path / "song.txt").write_text("Only words\n[Chorus]\nand words")
        with pytest.raises(LyricsError, match=r"song.txt has no time stamps; expected LRC lines"):
            load_lyrics(tmp_path / "song.txt")

    def test_an_offset_that_is_no_number(self):
        with pytest.raises(LyricsError, match=r"offset in line 2 of song is 'soon'"):
            parse_lyrics("[00:01.00]la\n[offset:soon]", "song")

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
    def test_encodings(self, tmp_path, encoding):
        (tmp_path / "song.lrc").write_bytes("[00:01.00]Füße\r\n".encode(encoding))
        assert load_lyrics(tmp_path / "song.lrc").lines == (Line(1.0, "Füße"),)

    @pytest.mark.parametrize("content", [b"[00:01.00]\0\x01\x02", b"\xff\xfe\0"])
    def test_what_is_no_text_is_refused(self, tmp_path, content):
        (tmp_path / "song.lrc").write_bytes(content)
        with pytest.raises(LyricsError) as raised:
            load_lyrics(tmp_path / "song.lrc")
        assert "song.lrc is no text" in raised.value.what
        assert raised.value.settings == ("lyrics_encoding",)

    def test_control_characters_don_t_reach_the_terminal(self):
        assert lines("[00:01.00]la\x1b[2J\tlu\x07") == [(1.0, "la[2J lu")]

    def test_missing_and_unreadable(self, tmp_path):
        with pytest.raises(LyricsError, match=r"none.lrc can't be read \(No such file"):
            load_lyrics(tmp_path / "none.lrc")
        with pytest.raises(LyricsError, match=r"can't be read \(Is a directory\)"):
            load_lyrics(tmp_path)


SUNG = {
    "gb18030": ["月亮代表我的心", "你问我爱你有多深", "我爱你有几分"],
    "big5": ["月亮代表我的心", "你問我愛你有多深", "我愛你有幾分"],
    "shift_jis": ["上を向いて歩こう", "涙がこぼれないように"],
    "shift_jis kana": ["夜空に響く歌声は", "あなたに届きますように", "カラオケで歌おう"],
    "euc_jp": ["上を向いて歩こう", "涙がこぼれないように"],
    "euc_kr": ["사랑을 했다 우리가 만나", "지우지 못할 추억이 됐다"],
    "cp1251": ["Расцветали яблони и груши", "Поплыли туманы над рекой"],
    "koi8_r": ["Расцветали яблони и груши", "Поплыли туманы над рекой"],
    "cp1250": ["Jeszcze Polska nie zginęła", "Kiedy my żyjemy", "Szablą odbierzemy"],
    "iso8859_2": ["Jeszcze Polska nie zginęła", "Kiedy my żyjemy", "Szablą odbierzemy"],
    "cp1250 cs": ["Kde domov můj, kde domov můj", "Voda hučí po lučinách"],
    "cp1250 hu": ["Isten, áldd meg a magyart", "Jó kedvvel, bőséggel", "Nyújts feléje védő kart"],
    "cp1252 de": ["Über den Wolken muss die Freiheit", "wohl grenzenlos sein", "Alle Ängste"],
    "cp1252 fr": ["Non, rien de rien", "Je me fous du passé", "C'est payé, balayé, oublié"],
    "cp1252 es": ["El niño de la mañana", "corazón, canción"],
    "cp1252 sv": ["Du gamla, du fria, du fjällhöga nord", "du glädjerika sköna"],
    "cp1253": ["Σε γνωρίζω από την κόψη", "του σπαθιού την τρομερή"],
    "cp1254": ["Korkma, sönmez bu şafaklarda", "yüzen al sancak, ışığı görürsün"],
    "cp1255": ["כל עוד בלבב פנימה", "נפש יהודי הומיה"],
    "cp1256": ["والله زمان يا سلاحي", "اشتقت لك في كفاحي"],
    "cp1257": ["Lietuva, Tėvyne mūsų", "Tu didvyrių žeme"],
    "cp874": ["ประเทศไทยรวมเลือดเนื้อ", "ชาติเชื้อไทย"],
    "koi8_u": ["Ще не вмерла України", "і слава, і воля"],
    "iso2022_jp": ["上を向いて歩こう", "涙がこぼれないように"],
    "hz": ["月亮代表我的心", "你问我爱你有多深"],
    "cp850 de": ["Über sieben Brücken mußt du gehn", "Sieben dunkle Jahre überstehn"],
    "mac_roman de": ["Über sieben Brücken mußt du gehn", "Sieben dunkle Jahre überstehn"],
    "mac_roman fr": ["Non, je ne regrette rien", "C'est payé, balayé, oublié"],
    # Half of whose letters aren't ASCII.
    "iso8859_2 pl": ["Zażółć gęślą jaźń", "Pójdę boso przez świat"],
    "iso8859_2 cs": ["Žluťoučký kůň", "příšerně úpěl ďábelské ódy"],
}

NO_ENCODINGS = ("rot13", "hex", "zlib", "idna", "unicode_escape", "undefined")


class TestEncodings:
    """Lyrics of songs that everybody there knows, as programs there wrote them."""

    @pytest.mark.parametrize("name", SUNG)
    def test_what_says_nothing_of_itself_is_told_by_its_letters(self, tmp_path, name):
        rows = [f"[00:{10 + i}.00]{line}" for i, line in enumerate(SUNG[name])]
        path, told = tmp_path / "song.lrc", []
        path.write_bytes("\r\n".join(rows).encode(name.split()[0]))
        lyrics = load_lyrics(path, say=told.append)
        assert [line.text for line in lyrics.lines] == SUNG[name]
        (line,) = told
        assert str(path) in line

    @pytest.mark.parametrize("header", ["CP1250", "cp1250", "Windows-1250"])
    def test_what_ultrastar_s_header_says_is_believed(self, tmp_path, header):
        text = f"#ENCODING:{header}\n#BPM:150\n: 0 1 0 Ząb\n"
        (tmp_path / "song.txt").write_bytes(text.encode("cp1250"))
        told = []
        (line,) = load_lyrics(tmp_path / "song.txt", say=told.append).lines
        assert line.text == "Ząb"
        assert "as it says" in told[0]

    def test_a_header_that_isn_t_true_is_passed_over(self, tmp_path):
        text = "#ENCODING:ASCII\n#BPM:150\n: 0 1 0 Füße\n"
        (tmp_path / "song.txt").write_bytes(text.encode())
        (line,) = load_lyrics(tmp_path / "song.txt").lines
        assert line.text == "Füße"

    def test_what_the_user_says_comes_first(self, tmp_path):
        path = tmp_path / "song.lrc"
        path.write_bytes("[00:01.00]Ящик".encode("cp866"))
        told = []
        (line,) = load_lyrics(path, encoding="cp866", say=told.append).lines
        assert (line.text, told) == ("Ящик", [])
        with pytest.raises(LyricsError, match="no encoding is called 'klingon'"):
            load_lyrics(path, encoding="klingon")

    @pytest.mark.parametrize(
        "name", ["rot13", "hex", "zlib", "idna", "unicode_escape", "undefined"]
    )
    def test_what_is_no_encoding_of_texts_is_none(self, tmp_path, name):
        path = tmp_path / "song.txt"
        path.write_text(f"#ENCODING:{name}\n#BPM:150\n: 0 1 0 Füße\n", encoding="utf-8")
        (line,) = load_lyrics(path).lines
        assert line.text == "Füße"
        with pytest.raises(LyricsError, match=f"no encoding is called '{name}'"):
            load_lyrics(path, encoding=name)

    @pytest.mark.parametrize("lost", range(1, 8))
    def test_utf_8_with_a_hole_stays_utf_8(self, tmp_path, lost):
        rows = "\n".join(f"[00:{10 + i}.00]{line}" for i, line in enumerate(SUNG["gb18030"]))
        content, told = rows.encode(), []
        at = content.index("亮".encode())
        (tmp_path / "song.lrc").write_bytes(content[:at] + content[at + lost :])
        first, *others = (
            line.text for line in load_lyrics(tmp_path / "song.lrc", say=told.append).lines
        )
        assert others == SUNG["gb18030"][1:]
        assert first.endswith("我的心")
        assert lost % 3 == 0 or "some of its letters are broken" in told[0]

    @pytest.mark.parametrize(("before", "after"), [("\ufeff\ufeff", ""), ("", "\0\0\0")])
    def test_what_is_no_part_of_a_text_isn_t_shown(self, tmp_path, before, after):
        (tmp_path / "song.lrc").write_text(f"{before}[00:01.00]月亮{after}", encoding="utf-8")
        (line,) = load_lyrics(tmp_path / "song.lrc").lines
        assert line.text == "月亮"

    def test_a_text_without_an_end_is_refused(self):
        with pytest.raises(LyricsError, match="have more than 4,194,304 bytes"):
            load_lyrics(Path("/dev/zero"))

    def test_utf_8_needs_no_word(self, tmp_path):
        told = []
        (tmp_path / "song.lrc").write_text("[00:01.00]月亮", encoding="utf-8")
        load_lyrics(tmp_path / "song.lrc", say=told.append)
        assert told == []


def test_now_and_next():
    lyrics = parse_lyrics("[00:10.00]one\n[00:20.00]\n[00:30.00]two <00:31.00>words", "song")
    before, first, pause, last = (lyrics.at(t) for t in (4.0, 10.0, 25.0, 30.5))
    assert (before.current, before.next, before.wait_s) == ("", "one", 6.0)
    assert (first.current, first.sung, first.next, first.wait_s) == ("one", 3, "two words", 20.0)
    assert (pause.current, pause.next, pause.wait_s) == ("", "two words", 5.0)
    assert (last.current, last.sung, last.next, last.wait_s) == ("two words", 4, "", None)
