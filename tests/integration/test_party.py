"""An evening: two phones and a wall in real browsers, sound through a real PulseAudio server."""

import socket
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from testing.browser import PHONE, WALL, page
from testing.party import PartyRun
from testing.servers import wait_until
from tests.integration.conftest import RATE

HOSTILE = "<img src=x onerror=alert(1)>"
WORDS = "".join(
    f"[00:{n:02}.00]<00:{n:02}.00>word <00:{n:02}.40>{n} <00:{n:02}.70>sung\n" for n in range(1, 30)
)


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Three songs of 30 s: each a chord of its own, so that the output says which one plays."""
    folder = tmp_path_factory.mktemp("library")
    for title, pitch in (("First song", 400), ("Second song", 700), (HOSTILE, 1_100)):
        time = np.arange(30 * RATE) / RATE
        sound = 0.3 * np.sin(2 * np.pi * pitch * time)
        path = folder / f"{pitch}.flac"
        with sf.SoundFile(path, "w", RATE, 2) as file:
            file.title, file.artist = title, "The Tests"
            file.write(np.stack([sound, sound], axis=-1))
        path.with_suffix(".lrc").write_text(WORDS)
    return folder


@pytest.fixture(scope="module")
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def party(server, songs, port, identity_model, tmp_path):
    """Starts the party, the first time and again."""
    runs = []

    def start(*arguments, model=identity_model):
        run = PartyRun(
            tmp_path,
            songs,
            *("--output", "pulse", "--port", port, "--model", model),
            *("--cache-size", 0, "--control", tmp_path / "control", *arguments),
            env=server.env(),
        )
        runs.append(run)
        run.address("host")
        return run

    yield start
    for run in runs:
        run.__exit__()


def pitch(sound):
    """The strongest frequency of the last half second, in Hz; 0 where there is silence."""
    last = sound[0, -RATE // 2 :]
    if len(last) < RATE // 2 or np.abs(last).max() < 0.01:
        return 0
    spectrum = np.abs(np.fft.rfft(last * np.hanning(len(last))))
    return int(spectrum.argmax()) * RATE / len(last)


def hears(take, hz):
    wait_until(lambda: abs(pitch(take.sound()) - hz) < 10, f"{hz} Hz on the output")


def find_and_add(phone, singer, query):
    phone.press("[data-view=songs]")
    phone.type("#singer", singer)
    phone.type("#query", query)
    wait_until(lambda: phone.count("#results li") == 1, f"the one song called {query!r}")
    phone.shows("#results", query)
    phone.press("#results button")
    phone.shows("#notice", f"queue for {singer}")


@pytest.mark.slow
def test_an_evening(server, party, songs):
    first = party()
    with (
        page(PHONE) as ann,
        page(PHONE) as bob,
        page(WALL) as wall,
        server.recording("B.monitor") as take,
    ):
        # The wall invites; a phone without the code is told so.
        wall.open(first.address("screen"))
        guests = first.address("guests")
        wall.shows("#address", guests)
        bob.open(guests.replace("#", "#wrong"))
        bob.shows("#connection", "Not let in")
        bob.open("about:blank")
        bob.open(guests)
        bob.shows("#connection", "Connected")
        ann.open(first.address("host"))
        ann.shows("#connection", "Connected as host")

        # Three songs from two phones: the first plays at once, and the others in a fair order.
        find_and_add(ann, "Ann", "First")
        hears(take, 400)
        find_and_add(ann, "Ann", "Second")
        find_and_add(bob, HOSTILE, "img")
        bob.press("[data-view=queue]")
        wait_until(lambda: bob.text("#waiting").count("Remove") == 1, "only one's own to remove")
        assert bob.text("#waiting .turn") == "1 2"
        assert HOSTILE in bob.find("#waiting li").text
        wall.shows("#title", "First song")
        wall.shows("#singer", "Ann")
        wall.shows("#next", HOSTILE)
        wall.shows("#line", "sung")

        # The host's controls move what is heard and what others see.
        ann.press("[data-view=playing]")
        ann.press("#key-up")
        ann.shows("#key-value", "+1")
        hears(take, 400 * 2 ** (1 / 12))
        ann.slide("#guide", 40)
        ann.shows("#guide-value", "40")
        ann.press("#pause")
        ann.shows("#pause", "Go on")
        wait_until(lambda: pitch(take.sound()) == 0, "silence")
        ann.slide("#seek", 12)
        ann.press("#pause")
        wall.shows("#line", "word 1")
        bob.press("[data-view=playing]")
        bob.shows("#now-title", "First song")
        assert not any(bob.find(css).is_displayed() for css in ("#pause", "#skip", "#sound"))

        # Skipped: whose song it is then may skip it, and nobody else.
        ann.press("#skip")
        hears(take, 1_100 * 2 ** (1 / 12))
        wall.shows("#title", HOSTILE)
        wait_until(lambda: bob.find("#skip").is_displayed(), "the skip of one's own song")
        for shown in (ann, bob, wall):
            assert (
                shown.driver.execute_script("return document.querySelectorAll('img').length") == 0
            )

        # The server goes and comes back: the song that was cut short, and the queue, are there.
        assert first.end() == 0, first.stderr
        bob.shows("#connection", "Connection lost")
        second = party()
        assert second.address("guests") == guests
        bob.shows("#connection", "Connected")
        ann.shows("#connection", "Connected as host")
        hears(take, 1_100)
        bob.press("#skip")
        hears(take, 700)
        wall.shows("#title", "Second song")
        for shown in (ann, bob, wall):
            assert shown.complaints() == []
        assert second.end() == 0, second.stderr


@pytest.mark.slow
def test_one_sings_and_the_wall_shows_it(server, party, half_model, tmp_path):
    """The microphone's sound is heard, moved by its fader, and scored against the vocals."""
    voice = tmp_path / "voice.wav"
    time = np.arange(40 * RATE) / RATE
    sf.write(voice, 0.3 * np.sin(2 * np.pi * 400 * time), RATE)
    run = party("--mic", "A.monitor", "--voice-effects", "off", model=half_model)
    with page(PHONE) as phone, page(WALL) as wall, server.recording("B.monitor") as take:
        wall.open(run.address("screen"))
        phone.open(run.address("host"))
        find_and_add(phone, "Ann", "First")
        with server.player(voice, "A"):
            wall.shows("#scores", "Ann")
            wait_until(lambda: points(wall) >= 80, "points for the right pitch")
            assert wall.find("#trace").is_displayed()
            phone.press("[data-view=playing]")
            phone.press("#pause")
            phone.shows("#pause", "Go on")
            take.wait_for(RATE)
            hears(take, 400)  # the voice alone: the song stands still
            phone.slide("#fader-mic", -40)
            wait_until(lambda: pitch(take.sound()) == 0, "silence")
        phone.press("#skip")
        wall.shows("#scores", "Ann")  # the result, until the next song
    assert run.end() == 0, run.stderr


