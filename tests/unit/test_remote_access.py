"""Nobody gets in: tokens, this machine's names, limits."""

import os
import socket
import stat

import pytest

from streamsep.errors import OutputError
from streamsep.remote.access import (
    RateLimit,
    Tokens,
    is_own_host,
    is_own_origin,
    load_tokens,
    public_identity,
)

NAME = socket.gethostname().split(".")[0].lower()


def test_a_token_gives_its_role_and_nothing_else_does():
    tokens = Tokens.fresh()
    assert tokens.role(tokens.guest) == "guest"
    assert tokens.role(tokens.host) == "host"
    for wrong in ("", "x", tokens.guest[:-1], tokens.guest + "a", tokens.guest.upper(), "\ud800"):
        assert tokens.role(wrong) is None


def test_no_two_are_alike_and_none_is_short():
    made = {token for _ in range(100) for token in (Tokens.fresh().guest, Tokens.fresh().host)}
    assert len(made) == 200
    assert min(map(len, made)) >= 10


def test_tokens_are_compared_in_constant_time(monkeypatch):
    """By the library's function for that, whichever is given, and both of them always."""
    compared = []
    monkeypatch.setattr(
        "streamsep.remote.access.hmac.compare_digest", lambda a, b: compared.append(b) or a == b
    )
    tokens = Tokens("guest-token", "host-token")
    for given in ("guest-token", "host-token", "neither"):
        tokens.role(given)
    assert compared == [b"host-token", b"guest-token"] * 3


def test_tokens_are_kept_for_phones_that_come_back_and_for_their_owner_alone(tmp_path):
    path = tmp_path / "party" / "tokens.json"
    first = load_tokens(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert load_tokens(path) == first
    assert load_tokens(path, fresh=True) != first


@pytest.mark.parametrize("content", ["", "{}", '{"guest": "a", "host": "b"}', "[1]", '{"x": 1}'])
def test_a_file_of_no_use_is_replaced(tmp_path, content):
    path = tmp_path / "tokens.json"
    path.write_text(content)
    assert len(load_tokens(path).host) >= 16


def test_tokens_that_cant_be_kept_are_an_error_of_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        load_tokens(tmp_path / "file" / "tokens.json")


@pytest.mark.parametrize(
    ("host", "alone", "lan"),
    [
        ("127.0.0.1:8666", True, True),
        ("localhost:8666", True, True),
        ("[::1]:8666", True, True),
        ("LOCALHOST", True, True),
        ("192.168.1.7:8666", False, True),
        (f"{NAME}.local:8666", False, True),
        ("evil.example", False, False),
        ("127.0.0.1.evil.example:8666", False, False),
        ("localhost.evil.example", False, False),
        ("[", False, False),
        ("", False, False),
        (None, False, False),
    ],
)
def test_a_page_from_elsewhere_whose_name_leads_here_is_known_by_that_name(host, alone, lan):
    assert is_own_host(host, lan=False) is alone
    assert is_own_host(host, lan=True) is lan


def test_only_our_own_pages_and_programs_connect():
    assert is_own_origin(None, "127.0.0.1:1")
    assert is_own_origin("http://127.0.0.1:1", "127.0.0.1:1")
    for origin in ("http://evil.example", "https://127.0.0.1:1", "http://127.0.0.1:2", "null", ""):
        assert not is_own_origin(origin, "127.0.0.1:1")


def test_too_many_requests_wait():
    now = [0.0]
    limit = RateLimit(10.0, 5, clock=lambda: now[0])
    assert [limit.wait_s() for _ in range(5)] == [0.0] * 5
    assert limit.wait_s() == pytest.approx(0.1)
    now[0] += 10.0
    assert limit.wait_s() == 0.0


def test_an_identity_tells_clients_apart_and_gives_none_away():
    assert public_identity("a") != public_identity("b")
    assert public_identity("a") == public_identity("a")
    assert "secret" not in public_identity("secret")
