"""Sound files through real codecs: reading, writing, and playing as a live source."""

import threading

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.file_source import FileSource
from streamsep.audio.files.sound_file import AudioReader
from streamsep.audio.files.sound_writer import FORMATS, AudioWriter
from streamsep.errors import AudioFileError, OutputError
from testing.servers import wait_until
from testing.signals import music

# Half a step of 24 bits for rounding; the largest positive value is clipped by a whole one.
PCM_24 = 2.0**-23
BLOCK = 512


def write(path, sound, rate=44_100, **options):
    sf.write(path, sound.T, rate, **options)
    return path


def read_all(path):
    with AudioReader(path) as reader:
        return np.concatenate(list(reader.chunks()), axis=-1)


class TestReader:
    @pytest.mark.parametrize("suffix", FORMATS)
    def test_reads_what_was_written_in_every_format(self, tmp_path, suffix):
        sound = music(1.3)
        path = tmp_path / f"song{suffix}"
        writer = AudioWriter(path, 44_100, 2)
        for start in range(0, sound.shape[-1], 10_000):
            writer.write(sound[:, start : start + 10_000])
        writer.close()
        back = read_all(path)
        assert back.shape == sound.shape
        if suffix in (".wav", ".flac"):
            np.testing.assert_allclose(back, sound, atol=PCM_24, rtol=0)
        else:
            # Lossy, and tuned to hearing: the waveform survives with a tenth of its level.
            assert np.std(back - sound) < 0.1 * np.std(sound)

    def test_float_files_are_read_bit_exactly_and_in_bounded_chunks(self, tmp_path):
        sound = music(1.3)
        path = write(tmp_path / "song.wav", sound, subtype="FLOAT")
        with AudioReader(path) as reader:
            assert (reader.sample_rate, reader.channels, reader.frames) == (44_100, 2, 57_330)
            chunks = list(reader.chunks())
        assert max(chunk.shape[-1] for chunk in chunks) <= 44_100 // 4
        np.testing.assert_array_equal(np.concatenate(chunks, axis=-1), sound)

    @pytest.mark.parametrize("rate", [4_000, 500_000])
    def test_absurd_rates_are_refused(self, tmp_path, rate):
        path = write(tmp_path / "odd.wav", music(0.1), rate)
        with pytest.raises(AudioFileError, match=f"sample rate of {rate} Hz; expected 8000 to"):
            AudioReader(path)

    def test_a_flac_stream_that_doesn_t_say_its_length_is_read_to_its_end(self, tmp_path):
        sound = music(1.0)
        path = write(tmp_path / "song.flac", sound, subtype="PCM_24")
        content = bytearray(path.read_bytes())
        # STREAMINFO follows 4 bytes of magic and 4 of its own header; the total of samples is
        # the 36 bits from its 108th on, and 0 stands for unknown.
        content[21] &= 0xF0
        content[22:26] = bytes(4)
        path.write_bytes(content)
        assert sf.info(path).frames > 10**12
        back = read_all(path)
        np.testing.assert_allclose(back, sound, atol=PCM_24, rtol=0)

    def test_half_a_wav_file_is_as_long_as_its_data(self, tmp_path):
        sound = music(1.0)
        path = write(tmp_path / "song.wav", sound, subtype="FLOAT")
        size = path.stat().st_size
        path.write_bytes(path.read_bytes()[: size // 2])
        back = read_all(path)
        assert abs(back.shape[-1] - 22_050) < 100  # the header takes a few samples' place
        np.testing.assert_array_equal(back, sound[:, : back.shape[-1]])


class TestWriter:
    def test_unknown_suffixes_are_refused_with_the_known_ones(self, tmp_path):
        with pytest.raises(OutputError, match=r"'\.xyz'.*expected \.wav, \.flac, \.ogg, \.mp3"):
            AudioWriter(tmp_path / "song.xyz", 44_100, 2)

    def test_rates_that_a_format_doesn_t_hold_are_refused(self, tmp_path):
        with pytest.raises(OutputError, match=r"384000 Hz; expected at most 200000 Hz in \.ogg"):
            AudioWriter(tmp_path / "song.ogg", 384_000, 2)
        AudioWriter(tmp_path / "song.ogg", 192_000, 2).close()

    def test_a_missing_folder_is_named(self, tmp_path):
        with pytest.raises(OutputError, match=f"no folder {tmp_path}/nowhere"):
            AudioWriter(tmp_path / "nowhere" / "song.wav", 44_100, 2)

    def test_loud_samples_clip_and_don_t_wrap_around(self, tmp_path):
        writer = AudioWriter(tmp_path / "loud.wav", 44_100, 1)
        writer.write(np.array([[1.5, -1.5, 0.5]], np.float32))
        writer.close()
        np.testing.assert_allclose(read_all(tmp_path / "loud.wav"), [[1, -1, 0.5]], atol=PCM_24)


def play_source(source, blocks, *, wait=True):
    """Read blocks as a clock would, waiting for the decoder instead of for time."""
    out, lost = np.ones((blocks, BLOCK, source_channels(source)), np.float32), 0
    source.start()
    for block in out:
        if wait:
            wait_until(lambda: source._ended or source._ring.available >= BLOCK, "the next samples")
        lost += source.read(block)
    return out.reshape(-1, out.shape[-1]).T, lost


def source_channels(source):
    return source._channels


class TestFileSource:
    def test_gives_the_file_and_then_silence(self, tmp_path):
        sound = music(3.0)  # longer than the ring: the decoder has to wait for the reader
        path = write(tmp_path / "song.wav", sound, subtype="FLOAT")
        source = FileSource(path, sample_rate=44_100, channels=2)
        blocks = -(-sound.shape[-1] // BLOCK) + 2
        assert not source.finished
        out, lost = play_source(source, blocks)
        np.testing.assert_array_equal(out[:, : sound.shape[-1]], sound)
        assert not out[:, sound.shape[-1] :].any()
        assert (lost, source.finished, source.samples) == (0, True, sound.shape[-1])
        source.close()

    def test_converts_rate_and_channels_and_keeps_the_length(self, tmp_path):
        path = write(tmp_path / "song.wav", music(1.0, sample_rate=22_050, channels=1), 22_050)
        source = FileSource(path, sample_rate=44_100, channels=2)
        out, _ = play_source(source, 44_100 // BLOCK + 3)
        assert source.finished
        assert source.samples == 44_100
        np.testing.assert_array_equal(out[0], out[1])
        source.close()

    def test_closing_in_the_middle_ends_the_decoder(self, tmp_path):
        path = write(tmp_path / "song.wav", music(4.0))
        source = FileSource(path, sample_rate=44_100, channels=2)
        source.start()
        assert any(thread.name == "streamsep-decoder" for thread in threading.enumerate())
        source.close()
        assert not any(thread.name == "streamsep-decoder" for thread in threading.enumerate())

    def test_a_decoder_that_can_t_follow_is_counted(self, tmp_path):
        path = write(tmp_path / "song.wav", music(4.0), subtype="FLOAT")
        source = FileSource(path, sample_rate=44_100, channels=2)
        blocks = source._ring.capacity // BLOCK + 8  # more at once than can be ready
        _, lost = play_source(source, blocks, wait=False)
        assert lost > 0
        source.close()

    def test_a_damaged_file_plays_up_to_the_damage_and_tells(self, tmp_path):
        sound = music(4.0)
        path = write(tmp_path / "song.flac", sound, subtype="PCM_24")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        told = []
        source = FileSource(path, sample_rate=44_100, channels=2, on_notice=told.append)
        out, _ = play_source(source, sound.shape[-1] // BLOCK)
        assert source.finished
        assert source.fault is None
        assert source.samples > 44_100
        np.testing.assert_allclose(
            out[:, : source.samples], sound[:, : source.samples], atol=PCM_24, rtol=0
        )
        (notice,) = told
        assert notice.lost
        assert "and its header says 4.000 s" in notice.text
        assert source.notices.lost
        source.close()

    def test_what_is_no_number_is_silence(self, tmp_path):
        sound = music(0.5)
        sound[1, 10_000] = np.nan
        path = write(tmp_path / "song.wav", sound, subtype="FLOAT")
        source = FileSource(path, sample_rate=44_100, channels=2)
        out, _ = play_source(source, sound.shape[-1] // BLOCK)
        assert np.isfinite(out).all()
        assert source.notices.lost
        source.close()


@pytest.mark.slow
def test_a_minute_is_written_at_once(tmp_path):
    """Given as much, libsndfile's Vorbis encoder runs out of stack."""
    sound = 0.1 * np.random.default_rng(0).standard_normal((2, 60 * 44_100)).astype(np.float32)
    with AudioWriter(tmp_path / "song.ogg", 44_100, 2) as writer:
        writer.write(sound)
    with AudioReader(tmp_path / "song.ogg") as reader:
        assert reader.frames == 60 * 44_100
