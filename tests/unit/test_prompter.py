"""Lyrics in time with what is heard."""

from dataclasses import replace
from pathlib import Path

from streamsep.live.prompter import WAITING, Prompter
from streamsep.lyrics import parse_lyrics
from streamsep.realtime.stats import SongPosition
from tests.support.shows import STATS


class TestPrompter:
    LYRICS = parse_lyrics("[00:01.00]one\n[00:02.00]two", "song")

    def at(self, prompter, seconds):
        return prompter.at(replace(STATS, seconds=seconds)).current

    def test_with_a_file_lyrics_wait_for_what_is_heard(self):
        prompter = Prompter(self.LYRICS, from_start=True)
        delay = 1536 / 44_100  # from the session's output to the speakers

        def at(seconds):
            song = SongPosition(Path("song.wav"), seconds, None, paused=False)
            return prompter.at(replace(STATS, song=song)).current

        assert at(1.0 + delay - 0.001) == ""
        assert at(1.0 + delay + 0.001) == "one"
        assert at(2.0 + delay + 0.001) == "two"
        assert self.at(prompter, 2.0) == ""  # no song plays

    def test_each_song_has_its_own(self):
        lyrics = {Path("a.wav"): self.LYRICS, Path("b.wav"): None}
        prompter = Prompter(lyrics.get, from_start=True)

        def at(name):
            song = SongPosition(Path(name), 1.5, None, paused=False)
            return prompter.at(replace(STATS, song=song))

        assert at("a.wav").current == "one"
        assert at("b.wav") is None
        assert at("a.wav").current == "one"
        assert self.at(prompter, 2.0) == ""  # between songs

    def test_after_a_key_they_count_from_it(self):
        prompter = Prompter(self.LYRICS, from_start=False)
        assert prompter.at(STATS) == WAITING
        prompter.begin(replace(STATS, seconds=10.0))
        assert [self.at(prompter, s) for s in (10.99, 11.01)] == ["", "one"]

    def test_an_offset_makes_them_later(self):
        prompter = Prompter(self.LYRICS, from_start=False)
        prompter.begin(replace(STATS, seconds=0.0))
        prompter.move(0.1)
        assert [self.at(prompter, s) for s in (1.05, 1.15)] == ["", "one"]
        prompter.move(-0.3)
        assert [self.at(prompter, s) for s in (0.75, 0.85)] == ["", "one"]
