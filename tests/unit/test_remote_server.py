"""The server, through real sockets: who gets in, what comes back, and that it never holds up."""

import http.client
import json
import os
import socket
import stat
import threading
from contextlib import ExitStack
from typing import ClassVar

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from streamsep.errors import ArgumentError
from streamsep.remote.access import Tokens
from streamsep.remote.protocol import MAX_MESSAGE, Command, Text
from streamsep.remote.server import MAX_STRANGERS, PAGES, RemoteServer, Where
from streamsep.remote.service import Service

TOKENS = Tokens("guest-token", "host-token")
PATIENCE_S = 20.0


class Echo:
    """Stands at the service's seam: says what it was asked, and fails when told to."""

    commands: ClassVar = {
        "echo": Command({"text": Text(100)}, "guest"),
        "fail": Command({}, "guest"),
    }

    def __init__(self):
        self.asked = []
        self.state = 0

    def handle(self, request, client):
        if request.type == "fail":
            raise RuntimeError("a bug")
        self.asked.append((client.role, client.identity))
        self.state += 1
        return {"text": request.values["text"]}

    def tick(self):
        pass

    def news(self):
        return {"state": {"type": "state", "value": self.state}}


@pytest.fixture
def echo():
    return Echo()


@pytest.fixture
def said():
    return []


@pytest.fixture
def server(echo, said, tmp_path):
    service = Service(echo, said.append)
    service.start()
    where = Where(port=0, socket=tmp_path / "control")
    server = RemoteServer(service, TOKENS, where, say=said.append)
    server.start()
    yield server
    server.close()
    service.close()


@pytest.fixture
def opened(server):
    """Opens a WebSocket, which is closed before the server is."""
    with ExitStack() as sockets:
        yield lambda: sockets.enter_context(
            connect(f"ws://127.0.0.1:{server.port}/ws", close_timeout=0.2)
        )


@pytest.fixture
def joined(opened):
    def join(token="guest-token", client="phone"):
        socket = opened()
        socket.send(json.dumps({"type": "join", "token": token, "client": client}))
        return socket, heard(socket, "welcome")

    return join


def heard(socket, kind):
    while True:
        message = json.loads(socket.recv(PATIENCE_S))
        if message["type"] == kind:
            return message


def asked(socket, **message):
    socket.send(json.dumps(message))
    while True:
        answer = json.loads(socket.recv(PATIENCE_S))
        if answer["type"] in ("reply", "error"):
            return answer


