"""Lyrics in time with what is heard."""

from dataclasses import replace

from streamsep.live.prompter import WAITING, Prompter
from streamsep.lyrics import parse_lyrics
from tests.support.shows import STATS


class TestPrompter:
    LYRICS = parse_lyrics("[00:01.00]one\n[00:02.00]two", "song")

    def at(self, prompter, seconds):
        return prompter.at(replace(STATS, seconds=seconds)).current

    def test_with_a_file_lyrics_wait_for_what_is_heard(self):
        prompter = Prompter(self.LYRICS, from_start=True)
        # From the session's input to the speakers; what is before the input is no part of it.
        delay = (4096 + 1024 + 1024 + 5120 + 1536) / 44_100
        assert self.at(prompter, 1.0 + delay - 0.001) == ""
        assert self.at(prompter, 1.0 + delay + 0.001) == "one"
        assert self.at(prompter, 2.0 + delay + 0.001) == "two"

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
