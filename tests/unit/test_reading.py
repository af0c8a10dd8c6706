"""Files as they are: lengths that aren't true, changes in the middle, damage, many channels."""

import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from streamsep.audio.files.sound_file import AudioReader
from streamsep.dsp.channels import LAYOUTS
from streamsep.errors import AudioFileError
from testing.signals import music
from tests.support.cases import one_fast
from tests.support.commands import ffmpeg

RATE = 44_100
# Containers and codecs of sound that this FFmpeg writes: suffix to options.
FORMS = {
    "wav": [],
    "w64": [],
    "aiff": [],
    "au": [],
    "caf": [],
    "flac": [],
    "tta": [],
    "wv": [],
    "ogg": [],
    "opus": [],
    "mp3": [],
    "mp2": [],
    "aac": [],
    "ac3": [],
    "m4a": [],
    "mov": ["-movflags", "+faststart"],
    "mka": ["-c:a", "flac"],
    "webm": [],
    "ts": ["-c:a", "aac"],
    "mpg": [],
    "avi": [],
    "flv": ["-ar", "44100"],
    "wma": [],
}
# What is written one after the other is one file to `cat`; these hold their tracks otherwise.
NOT_JOINED = ("au", "w64", "mov", "mpg", "avi", "flv", "wma")
DAMAGED = ("flac", "ogg", "opus", "tta", "ac3", "m4a", "wma", "mp3", "mp2")
# With all of its length in the header, and none that only repeats what was measured.
PROMISING = (
    *("wav", "w64", "aiff", "au", "caf", "flac", "wv", "mp3", "mov", "mka", "webm", "avi"),
    *("flv", "wma"),
)
# Of the sound in a header: what it follows, its bytes and their order.
SIZES = {"wav": (b"data", 4, "little"), "aiff": (b"SSND", 4, "big"), "caf": (b"data", 8, "big")}
PIECE_S = 0.8
# Frames before and after the sound, of both parts: 1,152 samples and a decoder's delay each.
FRAMES_S = 0.13


def read(path):
    """The sound, its rate, and what was said."""
    with AudioReader(path) as reader:
        sound = np.concatenate(list(reader.chunks()), axis=-1)
        assert sound.shape[0] == reader.channels
        return sound, reader.sample_rate, reader.notices.all


def joined(path, *parts):
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def loudest_hertz(sound, rate):
    spectrum = np.abs(np.fft.rfft(sound[0] * np.hanning(sound.shape[-1])))
    return np.argmax(spectrum) * rate / sound.shape[-1]


