"""Requests as a provider takes them, and answers as they were asked for."""

from dataclasses import replace

from boticelli_cli.drivers.presentable import Presentable
from boticelli_cli.messages import (
    Finish,
    Message,
    Original,
    Request,
    Text,
    TextDelta,
    Thought,
    Tool,
    ToolCall,
    ToolCallDelta,
)
from tests.scripted import Scripted

ASKED = Request("m", (Message("user", (Text("Hello?"),)),), tools=(Tool("files.read"), Tool("look_up")))
END = Finish("tool_call")


def calling() -> Scripted:
    return Scripted(
        lambda prompt: [
            TextDelta("So."),
            *(ToolCallDelta(ToolCall(name, {})) for name in ("files_read", "look_up")),
            END,
        ]
    )


async def test_asks_by_a_name_that_is_taken_and_answers_with_the_requests_own() -> None:
    scripted = calling()
    driver = Presentable(scripted, "anthropic")
    async with driver.stream(ASKED) as deltas:
        told = [delta async for delta in deltas]
    assert scripted.requests == [replace(ASKED, tools=(Tool("files_read"), Tool("look_up")))]
    calls = [ToolCall("files.read", {}), ToolCall("look_up", {})]
    assert told == [TextDelta("So."), *map(ToolCallDelta, calls), END]
    assert list((await driver.generate(ASKED)).tool_calls) == calls


async def test_leaves_a_request_alone_that_has_nothing_to_fit() -> None:
    for request, dialect in (
        (ASKED, "gemini"),
        (replace(ASKED, tools=()), "openai"),
        (replace(ASKED, original=Original("openai", b"{}")), "openai"),
    ):
        scripted = calling()
        driver = Presentable(scripted, dialect)
        async with driver.stream(request) as deltas:
            assert [delta async for delta in deltas][1] == ToolCallDelta(ToolCall("files_read", {}))
        await driver.generate(request)
        assert all(each is request for each in scripted.requests)
        assert scripted.generated == 1


async def test_fits_the_words_of_another_dialect_though_they_came_as_they_are() -> None:
    scripted = calling()
    await Presentable(scripted, "openai").generate(replace(ASKED, original=Original("gemini", b"{}")))
    assert scripted.requests[0].declared_tools == (Tool("files_read"), Tool("look_up"))


async def test_has_a_body_written_anew_that_would_be_refused_as_it_came() -> None:
    thought, call = Message("assistant", (Thought("Hm."),)), Message("assistant", (ToolCall("f", {}),))
    for dialect, model, message, kept in (
        ("anthropic", "claude", thought, None),
        ("anthropic", "claude", call, b"{}"),
        ("gemini", "gemini-3-pro", call, None),
        ("gemini", "gemini-3-pro", thought, b"{}"),
        ("openai", "gpt-5.2", thought, b"{}"),
    ):
        scripted = calling()
        original = Original(dialect, b"{}")
        request = Request(model, (message, *ASKED.messages), dialect=dialect, original=original)
        await Presentable(scripted, dialect).generate(request)
        assert scripted.requests == [replace(request, original=replace(original, body=kept))]


def test_says_whether_a_model_streams() -> None:
    assert Presentable(Scripted(), "openai").supports_streaming("m")
    assert not Presentable(Scripted(streams=False), "openai").supports_streaming("m")
