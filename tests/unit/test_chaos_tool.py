"""tools/chaos.py: what it hears, what it reads off a recording, and what it has a program see."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from faults import sound
from faults.outcome import Outcome, Try, left_out_s, look_into
from faults.shim import Shim

RATE = sound.RATE


def song(seconds):
    parts = round(np.ceil(seconds / sound.SONG_PART_S))
    return np.tile(sound.song_part(), parts)[: round(seconds * RATE)]


def gap(time_s, gap_s, text="output 'x' is back"):
    return {"time_s": time_s, "gap_s": gap_s, "text": text}


def test_song_and_voice_are_known_at_every_moment_and_apart():
    """Else the song's own silence would pass for that of the program, as it once did."""
    one, other = song(12.0), sound.tone(sound.VOICE_HZ, 12.0)
    for heard, song_there, voice_there in (
        (one, True, False),
        (other, False, True),
        (one + other, True, True),
        (0.0 * one, False, False),
    ):
        assert (sound.heard(heard, sound.SONG_HZ) == song_there).all()
        assert (sound.heard(heard, sound.VOICE_HZ) == voice_there).all()


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_sound_is_back_when_it_stays(rate):
    tone = sound.tone(sound.VOICE_HZ, 3.0, rate)
    tone[round(0.1 * rate) : round(1.3 * rate)] = 0.0  # a rest of before isn't it
    assert sound.back_after_s(tone, sound.VOICE_HZ, rate) == pytest.approx(1.3, abs=0.02)
    assert sound.back_after_s(tone[: round(1.35 * rate)], sound.VOICE_HZ, rate) is None
    assert sound.back_after_s(tone[:0], sound.VOICE_HZ, rate) is None


def test_silence_is_laid_to_the_fault_before_it_and_to_what_is_named():
    recording = song(40.0)
    for begin_s, end_s in ((10.2, 13.2), (30.1, 34.1)):
        recording[round(begin_s * RATE) : round(end_s * RATE)] = 0.0
    tries = [Try(10.0), Try(20.0), Try(30.0)]
    look_into(recording, [gap(10.2, 2.5), gap(10.3, 2.5)], tries)
    assert [one.silent_s for one in tries] == pytest.approx([3.0, 0.0, 4.0], abs=0.05)
    assert [one.named_s for one in tries] == pytest.approx([2.6, 0.0, 0.0], abs=0.05)
    for one in tries:
        one.judge()
    assert [len(one.wrong) for one in tries] == [0, 0, 1]


def test_a_gap_that_began_before_the_fault_is_named_where_it_goes_on():
    recording = song(20.0)
    recording[10 * RATE : 15 * RATE] = 0.0
    tries = [Try(3.0), Try(10.0)]
    look_into(recording, [gap(8.0, 7.0)], tries)
    assert [one.named_s for one in tries] == pytest.approx([0.5, 6.5], abs=0.05)
    tries[1].judge()
    assert tries[1].wrong == []


def test_what_a_recording_leaves_out_is_no_silence_in_it():
    tries = [Try(5.0)]
    slept = gap(5.0, 3_600.0, "the machine slept: recordings leave it out")
    look_into(song(20.0), [slept], tries)
    assert tries[0].named_s == 0.0
    assert left_out_s([slept, gap(8.0, 9.0, "stood still (recordings leave out 3.5 s)")]) == 3.5


@pytest.mark.parametrize(
    ("one", "wrong"),
    [
        (Try(0.0, song_s=1.9, voice_s=1.9, latency_ms=(100.0, 110.0)), []),
        (Try(0.0, latency_ms=(100.0, None)), []),
        (Try(0.0, song_s=2.1), ["the song later than 2 s"]),
        (Try(0.0, voice_s=None), ["no voice any more"]),
        (Try(0.0, latency_ms=(100.0, 120.0)), ["another latency than reported"]),
    ],
)
def test_what_is_not_as_promised_is_counted_in_the_table(one, wrong):
    one.judge()
    assert one.wrong == wrong
    row = Outcome("mic-gone", "pulse", [one, Try(0.0)]).row()
    assert ("as promised" in row) == (not wrong)
    assert all(f"1 × {line}" in row for line in wrong)


WATCH = """
import sys, time
def write():
    began = time.monotonic()
    try:
        with open("take.wav", "ab", buffering=0) as file:
            file.write(b"x")
    except OSError as error:
        return error.strerror
    return time.monotonic() - began
for line in sys.stdin:
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    print(time.time(), time.monotonic(), since_boot, write(), flush=True)
"""


def test_a_program_sees_clocks_that_jump_and_a_disk_that_is_slow_or_full(tmp_path):
    shim = Shim(tmp_path)
    command = [sys.executable, "-c", WATCH]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=shim.env, cwd=tmp_path, **pipes) as program:

        def look():
            program.stdin.write("look\n")
            program.stdin.flush()
            return program.stdout.readline().rstrip().split(" ", 3)

        before = [float(value) for value in look()]
        shim.set(clock_ahead_s=3_600)
        after = [float(value) for value in look()]
        went_s = [b - a for a, b in zip(before, after, strict=True)]
        # A sleeping machine's: what counts its running stands still meanwhile.
        assert went_s[0] - went_s[1] == pytest.approx(3_600.0, abs=1.0)
        assert went_s[2] - went_s[1] == pytest.approx(3_600.0, abs=1.0)
        shim.set(write_ms=100)
        assert float(look()[3]) >= 0.1
        shim.set(write_ms=0, full=1)
        assert look()[3] == "No space left on device"
        shim.set(full=0)
        assert float(look()[3]) >= 0.0
        assert shim.get("clock_ahead_s") == 3_600
        program.stdin.close()
