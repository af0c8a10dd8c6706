"""The guards on every way into the mix: samples that are no sound, and more than full scale."""

import numpy as np
import pytest
import soundfile as sf

from streamsep.dsp.limiter import Limiter
from streamsep.effects.board import Board
from streamsep.effects.voice import VOICE_EFFECTS, voice_board
from streamsep.events import EventLog
from streamsep.live.config import LiveConfig
from streamsep.live.player import LivePlayer
from streamsep.realtime import Session
from streamsep.realtime.guards import GuardWatch
from streamsep.separation import load_separator
from testing.sessions import play
from testing.signals import music
from tests.support.cases import one_fast
from tests.support.singer import Singer

RATE, FRAMES = 44_100, 512
NO_SOUND = [np.nan, np.inf, -np.inf, 1e30, -1e30]


def limited(sound, frames=FRAMES):
    limiter = Limiter(len(sound), frames, RATE)
    blocks = range(0, sound.shape[-1] - frames + 1, frames)
    done = [sound[:, s : s + frames].copy() for s in blocks]
    for block in done:
        limiter.process(block)
    return np.concatenate(done, axis=-1), limiter


class TestLimiter:
    @pytest.mark.parametrize("frames", [16, 64, 512, 4_096])
    @pytest.mark.parametrize("peak", [1.001, 2.0, 30.0])
    def test_nothing_leaves_it_above_full_scale(self, frames, peak):
        loud = music(1.0) * peak / np.abs(music(1.0)).max()
        done, _ = limited(loud, frames)
        assert np.abs(done).max() <= 1.0
        assert np.abs(done).max() > 0.95  # and it isn't turned down for nothing

    def test_what_stays_within_is_left_as_it_is_to_the_bit(self):
        sound = music(1.0)
        sound *= np.float32(1.0) / np.abs(sound).max()
        done, limiter = limited(sound)
        np.testing.assert_array_equal(done, sound[:, : done.shape[-1]])
        assert limiter.blocks == 0

    def test_it_comes_back_after_a_peak_without_a_step(self):
        tone = 0.5 * np.sin(2 * np.pi * 100 * np.arange(4 * RATE) / RATE)
        tone[RATE] = 4.0
        done, limiter = limited(np.stack([tone, tone]).astype(np.float32))
        assert limiter.lowest == pytest.approx(0.25)
        # Within two seconds it is at one again, and stays there to the bit.
        end = slice(RATE * 3, done.shape[-1])
        np.testing.assert_array_equal(done[0, end], tone[end].astype(np.float32))
        gain = done[0, RATE + 1 :] / tone[RATE + 1 : done.shape[-1]]
        gain = gain[np.abs(tone[RATE + 1 : done.shape[-1]]) > 0.05]
        assert np.abs(np.diff(gain)).max() < 0.05

    @pytest.mark.parametrize("bad", NO_SOUND)
    def test_what_is_no_sound_is_silence_and_costs_nothing_after(self, bad):
        sound = 0.5 * music(1.0)
        broken = sound.copy()
        broken[1, 5_000] = bad
        done, limiter = limited(broken)
        sound[1, 5_000] = 0.0
        np.testing.assert_array_equal(done, sound[:, : done.shape[-1]])
        assert limiter.bad_samples == 1


@pytest.mark.parametrize("bad", one_fast(NO_SOUND))
@pytest.mark.parametrize("preset", one_fast([name for name in VOICE_EFFECTS if name != "off"]))
def test_one_bad_sample_isn_t_in_any_effect_a_second_later(preset, bad):
    sound = 0.3 * music(2.0)
    broken = sound.copy()
    broken[0, 1_000] = bad
    sound[0, 1_000] = 0.0
    done, right = (stream(voice_board(preset, RATE), x) for x in (broken, sound))
    np.testing.assert_allclose(done, right, atol=1e-6, rtol=0)


