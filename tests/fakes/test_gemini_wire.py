"""The fake Gemini service's wire, byte by byte: what it refuses, how it breaks, and how it is served."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aiohttp import ClientSession
from httpx_aiohttp import AiohttpTransport

from tests.clock import run_virtual
from tests.fakes.behaviours import (
    KEYWORDS,
    Answer,
    Drop,
    Events,
    Fail,
    Huge,
    Long,
    Malformed,
    OneByteAtATime,
    Silence,
    TruncatedClean,
    keyword,
)
from tests.fakes.gemini import FakeGemini
from tests.fakes.material import long_text
from tests.fakes.serving import own_process, serving, until

STREAM = "/v1beta/models/gemini-3.8-flash:streamGenerateContent"
WHOLE = "/v1beta/models/gemini-3.8-flash:generateContent"
USER: dict[str, Any] = {"role": "user", "parts": [{"text": "hi"}]}
BODY = {"contents": [USER]}


@asynccontextmanager
async def asking(*answers: Any) -> AsyncIterator[tuple[FakeGemini, httpx.AsyncClient]]:
    """A fake and a client that may ask it."""
    async with FakeGemini(answers) as fake, client_of(fake) as client:
        yield fake, client


def client_of(fake: FakeGemini, *, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    good = {"x-goog-api-key": "test-key"}
    return httpx.AsyncClient(
        base_url=fake.url, headers=good if headers is None else headers, trust_env=False, timeout=10
    )


async def read(client: httpx.AsyncClient, body: Any = BODY) -> tuple[bytes, Exception | None]:
    """What a stream brought before it ended or broke."""
    data = b""
    try:
        async with client.stream("POST", f"{STREAM}?alt=sse", json=body) as response:
            async for piece in response.aiter_bytes():
                data += piece
    except httpx.HTTPError as error:
        return data, error
    return data, None


def events(data: bytes) -> list[Any]:
    assert data.endswith(b"\r\n\r\n")
    return [json.loads(event.removeprefix(b"data: ")) for event in data.split(b"\r\n\r\n")[:-1]]


def texts(data: bytes) -> list[str]:
    return [event["candidates"][0]["content"]["parts"][0]["text"] for event in events(data)]


def test_separates_events_by_blank_lines_and_nothing_else() -> None:
    async def run() -> None:
        async with asking() as (_, client):
            data, _ = await read(client)
            assert texts(data) == ["You said: hi", ""]
            assert all(line.startswith(b"data: {") for line in data.split(b"\r\n") if line)

    run_virtual(run())


def test_streams_an_array_unless_asked_for_events() -> None:
    async def run() -> None:
        async with asking() as (_, client):
            response = await client.post(STREAM, json=BODY)
            assert response.headers["Content-Type"].startswith("application/json")
            assert [event["candidates"][0]["content"]["parts"][0]["text"] for event in response.json()] == [
                "You said: hi",
                "",
            ]
            refused = await client.post(STREAM, json={})
            assert refused.json()[0]["error"]["code"] == 400

    run_virtual(run())


def test_lets_in_by_header_or_query() -> None:
    async def run() -> None:
        async with FakeGemini() as fake, client_of(fake, headers={}) as client:
            assert (await client.post(WHOLE, params={"key": "test-key"}, json=BODY)).status_code == 200
            missing = (await client.post(WHOLE, json=BODY)).json()["error"]
            assert (missing["code"], missing["status"]) == (403, "PERMISSION_DENIED")
            assert missing["message"].startswith("Method doesn't allow unregistered callers")
            bad = (await client.post(WHOLE, params={"key": "bad"}, json=BODY)).json()["error"]
            assert (bad["code"], bad["details"][0]["reason"]) == (400, "API_KEY_INVALID")

    run_virtual(run())


CALL = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "AAAA"}]}
RESULT = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "contents is not specified"),
        ({"contents": []}, "contents is not specified"),
        ({**BODY, "foo": 1}, 'Invalid JSON payload received. Unknown name "foo": Cannot find field.'),
        ({**BODY, "generationConfig": {"foo": 1}}, "Unknown name \"foo\" at 'generation_config': Cannot find field."),
        ({**BODY, "generationConfig": {"thinkingConfig": {"foo": 1}}}, 'Unknown name "foo"'),
        ({**BODY, "generationConfig": {"temperature": 3}}, "temperature must be in the range"),
        ({**BODY, "generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}}}, "only one"),
        ({"contents": [{**USER, "role": "assistant"}]}, "Please use a valid role: user, model."),
        ({"contents": [{"role": "user", "parts": []}]}, "parts must not be empty"),
        ({"contents": [{"role": "user", "parts": [{}]}]}, "must have one initialized field"),
        ({"contents": [{"role": "user", "parts": [{"thought": True}]}]}, "must have one initialized field"),
        ({"contents": [{"parts": [{"text": "a", "inlineData": {}}]}]}, "oneof field 'data' is already set"),
        ({"contents": [{"parts": [{"txt": "a"}]}]}, "Unknown name \"txt\" at 'contents[0].parts[0]'"),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "?!"}}]}]},
            "Base64 decoding failed",
        ),
        ({"contents": [USER, RESULT]}, "immediately after a function call turn"),
        ({"contents": [USER, CALL, USER]}, "equal to the number of function call parts"),
        ({"contents": [{"parts": [{"text": "x" * (21 * 1024 * 1024)}]}]}, "payload size exceeds the limit"),
        ([], "Root element must be a message"),
        ({"contents": "hi"}, "Invalid value at 'contents[0]'"),
        ({"contents": [{"parts": "hi"}]}, "Invalid value at 'contents[0].parts[0]'"),
        ({**BODY, "generationConfig": "hot"}, "Invalid value at 'generation_config'"),
    ],
)
def test_refuses_what_the_service_refuses(body: Any, message: str) -> None:
    async def run() -> None:
        async with asking() as (_, client):
            error = (await client.post(WHOLE, json=body)).json()["error"]
            assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
            assert message in error["message"]

    run_virtual(run())


@pytest.mark.parametrize(
    "body",
    [
        {"contents": [{"parts": [{"inline_data": {"mime_type": "image/png", "data": "-_8"}}]}]},
        {
            **BODY,
            "generation_config": {"max_output_tokens": 5},
            "system_instruction": {"parts": [{"text": "be brief"}]},
        },
        {"contents": [USER, CALL, RESULT]},
        {**BODY, "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"properties": {"a_b": {}}}}]}]},
    ],
)
def test_takes_what_the_service_takes(body: Any) -> None:
    async def run() -> None:
        async with asking() as (_, client):
            assert (await client.post(WHOLE, json=body)).status_code == 200

    run_virtual(run())


@pytest.mark.parametrize("behaviour", [Drop(after=5), Drop(after=1, inside=True), Drop(after=0), Drop(headers=False)])
def test_drops_the_connection(behaviour: Drop) -> None:
    async def run() -> None:
        async with asking(behaviour) as (fake, client):
            data, error = await read(client)
            assert isinstance(error, httpx.RemoteProtocolError)
            assert data.count(b"\r\n\r\n") == (behaviour.after if behaviour.headers else 0)
            assert (data == b"" or data.endswith(b"\r\n\r\n")) is not behaviour.inside
            assert fake.gone == []
            assert (await client.post(WHOLE, json=BODY)).status_code == 200
            assert fake.connections == 2

    run_virtual(run())


def test_ends_without_having_finished() -> None:
    async def run() -> None:
        async with asking(TruncatedClean(3)) as (_, client):
            data, error = await read(client)
            assert error is None
            assert len(texts(data)) == 3
            assert b"finishReason" not in data

    run_virtual(run())


@pytest.mark.parametrize(("behaviour", "pieces"), [(Silence(2), 2), (Silence(), 0), (Silence(headers=False), 0)])
def test_is_silent_and_sees_the_client_leave(behaviour: Silence, pieces: int) -> None:
    async def run() -> None:
        async with asking(behaviour) as (fake, client):
            data, error = await read(client)
            assert isinstance(error, httpx.ReadTimeout)
            assert data.count(b"\r\n\r\n") == pieces
            await asyncio.sleep(0.1)
            assert [asked.prompt for asked in fake.gone] == ["hi"]
            assert fake.running == 0

    run_virtual(run())


def test_says_what_is_no_json() -> None:
    async def run() -> None:
        async with asking(Malformed(1)) as (_, client):
            data, error = await read(client)
            assert error is None
            with pytest.raises(json.JSONDecodeError):
                events(data)

    run_virtual(run())


def test_sends_each_byte_by_itself() -> None:
    async def run() -> None:
        async with (
            asking(OneByteAtATime()) as (_, client),
            client.stream("POST", f"{STREAM}?alt=sse", json=BODY) as response,
        ):
            pieces = [piece async for piece in response.aiter_raw()]
            assert max(len(piece) for piece in pieces) < 8
            assert "".join(texts(b"".join(pieces))) == "a é 中 🎨 z"

    run_virtual(run())


def test_sends_one_great_chunk_and_very_many_small_ones() -> None:
    async def run() -> None:
        async with asking(Huge(), Long(2_500), "after") as (_, client):
            data, _ = await read(client)
            assert len(texts(data)[0]) == 2_000_000
            data, _ = await read(client)
            said = events(data)
            assert "".join(texts(data)) == long_text(2_500)
            assert said[-1]["usageMetadata"]["candidatesTokenCount"] == 2_500
            assert texts((await read(client))[0]) == ["after", ""]

    run_virtual(run())


def test_sends_exactly_the_events_it_is_given() -> None:
    async def run() -> None:
        async with asking(Events(({"candidates": []}, {"whatever": 1}))) as (_, client):
            data, _ = await read(client)
            assert events(data) == [{"candidates": []}, {"whatever": 1}]

    run_virtual(run())


def test_takes_its_time_in_virtual_time() -> None:
    async def run() -> None:
        async with asking(Answer(chunks=5, delay=2, first_delay=3)) as (_, client):
            began = asyncio.get_running_loop().time()
            await read(client)
            assert asyncio.get_running_loop().time() - began == pytest.approx(13)

    run_virtual(run())


def test_counts_a_hundred_streams_at_once() -> None:
    async def run() -> None:
        async with FakeGemini() as fake:
            fake.script.append(Answer(chunks=5, delay=1), times=None)
            limits = httpx.Limits(max_connections=None)
            async with httpx.AsyncClient(
                base_url=fake.url, headers={"x-goog-api-key": "test-key"}, trust_env=False, timeout=60, limits=limits
            ) as client:
                answers = await asyncio.gather(*(read(client) for _ in range(100)))
            assert all(error is None and len(texts(data)) == 6 for data, error in answers)
            assert (fake.connections, fake.most_running, fake.running) == (100, 100, 0)

    run_virtual(run())


def test_is_served_over_aiohttp_too() -> None:
    async def run() -> None:
        async with (
            FakeGemini([Drop(after=2)]) as fake,
            httpx.AsyncClient(
                base_url=fake.url,
                headers={"x-goog-api-key": "test-key"},
                transport=AiohttpTransport(client=ClientSession()),
            ) as client,
        ):
            data, error = await read(client)
            assert isinstance(error, httpx.HTTPError)
            assert data.count(b"\r\n\r\n") == 2
            assert texts((await read(client))[0]) == ["You said: hi", ""]

    run_virtual(run())


@pytest.mark.parametrize("prompt", ["[[429 retry=2 quota=PerMinute]]", "[[html]]", "[[drop headers=false]]"])
def test_breaks_whole_answers_too(prompt: str) -> None:
    async def run() -> None:
        async with asking() as (_, client):
            body = {"contents": [{"parts": [{"text": prompt}]}]}
            if "drop" in prompt:
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.post(WHOLE, json=body)
            else:
                assert (await client.post(WHOLE, json=body)).status_code in (429, 502)

    run_virtual(run())


def test_knows_its_keywords() -> None:
    assert keyword("please [[429 retry=2 times=3]] now") == Fail(429, retry=2, times=3)
    assert keyword('[[503 retry_after="Wed, 21 Oct 2026 07:28:00 GMT"]]') == Fail(
        503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"
    )
    assert keyword("[[paced chunks=30 delay=0.1]]") == Answer(chunks=30, delay=0.1)
    assert keyword("[[max_tokens]]") == Answer(finish_reason="MAX_TOKENS")
    assert keyword("[[drop after=5 inside=true]]") == Drop(5, inside=True)
    assert keyword("see [[some page]] and [[silence]]") == Silence()
    assert keyword("nothing of [[the sort's]]") is None
    assert all(keyword(f"[[{word}]]") for word in KEYWORDS if word != "finish")


def test_serves_from_a_thread() -> None:
    with serving(FakeGemini(["hello"])) as fake, httpx.Client(base_url=fake.url, trust_env=False) as client:
        answer = client.post(WHOLE, params={"key": "test-key"}, json=BODY).json()
        assert answer["candidates"][0]["content"]["parts"] == [{"text": "hello"}]
        assert [asked.prompt for asked in fake.requests] == ["hi"]


def test_sees_from_a_thread_that_a_client_has_left() -> None:
    with serving(FakeGemini([Silence(1)])) as fake:
        with (
            httpx.Client(base_url=fake.url, trust_env=False) as client,
            client.stream("POST", STREAM, params={"alt": "sse", "key": "test-key"}, json=BODY) as response,
        ):
            pieces = response.iter_bytes()
            assert next(pieces).startswith(b"data: ")
            assert fake.running == 1
        until(lambda: fake.gone)
        until(lambda: fake.running == 0)


def test_treats_each_key_as_told() -> None:
    async def run() -> None:
        async with FakeGemini(keys=("one", "two")) as fake, client_of(fake, headers={}) as client:
            fake.script.append(Fail(429), key="one", times=None)
            codes = [
                (await client.post(WHOLE, params={"key": key}, json=BODY)).status_code for key in ("one", "two", "one")
            ]
            assert codes == [429, 200, 429]
            assert [asked.key for asked in fake.requests] == ["one", "two", "one"]
            assert [asked.status for asked in fake.requests] == codes

    run_virtual(run())


def test_serves_from_a_process_of_its_own() -> None:
    with own_process("tests.fakes.gemini", "--key", "another") as (url, tls_url, ca_file):
        assert tls_url.startswith("https://")
        assert ca_file.endswith(".pem")
        with httpx.Client(base_url=url, trust_env=False) as client:
            assert client.post(WHOLE, params={"key": "another"}, json=BODY).status_code == 200
            state = client.get("/-/state").json()
    assert state["connections"] == 1
    assert state["running"] == 0
