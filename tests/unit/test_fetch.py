"""Fetching by hash from a real server: cut connections, wrong files, ranges or none."""

import hashlib
import threading

import numpy as np
import pytest

from streamsep.errors import ArgumentError, ModelError
from streamsep.models import fetch as module
from streamsep.models.fetch import MOST_STALLS, check_address, fetch_by_hash
from tests.support.web import web_server

CONTENT = np.random.default_rng(0).bytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PATH = "/models/voice.onnx"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(module, "PAUSE_S", 0.001)


@pytest.fixture
def server():
    with web_server() as server:
        server.files[PATH] = CONTENT
        yield server


@pytest.fixture
def get(server, tmp_path):
    """Fetch the file; return its content."""

    def run(sha256=SHA256, path=PATH):
        target, shares = tmp_path / "voice.onnx", []
        fetch_by_hash(server.url(path), sha256, target, on_progress=shares.append)
        assert not server.ranges or shares == sorted(shares)
        assert all(0 < share <= 1 for share in shares)
        return target.read_bytes()

    return run


def left(tmp_path):
    return {path.name: path.stat().st_size for path in tmp_path.iterdir()}


def test_a_file_comes_whole_and_nothing_else_stays(server, get, tmp_path):
    assert get() == CONTENT
    assert left(tmp_path) == {"voice.onnx": len(CONTENT)}
    assert get() == CONTENT
    assert len(server.asked) == 1  # it was there


def test_cut_connections_are_gone_on_from(server, get):
    server.cuts = [300_000, 0, 400_000]
    assert get() == CONTENT
    ranges = [wanted for _, wanted in server.asked]
    assert ranges == [None, "bytes=300000-", "bytes=300000-", "bytes=700000-"]


def test_the_next_run_goes_on_where_one_ended(server, get, tmp_path):
    server.cuts = [250_000] + [0] * MOST_STALLS
    with pytest.raises(ModelError, match="stays for the next time"):
        get()
    assert left(tmp_path) == {f"{SHA256}.part": 250_000}
    server.cuts, server.asked = [], []
    assert get() == CONTENT
    assert server.asked == [(PATH, "bytes=250000-")]


def test_a_server_without_ranges_begins_anew(server, get):
    server.ranges = False
    server.cuts = [300_000]
    assert get() == CONTENT


def test_a_part_that_is_all_of_it_is_taken(server, get, tmp_path):
    (tmp_path / f"{SHA256}.part").write_bytes(CONTENT)
    assert get() == CONTENT


def test_a_part_that_is_longer_than_the_file_is_dropped(server, get, tmp_path):
    (tmp_path / f"{SHA256}.part").write_bytes(CONTENT + b"more")
    assert get() == CONTENT


@pytest.mark.parametrize("part", [b"", b"another beginning"])
def test_another_file_is_refused_and_removed(server, get, tmp_path, part):
    other = "0" * 64
    (tmp_path / f"{other}.part").write_bytes(part)
    with pytest.raises(ModelError, match="has the SHA-256"):
        get(other)
    assert sum(left(tmp_path).values()) == 0


def test_a_damaged_part_costs_one_more_try(server, get, tmp_path):
    (tmp_path / f"{SHA256}.part").write_bytes(bytes(500_000))
    with pytest.raises(ModelError, match="what came is removed"):
        get()
    assert get() == CONTENT


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_no_is_said_at_once(server, get, code):
    server.refusals = [code]
    with pytest.raises(ModelError, match=f"the server says {code}"):
        get()
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_later_is_waited_for(server, get, code):
    server.refusals = [code] * (MOST_STALLS - 1)
    assert get() == CONTENT


def test_no_server_at_all(tmp_path):
    with web_server() as gone:
        url = gone.url(PATH)
    with pytest.raises(ModelError, match="Connection refused"):
        fetch_by_hash(url, SHA256, tmp_path / "x", on_progress=lambda share: None)


def test_redirects_are_followed_to_web_addresses_alone(server, get, tmp_path):
    server.redirects["/moved"] = server.url(PATH)
    assert get(path="/moved") == CONTENT
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT[:10])
    server.redirects["/moved"] = secret.as_uri()
    with pytest.raises(ModelError, match="302"):
        get(hashlib.sha256(CONTENT[:10]).hexdigest(), "/moved")


def test_what_is_too_large_is_refused_before_it_comes(server, get, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", len(CONTENT) - 1)
    with pytest.raises(ModelError, match="larger than"):
        get()


def test_two_runs_don_t_write_one_file(server, get, tmp_path):
    with module._locked(tmp_path / f"{SHA256}.part"):
        failures = []

        def other():
            try:
                get()
            except ModelError as error:
                failures.append(error.what)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert failures == ["the same file is being fetched by another run"]


def test_a_folder_that_isn_t_there_is_one_line(server):
    with pytest.raises(ModelError, match="can't be written"):
        fetch_by_hash(
            server.url(PATH), SHA256, module.Path("/nowhere/x"), on_progress=lambda share: None
        )


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "models/x.onnx", "https:///x"])
def test_other_addresses_are_refused(url):
    with pytest.raises(ArgumentError, match="no address"):
        check_address(url, SHA256)


@pytest.mark.parametrize("sha256", ["", "abc", SHA256 + "0", "g" * 64])
def test_what_is_no_hash_is_refused(sha256):
    with pytest.raises(ArgumentError, match="no SHA-256"):
        check_address("https://example.org/x.onnx", sha256)
