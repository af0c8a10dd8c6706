"""Recordings on a disk that is slow, or full for a while."""

import errno

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.recorder import Recorder
from streamsep.audio.files.sound_writer import AudioWriter
from streamsep.audio.files.write_behind import WriteBehindFile
from testing.servers import wait_until
from testing.signals import music

RATE, BLOCK = 44_100, 512
PCM_24 = 2.0**-23  # see test_audio_file


class Disk:
    """Counts what is written to it, and refuses it while it is full."""

    def __init__(self, file):
        self._file, self.full, self.takes_parts = file, False, True
        self.refused = self.calls = 0

    def write(self, data):
        if self.full:
            self.refused += 1
            raise OSError(errno.ENOSPC, "No space left on device")
        self.calls += 1
        part = max(len(data) // 2, 100) if self.takes_parts else len(data)
        return self._file.write(data[:part])

    def seek(self, place):
        self._file.seek(place)

    def close(self):
        self._file.close()


@pytest.fixture
def disks(monkeypatch):
    """All disks that are written to from now on."""
    made, init = [], WriteBehindFile.__init__

    def on_a_disk(file, path):
        init(file, path)
        file._file = Disk(file._file)
        made.append(file._file)

    monkeypatch.setattr(WriteBehindFile, "__init__", on_a_disk)
    return made


def push_all(recorder, sound):
    for start in range(0, sound.shape[-1] - BLOCK + 1, BLOCK):
        recorder.push(sound[:, start : start + BLOCK])


def read(path):
    return sf.read(path, dtype="float32", always_2d=True)[0].T


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_a_disk_that_was_full_for_a_while_costs_the_recording_nothing(tmp_path, disks, suffix):
    sound = music(6.0)[:, : 500 * BLOCK]
    told = []
    recorder = Recorder(
        tmp_path / f"take{suffix}", RATE, 2, block_size=BLOCK, delayed=lambda e: told.append(str(e))
    )
    (disk,) = disks
    push_all(recorder, sound[:, : 100 * BLOCK])
    wait_until(lambda: recorder.written == 100 * BLOCK, "the first part")
    disk.full = True
    push_all(recorder, sound[:, 100 * BLOCK : 300 * BLOCK])
    wait_until(lambda: disk.refused > 3, "some more tries")
    assert recorder.written == 100 * BLOCK
    disk.full = False
    push_all(recorder, sound[:, 300 * BLOCK :])
    recorder.close()
    assert (recorder.fault, recorder.lost) == (None, 0)
    assert len(told) == 1  # of all tries
    assert "No space left on device" in told[0]
    heard = read(recorder.path)
    if suffix in (".wav", ".flac"):
        np.testing.assert_allclose(heard, sound, atol=PCM_24, rtol=0)
    else:  # codecs of their own; MP3 adds a frame or two at both ends
        assert abs(heard.shape[-1] - sound.shape[-1]) < 3 * 1_152


def test_a_disk_that_stays_full_is_an_error_at_the_end_and_what_is_there_plays(tmp_path, disks):
    sound = music(2.0)[:, : 150 * BLOCK]
    recorder = Recorder(tmp_path / "take.wav", RATE, 2, block_size=BLOCK)
    (disk,) = disks
    push_all(recorder, sound[:, : 100 * BLOCK])
    wait_until(lambda: recorder.written == 100 * BLOCK, "the first part")
    disk.full = True
    push_all(recorder, sound[:, 100 * BLOCK :])
    recorder.close()
    assert "No space left on device" in str(recorder.fault)
    assert recorder.written == 100 * BLOCK
    np.testing.assert_allclose(read(recorder.path), sound[:, : 100 * BLOCK], atol=PCM_24, rtol=0)


def test_what_waits_is_saved_in_few_calls_however_it_came(tmp_path, disks):
    """A disk may take a tenth of a second for each of them."""
    file = WriteBehindFile(tmp_path / "file")
    (disk,) = disks
    disk.takes_parts = False
    for head in (b"head", b"HEAD"):
        file.seek(0)
        file.write(head)  # anew, as it is before each save
        file.seek(0, 2)
        for _ in range(1_000):
            file.write(b"x" * 100)
    file.seek(0)
    file.write(b"Head")
    file.save()
    assert disk.calls <= 4
    file.save()  # nothing is left
    assert disk.calls <= 4
    file.close()
    assert (tmp_path / "file").read_bytes() == b"Head" + b"x" * 200_000


def test_a_recording_is_a_sound_file_from_its_first_moment(tmp_path):
    with AudioWriter(tmp_path / "take.wav", 44_100, 2, behind=True):
        assert sf.info(tmp_path / "take.wav").frames == 0
