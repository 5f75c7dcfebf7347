"""The bodies of requests: whole, in JSON, and no larger than is taken."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boticelli_cli.errors import ProviderError, RefusedError
from boticelli_cli.gateway.bounds import BodyBounds, read_body
from tests.clock import in_virtual_time, run_virtual
from tests.gateway.standing import Client, Standing, reply, standing, standing_process

POST = "POST /body HTTP/1.1\r\nhost: here\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Standing]:
    with standing() as here:
        yield here


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "application/problem+json", None]
)
def test_takes_json_and_what_says_nothing_of_itself(server: Standing, kind: str | None) -> None:
    headers = [f"content-type: {kind}"] if kind else []
    assert reply(server.port, "/body", *headers, method="POST", body="{}") == (200, "2")


@pytest.mark.parametrize(
    "header",
    [
        "content-type: application/x-www-form-urlencoded",
        "content-type: multipart/form-data; boundary=b",
        "content-type: text/plain",
        "content-encoding: gzip",
        "content-encoding: br",
    ],
)
def test_refuses_other_kinds_of_bodies(server: Standing, header: str) -> None:
    status, body = reply(server.port, "/body", header, method="POST", body="{}")
    assert (status, "is not read" in body) == (415, True)


def test_hands_on_requests_without_a_body(server: Standing) -> None:
    assert reply(server.port, "/body", "content-type: text/plain") == (200, "0")
    assert reply(server.port, "/body", method="POST") == (200, "0")


def test_refuses_too_large_a_body_before_any_of_it_has_come(server: Standing) -> None:
    with Client(server.port) as client:
        client.say(f"{POST}content-length: 100000000\r\nexpect: 100-continue\r\n\r\n")
        answer = client.hear_all()
    assert answer.startswith("HTTP/1.1 413 ")
    assert "100 Continue" not in answer
    assert "connection: close" in answer


def test_asks_for_a_body_that_it_takes(server: Standing) -> None:
    with Client(server.port) as client:
        client.say(f"{POST}content-length: 2\r\nexpect: 100-continue\r\n\r\n")
        client.hear("HTTP/1.1 100 Continue\r\n\r\n")
        client.say("{}")
        client.hear("\r\n\r\n2")


def test_a_client_that_is_still_sending_gets_to_read_why_it_is_refused(server: Standing) -> None:
    with Client(server.port) as client:
        client.say(f"{POST}content-length: 5000000\r\n\r\n")
        for _ in range(50):
            client.say(b"q" * 100_000)
        assert client.hear_all().startswith("HTTP/1.1 413 ")


def test_refuses_a_body_that_grows_too_large(server: Standing) -> None:
    with Client(server.port) as client:
        client.say(f"{POST}transfer-encoding: chunked\r\n\r\n")
        for _ in range(12):
            client.chunk("q" * 100_000)
        assert client.hear_all().startswith("HTTP/1.1 413 ")


def test_answers_a_body_that_stalls(server: Standing) -> None:
    with Client(server.port) as client:
        client.say(f"{POST}content-length: 10\r\n\r\nfive!")
        answer = client.hear_all()
    assert answer.startswith("HTTP/1.1 408 ")
    assert "no byte of the body came for 0.3 seconds" in answer


def test_memory_does_not_grow_with_what_is_refused() -> None:
    def peak(process: int) -> int:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024

    with standing_process() as (process, port):
        reply(port, "/body", method="POST", body="{}")
        before = peak(process.pid)
        for head in ("content-length: 100000000\r\n\r\n", "transfer-encoding: chunked\r\n\r\n5f5e100\r\n"):
            with Client(port) as client:
                client.say(POST + head)
                for _ in range(100):
                    try:
                        client.say(b"q" * 1_000_000)
                    except ConnectionError:
                        break
        assert peak(process.pid) - before < 20_000_000


class Sender:
    """A client at the other side of an ASGI call, which takes its time."""

    def __init__(self, messages: list[dict[str, Any]], *, pause: float = 0.0) -> None:
        self._messages = iter(messages)
        self._pause = pause

    async def receive(self) -> Any:
        await asyncio.sleep(self._pause)
        message = next(self._messages, None)
        return message or await asyncio.Event().wait()


def body_of(*pieces: bytes) -> list[dict[str, Any]]:
    last = len(pieces) - 1
    return [{"type": "http.request", "body": each, "more_body": n < last} for n, each in enumerate(pieces)]


def scope(**headers: str) -> Any:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": "/", "headers": named}


@given(pieces=st.lists(st.binary(max_size=40), min_size=1, max_size=20), most=st.integers(1, 300))
def test_reads_a_body_whole_or_refuses_it(pieces: list[bytes], most: int) -> None:
    whole = b"".join(pieces)
    reading = read_body(scope(transfer_encoding="chunked"), Sender(body_of(*pieces)).receive, BodyBounds(most=most))
    if len(whole) <= most:
        assert run_virtual(reading) == whole
        return
    with pytest.raises(RefusedError) as caught:
        run_virtual(reading)
    assert caught.value.status == 413


@in_virtual_time
async def test_waits_for_a_slow_body_but_not_for_ever() -> None:
    bounds, slow = BodyBounds(silence=30, whole=600), scope(content_length="25")
    assert await read_body(slow, Sender(body_of(*[b"q"] * 20), pause=29).receive, bounds) == b"q" * 20
    for pieces, pause in ((2, 31.0), (25, 29.0)):
        with pytest.raises(ProviderError) as caught:
            await read_body(slow, Sender(body_of(*[b"q"] * pieces), pause=pause).receive, bounds)
        assert caught.value.status == 408


@in_virtual_time
async def test_a_client_that_leaves_before_the_end_of_its_body_has_none() -> None:
    sender = Sender([*body_of(b"{", b"}")[:1], {"type": "http.disconnect"}])
    assert await read_body(scope(content_length="2"), sender.receive, BodyBounds()) is None


@in_virtual_time
async def test_says_how_much_it_takes() -> None:
    with pytest.raises(RefusedError, match="the body is larger than 1 MiB, which is the most"):
        await read_body(scope(content_length="9999999"), Sender([]).receive, BodyBounds(most=1024 * 1024))


@in_virtual_time
async def test_raises_before_it_reads_what_it_would_not_take() -> None:
    async def receive() -> Any:
        pytest.fail("it was read")

    with pytest.raises(RefusedError) as caught:
        await read_body(scope(content_length="99", content_encoding="gzip"), receive, BodyBounds())
    assert caught.value.status == 415


def test_says_that_it_closes_a_connection_whose_body_nobody_has_read(server: Standing) -> None:
    with Client(server.port) as client:
        client.ask("/who", "content-length: 5", method="POST")
        assert client.hear("\r\n\r\n").lower().count("connection: close") == 1
        client.say("hello")
        assert client.hear_all().endswith("}")
    with Client(server.port) as client:
        client.ask("/body", method="POST", body="{}")
        assert "connection: close" not in client.hear("\r\n\r\n").lower()
        client.hear("2")
        client.ask("/who")
        client.hear('"client"')