def stream(board, sound):
    blocks = range(0, sound.shape[-1] - FRAMES + 1, FRAMES)
    return np.concatenate([board(sound[:, s : s + FRAMES]) for s in blocks], axis=-1)


class OthersBoard:
    """A chain of plugins that breaks at its third block, until it is reset if it can be."""

    def __init__(self, breaks):
        self._breaks, self.calls = breaks, 0

    def process(self, sound, rate, *, buffer_size, reset):
        self.calls += 1
        return self._breaks(sound) if self.calls >= 3 else sound

    def reset(self):
        self.calls = -1_000


def fails(sound):
    raise ValueError("out of\nmemory")


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_an_effect_that_gives_no_sound_starts_anew(bad):
    lines = []
    board = Board([], RATE, lines.append)
    board._board = OthersBoard(lambda sound: np.full_like(sound, bad))
    sound = music(1.0)
    done = stream(board, sound)
    expected = sound[:, : done.shape[-1]].copy()
    expected[:, 2 * FRAMES : 3 * FRAMES] = 0.0
    np.testing.assert_array_equal(done, expected)
    assert board.restarts == 1
    assert lines == ["an effect gave NaN, Inf or absurd levels: silence, and it starts anew"]


def test_an_effect_that_fails_is_left_out():
    lines = []
    board = Board([], RATE, lines.append)
    board._board = OthersBoard(fails)
    sound = music(1.0)
    done = stream(board, sound)
    np.testing.assert_array_equal(done, sound[:, : done.shape[-1]])
    assert lines == ["effects have failed (out of): the sound goes on without them"]


@pytest.mark.parametrize("bad", NO_SOUND)
@pytest.mark.parametrize("where", ["input", "microphone"])
def test_a_bad_sample_is_silence_in_the_mix_and_told(identity_model, bad, where):
    song, voice = 0.3 * music(1.0), 0.3 * music(1.0, seed=7)
    (song if where == "input" else voice)[0, 3_000] = bad
    session = Session(
        load_separator(identity_model), device_frames=FRAMES, microphones=[Singer(voice)]
    )
    output = play(session, song, FRAMES)
    assert np.abs(output).max() < 1.0
    assert np.abs(output[:, -8 * FRAMES :]).max() > 0.01
    assert session.bad_samples == {"input": 0, "microphone": 0, "stems": 0, where: 1}
    watch = GuardWatch(lambda: session.bad_samples, session.limiter, 0.01, session.events)
    watch.look()
    watch.look()
    watch.end()
    told = [event.text for event in session.events.latest()]
    assert told == [
        f"{where}: samples that are no sound (NaN, Inf or absurdly loud): silence there",
        f"{where}: 1 samples were no sound (NaN, Inf, absurdly loud) and silenced",
    ]


@pytest.mark.slow
def test_song_and_voice_near_full_scale_are_turned_down_and_not_cut(identity_model, tmp_path):
    tone = 0.9 * np.sin(2 * np.pi * 330 * np.arange(2 * RATE) / RATE)
    for name in ("song.wav", "voice.wav"):
        sf.write(tmp_path / name, np.stack([tone, tone]).T, RATE, subtype="FLOAT")
    config = LiveConfig(
        input=str(tmp_path / "song.wav"),
        mic=str(tmp_path / "voice.wav"),
        voice_effects="off",
        output="null",
        record=tmp_path / "take.wav",
        model=(identity_model,),
    )
    events = EventLog()
    with LivePlayer(config, events=events) as player:
        player.wait()
    take = sf.read(tmp_path / "take.wav")[0].T
    assert np.abs(take).max() <= 1.0
    # A sine of full scale, and not what cutting at full scale leaves of one of 1.8.
    middle = take[0, RATE // 2 : RATE]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(np.sqrt(0.5), rel=0.02)
    told = [event for event in events.latest() if "full scale" in event.text]
    assert [event.kind for event in told] == ["event", "report"]
    assert "turned down by up to 5.1 dB" in told[-1].text
