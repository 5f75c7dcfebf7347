"""Connections: how much of one the server bears."""

import contextlib
import re
from collections.abc import Iterator

import pytest

from boticelli_cli.gateway.listening import Listening
from tests.fakes.serving import until
from tests.gateway.standing import Client, Standing, reply, standing


@pytest.fixture(scope="module")
def server() -> Iterator[Standing]:
    with standing() as here:
        yield here


@pytest.fixture(scope="module")
def hasty() -> Iterator[Standing]:
    with standing(Listening(header_seconds=0.3)) as here:
        yield here


def test_serves_one_request_after_the_other_on_a_connection(server: Standing) -> None:
    with Client(server.port) as client:
        for _ in range(3):
            client.ask("/who")
            client.hear('"client": "127.0.0.1"')
            client.hear("}")


def test_tells_the_date_and_not_whose_server_it_is(server: Standing) -> None:
    with Client(server.port) as client:
        client.ask("/who")
        head = client.hear("\r\n\r\n").lower()
    assert re.search(r"^date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d gmt\r$", head, re.MULTILINE)
    assert "server:" not in head


@pytest.mark.parametrize(
    "head",
    [
        f"GET /who?{'q' * 70_000} HTTP/1.1\r\nhost: here\r\n\r\n",
        f"GET /who HTTP/1.1\r\nhost: here\r\nlong: {'q' * 70_000}\r\n\r\n",
        "GET /who HTTP/1.1\r\nhost: here\r\n" + "".join(f"h{n}: {'q' * 90}\r\n" for n in range(700)) + "\r\n",
    ],
    ids=["url", "header", "headers"],
)
def test_refuses_headers_that_are_too_long(server: Standing, head: str) -> None:
    with Client(server.port) as client:
        client.say(head)
        assert client.hear_all().startswith("HTTP/1.1 431 ")


def test_takes_headers_that_just_fit(server: Standing) -> None:
    status, _ = reply(server.port, "/who", f"long: {'q' * 65_000}")
    assert status == 200


@pytest.mark.parametrize(
    "beginning",
    [
        "GET /who",
        "GET /who HTTP/1.1\r\nhost: here\r\nlong: ",
        "\r\n\r\n",
        "POST /talk HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n0\r\ntrailer: ",
        "POST /talk HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n5;extension=",
    ],
    ids=["url", "header", "blank lines", "trailer", "extension"],
)
def test_ends_what_never_ends(server: Standing, beginning: str) -> None:
    """Some 10 MB are offered; few of them are taken before it is over."""
    with Client(server.port) as client:
        client.say(beginning)
        filling = (b"\r\n" if beginning == "\r\n\r\n" else b"qq") * 2_000
        with contextlib.suppress(ConnectionError):
            for _ in range(2_500):
                client.say(filling)
                if _has_word(client):
                    break
            else:
                pytest.fail("it took everything")
        assert client.read == b"" or b" 431 " in client.read or b"hello" in client.read


def _has_word(client: Client) -> bool:
    """Whether the server has refused, or closed."""
    client.socket.setblocking(False)
    try:
        data = client.socket.recv(65536)
    except BlockingIOError:
        return False
    finally:
        client.socket.settimeout(30)
    client.read += data
    return data == b"" or b" 431 " in data


def test_ends_headers_that_dribble(hasty: Standing) -> None:
    with Client(hasty.port) as client:
        client.say("GET /who HTTP/1.1\r\nhost: he")
        assert client.hear_all().startswith("HTTP/1.1 408 ")


def test_ends_the_second_requests_headers_that_dribble(hasty: Standing) -> None:
    with Client(hasty.port) as client:
        client.ask("/who")
        client.hear("}")
        client.say("GET /who HT")
        assert client.hear_all().startswith("HTTP/1.1 408 ")


def test_leaves_without_a_word_who_never_says_one(hasty: Standing) -> None:
    with Client(hasty.port) as client:
        assert client.hear_all() == ""


def test_does_not_break_off_an_answer_when_half_of_the_next_request_waits(hasty: Standing) -> None:
    with Client(hasty.port) as client, Client(hasty.port) as other:
        client.ask("/deaf")
        client.hear("deaf")
        client.say("GET /wh")
        other.say("GET /wh")
        assert other.hear_all().startswith("HTTP/1.1 408 ")  # its time was over, and so was ours
        client.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.socket.recv(1)


def test_breaks_off_an_answer_rather_than_write_an_error_into_it(server: Standing) -> None:
    with Client(server.port) as client:
        client.talk()
        client.say("this is no chunk\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert "400" not in client.hear_all()


def test_refuses_what_is_no_http(server: Standing) -> None:
    with Client(server.port) as client:
        client.say("hello?\r\n\r\n")
        assert client.hear_all().startswith("HTTP/1.1 400 ")


def test_holds_no_more_connections_than_it_may() -> None:
    with standing(Listening(max_connections=2)) as server, Client(server.port) as first, Client(server.port) as second:
        for client in (first, second):
            client.ask("/who")
            client.hear("}")
        with Client(server.port) as third:
            assert third.hear_all().startswith("HTTP/1.1 503 ")
        first.socket.close()
        until(lambda: _is_served(server.port))


def _is_served(port: int) -> bool:
    with contextlib.suppress(OSError, IndexError):
        return reply(port, "/who")[0] == 200
    return False


def test_takes_a_client_that_closes_its_side_to_have_left(server: Standing) -> None:
    before = server.app.left
    with Client(server.port) as client:
        client.talk()
        client.socket.shutdown(1)
        until(lambda: server.app.left == before + 1, patience=1.0)


def test_believes_no_proxy_unless_told_to(server: Standing) -> None:
    headers = ("x-forwarded-for: 203.0.113.9", "x-forwarded-proto: https")
    assert '"client": "127.0.0.1", "scheme": "http"' in reply(server.port, "/who", *headers)[1]
    with standing(Listening(trusted_proxies=("127.0.0.0/8",))) as trusting:
        assert '"client": "203.0.113.9", "scheme": "https"' in reply(trusting.port, "/who", *headers)[1]
    with standing(Listening(trusted_proxies=("192.0.2.1",))) as other:
        assert '"client": "127.0.0.1", "scheme": "http"' in reply(other.port, "/who", *headers)[1]


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.0"])
def test_reads_the_body_of_a_request_that_wishes_for_another_protocol(server: Standing, protocol: str) -> None:
    with Client(server.port) as client:
        for name in ("upgrade", "Upgrade ", "UPGRADE"):
            client.ask(
                "/body", f"{name.strip()}: {protocol}", "connection: Upgrade", method="POST", body='{"a": "upgrade: x"}'
            )
            client.hear("HTTP/1.1 200 OK")
            client.hear("\r\n\r\n19")


def test_takes_no_body_for_another_request(server: Standing) -> None:
    smuggled = "GET /who HTTP/1.1\r\nhost: here\r\n\r\n"
    wish = f"upgrade: h2c\r\nconnection: upgrade\r\ncontent-length: {len(smuggled)}\r\n\r\n"
    with Client(server.port) as client:
        client.say("GET /none HTTP/1.1\r\nhost: here\r\n\r\nPOST /body HTTP/1.1\r\n" + wish + smuggled)
        heard = client.hear_all()
    assert heard.count('"client"') <= 1  # the answer to the first
    assert "HTTP/1.1 400 " in heard