def points(wall):
    """What the wall shows for the one singer; 0 before any."""
    last = wall.text("#scores").rpartition(" ")[2]
    return int(last) if last.isdecimal() else 0


@pytest.mark.slow
def test_labels_and_contrast_hold_in_every_view_in_light_and_dark(party):
    run = party("--mic", "A.monitor:left", "--mic", "A.monitor:right")
    with page(PHONE) as phone, page(WALL) as wall:
        wall.open(run.address("screen"))
        wall.shows("#address", "http")
        assert wall.violations() == []
        phone.open(run.address("host"))
        find_and_add(phone, "Ann", "First")
        find_and_add(phone, "Ann", "Second")
        for dark in (False, True):
            phone.dark(dark)
            for view in ("songs", "queue", "playing"):
                phone.press(f"[data-view={view}]")
                assert phone.violations() == [], (view, dark)
        for label in ("Microphone 1", "Microphone 2", "Echo", "Guide voice"):
            phone.shows("#playing", label)
        phone.slide("#fader-mic-2", -6)
        phone.shows("#faders", "-6 dB")
        wall.shows("#line", "sung")
        assert wall.violations() == []


@pytest.mark.slow
def test_a_browser_that_goes_and_a_server_that_is_flooded_stop_no_sound(server, party, tmp_path):
    run = party()
    with server.recording("B.monitor") as take:
        with page(PHONE) as phone:
            phone.open(run.address("host"))
            find_and_add(phone, "Ann", "First")
            hears(take, 400)
        with socket.socket(socket.AF_UNIX) as script:
            script.connect(str(Path(tmp_path) / "control"))
            script.sendall(b"nonsense\n" * 20 + b"x" * 10_000)
        take.wait_for(RATE)
        hears(take, 400)
    assert run.end() == 0, run.stderr
