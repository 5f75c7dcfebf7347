"""Names of tools that a dialect refuses: fitted on the way out, and put back on the way home."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boticelli_cli.messages import (
    CachePoint,
    Finish,
    Message,
    Request,
    Response,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
)
from boticelli_cli.wire.tool_names import RULES, ToolNames

every_dialect = pytest.mark.parametrize("dialect", RULES)
any_names = st.lists(st.text("ab_.:-/é1", max_size=4) | st.text(max_size=6) | st.text("a.b", min_size=62), max_size=6)


def asking(*names: str) -> Request:
    calls = tuple(ToolCall(name, {}, str(at)) for at, name in enumerate(names))
    results = tuple(ToolResult(name, "x", str(at)) for at, name in enumerate(names))
    messages = (Message("assistant", calls), Message("user", results))
    return Request("m", messages, tools=(*map(Tool, names), CachePoint()), tool_choice=names[:1] or None)


def names_in(request: Request) -> list[list[str]]:
    """By whom they are named: the tools, the choice, the calls and the results."""
    calls, results = ([part.name for part in each.parts if not isinstance(part, Text)] for each in request.messages)  # type: ignore[union-attr]
    chosen = [request.tool_choice[0]] if isinstance(request.tool_choice, tuple) else []
    return [[tool.name for tool in request.declared_tools], chosen, calls, results]


@every_dialect
@given(names=any_names)
@settings(max_examples=40, deadline=None)
def test_all_names_are_taken_told_apart_and_put_back(dialect: str, names: list[str]) -> None:
    rule = RULES[dialect]
    request = asking(*(name for name in dict.fromkeys(names) if name))
    said = names_in(request)[0]
    fitted = ToolNames.of(request, rule).fit(request)
    told, chosen, calls, results = names_in(fitted)
    assert all(map(rule.takes, told))
    assert len(set(told)) == len(said)
    assert told == calls == results
    assert chosen == told[:1]
    assert [new for old, new in zip(said, told, strict=True) if rule.takes(old)] == [*filter(rule.takes, said)]
    again = ToolNames.of(request, rule)
    deltas = [again.restore(ToolCallDelta(ToolCall(name, {}))) for name in told]
    assert [each.call.name for each in deltas if isinstance(each, ToolCallDelta)] == said
    whole = again.restore_all(Response(tuple(ToolCall(name, {}) for name in told), Finish("tool_call")))
    assert [call.name for call in whole.tool_calls] == said


@every_dialect
def test_nothing_is_made_anew_where_all_names_are_taken(dialect: str) -> None:
    request = asking("look_up", "mcp__a-b__c")
    names = ToolNames.of(request, RULES[dialect])
    assert not names.are_fitted
    assert names.fit(request) is request
    assert names.restore(TextDelta("a")) == TextDelta("a")


@pytest.mark.parametrize(
    ("dialect", "told"),
    [
        ("anthropic", ["a_b_2", "a_b", "1_c", "x" * 70]),
        ("openai", ["a_b_2", "a_b", "1_c", "x" * 64]),
        ("gemini", ["a.b", "a_b", "_1/c".replace("/", "_"), "x" * 64]),
    ],
)
def test_a_name_becomes_what_is_most_like_it(dialect: str, told: list[str]) -> None:
    request = asking("a.b", "a_b", "1/c", "x" * 70)
    assert names_in(ToolNames.of(request, RULES[dialect]).fit(request))[0] == told


def test_a_name_that_nobody_declared_is_fitted_but_changes_no_other() -> None:
    request = Request("m", (Message("assistant", (ToolCall("a/b", {}, "1"),)),), tools=(Tool("a.b"),))
    fitted = ToolNames.of(request, RULES["openai"]).fit(request)
    assert fitted.declared_tools == (Tool("a_b"),)
    assert fitted.messages[0].parts == (ToolCall("a_b_2", {}, "1"),)