def fetched(server, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def test_a_token_lets_in_with_its_role(joined, echo):
    for token, role in (("guest-token", "guest"), ("host-token", "host")):
        phone, welcome = joined(token)
        assert welcome["role"] == role
        assert asked(phone, type="echo", text="hello", id=3) == {
            **{"type": "reply", "id": 3, "text": "hello"}
        }
        assert echo.asked[-1] == (role, welcome["you"])


def test_news_come_at_once_and_when_there_are_any(joined):
    first, _ = joined()
    second, _ = joined()
    assert heard(first, "state")["value"] == heard(second, "state")["value"] == 0
    asked(first, type="echo", text="x")
    assert heard(second, "state")["value"] == 1


def test_who_wants_only_some_news_gets_no_others(opened):
    phone = opened()
    phone.send(json.dumps({"type": "join", "token": "guest-token", "news": ["other"]}))
    heard(phone, "welcome")
    phone.send(json.dumps({"type": "echo", "text": "x"}))
    assert json.loads(phone.recv(PATIENCE_S))["type"] == "reply"  # and no state before it


@pytest.mark.parametrize(
    "message",
    [
        {"type": "join"},
        {"type": "join", "token": "guest-token", "news": "all"},
        {"type": "join", "token": "wrong"},
        {"type": "join", "token": None},
        {"type": "join", "token": {"$ne": ""}},
        {"type": "echo", "text": "hello"},
        [],
    ],
)
def test_without_a_token_nothing_is_heard_or_done(opened, echo, message):
    stranger = opened()
    stranger.send(json.dumps(message))
    assert json.loads(stranger.recv(PATIENCE_S))["type"] == "error"
    with pytest.raises(ConnectionClosed):
        stranger.recv(PATIENCE_S)
    assert echo.asked == []


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("evil.example", None, 421),
        ("evil.example", "http://evil.example", 421),
        (None, "http://evil.example", 403),
        (None, "null", 403),
    ],
)
def test_a_page_from_elsewhere_cant_connect(server, host, origin, status):
    headers = {} if host is None else {"Host": host}
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        lines = {
            "Host": f"127.0.0.1:{server.port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version": "13",
            **({} if origin is None else {"Origin": origin}),
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        raw.sendall(f"GET /ws HTTP/1.1\r\n{head}\r\n".encode())
        assert raw.recv(100).split()[1] == str(status).encode()


def test_pages_are_given_with_what_keeps_them_to_themselves(server):
    for path in PAGES:
        answer = fetched(server, path)
        assert answer.status == 200
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http:" not in policy
        body = answer.read().decode()
        assert "guest-token" not in body
        assert "host-token" not in body
    assert fetched(server, "/", Host="evil.example").status == 421


@pytest.mark.parametrize(
    "path",
    [
        *("/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/page/../server.py"),
        *("//etc/passwd", "/page.js/..", "/\\..\\x", "/index.html", "/C:/x", "/page.css%00"),
    ],
)
def test_no_path_names_a_file(server, path):
    assert fetched(server, path).status == 404


def test_only_loopback_listens_unless_more_is_asked_for(server):
    with socket.socket() as probe:
        probe.settimeout(PATIENCE_S)
        assert probe.connect_ex(("127.0.0.2", server.port)) != 0  # another address of this machine


def test_messages_of_no_use_are_answered_and_too_long_ones_end_it(joined):
    phone, _ = joined()
    for message in ({"type": "nothing"}, {"type": "echo"}, {"type": "echo", "text": 3}):
        assert asked(phone, **message)["type"] == "error"
    phone.send("x" * (MAX_MESSAGE + 1))
    with pytest.raises(ConnectionClosed):
        asked(phone, type="echo", text="x")


def test_a_bug_in_a_request_is_its_senders_answer_and_nobody_elses_end(joined, said):
    phone, _ = joined()
    answer = asked(phone, type="fail")
    assert answer["type"] == "error"
    assert "a bug" not in answer["what"]  # may hold what isn't a guest's
    assert "a bug" in said[0]
    assert asked(phone, type="echo", text="on")["text"] == "on"


def test_strangers_cant_take_all_places(opened):
    for _ in range(MAX_STRANGERS):
        opened()
    with pytest.raises(InvalidStatus) as refused:
        opened()
    assert refused.value.response.status_code == 503


@pytest.mark.slow
def test_whoever_sends_too_fast_is_read_more_slowly_and_nobody_else(joined, echo):
    """Counted, not timed: of 300 at once the other one's single request isn't the last."""
    fast, _ = joined(client="fast")
    other, welcome = joined(client="other")
    sending = threading.Thread(target=_flood, args=(fast,))
    sending.start()
    assert asked(other, type="echo", text="me too")["text"] == "me too"
    mine = [identity for _, identity in echo.asked].index(welcome["you"])
    assert mine < 200
    fast.close()
    sending.join(PATIENCE_S)


def _flood(socket):
    try:
        for _ in range(300):
            socket.send(json.dumps({"type": "echo", "text": "x"}))
    except ConnectionClosed:
        return


def test_a_client_that_reads_nothing_holds_nobody_up(joined):
    joined(client="deaf")
    other, _ = joined(client="other")
    for number in range(30):
        assert asked(other, type="echo", text=str(number))["text"] == str(number)


def test_scripts_speak_the_same_by_a_socket_of_their_owner(server, tmp_path):
    path = tmp_path / "control"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with socket.socket(socket.AF_UNIX) as script:
        script.settimeout(PATIENCE_S)
        script.connect(str(path))
        script.sendall(b'{"type": "echo", "text": "h\xc3\xa9llo", "id": 1}\nnonsense\n')
        lines = script.makefile(encoding="utf-8")
        answers = []
        while len(answers) < 2:
            message = json.loads(lines.readline())
            if message["type"] != "state":
                answers.append(message)
    assert answers[0] == {"type": "reply", "id": 1, "text": "héllo"}
    assert answers[1]["type"] == "error"


def test_the_socket_goes_with_the_server_and_one_that_was_left_is_replaced(echo, tmp_path):
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    service = Service(echo, print)
    server = RemoteServer(service, TOKENS, Where(socket=path))
    server.start()
    server.close()
    assert not path.exists()


def test_what_cant_be_had_is_an_error_of_one_line(server, echo, tmp_path):
    (tmp_path / "file").write_text("mine")
    service = Service(echo, print)
    for where in (Where(port=server.port), Where(socket=tmp_path / "file")):
        with pytest.raises(ArgumentError):
            RemoteServer(service, TOKENS, where).start()
    assert (tmp_path / "file").read_text() == "mine"


def test_a_handler_that_fails_by_itself_is_told_of_and_goes_on(said):
    class Failing(Echo):
        def tick(self):
            self.state += 1
            if self.state == 1:
                raise OSError("the disk is full")

    handler, heard_news = Failing(), []
    service = Service(handler, said.append)
    service.listen(heard_news.append)
    service.start()
    deadline = threading.Event()
    while not heard_news or heard_news[-1]["value"] < 3:
        assert not deadline.wait(0.01)
    service.close()
    assert len(said) == 1
    assert "the disk is full" in said[0]
