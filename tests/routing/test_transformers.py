"""Transformers: what becomes of requests, and of answers, on the way to a provider with ways of its own."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boticelli_cli.drivers.base import Dropped, Notice, fold, listening
from boticelli_cli.errors import ProviderError, StreamError, UsageError
from boticelli_cli.messages import (
    Beyond,
    CachePoint,
    Delta,
    Finish,
    Media,
    Message,
    Original,
    Request,
    Response,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Thought,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from boticelli_cli.routes import TRANSFORMER_NAMES
from boticelli_cli.routing.exit_tool import EXIT_TOOL
from boticelli_cli.routing.transformers import TRANSFORMERS, Transformed
from tests.scripted import Scripted
from tests.wire import spoken_gemini

PICTURE = Media("image", "image/png", data=b"x")
PAPER = Media("document", "application/pdf", data=b"x")
SEARCH = Tool("search")


def asking(*parts: Any, model: str = "m", **given: Any) -> Request:
    return Request(model, (Message("user", parts or (Text("Hi."),)),), **given)


def changed(name: str, request: Request, argument: Any = None) -> Request:
    return TRANSFORMERS[name].change(request, argument)


async def asked(
    request: Request,
    *transformers: str | tuple[str, Any],
    answer: Callable[[str], Any] = lambda prompt: "Hello.",
) -> tuple[Request, Response, list[Notice]]:
    """What was really asked, what came back, and what was told on the way; as a stream, and the same when whole."""
    named = [each if isinstance(each, tuple) else (each, None) for each in transformers]
    inner = Scripted(answer)
    driver = Transformed(inner, "shop", named)
    notices: list[Notice] = []

    async def hear(notice: Notice) -> None:
        notices.append(notice)

    with listening(hear):
        async with driver.stream(request) as deltas:
            response = await fold(deltas)
    assert await driver.generate(request) == response
    assert inner.requests[0] == inner.requests[1]
    return inner.requests[0], response, notices


def test_there_are_those_that_configurations_may_name() -> None:
    assert tuple(TRANSFORMERS) == TRANSFORMER_NAMES


@pytest.mark.parametrize(
    ("name", "argument", "said"),
    [
        ("openruter", None, "unknown transformer 'openruter'; did you mean 'openrouter'?"),
        ("x", None, "unknown transformer 'x'; there are openrouter, "),
        ("deepseek", 5, "transformer 'deepseek' takes no argument"),
        ("max_tokens", None, "transformer 'max_tokens' takes a whole number above 0"),
        ("max_tokens", 0, "transformer 'max_tokens' takes a whole number above 0"),
        ("max_tokens", True, "transformer 'max_tokens' takes a whole number above 0"),
        ("sampling", 1, "transformer 'sampling' takes the highest value of each parameter, as in {temperature: 1}"),
        ("sampling", {"top_p": "x"}, "transformer 'sampling' takes the highest value of each parameter"),
    ],
)
def test_refuses_what_it_does_not_understand(name: str, argument: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Transformed(Scripted(), "shop", [(name, argument)])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (None, None),
        (True, {"enabled": True}),
        (-1, {"enabled": True}),
        (False, {"enabled": False}),
        (0, {"enabled": False}),
        ("minimal", {"effort": "minimal"}),
        ("high", {"effort": "high"}),
        (4000, {"max_tokens": 4000}),
    ],
)
def test_openrouter_is_asked_for_thoughts_in_its_own_way(asked: Thinking | None, said: Any) -> None:
    request = changed("openrouter", asking(thinking=asked))
    assert request.options == {"usage": {"include": True}, **({"reasoning": said} if said else {})}
    assert request.thinking is None


def test_openrouter_shows_no_thoughts_that_nobody_wants_to_see() -> None:
    request = changed("openrouter", asking(thinking="low", show_thoughts=False))
    assert request.options["reasoning"] == {"effort": "low", "exclude": True}


def test_the_users_options_lie_over_what_transformers_say() -> None:
    request = changed("openrouter", asking(thinking=True, options={"reasoning": {"effort": "xhigh"}, "seed": 1}))
    assert request.options == {"usage": {"include": True}, "reasoning": {"effort": "xhigh"}, "seed": 1}


MARKED = asking(
    *(Text("Read."), CachePoint()),
    system=(Text("Be brief."), CachePoint("1h")),
    tools=(SEARCH, CachePoint()),
)
UNMARKED = asking(Text("Read."), system=(Text("Be brief."),), tools=(SEARCH,))


async def test_openrouter_has_cache_marks_for_claude_alone() -> None:
    request, _, notices = await asked(replace(MARKED, model="anthropic/claude-sonnet-5-5"), "openrouter")
    assert replace(request, model="m", options={}) == MARKED
    assert notices == []
    request, _, notices = await asked(replace(MARKED, model="openai/gpt-6-sol"), "openrouter")
    assert replace(request, model="m", options={}) == UNMARKED
    assert notices == [Dropped("shop", ("cache marks",))]


async def test_cache_marks_are_cleaned_away() -> None:
    request, _, notices = await asked(MARKED, "clean_cache")
    assert request == UNMARKED
    assert notices == [Dropped("shop", ("cache marks",))]
    request, _, notices = await asked(UNMARKED, "clean_cache")
    assert (request, notices) == (UNMARKED, [])


async def test_deepseek_reads_texts_alone_and_writes_no_more_than_it_can() -> None:
    result = ToolResult("look", (Text("Here:"), PICTURE), "1")
    given = asking(
        *(Text("See."), PICTURE, PAPER, result, ToolResult("look", (PICTURE,), "2")),
        max_tokens=20_000,
        schema={"type": "object"},
        temperature=0.5,
        tools=(SEARCH,),
    )
    request, _, notices = await asked(given, "deepseek")
    gap = Text("(something that cannot be shown to you was here)")
    kept = (Text("See."), ToolResult("look", (Text("Here:"),), "1"), ToolResult("look", (gap,), "2"))
    assert request == asking(*kept, max_tokens=8192, temperature=0.5, tools=(SEARCH,))
    assert notices == [Dropped("shop", ("max_tokens 20000", "schema", "image", "document", "tool result media"))]
    assert changed("deepseek", asking(max_tokens=5)).max_tokens == 5
    assert changed("deepseek", asking()).max_tokens is None
    assert changed("deepseek", asking(PICTURE)).messages == (Message("user", (gap,)),)


async def test_deepseeks_reasoner_calls_no_tools_and_does_not_sample() -> None:
    given = asking(
        model="deepseek-reasoner",
        temperature=0.5,
        top_p=0.5,
        thinking="high",
        tools=(SEARCH,),
        tool_choice="required",
        options={"presence_penalty": 1, "logprobs": True, "seed": 1},
    )
    request, _, notices = await asked(given, "deepseek")
    assert request == asking(model="deepseek-reasoner", options={"seed": 1})
    lost = ("temperature", "top_p", "thinking setting", "tools", "option presence_penalty", "option logprobs")
    assert notices == [Dropped("shop", lost)]


@pytest.mark.parametrize(
    ("thinking", "mode"), [(True, "enabled"), (500, "enabled"), (False, "disabled"), (0, "disabled")]
)
async def test_deepseek_thinks_or_does_not(thinking: Thinking, mode: str) -> None:
    request, _, notices = await asked(asking(model="deepseek-chat", thinking=thinking), "deepseek")
    assert request == asking(model="deepseek-chat", options={"thinking": {"type": mode}})
    assert notices == []


@pytest.mark.parametrize(
    ("thinking", "sent"),
    [(None, None), (True, True), (False, False), ("minimal", "low"), ("high", "high"), (30_000, "high"), (0, False)],
)
def test_ollama_thinks_by_effort(thinking: Thinking | None, sent: Thinking | None) -> None:
    request = changed("ollama", asking(thinking=thinking))
    assert (request.thinking, type(request.thinking)) == (sent, type(sent))


async def test_ollama_is_told_what_it_knows() -> None:
    given = asking(
        *(Text("See."), PICTURE, PAPER),
        tools=(SEARCH,),
        tool_choice="required",
        options={"seed": 1, "logit_bias": {}, "user": "me"},
    )
    request, response, notices = await asked(given, "ollama", answer=lambda prompt: "<think>\nHm.\n</think>\n\nHello.")
    assert request == asking(Text("See."), PICTURE, tools=(SEARCH,), options={"seed": 1})
    assert response.parts == (Thought("Hm."), Text("Hello."))
    assert notices == [Dropped("shop", ("tool choice", "document", "option logit_bias", "option user"))]
    assert changed("ollama", replace(given, tool_choice="none")).tools == ()


async def test_thoughts_in_tags_are_told_as_thoughts_by_any_server() -> None:
    request, response, notices = await asked(
        asking(thinking="high"), "reasoning", answer=lambda prompt: [TextDelta("<thi"), TextDelta("nk>a</think>b")]
    )
    assert request == asking()
    assert (response.thinking, response.text) == ("a", "b")
    assert notices == [Dropped("shop", ("thinking setting",))]


async def test_answers_are_no_longer_than_is_said() -> None:
    assert changed("max_tokens", asking(), 100).max_tokens == 100
    assert changed("max_tokens", asking(max_tokens=5), 100).max_tokens == 5
    request, _, notices = await asked(asking(max_tokens=500), ("max_tokens", 100))
    assert request == asking(max_tokens=100)
    assert notices == [Dropped("shop", ("max_tokens 500",))]


async def test_sampling_is_left_out_or_held_down() -> None:
    given = asking(temperature=1.5, top_p=0.5, options={"presence_penalty": 2.0, "seed": 1})
    request, _, notices = await asked(given, "sampling")
    assert request == asking(options={"seed": 1})
    assert notices == [Dropped("shop", ("temperature", "top_p", "option presence_penalty"))]
    request, _, notices = await asked(given, ("sampling", {"temperature": 1, "presence_penalty": 1}))
    assert request == asking(temperature=1, top_p=0.5, options={"presence_penalty": 1, "seed": 1})
    assert notices == [Dropped("shop", ("temperature 1.5", "option presence_penalty"))]
    assert changed("sampling", asking(), {"temperature": 1}) == asking()


@pytest.mark.parametrize("system", [None, "Be brief.", (Text("Be brief."), CachePoint())])
def test_a_model_that_has_tools_has_to_call_one(system: Any) -> None:
    request = changed("tool_use", asking(system=system, tools=(SEARCH,)))
    assert (request.tools, request.tool_choice) == ((SEARCH, EXIT_TOOL), "required")
    assert (request.system_text or "").startswith("Be brief." if system else "You have tools")
    assert "ExitTool" in (request.system_text or "")
    if isinstance(system, tuple):
        assert request.system is not None
        assert request.system[:2] == system


@pytest.mark.parametrize(
    "given", [{}, {"tools": (SEARCH,), "tool_choice": "none"}, {"tools": (SEARCH,), "tool_choice": ("search",)}]
)
async def test_who_has_no_choice_of_tools_needs_no_way_out(given: dict[str, Any]) -> None:
    calls = [ToolCallDelta(ToolCall("ExitTool", {"response": "Bye."})), Finish("tool_call")]
    request, response, _ = await asked(asking(**given), "tool_use", answer=lambda prompt: calls)
    assert request == asking(**given)
    assert response.tool_calls == (ToolCall("ExitTool", {"response": "Bye."}),)


END = Finish("tool_call", Usage(input=1, output=2), "m-1", "tool_calls")
LEAVE = ToolCallDelta(ToolCall("ExitTool", {"response": "Bye."}, "1"))
CALL = ToolCall("search", {}, "2")


@pytest.mark.parametrize(
    ("deltas", "parts", "finish"),
    [
        ([LEAVE, END], (Text("Bye."),), replace(END, reason="stop")),
        ([TextDelta("So: "), LEAVE, END], (Text("So: Bye."),), replace(END, reason="stop")),
        ([ToolCallDelta(CALL), END], (CALL,), END),
        ([LEAVE, ToolCallDelta(CALL), END], (Text("Bye."), CALL), END),
        ([ToolCallDelta(ToolCall("ExitTool", {"response": 5})), END], (), replace(END, reason="stop")),
        ([TextDelta("Bye."), replace(END, reason="length")], (Text("Bye."),), replace(END, reason="length")),
    ],
)
async def test_what_is_said_by_the_way_out_is_text(deltas: list[Delta], parts: tuple[Any, ...], finish: Finish) -> None:
    _, response, _ = await asked(asking(tools=(SEARCH,)), "tool_use", answer=lambda prompt: deltas)
    assert response == Response(parts, finish)


async def test_transformers_are_applied_in_their_order_and_back() -> None:
    deltas = [ToolCallDelta(ToolCall("ExitTool", {"response": "<think>Hm.</think>Hello."})), END]
    request, response, notices = await asked(
        asking(tools=(SEARCH,), max_tokens=9),
        ("max_tokens", 7),
        ("max_tokens", 5),
        "reasoning",
        "tool_use",
        answer=lambda prompt: deltas,
    )
    assert (request.max_tokens, request.tool_choice) == (5, "required")
    assert response.parts == (Thought("Hm."), Text("Hello."))
    assert notices == [Dropped("shop", ("max_tokens 9",))]


async def test_options_in_anothers_words_do_not_come_between() -> None:
    options = {"top_k": 5, "messages": Beyond(("citations",), [], {})}
    given = asking(thinking=True, options=options, dialect="anthropic")
    request, _, notices = await asked(given, "openrouter")
    assert request.options == {"usage": {"include": True}, "reasoning": {"enabled": True}}
    assert request.dialect == "openai"
    assert notices == [Dropped("shop", ("option top_k", "citations"))]
    own = replace(given, dialect="openai")
    assert (await asked(own, "clean_cache"))[0] == own


async def test_without_transformers_nothing_changes() -> None:
    request, response, notices = await asked(MARKED)
    assert (request, response.text, notices) == (MARKED, "Hello.", [])
    assert Transformed(Scripted(streams=False), "shop", []).supports_streaming("m") is False


async def test_what_came_before_a_break_is_passed_on_before_it() -> None:
    driver = Transformed(
        Scripted(lambda prompt: [TextDelta("<think>Hm. </thi"), StreamError("broken")]),
        "shop",
        [("tool_use", None), ("reasoning", None)],
    )
    told = []
    with pytest.raises(StreamError):
        async with driver.stream(asking()) as deltas:
            async for delta in deltas:
                told.append(delta)
    assert "".join(delta.text for delta in told if isinstance(delta, TextDelta | ThinkingDelta)) == "Hm. </thi"


async def test_what_fails_before_the_first_delta_fails_on_entering() -> None:
    driver = Transformed(Scripted(lambda prompt: ProviderError("busy", status=503)), "shop", [("reasoning", None)])
    with pytest.raises(ProviderError, match="busy"):
        async with driver.stream(asking()):
            raise AssertionError("nothing is there to be read")


ARGUMENTS = {"max_tokens": 100, "sampling": {"temperature": 1.0}}

marked = st.builds(
    lambda request, model, mark: replace(
        request, model=model, options=dict(request.options), tools=(*request.tools, *([CachePoint()] if mark else []))
    ),
    spoken_gemini.requests,
    st.sampled_from(["deepseek-chat", "deepseek-reasoner", "anthropic/claude-opus-5", "qwen3:8b"]),
    st.booleans(),
)


@pytest.mark.parametrize("name", TRANSFORMERS)
@settings(max_examples=25, deadline=None)
@given(request=marked)
def test_done_twice_is_as_done_once_and_leaves_the_request_alone(name: str, request: Request) -> None:
    before = deepcopy(request)
    once = changed(name, request, ARGUMENTS.get(name))
    assert request == before
    assert changed(name, once, ARGUMENTS.get(name)) == once
    assert len(once.messages) == len(request.messages)


# What is passed on

ORIGINAL = Original("openai", b"{}")


@pytest.mark.parametrize(
    ("transformer", "request_", "kept"),
    [
        ("clean_cache", asking(), True),
        ("clean_cache", asking(Text("Hi."), CachePoint()), False),
        (("max_tokens", 9), asking(max_tokens=9), True),
        (("max_tokens", 9), asking(max_tokens=10), False),
        ("deepseek", asking(), True),
        ("deepseek", asking(PICTURE), False),
        ("sampling", asking(temperature=1.0), False),
        ("openrouter", asking(), False),
        ("reasoning", asking(), False),
        ("ollama", asking(), False),
        ("tool_use", asking(), False),
    ],
    ids=str,
)
async def test_passes_on_only_what_neither_was_changed_nor_may_be(
    transformer: str | tuple[str, Any], request_: Request, kept: bool
) -> None:
    inner, _, _ = await asked(replace(request_, original=ORIGINAL), transformer)
    assert inner.original == (ORIGINAL if kept else None)
