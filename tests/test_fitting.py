"""What a request becomes for a model that does not take all of it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boticelli_cli.catalog import Catalog
from boticelli_cli.catalog_entries import Model
from boticelli_cli.fitting import fit, token_limit_name, unreadable
from boticelli_cli.messages import CachePoint, Media, Message, Request, Text, Thinking, Tool
from boticelli_cli.wire.gemini import encode_request

BUILTIN = Catalog.builtin()


def request(**settings: Any) -> Request:
    return Request("x", (Message("user", (Text("Hi."),)),), **settings)


def test_shows_no_thoughts_to_who_does_not_want_them() -> None:
    hidden = request(thinking=4096, show_thoughts=False)
    assert fit(hidden, BUILTIN.find("gemini-2.5-flash")) == (hidden, ())


@pytest.mark.parametrize(
    ("model", "asked", "sent", "notice"),
    [
        (
            "gemini-4-argon",
            8000,
            "medium",
            "gemini-4-argon takes no thinking budget; 'thinking: 8000' is sent as 'medium'",
        ),
        ("gemini-4-argon", 1, "low", "gemini-4-argon takes no thinking budget; 'thinking: 1' is sent as 'low'"),
        ("gemini-4-argon", 0, "low", None),
        ("gemini-4-argon", -1, True, None),
        (
            "gemini-3.6-flash",
            600,
            "minimal",
            "gemini-3.6-flash takes no thinking budget; 'thinking: 600' is sent as 'minimal'",
        ),
        ("gemini-4-argon", True, True, None),
        ("gemini-4-argon", False, "low", None),
        ("gemini-4-argon", "high", "high", None),
        ("gemini-4-argon", "minimal", "low", "gemini-4-argon has no such effort; 'thinking: minimal' is sent as 'low'"),
        ("gemini-4-carbon", False, "low", None),
        ("gemini-4-carbon", "minimal", "minimal", None),
        ("gemini-3.6-flash", False, "minimal", None),
        ("gemini-3.6-flash", "minimal", "minimal", None),
        ("gemini-2.5-flash", "minimal", 512, None),
        ("gemini-2.5-flash", "low", 1024, None),
        ("gemini-2.5-flash", "medium", 8192, None),
        ("gemini-2.5-flash", "high", 24_576, None),
        ("gemini-2.5-flash", True, True, None),
        ("gemini-2.5-flash", False, 0, None),
        ("gemini-2.5-flash", 0, 0, None),
        ("gemini-2.5-flash", 8000, 8000, None),
        ("gemini-2.5-flash", -1, -1, None),
        (
            "gemini-2.5-flash",
            30_000,
            24_576,
            "gemini-2.5-flash thinks with at most 24576 tokens; 'thinking: 30000' is sent as 24576",
        ),
        ("gemini-2.5-pro", False, 128, None),
        ("gemini-2.5-pro", 0, 128, "gemini-2.5-pro thinks with at least 128 tokens; 'thinking: 0' is sent as 128"),
        ("gemini-2.5-flash-native-audio-latest", 50, 50, None),
        ("gemini-3.8-live", False, None, "gemini-3.8-live takes no thinking setting; 'thinking: false' is left out"),
        ("gemini-3.8-live", "low", None, "gemini-3.8-live takes no thinking setting; 'thinking: low' is left out"),
        ("gemini-flash-latest", 8000, 8000, None),
        ("gemini-9", 8000, 8000, None),
    ],
)
def test_thinking_is_asked_for_as_a_model_takes_it(
    model: str, asked: Thinking, sent: Thinking | None, notice: str | None
) -> None:
    fitted, notices = fit(request(thinking=asked, temperature=0.5), BUILTIN.find(model))
    assert fitted == request(thinking=sent, show_thoughts=bool(asked), temperature=0.5)
    assert type(fitted.thinking) is type(sent)
    assert notices == ((notice,) if notice else ())


@pytest.mark.parametrize(
    ("model", "asked", "sent", "notice"),
    [
        ("claude-opus-5", "high", "high", None),
        ("claude-opus-5", True, True, None),
        ("claude-opus-5", -1, True, None),
        ("claude-opus-5", False, False, None),
        ("claude-opus-5", 0, False, None),
        ("claude-opus-5", "minimal", "low", "claude-opus-5 has no such effort; 'thinking: minimal' is sent as 'low'"),
        ("claude-opus-5", 1024, "low", "claude-opus-5 takes no thinking budget; 'thinking: 1024' is sent as 'low'"),
        (
            "claude-opus-5",
            4000,
            "medium",
            "claude-opus-5 takes no thinking budget; 'thinking: 4000' is sent as 'medium'",
        ),
        ("claude-opus-5", 31999, "high", "claude-opus-5 takes no thinking budget; 'thinking: 31999' is sent as 'high'"),
        ("claude-opus-6", 1, "low", "claude-opus-6 takes no thinking budget; 'thinking: 1' is sent as 'low'"),
        ("claude-opus-5-5", False, "low", None),
        ("us.anthropic.claude-sonnet-5", False, "low", None),
        ("claude-opus-4-5", True, 8192, None),
        ("claude-opus-4-5", -1, 8192, None),
        ("claude-opus-4-5", "low", 1024, None),
        ("claude-opus-4-5", "minimal", 1024, None),
        ("claude-opus-4-5", False, 0, None),
        (
            "claude-opus-4-5-20251101",
            512,
            1024,
            "claude-opus-4-5 thinks with at least 1024 tokens; 'thinking: 512' is sent as 1024",
        ),
        ("gpt-5", "minimal", "minimal", None),
        ("gpt-5", False, "minimal", None),
        ("gpt-5.1", False, False, None),
        ("gpt-6.2-sol", False, "low", None),
        ("gpt-7", 8000, "medium", "gpt-7 takes no thinking budget; 'thinking: 8000' is sent as 'medium'"),
        ("gpt-4o", "low", None, "gpt-4o takes no thinking setting; 'thinking: low' is left out"),
    ],
)
def test_thinking_is_asked_for_as_claude_and_openai_take_it(
    model: str, asked: Thinking, sent: Thinking | None, notice: str | None
) -> None:
    fitted, notices = fit(request(thinking=asked), BUILTIN.describe(model))
    assert (fitted.thinking, type(fitted.thinking)) == (sent, type(sent))
    assert fitted.show_thoughts is bool(asked)
    assert notices == ((notice,) if notice else ())


@pytest.mark.parametrize(
    ("asked", "max_tokens", "sent", "notice"),
    [
        (8000, 9000, 8000, None),
        (
            8000,
            8000,
            4000,
            "claude-opus-4-5 thinks within 'max_tokens: 8000'; it may take 4000 tokens for it",
        ),
        (
            "high",
            1500,
            1024,
            "claude-opus-4-5 thinks within 'max_tokens: 1500'; it may take 1024 tokens for it",
        ),
        (
            True,
            1024,
            0,
            "claude-opus-4-5 thinks with at least 1024 tokens, but has only 'max_tokens: 1024'; it does not think",
        ),
    ],
)
def test_a_budget_leaves_room_for_the_answer(asked: Thinking, max_tokens: int, sent: int, notice: str | None) -> None:
    fitted, notices = fit(request(thinking=asked, max_tokens=max_tokens), BUILTIN.find("claude-opus-4-5"))
    assert fitted == request(thinking=sent, max_tokens=max_tokens, show_thoughts=sent > 0)
    assert notices == ((notice,) if notice else ())


@given(
    thinking=st.one_of(st.booleans(), st.integers(-1, 200_000), st.sampled_from(["minimal", "low", "medium", "high"])),
    max_tokens=st.none() | st.integers(1, 200_000),
    model=st.sampled_from(
        ["claude-opus-4-5", "claude-haiku-4-5", "anthropic.claude-sonnet-4-6", "claude-3-7-sonnet-latest"]
    ),
)
def test_a_budget_is_always_one_that_is_taken(thinking: Thinking, max_tokens: int | None, model: str) -> None:
    known = BUILTIN.describe(model)
    assert known is not None
    fitted, _ = fit(request(thinking=thinking, max_tokens=max_tokens), known)
    assert fitted.max_tokens is not None
    assert fitted.max_tokens <= (known.max_output_tokens or 200_000)
    if isinstance(fitted.thinking, int) and fitted.thinking:
        assert 1024 <= fitted.thinking < fitted.max_tokens


@pytest.mark.parametrize(
    ("model", "asked", "sent", "notice"),
    [
        ("claude-sonnet-5", None, 16_384, None),
        ("claude-sonnet-5", 5, 5, None),
        (
            "claude-haiku-4-5",
            99_999,
            64_000,
            "claude-haiku-4-5 answers with at most 64000 tokens; 'max_tokens: 99999' is sent as 64000",
        ),
        ("us.meta.llama3-3-70b-instruct-v1:0", 8192, 4096, "'max_tokens: 8192' is sent as 4096"),
        ("gpt-4o", 20_000, 16_384, "'max_tokens: 20000' is sent as 16384"),
        ("gpt-4o", None, None, None),
        ("gpt-7", 999_999, 999_999, None),
    ],
)
def test_an_answer_is_no_longer_than_a_model_can_make_it(
    model: str, asked: int | None, sent: int | None, notice: str | None
) -> None:
    fitted, notices = fit(request(max_tokens=asked), BUILTIN.describe(model))
    assert fitted == request(max_tokens=sent)
    assert len(notices) == (notice is not None)
    assert all(notice in said for said in notices if notice)


@pytest.mark.parametrize(
    ("model", "asked", "sent", "notice"),
    [
        (
            "claude-opus-4-7",
            (0.5, None),
            (None, None),
            "claude-opus-4-7 takes no sampling parameters; 'temperature' is left out",
        ),
        (
            "gpt-5",
            (0.0, 0.5),
            (None, None),
            "gpt-5 takes no sampling parameters; 'temperature' and 'top_p' are left out",
        ),
        ("gpt-5", (1, 1.0), (None, None), None),
        ("gpt-5", (1, 0.5), (None, None), "gpt-5 takes no sampling parameters; 'top_p' is left out"),
        (
            "claude-opus-4-5",
            (0.5, 0.9),
            (0.5, None),
            "claude-opus-4-5 takes one of temperature and top_p; 'top_p' is left out",
        ),
        ("claude-opus-4-5", (0.5, 1.0), (0.5, None), None),
        ("claude-opus-4-5", (1.0, 0.9), (None, 0.9), None),
        ("claude-opus-4-5", (None, 0.9), (None, 0.9), None),
        ("claude-sonnet-4-20250514", (0.5, 0.9), (0.5, 0.9), None),
        (
            "claude-opus-4-5",
            (1.5, None),
            (1.0, None),
            "claude-opus-4-5 takes a temperature of at most 1; 'temperature: 1.5' is sent as 1",
        ),
        ("gpt-4o", (1.5, 0.9), (1.5, 0.9), None),
    ],
)
def test_sampling_is_sent_to_whoever_takes_it(
    model: str, asked: tuple[float | None, ...], sent: tuple[float | None, ...], notice: str | None
) -> None:
    fitted, notices = fit(request(temperature=asked[0], top_p=asked[1]), BUILTIN.describe(model))
    assert (fitted.temperature, fitted.top_p) == sent
    assert notices == ((notice,) if notice else ())


def test_who_thinks_by_a_budget_does_nothing_else_meanwhile() -> None:
    asked = request(thinking=2000, max_tokens=5000, temperature=0.3, tools=(Tool("t"),), tool_choice="required")
    fitted, notices = fit(asked, BUILTIN.find("claude-haiku-4-5"))
    assert fitted == request(thinking=2000, max_tokens=5000, tools=(Tool("t"),))
    assert notices == (
        "claude-haiku-4-5 takes no sampling parameters while it thinks; 'temperature' is left out",
        "claude-haiku-4-5 cannot be made to call a tool while it thinks; it may choose",
    )
    silent = replace(asked, thinking=False)
    assert fit(silent, BUILTIN.find("claude-haiku-4-5")) == (replace(silent, thinking=0, show_thoughts=False), ())


def test_some_take_tools_only_when_they_do_not_think() -> None:
    tools = (Tool("t"),)
    fitted, notices = fit(request(thinking="high", tools=tools), BUILTIN.find("gpt-6-sol"))
    assert fitted == request(thinking=False, show_thoughts=False, tools=tools)
    assert notices == ("gpt-6-sol takes tools only when it does not think; 'thinking: high' is left out",)
    assert fit(request(tools=tools), BUILTIN.find("gpt-6-sol")) == (fitted, ())
    assert fit(request(thinking="high"), BUILTIN.find("gpt-6-sol"))[0].thinking == "high"


@pytest.mark.parametrize("choice", ["required", ("t",)])
def test_some_cannot_be_made_to_call_a_tool(choice: Any) -> None:
    asked = request(tools=(Tool("t"),), tool_choice=choice, max_tokens=9)
    fitted, notices = fit(asked, BUILTIN.find("claude-sonnet-5-5"))
    assert fitted == request(tools=(Tool("t"),), max_tokens=9)
    assert notices == ("claude-sonnet-5-5 cannot be made to call a tool; it may choose",)
    assert fit(asked, BUILTIN.find("claude-sonnet-5")) == (asked, ())


@pytest.mark.parametrize(("model", "taken"), [("o3", False), ("gpt-5.4", False), ("gpt-5.5", True), ("gpt-4o", True)])
def test_stop_sequences_go_to_whoever_takes_them(model: str, taken: bool) -> None:
    fitted, notices = fit(request(stop=("x",)), BUILTIN.find(model))
    assert fitted.stop == (("x",) if taken else ())
    assert notices == (() if taken else (f"{model} takes no stop sequences; 'stop' is left out",))


def test_who_takes_no_system_prompt_is_told_it_first() -> None:
    model = BUILTIN.describe("mistral.mistral-7b-instruct-v0:2")
    answered = Message("assistant", (Text("Yes?"),))
    asked = request(system=(Text("Be brief."), CachePoint(), Text("Rhyme.")), tools=(Tool("t"),), tool_choice="auto")
    fitted, notices = fit(asked, model)
    assert fitted == replace(request(), messages=(Message("user", (Text("Be brief.\nRhyme."), Text("Hi."))),))
    assert notices == (
        "mistral.mistral-7b-instruct-v0:2 takes no tools; they are left out",
        "mistral.mistral-7b-instruct-v0:2 takes no system prompt; 'system' is said to it first",
    )
    late = replace(asked, system="Rhyme.", messages=(answered, *asked.messages))
    assert fit(late, model)[0].messages == (Message("user", (Text("Rhyme."),)), *late.messages)


def test_options_that_are_refused_are_left_out() -> None:
    asked = request(options={"top_k": 5, "metadata": {}}, max_tokens=9)
    fitted, notices = fit(asked, BUILTIN.find("claude-opus-5"))
    assert fitted.options == {"metadata": {}}
    assert notices == ("claude-opus-5 refuses 'top_k'; it is left out of 'options'",)
    assert fit(asked, BUILTIN.find("claude-opus-4-5")) == (asked, ())


@pytest.mark.parametrize(
    ("model", "provider", "name"),
    [
        ("gpt-6.2-sol", "openai", "max_completion_tokens"),
        ("openai/my-own", "openai", "max_completion_tokens"),
        ("local/gpt-oss", "local", "max_tokens"),
        ("gemini-9", "gemini", "max_tokens"),
    ],
)
def test_knows_what_the_longest_answer_is_called(model: str, provider: str, name: str) -> None:
    assert token_limit_name(BUILTIN.with_providers(["local"]).describe(model), provider) == name


@pytest.mark.parametrize(
    "model", [each for each in BUILTIN.models() if each.provider != "gemini"], ids=lambda each: each.id
)
def test_what_fits_once_fits_for_good(model: Model) -> None:
    asked = request(
        thinking=5000,
        max_tokens=200_000,
        temperature=1.7,
        top_p=0.5,
        stop=("x",),
        system="Rhyme.",
        schema={"type": "object"},
        tools=(Tool("t"),),
        tool_choice="required",
        options={"top_k": 1, "logprobs": True},
    )
    fitted, _ = fit(asked, model)
    assert fit(fitted, model) == (fitted, ())


def test_an_effort_that_is_missing_becomes_the_next_one() -> None:
    model = Model("m", "gemini", "sse", thinking="level", thinking_levels=("low", "high"))
    assert fit(request(thinking="medium"), model)[0].thinking == "high"
    model = Model("m", "gemini", "sse", thinking="level", thinking_levels=("minimal", "low"))
    assert fit(request(thinking="high"), model)[0].thinking == "low"


def test_a_schema_that_is_refused_is_left_out() -> None:
    asked = request(schema={"type": "object"}, max_tokens=99_999)
    fitted, notices = fit(asked, BUILTIN.find("gemini-3.8-live"))
    assert fitted == request(max_tokens=99_999)
    assert notices == ("gemini-3.8-live cannot be held to a schema; 'schema' is left out",)
    for model in ("gemini-3.8-flash", "gemini-4-carbon", "gemini-9"):
        assert fit(asked, BUILTIN.find(model)) == (asked, ())


def test_what_fits_is_left_alone() -> None:
    asked = request(temperature=2.0, top_p=0.1, options={"a": 1})
    assert fit(asked, BUILTIN.find("gemini-3.8-live")) == (asked, ())


def test_a_live_session_has_no_stop_sequences() -> None:
    asked = request(stop=("x", "y"), max_tokens=5)
    fitted, notices = fit(asked, BUILTIN.find("gemini-3.8-live"), "live")
    assert fitted == request(max_tokens=5)
    assert notices == ("gemini-3.8-live has no stop sequences in a Live session; 'stop' is left out",)
    assert fit(asked, BUILTIN.find("gemini-3.8-flash")) == (asked, ())


def test_a_live_model_that_nobody_knows_has_none_either() -> None:
    fitted, notices = fit(request(stop=("x",), schema={"type": "object"}), None, "live")
    assert fitted == request()
    assert notices == (
        "x cannot be held to a schema; 'schema' is left out",
        "x has no stop sequences in a Live session; 'stop' is left out",
    )


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "gemini-4-argon", "gemini-2.5-pro", "gemini-2.5-flash"])
def test_whoever_wants_no_thoughts_is_shown_none(model: str) -> None:
    fitted, _ = fit(request(thinking=False), BUILTIN.find(model))
    assert "includeThoughts" not in json.loads(encode_request(fitted).body)["generationConfig"]["thinkingConfig"]


def test_tells_each_kind_of_content_that_a_model_does_not_take() -> None:
    picture = Media("image", "image/png", b"x")
    paper = Media("document", "application/pdf", b"x")
    asked = Request("x", (Message("user", (Text("See."), picture, paper)), Message("user", (paper,))))
    assert unreadable(asked, BUILTIN.find("gemini-3.8-flash")) == ()
    assert unreadable(asked, BUILTIN.find("gemini-9")) == ()
    assert unreadable(asked, Model("m", "openai", "sse")) == ()
    assert unreadable(asked, BUILTIN.find("gemini-3.8-live")) == (
        "gemini-3.8-live takes no document, only text, image, audio, video",
    )
    assert unreadable(asked, BUILTIN.find("gemini-3.5-transcribe-live")) == (
        "gemini-3.5-transcribe-live takes no text, only audio",
        "gemini-3.5-transcribe-live takes no image, only audio",
        "gemini-3.5-transcribe-live takes no document, only audio",
    )


@pytest.mark.parametrize(
    ("model", "dialect", "options", "left", "refused"),
    [
        ("claude-opus-5", "gemini", {"generationConfig": {"topK": 5, "seed": 1}}, {"generationConfig": {"seed": 1}}, "generationConfig.topK"),
        ("claude-opus-5", "anthropic", {"top_k": 5}, {}, "top_k"),
        ("claude-opus-4-1", "gemini", {"generationConfig": {"topK": 5}}, {"generationConfig": {"topK": 5}}, None),
        ("gpt-6", "gemini", {"generationConfig": {"presencePenalty": 1}}, {}, "generationConfig.presencePenalty"),
        ("gemini-3.8-flash", "openai", {"presence_penalty": 1, "seed": 1}, {"seed": 1}, "presence_penalty"),
        ("gemini-3.8-flash", None, {"generationConfig": {"frequencyPenalty": 1}}, {}, "generationConfig.frequencyPenalty"),
        ("gemini-2.0-flash", "openai", {"presence_penalty": 1}, {"presence_penalty": 1}, None),
    ],
)  # fmt: skip
def test_what_is_refused_is_left_out_in_whatever_words_it_came(
    model: str, dialect: str | None, options: Any, left: Any, refused: str | None
) -> None:
    fitted, notices = fit(request(options=options, dialect=dialect), BUILTIN.describe(model))
    assert fitted.options == left
    assert notices == (() if refused is None else (f"{model} refuses '{refused}'; it is left out of 'options'",))


def test_who_thinks_alone_is_not_told_how_to_choose_words() -> None:
    told = request(thinking=2000, max_tokens=9000, options={"generationConfig": {"topK": 5}}, dialect="gemini")
    fitted, notices = fit(told, BUILTIN.find("claude-opus-4-1"))
    assert (fitted.thinking, fitted.options) == (2000, {})
    assert notices == ("claude-opus-4-1 refuses 'generationConfig.topK'; it is left out of 'options'",)


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "left"),
    [
        ("gemini-3.8-flash", "low", "low", {"format": 1}),
        ("gemini-2.5-flash", "low", 1024, {"format": 1}),
        ("gpt-6", "max", "high", {"effort": "max", "format": 1}),
        ("claude-opus-5", "low", None, {"effort": "low", "format": 1}),
        ("claude-opus-4-1", "low", None, {"effort": "low", "format": 1}),
        ("gpt-6", "hardly", None, {"effort": "hardly", "format": 1}),
    ],
)
def test_others_think_by_the_effort_that_claude_was_to_make(
    model: str, effort: str, thinking: Thinking | None, left: Any
) -> None:
    told = request(options={"output_config": {"effort": effort, "format": 1}}, dialect="anthropic")
    fitted, notices = fit(told, BUILTIN.describe(model))
    assert (fitted.thinking, fitted.options, notices) == (thinking, {"output_config": left}, ())
    assert fitted.show_thoughts is (thinking is None)
