"""Exchanges with clients over real sockets: what becomes of an answer, whatever becomes of the client."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from boticelli_cli.drivers.base import Going, Retrying, Routed, Waiting, meter_at_hand, notify
from boticelli_cli.errors import (
    CredentialsError,
    ProviderError,
    RefusedError,
    StreamError,
    UnknownModelError,
)
from boticelli_cli.grants import Grant
from boticelli_cli.messages import Delta, Finish, Request, Response, Text, TextDelta, ToolCall, ToolCallDelta, Usage
from tests.gateway.combining import combined
from tests.gateway.serving import OpenDoor, Served, gateway

ROUTED = Routed("m-1", "prov", "acct", "explicit", "asked for by name")
USAGE = Usage(input=10, output=5, total=15)

PATHS = {
    "anthropic": "/v1/messages",
    "openai": "/v1/chat/completions",
    "gemini": "/v1beta/models/m-1:streamGenerateContent?alt=sse",
    "array": "/v1beta/models/m-1:streamGenerateContent",
}
FACES = list(PATHS)


def body(face: str, text: str = "Hello", *, streamed: bool = True) -> dict[str, object]:
    if face in ("gemini", "array"):
        return {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    asked = {"model": "m-1", "messages": [{"role": "user", "content": text}]}
    return {**asked, "max_tokens": 100, **({"stream": True} if streamed else {})}


class Played:
    """A driver that does what a test says: `play` gives its deltas. It counts who is with it, and who has left."""

    def __init__(self, play: Callable[[Request], AsyncIterator[Delta]], *, before: object = None) -> None:
        self._play = play
        self.under_way = 0
        self.left = asyncio.Event()
        self.given = 0

    def supports_streaming(self, model: str) -> bool:
        return True

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        self.under_way += 1
        try:
            deltas = self._play(request)
            first = await anext(deltas)
            yield self._rest(first, deltas)
        finally:
            self.under_way -= 1
            self.left.set()

    async def _rest(self, first: Delta, deltas: AsyncIterator[Delta]) -> AsyncIterator[Delta]:
        self.given += 1
        yield first
        async for delta in deltas:
            self.given += 1
            yield delta

    async def generate(self, request: Request) -> Response:
        async with self.stream(request) as deltas:
            told = [delta async for delta in deltas]
        finish = told[-1]
        assert isinstance(finish, Finish)
        return Response((Text("".join(each.text for each in told if isinstance(each, TextDelta))),), finish)


async def words(_: Request) -> AsyncIterator[Delta]:
    await notify(ROUTED)
    for word in ("one ", "two ", "three"):
        yield TextDelta(word)
    yield Finish("stop", USAGE, "m-1-served")


def failing(error: Exception, after: int = 0) -> Callable[[Request], AsyncIterator[Delta]]:
    async def play(_: Request) -> AsyncIterator[Delta]:
        await notify(ROUTED)
        for _each in range(after):
            yield TextDelta("word ")
        raise error
        yield

    return play


async def wait_until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (what is waited for has no event)
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("face", FACES)
async def test_streams_and_says_who_answered(face: str) -> None:
    async with gateway(Played(words)) as served, served.client() as client:
        answer = await client.post(PATHS[face], json=body(face))
    assert answer.status_code == 200
    for word in ("one ", "two ", "three"):
        assert json.dumps(word) in answer.text
    said = {name: value for name, value in answer.headers.items() if name.startswith("x-boticelli-")}
    assert said.pop("x-boticelli-request-id").startswith("req_")
    assert said == {
        "x-boticelli-model": "m-1",
        "x-boticelli-provider": "prov",
        "x-boticelli-account": "acct",
        "x-boticelli-route": "explicit",
        "x-boticelli-reason": "asked for by name",
    }
    [entry] = served.book.entries
    assert (entry.ending, entry.status, entry.usage, entry.cost_usd) == ("done", 200, USAGE, 0.000015)
    assert entry.chunks == 4
    assert served.places.held == 0
    assert served.places.spent == [(15, 0.000015)]


async def test_streams_an_array_where_nobody_asks_for_events() -> None:
    async with gateway(Played(words)) as served, served.client() as client:
        answer = await client.post(PATHS["array"], json=body("array"))
    chunks = answer.json()
    texts = [chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in chunks]
    assert texts == ["one ", "two ", "three", ""]
    assert answer.headers["content-type"].startswith("application/json")


FAILURES = {
    str(each): (each, status)
    for each, status in (
        (ProviderError("busy", status=503, retry_after=7), 503),
        (ProviderError("too many", status=429, retry_after=7), 429),
        (CredentialsError("the key was refused", status=401), 502),
        (RefusedError("no such model", status=404), 404),
        (UnknownModelError("whose model is it?"), 404),
        (RefusedError("too long", status=400), 400),
        (RuntimeError("a bug"), 500),
    )
}


@combined(face=("anthropic", "openai", "gemini"), failure=FAILURES, streamed=(True, False))
async def test_an_error_before_the_first_byte_is_a_status(face: str, failure: str, streamed: bool) -> None:
    error, status = FAILURES[failure]
    path = PATHS[face] if streamed else PATHS[face].replace("streamGenerateContent?alt=sse", "generateContent")
    async with gateway(Played(failing(error))) as served, served.client() as client:
        answer = await client.post(path, json=body(face, streamed=streamed))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert "error" in answer.json()
    assert answer.headers.get("retry-after") == ("7" if getattr(error, "retry_after", None) else None)
    assert "a bug" not in answer.text
    [entry] = served.book.entries
    assert (entry.ending, entry.status) == ("failed", status)
    assert served.places.held == 0


@pytest.mark.parametrize("face", FACES)
async def test_an_error_after_the_first_byte_is_an_event(face: str) -> None:
    broken = StreamError("it broke off", status=502)
    async with gateway(Played(failing(broken, after=2))) as served, served.client() as client:
        answer = await client.post(PATHS[face], json=body(face))
    assert answer.status_code == 200
    assert "word " in answer.text
    assert "it broke off" in answer.text
    assert "message_stop" not in answer.text
    assert "[DONE]" not in answer.text
    [entry] = served.book.entries
    assert (entry.ending, entry.error, entry.is_estimated) == ("failed", "stream", True)
    assert entry.usage.input
    assert entry.usage.output


@pytest.mark.parametrize("face", FACES)
async def test_says_that_it_lives_while_nothing_comes(face: str) -> None:
    go = asyncio.Event()

    async def slowly(_: Request) -> AsyncIterator[Delta]:
        await notify(ROUTED)
        await go.wait()
        yield TextDelta("at last")
        yield Finish("stop", USAGE)

    alive = {"anthropic": b"event: ping", "openai": b": ", "gemini": b"\n", "array": b"\n"}[face]
    async with (
        gateway(Played(slowly), keep_alive=0.02) as served,
        served.client() as client,
        client.stream("POST", PATHS[face], json=body(face)) as answer,
    ):
        pieces = answer.aiter_raw()
        assert alive in await anext(pieces)
        go.set()
        rest = b"".join([piece async for piece in pieces])
    assert b"at last" in rest
    assert answer.headers["x-boticelli-model"] == "m-1"
    assert served.book.entries[0].first_byte > 0.02


@pytest.mark.parametrize("face", FACES)
async def test_an_error_after_a_sign_of_life_is_an_event(face: str) -> None:
    go = asyncio.Event()

    async def slowly(_: Request) -> AsyncIterator[Delta]:
        await go.wait()
        raise ProviderError("no answer", status=503)
        yield

    async with (
        gateway(Played(slowly), keep_alive=0.02) as served,
        served.client() as client,
        client.stream("POST", PATHS[face], json=body(face)) as answer,
    ):
        pieces = answer.aiter_raw()
        await anext(pieces)
        go.set()
        rest = b"".join([piece async for piece in pieces])
    assert b"no answer" in rest
    assert served.book.entries[0].status == 200


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("moment", ["before the first byte", "in the middle"])
async def test_ends_the_request_when_its_client_leaves(face: str, moment: str) -> None:
    async def endless(_: Request) -> AsyncIterator[Delta]:
        await notify(ROUTED)
        if moment == "in the middle":
            yield TextDelta("word ")
        await asyncio.Event().wait()
        yield

    driver = Played(endless)
    async with gateway(driver) as served:
        async with served.client() as client:
            asking = asyncio.create_task(client.post(PATHS[face], json=body(face)))
            await wait_until(lambda: driver.under_way)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        async with asyncio.timeout(1):
            await driver.left.wait()
        await wait_until(lambda: served.book.entries)
    [entry] = served.book.entries
    assert (entry.ending, driver.under_way, served.places.held) == ("left", 0, 0)
    assert entry.is_estimated
    assert entry.usage.input


async def test_ends_a_call_that_is_not_streamed_when_its_client_leaves() -> None:
    async def endless(_: Request) -> AsyncIterator[Delta]:
        await asyncio.Event().wait()
        yield

    driver = Played(endless)
    async with gateway(driver) as served:
        async with served.client() as client:
            asking = asyncio.create_task(client.post(PATHS["openai"], json=body("openai", streamed=False)))
            await wait_until(lambda: driver.under_way)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        async with asyncio.timeout(1):
            await driver.left.wait()
        await wait_until(lambda: served.book.entries)
    assert served.book.entries[0].ending == "left"


async def test_ends_a_count_when_its_client_leaves() -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def counting(_: Request) -> int:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return 0

    async with gateway(Played(words), count=counting) as served, served.client() as client:
        asking = asyncio.create_task(client.post("/v1/messages/count_tokens", json=body("anthropic")))
        await begun.wait()
        asking.cancel()
        async with asyncio.timeout(1):
            await left.wait()


async def test_a_count_that_fails_is_told_as_it_is() -> None:
    async def failing_count(_: Request) -> int:
        raise UnknownModelError("whose model is it?")

    async with gateway(Played(words), count=failing_count) as served, served.client() as client:
        answer = await client.post("/v1/messages/count_tokens", json=body("anthropic"))
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "whose model is it?")


@pytest.mark.parametrize("streamed", [True, False])
async def test_guesses_what_an_answer_took_whose_provider_does_not_say(streamed: bool) -> None:
    async def silent(_: Request) -> AsyncIterator[Delta]:
        await notify(ROUTED)
        yield TextDelta("four" * 25)
        yield Finish("stop")

    async with gateway(Played(silent)) as served, served.client() as client:
        await client.post(PATHS["openai"], json=body("openai", streamed=streamed))
    [entry] = served.book.entries
    assert (entry.usage.output, entry.is_estimated) == (25, True)


async def test_a_slow_client_slows_the_provider() -> None:
    async def endless(_: Request) -> AsyncIterator[Delta]:
        while True:
            yield TextDelta("x" * 10_000)
            await asyncio.sleep(0)

    driver = Played(endless)
    async with gateway(driver) as served, served.client() as client:
        async with client.stream("POST", PATHS["openai"], json=body("openai")) as answer:
            pieces = answer.aiter_raw()
            await anext(pieces)
            before = -1
            async with asyncio.timeout(10):
                while driver.given != before or driver.given < 100:  # until it stands still
                    before = driver.given
                    await asyncio.sleep(0.05)
            [flying] = served.exchanges.in_flight()
            assert flying.queued == 100
            assert driver.given < 3_000
        async with asyncio.timeout(1):
            await driver.left.wait()


@pytest.mark.parametrize("face", FACES)
async def test_is_cut_with_an_error_when_the_gateway_ends(face: str) -> None:
    async def endless(_: Request) -> AsyncIterator[Delta]:
        yield TextDelta("word ")
        await asyncio.Event().wait()

    async with (
        gateway(Played(endless)) as served,
        served.client() as client,
        client.stream("POST", PATHS[face], json=body(face)) as answer,
    ):
        pieces = answer.aiter_raw()
        await anext(pieces)
        served.exchanges.cut()
        rest = b"".join([piece async for piece in pieces])
    assert b"shutting down" in rest
    assert served.book.entries[0].ending == "cut"


async def test_cuts_answers_that_have_yet_to_begin() -> None:
    async def endless(_: Request) -> AsyncIterator[Delta]:
        yield TextDelta("hello")
        await asyncio.Event().wait()

    async with gateway(Played(endless)) as served, served.client() as client:
        asking = asyncio.create_task(client.post(PATHS["anthropic"], json=body("anthropic")))
        await wait_until(served.exchanges.in_flight)
        served.exchanges.cut()
        later = await client.post(PATHS["openai"], json=body("openai"))
        async with asyncio.timeout(5):
            answer = await asking
    assert "shutting down" in answer.text
    assert (later.status_code, later.headers["retry-after"]) == (503, "5")
    assert {entry.ending for entry in served.book.entries} == {"cut"}


async def test_tells_a_client_to_come_back_that_would_wait_for_long() -> None:
    async def waiting(_: Request) -> AsyncIterator[Delta]:
        await notify(Waiting("for its minute", 45))
        await asyncio.Event().wait()
        yield

    async with gateway(Played(waiting)) as served, served.client() as client:
        answer = await client.post(PATHS["openai"], json=body("openai"))
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "45"
    assert served.book.entries[0].ending == "refused"


async def test_does_not_wait_for_a_place_for_longer_than_it_may() -> None:
    async def waiting(_: Request) -> AsyncIterator[Delta]:
        await notify(Waiting("for a free account", 0))
        await asyncio.Event().wait()
        yield

    async with gateway(Played(waiting), longest_wait=0.05) as served, served.client() as client:
        answer = await client.post(PATHS["openai"], json=body("openai"))
    assert answer.status_code == 429


async def test_a_wait_that_is_over_in_time_is_none() -> None:
    async def waiting(_: Request) -> AsyncIterator[Delta]:
        await notify(Waiting("for a free account", 0))
        await notify(Going())
        await asyncio.sleep(0.1)
        yield TextDelta("hello")
        yield Finish("stop", USAGE)

    async with gateway(Played(waiting), longest_wait=0.05) as served, served.client() as client:
        answer = await client.post(PATHS["openai"], json=body("openai"))
    assert answer.status_code == 200
    assert served.places.held == 0


@pytest.mark.parametrize("notice", [Waiting("for a free account", 1.0), Retrying(ProviderError("busy"), 0.1)])
async def test_what_is_waited_for_is_no_overhead_of_ours(notice: Waiting | Retrying) -> None:
    async def waiting(_: Request) -> AsyncIterator[Delta]:
        metered()
        await notify(notice)
        await asyncio.sleep(0.1)
        await notify(Going())
        yield Finish("stop", USAGE)

    async def slowly(content: bytes) -> AsyncIterator[bytes]:
        yield content[:10]
        await asyncio.sleep(0.1)
        yield content[10:]

    async with gateway(Played(waiting)) as served, served.client() as client:
        content = slowly(json.dumps(body("openai")).encode())
        answer = await client.post(PATHS["openai"], content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    [entry] = served.book.entries
    assert entry.overhead is not None
    assert entry.seconds - entry.overhead >= 0.2


def metered() -> None:
    """Tell the meter of the request that a provider was waited for, for no time at all."""
    meter = meter_at_hand()
    assert meter is not None
    meter.wait(0.0)


async def test_a_retry_that_is_far_away_is_left_to_the_client() -> None:
    error = ProviderError("too many", status=429, retry_after=90)

    async def retrying(_: Request) -> AsyncIterator[Delta]:
        await notify(Retrying(error, 90))
        yield TextDelta("never")

    async with gateway(Played(retrying)) as served, served.client() as client:
        answer = await client.post(PATHS["anthropic"], json=body("anthropic"))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "90")
    assert served.book.entries[0].status == 429


@pytest.mark.parametrize("error", [StreamError("it broke off"), None])
async def test_gives_the_place_back_of_a_client_that_takes_nothing(error: StreamError | None) -> None:
    async def much(_: Request) -> AsyncIterator[Delta]:
        await notify(ROUTED)
        yield TextDelta("much " * 4_000_000)
        if error is not None:
            raise error
        yield Finish("stop", USAGE)

    async with gateway(Played(much), patience=0.1) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]), limit=100)
        sent = json.dumps(body("anthropic")).encode()
        writer.write(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(sent), sent))
        await wait_until(lambda: served.book.entries)
        writer.transport.abort()
    assert served.places.held == 0
    assert served.book.entries[0].ending == ("left" if error is None else "failed")


@pytest.mark.parametrize("face", ["anthropic", "openai", "gemini"])
async def test_a_mistake_of_ours_is_told_in_the_words_of_the_face(face: str) -> None:
    class Broken(OpenDoor):
        async def grant(self, scope: object) -> Grant:
            raise RuntimeError("a bug")

    async with gateway(Played(words), door=Broken()) as served, served.client() as client:
        answer = await client.post(PATHS[face], json=body(face))
        listed = await client.get("/v1/models")
    assert (answer.status_code, listed.status_code) == (500, 500)
    assert "the gateway itself failed" in str(answer.json()["error"])
    assert "the gateway itself failed" in str(listed.json()["error"])
    [entry] = served.book.entries
    assert (entry.ending, entry.status) == ("refused", 500)


async def test_gives_a_call_its_seal_back() -> None:
    asked: list[Request] = []

    async def calling(request: Request) -> AsyncIterator[Delta]:
        asked.append(request)
        yield ToolCallDelta(ToolCall("weather", {"place": "Skellig"}, signature="c2VhbA=="))
        yield Finish("tool_call", USAGE)

    async with gateway(Played(calling)) as served, served.client() as client:
        first = (await client.post(PATHS["openai"], json=body("openai"))).text
        chunks = [json.loads(line[6:]) for line in first.splitlines() if line.startswith("data: {")]
        [call] = [call for each in chunks for call in each["choices"][0]["delta"].get("tool_calls", [])]
        turns = [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": None, "tool_calls": [{**call, "type": "function"}]},
            {"role": "tool", "tool_call_id": call["id"], "content": "rain"},
        ]
        await client.post(PATHS["openai"], json={"model": "m-1", "messages": turns})
    [sealed] = [part for message in asked[1].messages for part in message.parts if isinstance(part, ToolCall)]
    assert sealed.signature == "c2VhbA=="


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/v1/messages", b"{"),
        ("/v1/messages", b"[]"),
        ("/v1/messages", b'{"model": "m", "messages": []}'),
        ("/v1/messages", b'{"model": "m", "messages": ' + b"[" * 100_000),
        ("/v1/messages", b"\xff\xfe"),
        ("/v1/chat/completions", b'{"model": 7, "messages": "x"}'),
        ("/v1beta/models/m:generateContent", b'{"contents": 5}'),
    ],
)
async def test_refuses_bodies_that_nobody_can_read(path: str, content: bytes) -> None:
    async with gateway(Played(words)) as served, served.client() as client:
        answer = await client.post(path, content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert served.book.entries[0].ending == "refused"


async def test_names_from_clients_break_no_header() -> None:
    async with gateway(Played(failing(RefusedError("no", status=404)))) as served, served.client() as client:
        asked = {**body("openai"), "model": "m\r\nset-cookie: x=1\x00é"}
        answer = await client.post(PATHS["openai"], json=asked)
    assert "set-cookie" not in answer.headers
    assert answer.status_code == 404
    assert len(served.book.entries) == 1


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions", "/v1beta/models/m:generateContent"])
async def test_says_which_method_is_taken(path: str) -> None:
    async with gateway(Played(words)) as served, served.client() as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert served.book.entries == []


async def test_leaves_nothing_behind_of_500_clients_that_leave_at_random_moments() -> None:
    chance = random.Random(6)

    async def unsteady(_: Request) -> AsyncIterator[Delta]:
        await asyncio.sleep(chance.random() / 20)
        await notify(ROUTED)
        for _each in range(chance.randrange(1, 20)):
            yield TextDelta("word ")
            await asyncio.sleep(chance.random() / 200)
        yield Finish("stop", USAGE)

    async def visit(served: Served, face: str) -> None:
        streamed = chance.random() < 0.8
        path = PATHS[face] if streamed else PATHS[face].replace("streamGenerateContent", "generateContent")
        sent = json.dumps(body(face, streamed=streamed)).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
        writer.write(
            b"POST %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
            % (path.encode(), len(sent), sent)
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(None if chance.random() < 0.4 else chance.random() / 8):
                while await reader.read(100):
                    pass
        writer.transport.abort()

    driver = Played(unsteady)
    async with gateway(driver) as served:
        async with asyncio.TaskGroup() as tasks:
            for number in range(500):
                tasks.create_task(visit(served, FACES[number % 4]))
                await asyncio.sleep(0)
        await wait_until(lambda: len(served.book.entries) == 500)
    assert (driver.under_way, served.places.held, served.exchanges.in_flight()) == (0, 0, [])
    endings = Counter(entry.ending for entry in served.book.entries)
    assert set(endings) <= {"done", "left"}
    assert min(endings["done"], endings["left"]) > 50
    asked = [entry for entry in served.book.entries if entry.provider is not None]
    assert all(entry.usage.input and entry.cost_usd for entry in asked)
    assert len(served.places.spent) == len([entry for entry in served.book.entries if entry.model])


async def test_reads_a_large_body_while_others_are_served() -> None:
    turns = [{"role": "user", "content": [{"type": "text", "text": "word"}] * 500}] * 800
    large = json.dumps({"model": "m-1", "max_tokens": 5, "messages": turns}).encode()
    async with gateway(Played(words)) as served, served.client() as client, served.client() as other:
        asking = asyncio.create_task(client.post(PATHS["anthropic"], content=large))
        answered = 0
        while not asking.done():
            await other.post(PATHS["openai"], json=body("openai"))
            answered += 1
        assert (await asking).status_code == 200
    assert answered > 3  # with the loop held up for the whole of it, there is hardly one


async def test_a_key_for_some_models_gets_no_others_by_other_words() -> None:
    asked: list[Request] = []

    async def answering(request: Request) -> AsyncIterator[Delta]:
        asked.append(request)
        yield TextDelta("hello")
        yield Finish("stop", USAGE)

    class Limited(OpenDoor):
        async def grant(self, scope: object) -> Grant:
            return Grant("ci", "0" * 64, models=("m-*",))

    sent = {**body("openai"), "models": ["dear/model"], "route": "fallback", "seed": 7}
    async with gateway(Played(answering), door=Limited()) as served, served.client() as client:
        await client.post(PATHS["openai"], json=sent)
    async with gateway(Played(answering)) as served, served.client() as client:
        await client.post(PATHS["openai"], json=sent)
    assert [sorted(request.options) for request in asked] == [["seed"], ["models", "route", "seed"]]
    assert [request.original and request.original.body is not None for request in asked] == [False, True]


async def test_counting_tokens_goes_by_the_limits_of_a_key() -> None:
    async with gateway(Played(words)) as served, served.client() as client:
        answer = await client.post("/v1/messages/count_tokens", json=body("anthropic", streamed=False))
    assert answer.json()["input_tokens"] > 0
    assert (len(served.places.ids), served.places.held) == (1, 0)
