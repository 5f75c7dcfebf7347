"""Requests and answers that are passed on as they are, where whoever asks speaks the provider's own dialect."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from boticelli_cli.errors import ProviderError, RefusedError, StreamError
from boticelli_cli.messages import Delta, Finish, Forwarded, Original, Request, Response
from boticelli_cli.wire import anthropic, gemini, openai
from boticelli_cli.wire.openai import forwarded_body
from tests.clock import in_virtual_time
from tests.drivers import asking
from tests.drivers.dialects import ANTHROPIC, CONVERSE, GEMINI, INVOKE, OPENAI, Dialect, both_transports, both_ways
from tests.fakes.behaviours import (
    Answer,
    Behaviour,
    Blocked,
    Drop,
    Empty,
    Fail,
    InStreamError,
    Long,
    Malformed,
    OneByteAtATime,
    Silence,
    TruncatedClean,
)

FORWARDING = (GEMINI, ANTHROPIC, OPENAI)
every_dialect = pytest.mark.parametrize("dialect", FORWARDING, ids=str)
TOOL = {"name": "find", "description": "Find."}


def body_of(dialect: Dialect, *, streamed: bool, prompt: str = "Hello.", **more: Any) -> bytes:
    """What a client writes, in an order and with blanks of its own."""
    match dialect.name:
        case "gemini":
            said: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": prompt}]}], **more}
        case "anthropic":
            messages = [{"role": "user", "content": prompt}]
            said = {"max_tokens": 1000, **more, "stream": streamed, "messages": messages, "model": dialect.model}
        case _:
            messages = [{"role": "user", "content": prompt}]
            options = {"stream_options": {"include_usage": True}} if streamed else {}
            said = {"stream": streamed, **more, **options, "messages": messages, "model": dialect.model}
    return json.dumps(said, indent=1).encode()


def decoded(dialect: Dialect, body: bytes) -> Request:
    if dialect is GEMINI:
        return gemini.decode_request(body, dialect.model)
    return anthropic.decode_request(body) if dialect is ANTHROPIC else openai.decode_request(body)


def asked(dialect: Dialect, body: bytes | None = None, *, streamed: bool = True, **original: Any) -> Request:
    """A request as a client of a dialect makes it; with a body, of that one."""
    body = body_of(dialect, streamed=streamed) if body is None else body
    said = {"include_usage": True, **original}
    return replace(decoded(dialect, body), original=Original(dialect.name, **{"body": body, **said}))


async def hear(driver: Any, request: Request) -> tuple[list[Delta], ProviderError | None]:
    return await asking.hear(driver, request)


def passed(deltas: list[Delta]) -> bytes:
    return b"".join(delta.data for delta in deltas if isinstance(delta, Forwarded))


ANSWERS: list[tuple[str, Callable[[], Behaviour]]] = [
    ("chunks", lambda: Answer("one two three four", chunks=4)),
    ("thoughts", lambda: Answer("Yes.", thoughts="Let me think about it.")),
    ("tools", lambda: Answer(text="", tool_calls=(("find", {"x": "é\n"}),))),
    ("bytes", OneByteAtATime),
    ("long", lambda: Long(3000)),
    ("empty", Empty),
]


# Answers


@every_dialect
@both_transports
@pytest.mark.parametrize("behaviour", [make for _, make in ANSWERS], ids=[name for name, _ in ANSWERS])
@in_virtual_time
async def test_passes_a_stream_on_byte_for_byte(
    dialect: Dialect, wide: bool, behaviour: Callable[[], Behaviour]
) -> None:
    async with dialect.talking(behaviour(), behaviour(), wide=wide) as (fake, driver):
        deltas, error = await hear(driver, asked(dialect))
        read, _ = await hear(driver, replace(asked(dialect), original=None))
    assert error is None
    assert {type(delta) for delta in deltas[:-1]} == {Forwarded}
    assert passed(deltas) == bytes(fake.sent[0])
    finish, other = deltas[-1], read[-1]
    assert isinstance(finish, Finish)
    assert isinstance(other, Finish)
    assert replace(finish, usage=other.usage) == other
    assert (finish.usage.output, finish.served_model) == (other.usage.output, other.served_model)


@every_dialect
@both_transports
@in_virtual_time
async def test_passes_a_whole_answer_on_and_reads_it_all_the_same(dialect: Dialect, wide: bool) -> None:
    answer = Answer("Found it.", tool_calls=(("find", {"x": 1}),))
    async with dialect.talking(answer, wide=wide) as (fake, driver):
        response: Response = await driver.generate(asked(dialect, streamed=False))
    assert response.forwarded == bytes(fake.sent[0])
    assert (response.text, [call.name for call in response.tool_calls]) == ("Found it.", ["find"])
    assert response.finish.usage.output


@every_dialect
@both_ways
@in_virtual_time
async def test_gives_values_to_those_who_speak_otherwise(dialect: Dialect, whole: bool) -> None:
    other = Original("anthropic" if dialect is not ANTHROPIC else "openai", b"{}")
    async with dialect.talking("Hello.", "Hello.") as (fake, driver):
        for original in (None, other):
            request = replace(dialect.asking("Hi."), original=original)
            response = await dialect.ask(driver, request, whole=whole)
            assert (response.text, response.forwarded) == ("Hello.", None)
    assert fake.bodies[0] == fake.bodies[1]


@pytest.mark.parametrize("dialect", [CONVERSE, INVOKE], ids=str)
@both_ways
@in_virtual_time
async def test_gives_values_of_frames(dialect: Dialect, whole: bool) -> None:
    async with dialect.talking("Hello.") as (_, driver):
        request = replace(dialect.asking("Hi."), original=Original("anthropic", b"{}"))
        response = await dialect.ask(driver, request, whole=whole)
        assert (response.text, response.forwarded) == ("Hello.", None)


@in_virtual_time
async def test_cuts_out_the_counts_of_a_client_who_did_not_ask() -> None:
    async with OPENAI.talking("Hello.", "Hello.") as (fake, driver):
        deltas, _ = await hear(driver, asked(OPENAI, include_usage=False))
    sent = bytes(fake.sent[0])
    counts = next(event for event in sent.split(b"\n\n") if b'"choices":[]' in event)
    assert passed(deltas) == sent.replace(counts + b"\n\n", b"")
    finish = deltas[-1]
    assert isinstance(finish, Finish)
    assert finish.usage.output == 1


# Bad luck


BREAKS = [
    Drop(after=3),
    Drop(after=3, inside=True),
    TruncatedClean(after=3),
    Malformed(after=3),
    InStreamError(after=3),
]


@every_dialect
@pytest.mark.parametrize("behaviour", BREAKS, ids=str)
@in_virtual_time
async def test_passes_on_what_was_whole_before_a_stream_broke(dialect: Dialect, behaviour: Behaviour) -> None:
    async with dialect.talking(behaviour) as (fake, driver):
        deltas, error = await hear(driver, asked(dialect))
    sent, told = bytes(fake.sent[0]), passed(deltas)
    assert sent.startswith(told)
    assert b"piece 3" in told
    assert told.endswith((b"\n\n", b"\r\n\r\n"))
    assert b"overloaded" not in told.lower()
    assert type(error) is StreamError
    assert error.provider == dialect.provider
    assert len(fake.requests) == 1


BROKEN_BEFORE = [Fail(503), Drop(headers=False), Drop(after=0), TruncatedClean(after=0), InStreamError(after=0)]


@every_dialect
@pytest.mark.parametrize("behaviour", BROKEN_BEFORE, ids=str)
@in_virtual_time
async def test_fails_on_entering_before_anything_was_said(dialect: Dialect, behaviour: Behaviour) -> None:
    async with dialect.talking(behaviour) as (_, driver):
        error = await asking.failure(driver, asked(dialect))
    assert not isinstance(error, StreamError)
    assert error.provider == dialect.provider


@in_virtual_time
async def test_refuses_a_prompt_that_was_blocked() -> None:
    async with GEMINI.talking(Blocked(), Blocked()) as (_, driver):
        for whole in (False, True):
            error = await asking.failure(driver, asked(GEMINI), whole=whole)
            assert isinstance(error, RefusedError)


@every_dialect
@both_transports
@in_virtual_time
async def test_ends_the_request_of_a_client_who_leaves(dialect: Dialect, wide: bool) -> None:
    async with dialect.talking(Silence(after=3), wide=wide) as (fake, driver):
        async with driver.stream(asked(dialect)) as deltas:
            assert isinstance(await anext(deltas), Forwarded)
        await asking.settle(60)
        assert fake.running == 0


# Requests


@every_dialect
@both_ways
@in_virtual_time
async def test_sends_the_body_as_it_came(dialect: Dialect, whole: bool) -> None:
    more = {ANTHROPIC: {"metadata": {"user_id": "é\u2028"}}, OPENAI: {"user": "é\u2028"}}
    body = body_of(dialect, streamed=not whole, **more.get(dialect, {}))
    async with dialect.talking("Hello.") as (fake, driver):
        request = asked(dialect, body)
        if whole:
            await driver.generate(request)
        else:
            await hear(driver, request)
    assert fake.bodies == [body]


@pytest.mark.parametrize("dialect", [ANTHROPIC, OPENAI], ids=str)
@in_virtual_time
async def test_replaces_the_model_and_nothing_else(dialect: Dialect) -> None:
    body = body_of(dialect, streamed=True).replace(dialect.model.encode(), b"somebody/else")
    async with dialect.talking("Hello.") as (fake, driver):
        await hear(driver, replace(asked(dialect, body), model=dialect.model))
    [sent] = fake.bodies
    assert list(json.loads(sent).items()) == list({**json.loads(body), "model": dialect.model}.items())


@in_virtual_time
async def test_always_asks_for_the_counts() -> None:
    body = json.dumps(
        {"messages": [{"role": "user", "content": "Hi."}], "stream": True, "model": OPENAI.model, "n": 1}
    ).encode()
    async with OPENAI.talking("Hello.") as (fake, driver):
        deltas, _ = await hear(driver, asked(OPENAI, body, include_usage=False))
    assert fake.bodies == [forwarded_body(body, OPENAI.model, True)]
    assert json.loads(fake.bodies[0]) == {**json.loads(body), "stream_options": {"include_usage": True}}
    assert b'"choices":[],' in fake.sent[0]
    assert b'"choices":[],' not in passed(deltas)


@every_dialect
@in_virtual_time
async def test_writes_the_body_anew_and_passes_the_answer_on_where_the_request_was_changed(dialect: Dialect) -> None:
    async with dialect.talking("Hello.", "Hello.") as (fake, driver):
        changed = replace(asked(dialect, body=None), max_tokens=7)
        assert changed.original is not None
        deltas, _ = await hear(driver, replace(changed, original=replace(changed.original, body=None)))
        await hear(driver, replace(changed, original=None))
    assert passed(deltas) == bytes(fake.sent[0])
    assert fake.bodies[0] == fake.bodies[1]


@every_dialect
@both_transports
@both_ways
@in_virtual_time
async def test_sends_headers_along_but_none_that_let_in(dialect: Dialect, wide: bool, whole: bool) -> None:
    headers = (
        ("anthropic-version", "2026-10-21"),
        ("Anthropic-Beta", "one"),
        ("anthropic-beta", "two"),
        ("X-Api-Key", "theirs"),
        ("authorization", "Bearer theirs"),
        ("x-goog-api-key", "theirs"),
        ("content-length", "1"),
        ("x-evil", "a\r\nx-more: b"),
        ("x-é", "a"),
    )
    async with dialect.talking("Hello.", wide=wide) as (fake, driver):
        request = asked(dialect, streamed=not whole, headers=headers)
        await (driver.generate(request) if whole else hear(driver, request))
    [seen] = fake.requests
    assert seen.headers["anthropic-version"] == "2026-10-21"
    assert seen.headers["anthropic-beta"] == "one, two"
    assert "theirs" not in str(dict(seen.headers))
    assert "evil" not in str(dict(seen.headers))
    assert "x-more" not in seen.headers


@in_virtual_time
async def test_says_a_header_once_whose_name_is_written_otherwise() -> None:
    async with OPENAI.talking("Hello.", headers={"X-Title": "ours", "X-Other": "ours"}) as (fake, driver):
        await hear(driver, asked(OPENAI, headers=(("x-title", "theirs"),)))
    headers = fake.requests[0].headers
    assert (headers.getall("x-title"), headers.getall("x-other")) == (["theirs"], ["ours"])