class Forms:
    """Sounds in many forms, each sound by one run of ffmpeg when it is first asked for."""

    def __init__(self, folder):
        self._folder = folder

    def noise(self, form, seconds=2.0, forms=FORMS):
        path = self._folder / f"plain-{seconds}.wav"
        if not path.exists():
            sf.write(path, music(seconds).T, RATE)
        return self._made(f"noise-{seconds}", form, forms, "-i", path)

    def tone(self, form, hertz, *, rate=RATE, layout="stereo", forms=FORMS):
        source = f"sine=f={hertz}:r={rate}:d={PIECE_S}"
        filters = f"volume=-6dB,aformat=channel_layouts={layout}"
        name = f"{hertz}-{rate}-{layout}"
        return self._made(name, form, forms, "-f", "lavfi", "-i", source, filters=filters)

    def each_channel(self, form, layout, forms):
        """A tone in one channel after the other, a tenth of a second each."""
        path = self._folder / f"plain-{layout}.wav"
        count = len(LAYOUTS[layout].split())
        time = np.arange(count * RATE // 10) / RATE
        sound = np.zeros((count, len(time)), np.float32)
        for index in range(count):
            place = slice(index * RATE // 10, (index + 1) * RATE // 10)
            sound[index, place] = 0.25 * np.sin(2 * np.pi * 500 * time[place])
        sf.write(path, sound.T, RATE)
        filters = f"channelmap=map={'|'.join(map(str, range(count)))}:channel_layout={layout}"
        return self._made(f"each-{layout}", form, forms, "-i", path, filters=filters)

    def _made(self, name, form, forms, *source, filters="anull"):
        paths = {each: self._folder / f"{name}.{each}" for each in forms}
        if not paths[form].exists():
            outputs = [
                part
                for each, path in paths.items()
                for part in ("-af", filters, *forms[each], path)
            ]
            ffmpeg(*source, *outputs)
        return paths[form]


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    return Forms(tmp_path_factory.mktemp("forms"))


@pytest.fixture
def made(forms):
    return forms.noise


PARTS = {
    "stereo to mono to 5.1": [(RATE, "stereo"), (RATE, "mono"), (RATE, "5.1")],
    "mono to stereo": [(RATE, "mono"), (RATE, "stereo")],
    "5.1 to stereo": [(RATE, "5.1"), (RATE, "stereo")],
    "other rates": [(RATE, "stereo"), (22_050, "mono"), (48_000, "stereo")],
}
CHANGING = {form: FORMS[form] for form in ("ts", "aac", "mp3", "flac", "ogg", "opus", "wav")}
MORE_THAN_TWO = ("2.1", "3.0", "4.0", "quad", "5.0", "5.1", "6.1", "7.1")
# What holds any layout, by the channel mask or by its own.
MANY = {
    "wav": ["-c:a", "pcm_s16le"],
    "flac": [],
    "caf": ["-c:a", "pcm_s16le"],
    "mka": ["-c:a", "flac"],
    "w64": [],
    "wv": [],
    "ogg": ["-c:a", "libvorbis", "-q:a", "8"],
}


class TestLengths:
    @pytest.mark.parametrize("form", one_fast(FORMS))
    def test_all_of_it_is_read_and_nothing_said(self, made, form):
        sound, rate, notices = read(made(form))
        assert 2.0 - 0.02 <= sound.shape[-1] / rate <= 2.0 + FRAMES_S
        assert notices == []

    @pytest.mark.parametrize("form", one_fast(sorted(FORMS.keys() - set(NOT_JOINED))))
    def test_two_files_joined_are_both_read(self, tmp_path, forms, form):
        parts = [forms.tone(form, hertz) for hertz in (400, 900)]
        sound, rate, notices = read(joined(tmp_path / f"joined.{form}", *parts))
        assert 2 * PIECE_S - 0.01 <= sound.shape[-1] / rate <= 2 * PIECE_S + FRAMES_S
        half = sound.shape[-1] // 2
        assert loudest_hertz(sound[:, :half], rate) == pytest.approx(400, abs=5)
        assert loudest_hertz(sound[:, half:], rate) == pytest.approx(900, abs=5)
        assert not any(notice.lost for notice in notices)

    @pytest.mark.parametrize(
        "options", one_fast([["-q:a", "0"], ["-b:a", "128k"], ["-b:a", "320k"]])
    )
    @pytest.mark.parametrize("order", one_fast(["loud first", "silence first"]))
    def test_mp3_without_a_header_of_the_whole(self, tmp_path, order, options):
        """Its length is guessed by the first frames: much too short, or too long."""
        sound = np.zeros((2, 6 * RATE), np.float32)
        loud = slice(0, RATE) if order == "loud first" else slice(-RATE, None)
        sound[:, loud] = np.random.default_rng(0).uniform(-0.5, 0.5, (2, RATE))
        sf.write(tmp_path / "song.wav", sound.T, RATE)
        path = tmp_path / "song.mp3"
        ffmpeg("-i", tmp_path / "song.wav", *options, "-write_xing", 0, path)
        back, _, notices = read(path)
        assert 6.0 <= back.shape[-1] / RATE <= 6.0 + 0.1
        second = back[:, : RATE // 2] if order == "loud first" else back[:, -RATE // 2 :]
        assert np.std(second) > 0.2
        assert notices == []

    @pytest.mark.slow
    @pytest.mark.parametrize("form", one_fast(PROMISING))
    def test_two_thirds_of_a_file_are_read_and_said(self, tmp_path, made, form):
        path = tmp_path / f"cut.{form}"
        whole = made(form)
        path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
        sound, rate, notices = read(path)
        assert 0.6 < sound.shape[-1] / rate < 1.5
        assert np.std(sound[:, -rate // 10 :]) > 0.001  # no silence in place of the rest
        (notice,) = (notice for notice in notices if "its header says" in notice.text)
        assert notice.lost
        said = float(re.search(r"ends after ([\d.]+) s", notice.text)[1])
        assert said == pytest.approx(sound.shape[-1] / rate, abs=2e-3)

    @pytest.mark.slow
    @pytest.mark.parametrize("form", ["ogg", "opus"])
    def test_ogg_without_its_last_page_is_cut(self, tmp_path, made, form):
        path = tmp_path / f"cut.{form}"
        path.write_bytes(made(form).read_bytes()[: made(form).stat().st_size * 3 // 4])
        assert [notice.lost for notice in read(path)[2]] == [True]

    @pytest.mark.parametrize("form", one_fast(SIZES))
    @pytest.mark.parametrize(
        ("said", "lost"),
        one_fast(
            [
                (10_000_000, True),  # more than there is
                (176_400, False),  # less
                (4, False),
                (0, False),  # as of what comes through a pipe
                (-1, False),
            ]
        ),
    )
    def test_headers_that_say_otherwise(self, tmp_path, made, form, said, lost):
        name, width, order = SIZES[form]
        content = bytearray(made(form).read_bytes())
        place = content.index(name) + 4
        content[place : place + width] = (said % 2 ** (8 * width)).to_bytes(width, order)
        path = tmp_path / f"song.{form}"
        path.write_bytes(content)
        sound, _, notices = read(path)
        np.testing.assert_array_equal(sound, read(made(form))[0])
        # AIFF says in another place how long it is.
        assert any(notice.lost for notice in notices) == (lost and form != "aiff")
        if said == 176_400:
            (notice,) = notices
            assert re.match(r"its header says that it ends after [12]\.", notice.text)

    def test_chunks_after_the_sound_of_a_wav_file_are_no_sound(self, tmp_path, made):
        path = tmp_path / "song.wav"
        path.write_bytes(
            made("wav").read_bytes() + b"LIST" + (40).to_bytes(4, "little") + bytes(40)
        )
        sound, _, notices = read(path)
        assert (sound.shape[-1], notices) == (2 * RATE, [])

    def test_a_wav_file_of_more_than_4_gb_whose_size_began_anew(self, tmp_path):
        path = tmp_path / "song.wav"
        sf.write(path, np.zeros((1000, 2), np.int16), RATE)
        size = 2**32 + 4_000
        with path.open("r+b") as file:
            file.truncate(44 + size)  # a hole, which takes no room
        with AudioReader(path) as reader:
            assert abs(reader.frames - size // 4) <= 20


class TestChanges:
    @pytest.mark.parametrize("form", one_fast(CHANGING))
    @pytest.mark.parametrize("change", one_fast(PARTS))
    def test_all_of_it_goes_on_as_it_began(self, tmp_path, forms, change, form):
        parts = []
        for number, (part_rate, layout) in enumerate(PARTS[change], 1):
            changed = CHANGING | {"mp3": ["-ac", "2"]} if layout == "5.1" else CHANGING
            sound = dict(rate=part_rate, layout=layout, forms=changed)
            parts.append(forms.tone(form, 300 * number, **sound))
        sound, rate, notices = read(joined(tmp_path / f"joined.{form}", *parts))
        first_rate, first = PARTS[change][0]
        assert rate == (48_000 if form == "opus" else first_rate)
        assert sound.shape[0] == (1 if first == "mono" else 2)
        count, seconds = len(parts), sound.shape[-1] / rate
        assert PIECE_S * count - 0.01 <= seconds <= PIECE_S * count + 0.09 * count
        for number in range(count):
            middle = int((number + 0.5) * sound.shape[-1] / count)
            piece = sound[:, middle - rate // 10 : middle + rate // 10]
            assert loudest_hertz(piece, rate) == pytest.approx(300 * (number + 1), abs=12)
            assert np.std(piece[0]) == pytest.approx(np.std(piece[-1]), rel=0.05)
        assert not any(notice.lost for notice in notices)
        if form not in ("mp3", "opus"):  # whose parts may be alike
            assert any("from 0." in notice.text for notice in notices)


def damaged(content, how):
    content, place = bytearray(content), len(content) // 3
    if how == "one byte":
        content[place] ^= 0x55
    elif how == "a hole":
        content[place : place + 3_000] = bytes(3_000)
    else:
        content[place : place + 3_000] = np.random.default_rng(0).bytes(3_000)
    return bytes(content)


class TestDamage:
    @pytest.mark.parametrize("value", one_fast([np.nan, np.inf, -np.inf, 1e30]))
    @pytest.mark.parametrize("form", one_fast(["wav", "aiff", "au", "caf", "w64", "mka"]))
    def test_what_is_no_number_is_silent_and_its_place_named(self, tmp_path, form, value):
        sound = music(1.0)
        sound[1, 30_000] = value
        path = tmp_path / "bad.wav"
        sf.write(path, sound.T, RATE, subtype="FLOAT")
        if form != "wav":
            codec = "pcm_f32be" if form in ("aiff", "au") else "pcm_f32le"
            ffmpeg("-i", path, "-c:a", codec, tmp_path / f"bad.{form}")
            path = tmp_path / f"bad.{form}"
        back, _, (notice,) = read(path)
        sound[1, 30_000] = 0.0
        np.testing.assert_array_equal(back, sound)
        assert notice.lost
        assert notice.text.startswith("1 sample silenced at 0.680 s (")

    def test_many_places_are_ten_lines_and_a_count(self, tmp_path):
        sound = music(10.0)
        sound[0, 1_000::22_050] = np.nan
        sf.write(tmp_path / "bad.wav", sound.T, RATE, subtype="FLOAT")
        back, _, notices = read(tmp_path / "bad.wav")
        assert np.isfinite(back).all()
        assert len(notices) == 11
        assert notices[-1].text == "10 more places are silenced"

    @pytest.fixture
    def long(self, forms):
        """Of more than three of the pages and frames that damage takes away as a whole."""
        return lambda form: forms.noise(form, 6.0, {form: FORMS[form] for form in DAMAGED})

    @pytest.mark.parametrize(
        ("form", "how"),
        one_fast(
            [
                (form, how)
                for form in DAMAGED
                for how in ("one byte", "a hole", "noise")
                # A byte of these has no checksum, and noise there may be frames.
                if how == "a hole" or form not in ("mp3", "mp2", "wma")
            ]
        ),
    )
    def test_what_can_t_be_decoded_is_silent_and_the_rest_in_its_place(
        self, tmp_path, long, form, how
    ):
        path = tmp_path / f"bad.{form}"
        path.write_bytes(damaged(long(form).read_bytes(), how))
        self.check(path, long(form))

    def check(self, path, whole):
        sound, rate, notices = read(path)
        good, _, _ = read(whole)
        # Without time stamps in the file the hole's length is known by its bytes alone.
        rough = path.suffix in (".mp3", ".mp2")
        assert abs(sound.shape[-1] - good.shape[-1]) <= (0.1 if rough else 0.03) * rate
        lost = [notice for notice in notices if notice.lost]
        assert 1 <= len(lost) <= 3
        assert all(0.5 < notice.at_s < 5.0 for notice in lost)
        # The end is where it was: what follows the damage hasn't moved.
        if path.suffix not in (".mp3", ".mp2", ".wma"):
            tail = slice(good.shape[-1] - rate // 2, good.shape[-1] - rate // 4)
            apart = np.std(sound[:, tail] - good[:, tail])
            assert apart < 0.05 * np.std(good[:, tail])

    def test_nothing_that_can_be_decoded_is_an_error(self, tmp_path, made):
        content = bytearray(made("m4a").read_bytes())
        start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
        content[start:end] = b"\xff" * (end - start)
        (tmp_path / "bad.m4a").write_bytes(content)
        with pytest.raises(AudioFileError, match=r"nothing of \S+bad\.m4a can be decoded"):
            AudioReader(tmp_path / "bad.m4a")


class TestChannels:
    @pytest.mark.parametrize(
        ("form", "layout"),
        one_fast(
            [
                (form, layout)
                for form in MANY
                for layout in MORE_THAN_TWO
                # Vorbis has none but left, centre, right, and four corners.
                if form != "ogg" or layout not in ("2.1", "4.0")
            ]
        ),
    )
    def test_a_voice_in_the_centre_is_on_both_sides_alike_in_every_file(self, forms, layout, form):
        names = LAYOUTS[layout].split()
        sound, _, notices = read(forms.each_channel(form, layout, MANY))
        (text,) = (notice.text for notice in notices)
        assert "mixed to stereo" in text
        assert ("LFE left out" in text) == ("LFE" in names)
        for index, name in enumerate(names):
            place = slice(index * RATE // 10 + 500, (index + 1) * RATE // 10 - 500)
            left, right = sound[:, place].std(axis=-1)
            usual, silence = 0.25 / 2**0.5, 0.0 if form != "ogg" else 0.01
            if name == "LFE":
                assert max(left, right) <= silence
            elif name in ("FC", "BC"):
                assert left == pytest.approx(right, abs=silence)
                assert left > 0.4 * usual
            else:
                assert (left if name.endswith("L") else right) > 0.6 * usual
                assert (right if name.endswith("L") else left) <= silence

    @pytest.mark.parametrize("count", range(1, 9))
    @pytest.mark.parametrize("suffix", [".wav", ".flac"])
    def test_without_a_mask_the_first_two_are_left_and_right(self, tmp_path, count, suffix):
        sound = np.zeros((count, 4_410), np.float32)
        sound[0] = 0.25
        sf.write(tmp_path / f"song{suffix}", sound.T, RATE)
        back, _, notices = read(tmp_path / f"song{suffix}")
        assert back[0].min() == 0.25
        assert len(back) == min(count, 2)
        assert not back[1:].any()
        assert len(notices) == (count > 2)

    @pytest.mark.slow
    def test_another_track_is_named(self, tmp_path, forms):
        one, two = (forms.tone("wav", hertz) for hertz in (400, 900))
        titles = [
            *("-metadata:s:a:0", "title=Instrumental", "-metadata:s:a:1", "title=Vocal"),
            *("-map", 0, "-map", 1),
        ]
        path = tmp_path / "both.mka"
        ffmpeg("-i", one, "-i", two, *titles, path)
        sound, rate, (notice,) = read(path)
        taken = "Instrumental" if loudest_hertz(sound, rate) < 500 else "Vocal"
        assert notice.text == (
            f"2 tracks of sound are in it (Instrumental, Vocal); {taken} is taken"
        )


class TestWithoutPyAV:
    """What libsndfile does alone."""

    @pytest.fixture
    def light(self):
        code = (
            "import sys; sys.modules['av'] = None\n"
            "import importlib.util as u; find = u.find_spec\n"
            "u.find_spec = lambda name, *more: None if name == 'av' else find(name, *more)\n"
            "import numpy as np\n"
            "from pathlib import Path\n"
            "from streamsep.audio.files import media\n"
            "media.find_spec = u.find_spec\n"
            "from streamsep.audio.files.sound_file import AudioReader\n"
            "with AudioReader(Path(sys.argv[1])) as reader:\n"
            "    sound = np.concatenate(list(reader.chunks()), axis=-1)\n"
            "np.save(sys.argv[2], sound)\n"
            "for notice in reader.notices.all: print(notice.lost, notice.text)\n"
        )

        def run(path, tmp_path):
            done = subprocess.run(
                [sys.executable, "-c", code, path, tmp_path / "sound.npy"],
                capture_output=True,
                text=True,
                check=True,
            )
            return np.load(tmp_path / "sound.npy"), done.stdout.splitlines()

        return run

    def test_five_and_one_are_folded(self, tmp_path, light):
        ffmpeg(
            *("-f", "lavfi", "-i", "sine=d=0.2", "-af", "pan=5.1|FC=FC", "-c:a", "pcm_s16le"),
            tmp_path / "six.wav",
        )
        sound, lines = light(tmp_path / "six.wav", tmp_path)
        np.testing.assert_array_equal(sound[0], sound[1])
        assert sound.std() > 0.05
        assert lines == [
            "False its 6 channels (FL FR FC LFE BL BR) are mixed to stereo by ITU-R BS.775, FC to "
            "both sides alike, LFE left out"
        ]

    def test_a_flipped_byte_of_flac_is_silence(self, tmp_path, made, light):
        path = tmp_path / "bad.flac"
        path.write_bytes(damaged(made("flac").read_bytes(), "one byte"))
        sound, lines = light(path, tmp_path)
        good, _, _ = read(made("flac"))
        assert sound.shape == good.shape
        (line,) = lines
        assert line.startswith("True silenced from")
        np.testing.assert_array_equal(sound[:, -RATE // 10 :], good[:, -RATE // 10 :])

    def test_what_it_doesn_t_read_of_mp3_is_said(self, tmp_path, made, light):
        parts = [made("mp3"), made("mp3")]
        sound, (line,) = light(joined(tmp_path / "joined.mp3", *parts), tmp_path)
        assert sound.shape[-1] / RATE == pytest.approx(2.0, abs=0.1)
        assert line.startswith("True about 2.")
        assert line.endswith("pip install 'streamsep[media]' reads all of it")
