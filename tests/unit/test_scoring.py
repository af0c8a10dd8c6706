"""Scores of known singers: pitch, points, lines, and the thread that judges."""

from functools import cache

import numpy as np
import pytest

from streamsep.events import EventLog
from streamsep.scoring import Judge, LiveScore
from streamsep.scoring.pitch_tracker import RATE, PitchTracker
from streamsep.scoring.song_score import LineAt
from testing.servers import wait_until
from testing.singing import OTHER_TUNE, TUNE, sing
from tests.support.cases import one_fast

FS = 44_100


@cache
def song():
    """Return what is sung in most tests."""
    return sing(seconds=9.0)


def judged(vocals, *singers, late=0, line_at=lambda seconds: None, chunk=4_096):
    judge = Judge(
        [f"singer {n}" for n in range(1, 1 + len(singers))],
        sample_rate=FS,
        delays=[lambda: late] * len(singers),
        seconds_of=lambda samples: samples / FS,
        line_at=line_at,
    )
    sound = np.stack([vocals, *singers])
    for start in range(0, sound.shape[-1], chunk):
        judge.process(sound[:, start : start + chunk])
    judge.end_line()
    return judge


def percent(*sounds, **how):
    return judged(*sounds, **how).snapshot().singers[0].percent


@pytest.mark.parametrize("note", [38.0, 45.3, 57.0, 69.0, 76.5, 83.0])
def test_pitch_is_found_to_a_tenth_of_a_semitone_over_the_range_of_voices(note):
    voice = sing([(note, 1.0)], 1.0, vibrato=0.0)
    pitches, levels_db = PitchTracker(FS, 1).process(voice[None])
    steady = pitches[0, 5:-5]
    assert len(steady) > 30
    np.testing.assert_allclose(steady, note, atol=0.1)
    assert (levels_db[0, 5:-5] > -30.0).all()


def test_noise_and_silence_have_no_pitch():
    noise = 0.1 * np.random.default_rng(1).standard_normal(RATE)
    quiet = 1e-4 * np.sin(np.arange(RATE) * 2 * np.pi * 220 / RATE)
    pitches, _ = PitchTracker(RATE, 2).process(np.stack([noise, quiet]).astype(np.float32))
    assert np.isnan(pitches[1]).all()
    assert np.isnan(pitches[0]).mean() > 0.95


@pytest.mark.slow
def test_who_sings_as_the_vocals_do_has_all_points_whoever_it_is():
    assert percent(song(), song()) == 100.0
    assert percent(song(), sing(seconds=9.0, seed=5, level=0.05)) >= 95.0


@pytest.mark.slow
@pytest.mark.parametrize("octaves", one_fast([-1, 1]))
def test_an_octave_away_is_as_good(octaves):
    assert percent(song(), sing(seconds=9.0, transpose=12 * octaves)) >= 95.0


@pytest.mark.slow
@pytest.mark.parametrize("semitones", one_fast([-1, 1]))
def test_a_semitone_off_is_heard(semitones):
    assert 5.0 < percent(song(), sing(seconds=9.0, seed=5, transpose=semitones)) <= 60.0


def test_silence_and_speech_noise_get_nothing():
    assert percent(song(), np.zeros_like(song())) == 0.0
    noise = 0.1 * np.random.default_rng(2).standard_normal(len(song())).astype(np.float32)
    assert percent(song(), noise) < 5.0


@pytest.mark.slow
def test_another_song_gets_little():
    assert percent(song(), sing(OTHER_TUNE, 9.0)) <= 30.0


@pytest.mark.slow
def test_what_the_latencies_delay_is_put_right():
    late = round(0.21 * FS)
    voice = np.concatenate([np.zeros(late, np.float32), sing(seconds=9.0, seed=5)])[: len(song())]
    assert percent(song(), voice, late=late) >= 95.0
    assert percent(song(), voice) < 90.0  # else nothing would have had to be put right


def test_a_singer_a_little_behind_has_what_one_on_time_has():
    behind = np.concatenate([np.zeros(round(0.05 * FS), np.float32), song()])[: len(song())]
    assert percent(song(), behind) >= 95.0


@pytest.mark.slow
def test_the_score_is_that_of_the_song_whatever_the_chunks():
    voice = sing(seconds=9.0, seed=5, transpose=0.6)
    whole, pieces = (judged(song(), voice, chunk=n).snapshot() for n in (len(song()), 441))
    assert whole.singers[0].percent == pytest.approx(pieces.singers[0].percent, abs=0.5)


