"""Options of one dialect in another's words."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boticelli_cli.messages import Beyond, Message, Request, Text, Tool
from boticelli_cli.option_words import SETTINGS, Phrase, translated, without

FIND = Tool("find")
VALUES = st.one_of(st.just(True), st.integers(-3, 70), st.floats(-2, 2), st.text(min_size=1, max_size=70))
PAIRS = [(name, one, other) for name, said in SETTINGS.items() for one in said for other in said if one != other]


def request(options: Mapping[str, Any], dialect: str, text: str = "As JSON.", **more: Any) -> Request:
    return Request(
        "m", (Message("user", (Text(text),)),), **{"tools": (FIND,), **more}, options=options, dialect=dialect
    )


def nested(phrase: Phrase, value: Any) -> dict[str, Any]:
    for name in reversed(phrase.path):
        value = {name: value}
    return value  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "one", "other"), PAIRS)
@given(value=VALUES)
def test_what_is_said_there_and_back_is_the_same(name: str, one: str, other: str, value: Any) -> None:
    phrase = SETTINGS[name][one]
    word = phrase.said(value)
    if word is None or (word == 0 and "penalty" in name):
        return
    there = translated(request(nested(phrase, word), one), other)
    if there.lost:  # beyond the other's bounds
        assert (there.said, there.lost) == ({}, ("option " + ".".join(phrase.path),))
        return
    back = translated(request(there.said, other, tool_choice="auto"), one)
    assert back.said == nested(phrase, word)
    assert set(back.lost) <= {"option tool_choice.type"}


@pytest.mark.parametrize(
    ("dialect", "options", "target", "said", "lost"),
    [
        ("openai", {"seed": 7}, "gemini", {"generationConfig": {"seed": 7}}, ()),
        ("openai", {"seed": 2**40}, "gemini", {}, ("option seed",)),
        ("openai", {"seed": 7}, "anthropic", {}, ("option seed",)),
        ("openai", {"frequency_penalty": 0, "presence_penalty": 0.0, "n": 1, "logprobs": False}, "gemini", {}, ()),
        ("openai", {"presence_penalty": 2, "n": 2}, "gemini", {}, ("option presence_penalty", "option n")),
        ("openai", {"response_format": {"type": "text"}}, "anthropic", {}, ()),
        ("openai", {"response_format": {"type": "json_object"}}, "anthropic", {}, ("option response_format.type",)),
        ("openai", {"response_format": {"json_schema": {"name": "n", "strict": True}}}, "gemini", {}, ()),
        (
            "openai",
            {"response_format": {"json_schema": {"name": "n", "description": "d"}}},
            "gemini",
            {},
            ("option response_format.json_schema.description",),
        ),
        ("openai", {"user": "u1"}, "anthropic", {"metadata": {"user_id": "u1"}}, ()),
        ("openai", {"safety_identifier": "u1"}, "anthropic", {"metadata": {"user_id": "u1"}}, ()),
        ("openai", {"user": "u1", "safety_identifier": "u1"}, "anthropic", {"metadata": {"user_id": "u1"}}, ()),
        (
            "openai",
            {"user": "u2", "safety_identifier": "u1"},
            "anthropic",
            {"metadata": {"user_id": "u1"}},
            ("option user",),
        ),
        ("openai", {"user": "a@b.example"}, "anthropic", {}, ("option user",)),
        ("openai", {"user": "u1"}, "gemini", {}, ("option user",)),
        ("openai", {"metadata": {"user_id": "u1"}}, "anthropic", {}, ("option metadata",)),
        ("anthropic", {"metadata": {"user_id": "u1"}}, "openai", {"user": "u1"}, ()),
        ("anthropic", {"metadata": {"user_id": "u" * 65}}, "openai", {}, ("option metadata.user_id",)),
        ("anthropic", {"top_k": 5}, "gemini", {"generationConfig": {"topK": 5}}, ()),
        ("anthropic", {"top_k": 5}, "openai", {}, ("option top_k",)),
        ("anthropic", {"output_config": {"effort": "low"}}, "openai", {"reasoning_effort": "low"}, ()),
        (
            "anthropic",
            {"output_config": {"effort": "low"}},
            "gemini",
            {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}},
            (),
        ),
        ("gemini", {"generationConfig": {"topK": 5, "seed": 1}}, "anthropic", {"top_k": 5}, ("option generationConfig.seed",)),
        (
            "gemini",
            {"generationConfig": {"speechConfig": {"a": {"b": 1}}, "candidateCount": 1}},
            "openai",
            {},
            ("option generationConfig.speechConfig",),
        ),
        ("gemini", {"safetySettings": [1]}, "openai", {}, ("option safetySettings",)),
        ("gemini", {"generationConfig": {"seed": True}}, "openai", {}, ("option generationConfig.seed",)),
    ],
)  # fmt: skip
def test_says_what_the_other_knows_and_names_the_rest(
    dialect: str, options: Any, target: str, said: Any, lost: tuple[str, ...]
) -> None:
    found = translated(request(options, dialect), target)
    assert (found.said, found.lost) == (said, lost)


def test_asks_openai_for_json_only_where_the_word_is_said() -> None:
    options = {"generationConfig": {"responseMimeType": "application/json"}}
    assert translated(request(options, "gemini", "Hi."), "openai").lost == ("option generationConfig.responseMimeType",)
    found = translated(request(options, "gemini", "Hi.", system="Answer in json."), "openai")
    assert (found.said, found.lost) == ({"response_format": {"type": "json_object"}}, ())


def test_forbids_several_calls_at_once_where_there_can_be_any() -> None:
    one = {"parallel_tool_calls": False}
    only = {"disable_parallel_tool_use": True}
    assert translated(request(one, "openai"), "anthropic").said == {"tool_choice": {**only, "type": "auto"}}
    assert translated(request(one, "openai", tool_choice="required"), "anthropic").said == {"tool_choice": only}
    for more in ({"tools": ()}, {"tool_choice": "none"}):
        found = translated(request(one, "openai", **more), "anthropic")
        assert (found.said, found.lost) == ({}, ())
    assert translated(request(one, "openai"), "gemini").lost == ("option parallel_tool_calls",)


def test_says_no_effort_to_who_was_told_how_to_think() -> None:
    found = translated(request({"output_config": {"effort": "low"}}, "anthropic", thinking=False), "openai")
    assert (found.said, found.lost) == ({}, ("option output_config.effort",))


def test_names_what_a_field_holds_beyond_words() -> None:
    beyond = Beyond(("citations", "web search"), [], {})
    assert translated(request({"tools": beyond, "x": 1}, "anthropic"), "openai").lost == (*beyond.names, "option x")


def test_finds_what_is_refused_in_whatever_words() -> None:
    options = {"generationConfig": {"topK": 5, "seed": 1}, "top_k": 6}
    assert without(options, "gemini", ("top_k",)) == (
        {"generationConfig": {"seed": 1}},
        ["generationConfig.topK", "top_k"],
    )
    assert without({"generationConfig": {"topK": 5}}, None, ("topK",)) == ({}, ["generationConfig.topK"])
    assert without(options, "openai", ("seeds",)) == (options, [])
