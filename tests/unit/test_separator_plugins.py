"""Separators from installed packages: what breaks the contract is one line that says whose."""

from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from streamsep.errors import ModelError
from streamsep.live.config import LiveConfig
from streamsep.live.model_loader import ModelLoader
from streamsep.models import BUILTIN, GROUP, find_model, known_models
from streamsep.realtime import LoadedModel, Session
from streamsep.realtime.latency import DEFAULT_SLACK
from streamsep.realtime.realtime_session import RealtimeSession
from streamsep.separation import ChunkedSeparator, load_separator
from testing.sessions import play
from testing.signals import music
from tests.support.cases import one_fast
from tests.support.commands import Live

MODEL = 6
FRAMES = 512


def entry(name):
    return EntryPoint(name, f"tests.support.separators:{name}", GROUP)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package as pip leaves it: a dist-info whose entry points name the factories."""

    def install(*names, package="streamsep-broken"):
        info = tmp_path / package / f"{package.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.4\nName: {package}\nVersion: 1.2\nLicense-Expression: MIT\n"
        )
        points = "".join(f"{name} = tests.support.separators:{name}\n" for name in names)
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{points}")
        monkeypatch.syspath_prepend(str(info.parent))
        monkeypatch.setenv("PYTHONPATH", str(info.parent), prepend=":")

    return install


@pytest.fixture
def song(tmp_path):
    sf.write(tmp_path / "song.wav", music(1.2).T, 44_100, subtype="FLOAT")
    return tmp_path / "song.wav"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent", "can't be loaded (AttributeError: module"),
        ("raising", "can't be loaded (ValueError: no luck\ufffd[31m today); expected"),
        ("leaving", "can't be loaded (SystemExit: 0)"),
        ("number", "can't be loaded (TypeError: 'int' object is not callable)"),
        ("nothing", "can't be loaded (AttributeError: 'NoneType' object has no attribute 'spec'"),
        ("plain_spec", "has spec namespace(name='halves', sample_rate=44100, channels=2)"),
        ("low_rate", "has spec.sample_rate 1; expected an integer from 8000 to 384000"),
        ("no_channels", "has spec.channels 0; expected an integer from 1"),
        ("no_name", r"has spec.name 'bell\x07'; expected printable text"),
        ("path_stems", "has stems ('vocals', '../beat'); expected a tuple of 2 to"),
        ("one_stem", "has stems ('beat',); expected"),
        ("same_stems", "has stems ('beat', 'beat'); expected"),
        ("no_block", "has block_size 0; expected an integer from 1"),
        ("long_block", "has block_size 200000; expected an integer from 1 to 132300"),
        ("odd_slack", "has slack -1; expected an integer from 0"),
        ("odd_delay", "has delay 0.5; expected an integer from 0"),
        ("early", "expected the mixture, 1 samples late"),
        ("doubling", "gives stems that are off by 0.5 in their sum; expected the mixture, 0"),
        ("returning", "leaves stems unwritten, or NaN or Inf in them"),
        ("poisoned", "leaves stems unwritten, or NaN or Inf in them"),
        ("misshapen", "failed while running (ValueError: could not broadcast"),
        ("remembering", "for silence after its reset; expected silence in each stem"),
    ],
)
def test_what_breaks_the_contract_is_one_clear_line(name, says):
    with pytest.raises(ModelError) as caught:
        load_separator(entry(name))
    line = str(caught.value)
    assert line.startswith(f"the separator {name} ")
    assert says in line
    assert line.isprintable()


@pytest.mark.parametrize(("name", "slack"), one_fast([("good", 0), ("patient", 5_000)]))
def test_the_slack_is_what_it_says_or_else_a_session_s_own(command, package, song, name, slack):
    """The contract had no slack at first: plugins without one run as they ever did."""
    assert load_separator(entry(name)).slack == slack
    waited = max(slack, DEFAULT_SLACK)
    assert RealtimeSession(entry(name), block_size=512).latency == 512 + waited
    loader = ModelLoader(LiveConfig(input="mic"), [entry(name)])
    assert loader.load(entry(name), None).slack == waited
    package(name)
    done = command("live", "--input", song, "--output", "null", "--seconds", "0.3", "--model", name)
    assert done.code == 0, done.stderr


def test_nobody_waits_offline_so_that_blocks_may_be_long():
    assert load_separator(entry("long_block"), offline=True).block_size == 200_000


def test_a_good_one_is_found_by_its_name_and_says_whose_it_is(command, package, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    package("good", "raising", "live", package="streamsep-halves")
    assert list(known_models()) == [*BUILTIN, "center-cut", "good", "raising"]
    assert find_model("good") == entry("good")
    assert find_model("./good") == Path("good")
    rows = {row.split()[0]: row for row in command("models", "list").stdout.splitlines()}
    assert rows["good"].split("  ")[1:] != []
    for cell in ("vocals, beat", "12 ms", "MIT", "streamsep-halves 1.2"):  # 512 samples
        assert cell in rows["good"]
    assert "damaged: the separator raising of streamsep-halves can't be loaded" in rows["raising"]
    assert "GPL" in rows["live"]  # no package takes a built-in name over
    said = command("models", "info", "good").stdout
    assert "from:        streamsep-halves 1.2\n" in said
    assert " ms a block on CPU, every 11.6 ms" in said
    done = command("models", "verify")
    assert done.code == MODEL
    assert "raising: not as it should be" in done.stderr


def test_two_packages_with_one_name_are_an_error(command, package, song):
    package("good", package="streamsep-one")
    assert command("separate", song, "--model", "good").code == 0
    info = "tests.support.separators:raising"
    package("good", package="streamsep-two")
    (path,) = song.parent.glob("streamsep-two/*.dist-info/entry_points.txt")
    path.write_text(f"[{GROUP}]\ngood = {info}\n")
    done = command("separate", song, "--model", "good")
    assert done.code == MODEL
    assert "streamsep-one and streamsep-two have a separator good each" in done.stderr


@pytest.mark.parametrize("name", ["raising", "doubling"])
def test_a_bad_one_ends_a_command_in_one_line_and_leaves_nothing(command, package, song, name):
    package(name)
    before = sorted(song.parent.iterdir())
    for arguments in (["separate", song], ["live", "--input", song, "--output", "null"]):
        done = command(*arguments, "--model", name)
        assert (done.code, done.stdout) == (MODEL, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"streamsep: the separator {name} of streamsep-broken ")
    assert sorted(song.parent.iterdir()) == before


def test_one_that_fails_over_a_file_leaves_no_stem(command, package, song):
    package("failing_later")
    done = command("separate", song, "--model", "failing_later")
    assert done.code == MODEL
    (line,) = done.stderr.splitlines()
    assert "failed while running (ZeroDivisionError: division by zero)" in line
    assert not list(song.parent.glob("song.*.wav"))


@pytest.mark.parametrize("name", ["failing_later", "turning_bad"])
def test_one_that_turns_bad_is_heard_as_the_delayed_original(name):
    """The audio callback goes on as if inference were late; the main thread gets the error."""
    session = Session(load_separator(entry(name)), device_frames=FRAMES, gains={"beat": 1.0})
    mixture, heard = music(2.0), []
    blocks = mixture.shape[-1] // FRAMES
    with session:
        for index in range(blocks):
            out = np.zeros((FRAMES, 2), np.float32)
            block = mixture[:, index * FRAMES : (index + 1) * FRAMES]
            session.process_block(np.ascontiguousarray(block.T), out, 0)
            session.wait_idle()
            heard.append(out.T)
        with pytest.raises(ModelError, match=f"the separator {name} "):
            session.check()
    latency = session.latency.session
    sound = np.concatenate(heard, axis=-1)[:, latency:]
    delayed = mixture[:, : sound.shape[-1]]
    np.testing.assert_allclose(sound[:, :10_000], 0.5 * delayed[:, :10_000], atol=1e-6)
    np.testing.assert_array_equal(sound[:, -20_000:], delayed[:, -20_000:])


@pytest.mark.slow
def test_live_ends_in_order_when_one_fails(package, song, tmp_path):
    package("failing_later")
    beat = tmp_path / "beat.wav"
    arguments = ("--input", song, "--output", beat, "--model", "failing_later")
    with Live(tmp_path, *arguments) as live:
        assert live.wait() == MODEL
    assert live.stderr.startswith("streamsep: the separator failing_later of streamsep-broken ")
    assert len(live.stderr.splitlines()) == 1
    sound, _ = sf.read(beat)  # what there was of it plays
    assert len(sound) < 52_920


def test_a_bad_one_never_takes_over_from_what_plays():
    session = Session(load_separator(entry("good")), device_frames=FRAMES)
    mixture = music(1.5)
    session.switch_model(lambda: LoadedModel(load_separator(entry("doubling"))))
    heard = play(session, mixture, FRAMES)
    (event,) = session.events.latest()
    assert event.text.startswith("the model stays: the separator doubling gives stems that are off")
    latency = session.latency.session
    np.testing.assert_allclose(heard[:, latency:][:, : mixture.shape[-1]], 0.5 * mixture, atol=1e-6)


class TestCenterCut:
    """Built in, and selected the way a stranger's is."""

    def test_it_is_an_entry_point_like_any_other(self, command, monkeypatch):
        assert isinstance(find_model("center-cut"), EntryPoint)
        monkeypatch.setenv("COLUMNS", "200")
        (row,) = [r for r in command("models", "list").stdout.splitlines() if "center" in r]
        assert "vocals, beat" in row
        assert " 1 ms " in row  # one block of 64
        assert row.rstrip().endswith("streamsep 0.1.0")
        assert load_separator(find_model("center-cut")).delay == 0
        assert command("models", "verify", "center-cut").code == 0

    @pytest.mark.slow
    def test_live_and_separate_give_the_same_file(self, command, song, tmp_path):
        assert command("separate", song, "--model", "center-cut").code == 0
        live = tmp_path / "live.wav"
        patient = ("--block", 2048, "--slack", 22_050)
        with Live(
            tmp_path, "--input", song, "--output", live, "--model", "center-cut", *patient
        ) as running:
            assert running.wait() == 0, running.stderr
        beat, vocals = (sf.read(tmp_path / f"song.{stem}.wav")[0] for stem in ("beat", "vocals"))
        np.testing.assert_allclose(beat + vocals, sf.read(song)[0], atol=2.0**-22)
        # Blocks of 64 or of 4,096 only sum in another order; files round to 24 bits.
        np.testing.assert_allclose(sf.read(live)[0], beat, atol=2.0**-21)
        assert np.abs(beat - sf.read(song)[0]).max() > 0.05

    def test_it_can_t_be_had_on_a_gpu(self, command, song):
        done = command("separate", song, "--model", "center-cut", "--device", "cuda")
        assert done.code == 7
        assert "center-cut has no use for it" in done.stderr

    def test_evaluate_scores_it_as_it_scores_the_mixer_s_way(self, command, tmp_path, monkeypatch):
        monkeypatch.setenv("COLUMNS", "110")
        folder = tmp_path / "songs" / "one"
        folder.mkdir(parents=True)
        for stem, seed in (("vocals", 1), ("accompaniment", 2)):
            sound = np.random.default_rng(seed).uniform(-0.2, 0.2, (44_100, 2))
            sf.write(folder / f"{stem}.wav", sound, 44_100, subtype="FLOAT")
        done = command("evaluate", folder.parent, "--no-museval", "--model", "center-cut")
        assert done.code == 0, done.stderr
        rows = {}
        for line in done.stdout.splitlines():
            for method in ("centre cut", "model live", "model offline"):
                if method in line:
                    rows[method] = line.split(method)[1].split()[:2]
        assert rows["centre cut"] == rows["model live"] == rows["model offline"]

    def test_it_is_no_chunk_s_business(self):
        """Any chunks give what the whole does, with nothing held back at the end."""
        mixture = music(1.0)
        whole = ChunkedSeparator(load_separator(find_model("center-cut"), offline=True))
        live = ChunkedSeparator(load_separator(find_model("center-cut")))
        parts = [live.feed(mixture[:, k : k + 1_000]) for k in range(0, mixture.shape[-1], 1_000)]
        expected = np.concatenate([whole.feed(mixture), whole.finish()], axis=-1)
        np.testing.assert_allclose(
            np.concatenate([*parts, live.finish()], axis=-1), expected, atol=1e-6
        )
