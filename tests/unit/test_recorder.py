"""The recorder: all of the music in the file, and the disk never in the music's way."""

import resource
import threading

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.recorder import Recorder
from streamsep.audio.files.sound_file import AudioReader
from streamsep.audio.files.sound_writer import AudioWriter
from streamsep.errors import OutputError
from testing.servers import wait_until
from testing.signals import music

RATE, BLOCK = 44_100, 512
PCM_24 = 2.0**-23  # see test_audio_file


def push_all(recorder, sound):
    for start in range(0, sound.shape[-1] - BLOCK + 1, BLOCK):
        recorder.push(sound[:, start : start + BLOCK])


def read(path):
    sound, rate = sf.read(path, dtype="float32", always_2d=True)
    assert rate == RATE
    return sound.T


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_all_that_was_pushed_is_in_the_file(tmp_path, suffix):
    sound = music(2.0)[:, : 150 * BLOCK]
    recorder = Recorder(tmp_path / f"take{suffix}", RATE, 2, block_size=BLOCK)
    push_all(recorder, sound)
    recorder.close()
    np.testing.assert_allclose(read(recorder.path), sound, atol=PCM_24, rtol=0)
    assert (recorder.written, recorder.lost, recorder.fault) == (sound.shape[-1], 0, None)


@pytest.mark.parametrize("skip", [1, BLOCK, 3_333])
def test_the_latency_is_left_out_at_the_start(tmp_path, skip):
    sound = music(0.5)[:, : 30 * BLOCK]
    recorder = Recorder(tmp_path / "take.wav", RATE, 2, block_size=BLOCK, skip=skip)
    push_all(recorder, sound)
    recorder.close()
    np.testing.assert_allclose(read(recorder.path), sound[:, skip:], atol=PCM_24, rtol=0)


def test_the_file_ends_where_its_source_did(tmp_path):
    """The limit becomes known late, as a source's length does, and the rest is left out."""
    sound = music(1.0)[:, : 80 * BLOCK]
    known = []
    recorder = Recorder(
        tmp_path / "take.wav",
        RATE,
        2,
        block_size=BLOCK,
        skip=100,
        limit=lambda: known[0] if known else None,
    )
    push_all(recorder, sound[:, : 20 * BLOCK])
    known.append(70 * BLOCK + 7)
    push_all(recorder, sound[:, 20 * BLOCK :])
    recorder.close()
    np.testing.assert_allclose(
        read(recorder.path), sound[:, 100 : 100 + 70 * BLOCK + 7], atol=PCM_24, rtol=0
    )


def test_what_a_slow_disk_loses_is_silence_in_its_place(tmp_path, monkeypatch):
    """The disk stands still while twice the buffer comes: pushing goes on, the newest is kept."""
    writing, gate, real = threading.Event(), threading.Event(), AudioWriter.write

    def slow(writer, sound):
        writing.set()
        gate.wait(20)
        real(writer, sound)

    monkeypatch.setattr(AudioWriter, "write", slow)
    told = []
    recorder = Recorder(
        tmp_path / "take.wav", RATE, 2, block_size=BLOCK, silenced=lambda *gap: told.append(gap)
    )
    total = int(2.2 * Recorder.BUFFER_S * RATE) // BLOCK * BLOCK
    ramp = (np.arange(1, total + 1, dtype=np.float32) / 2**20)[None].repeat(2, axis=0)
    push_all(recorder, ramp[:, : 30 * BLOCK])
    assert writing.wait(20)
    push_all(recorder, ramp[:, 30 * BLOCK :])  # had it to wait for the disk, it would for ever
    gate.set()
    recorder.close()
    sound = read(recorder.path)
    assert (recorder.written, sound.shape[-1]) == (total, total)
    # One silence, where it is said to be; all else is there, the end too.
    ((start, lost),) = told
    assert recorder.lost == lost > 0
    ramp[:, start : start + lost] = 0.0
    np.testing.assert_allclose(sound, ramp, atol=PCM_24, rtol=0)


@pytest.fixture
def small_disk():
    """Every file ends at 300 kB, as on a full disk; signals of that are off in Python."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    yield 300_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_a_full_disk_ends_the_recording_and_what_was_written_plays(tmp_path, small_disk, suffix):
    sound = music(2.0)
    pushed = sound.shape[-1] // BLOCK * BLOCK
    recorder = Recorder(tmp_path / f"take{suffix}", RATE, 2, block_size=BLOCK)
    for _ in range(200):  # 400 s: more than 300 kB in any format
        push_all(recorder, sound)
        if recorder.fault is not None:
            break
        wait_until(lambda: recorder.fault or recorder._ring.available < BLOCK, "the disk")
    push_all(recorder, sound)  # goes on as if nothing had been
    recorder.close()
    assert f"{recorder.path} can't be written" in str(recorder.fault)
    assert recorder.path.stat().st_size <= small_disk
    with AudioReader(recorder.path) as reader:
        kept = np.concatenate(list(reader.chunks()), axis=-1)
    if suffix in (".wav", ".flac"):
        count = min(kept.shape[-1], pushed)
        np.testing.assert_allclose(kept[:, :count], sound[:, :count], atol=PCM_24, rtol=0)
        # The codecs hold a frame or two back.
        assert abs(recorder.written - kept.shape[-1]) < 10_000


@pytest.mark.parametrize(("suffix", "cut"), [(".wav", 2), (".flac", 2)])
def test_what_is_cut_at_full_scale_is_told_at_once_and_counted(tmp_path, suffix, cut):
    told = threading.Event()
    recorder = Recorder(tmp_path / f"take{suffix}", RATE, 2, block_size=BLOCK, clipped=told.set)
    recorder.push(np.full((2, BLOCK), 1.0, np.float32))  # full scale itself isn't
    block = np.zeros((2, BLOCK), np.float32)
    block[0, 3], block[1, 5] = 1.5, -2.0
    recorder.push(block)
    assert told.wait(10.0)
    recorder.close()
    assert recorder.cut == (cut, 2.0)


def test_what_can_t_be_opened_is_said_at_once(tmp_path):
    with pytest.raises(OutputError, match="no folder"):
        Recorder(tmp_path / "nowhere" / "take.wav", RATE, 2, block_size=BLOCK)
    assert not any(thread.name == "streamsep-recorder" for thread in threading.enumerate())