@pytest.mark.slow
def test_where_the_vocals_are_silent_nothing_counts():
    assert percent(np.zeros_like(song()), song()) is None
    half = song().copy()
    half[: len(song()) // 2] = 0.0
    whole, late = (judged(v, song()).snapshot().singers[0] for v in (song(), half))
    assert late.percent >= 95.0
    assert late.sung_s == pytest.approx(whole.sung_s / 2, abs=0.6)


@pytest.mark.slow
def test_a_pause_ends_a_line():
    pauses = sing([*TUNE, (None, 1.0)], 12.0)
    first_only = pauses.copy()
    first_only[5 * FS :] = 0.0
    lines = judged(pauses, first_only).snapshot().lines
    assert len(lines) == 3  # 4.8 s and a second's pause, twice; and what is begun then
    assert [line.percents[0] >= 95.0 for line in lines] == [True, False, False]
    assert lines[1].start_s == pytest.approx(5.8, abs=0.1)
    assert lines[1].end_s == pytest.approx(10.6, abs=0.1)


def test_lines_of_lyrics_count_for_whose_they_are():
    """In a duet nobody loses points on what the other has to sing."""
    order = [LineAt(0, "hers", 1), LineAt(1, "his", 2), LineAt(2, "both")]
    hers = song().copy()
    hers[3 * FS : 6 * FS] = 0.0
    his = song().copy()
    his[: 3 * FS] = 0.0
    judge = judged(song(), hers, his, line_at=lambda seconds: order[min(int(seconds / 3), 2)])
    score = judge.snapshot()
    assert [line.text for line in score.lines] == ["hers", "his", "both"]
    assert [[p is not None for p in line.percents] for line in score.lines] == [
        [True, False],
        [False, True],
        [True, True],
    ]
    assert all(singer.percent >= 95.0 for singer in score.singers)


@pytest.mark.slow
def test_the_trace_has_both_pitches_of_each_step():
    trace = judged(song(), sing(seconds=9.0, transpose=-12)).snapshot().trace
    steps = np.diff([point.seconds for point in trace])
    np.testing.assert_allclose(steps, 0.02, atol=1e-3)
    both = [(p.reference, p.sung[0]) for p in trace if p.reference and p.sung[0]]
    assert len(both) > 300
    assert np.median([one - other for one, other in both]) == pytest.approx(12.0, abs=0.2)


@pytest.mark.slow
def test_another_song_begins_with_nothing():
    judge = judged(song(), song())
    assert judge.next_song().singers[0].percent == 100.0
    assert judge.snapshot().singers[0].percent is None
    judge.process(np.stack([song(), np.zeros_like(song())]))
    # The first frames still hold the end of the song before.
    assert judge.snapshot().singers[0].percent < 1.0


def feed(score, vocals, voice, block=512):
    for start in range(0, len(vocals) - block, block):
        for tap, sound in ((score.vocals, vocals), (score.microphones[0], voice)):
            tap.push(np.repeat(sound[None, start : start + block], 2, axis=0))


def live_score(judge, events):
    return LiveScore(judge, 1, sample_rate=FS, channels=2, block_size=512, events=events)


@pytest.mark.slow
def test_a_thread_of_its_own_judges_what_the_taps_hear():
    judge = judged(np.zeros(0, np.float32), np.zeros(0, np.float32))
    with live_score(judge, EventLog()) as score:
        feed(score, song()[: 3 * FS], song()[: 3 * FS])
        wait_until(lambda: score.snapshot().singers[0].sung_s > 2.0, "all to be judged")
    assert score.snapshot().singers[0].percent == 100.0
    assert score.snapshot().lines


def test_what_it_is_too_late_for_counts_for_nobody_and_moves_nothing(monkeypatch):
    monkeypatch.setattr(LiveScore, "POLL_S", 60.0)
    judge = judged(np.zeros(0, np.float32), np.zeros(0, np.float32))
    with live_score(judge, EventLog()) as score:
        feed(score, song(), song())  # nine seconds into buffers of four
    assert score.snapshot().singers[0].percent == 100.0
    assert 2.0 < score.snapshot().singers[0].sung_s < 4.5


def test_a_score_that_fails_is_told_and_holds_nobody_up():
    events, judge = EventLog(), judged(np.zeros(0, np.float32), np.zeros(0, np.float32))
    judge.process = lambda sound: 1 / 0
    with live_score(judge, events) as score:
        feed(score, song()[:FS], song()[:FS])
        wait_until(events.latest, "word of it")
        feed(score, song(), song())
    assert "the score has failed (division by zero)" in events.latest()[0].text
