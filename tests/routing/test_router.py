"""Decisions: which models a request is for, and why."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boticelli_cli.catalog import Catalog
from boticelli_cli.errors import UsageError
from boticelli_cli.messages import Beyond, CachePoint, Media, Message, Part, Request, Text, Tool, ToolResult
from boticelli_cli.routes import Alias, LongContext, Pattern, Routes
from boticelli_cli.routing.router import Decision, decide

CATALOG = Catalog.builtin()
IMAGE = Media("image", "image/png", b"...")
ROUTES = Routes(
    default=("gemini-3.8-flash",),
    background=("gemini-3.5-flash-lite",),
    think=("claude-sonnet-5-5", "gemini-4-hydrogen"),
    long_context=LongContext(1000, ("gemini-4-hydrogen",)),
    image=("gemini/sees",),
    web_search=("gemini/searches",),
    patterns=(Pattern(re.compile("(?i)security review"), ("claude-sonnet-5-5",)),),
    aliases=(Alias("claude-haiku-*", ("gemini-3.5-flash-lite",)),),
)


def asking(model: str = "", *parts: Part, **settings: Any) -> Request:
    return Request(model, (Message("user", parts or (Text("Hello."),)),), **settings)


def decided(request: Request, routes: Routes = ROUTES, *, tokens: int = 10) -> Decision:
    return decide(request, routes, CATALOG, tokens=lambda request: tokens)


ALL_KINDS = asking("", IMAGE, tools=(Tool("web_search"),), thinking=True, route="background")


@pytest.mark.parametrize("model", ["gemini-3.8-pro", "gemini/tuned/mine:8b", "openai/openrouter/x:free", "o9-mini"])
def test_a_model_that_is_named_is_asked_whatever_the_request_is(model: str) -> None:
    assert decided(replace(ALL_KINDS, model=model), tokens=9999) == Decision((model,), "explicit", "asked for by name")


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "anthropic/claude-haiku-5.5"])
def test_an_alias_matches_a_name_with_its_provider_and_without(model: str) -> None:
    expected = Decision(("gemini-3.5-flash-lite",), "alias", f"'{model}' is an alias, by 'claude-haiku-*'")
    assert decided(asking(model)) == expected


def test_an_alias_may_stand_for_a_name_that_is_nobodys() -> None:
    routes = Routes(aliases=(Alias("fast", ("gemini-3.8-flash", "gpt-6")),))
    expected = Decision(("gemini-3.8-flash", "gpt-6"), "alias", "'fast' is an alias")
    assert decided(asking("fast"), routes) == expected


@pytest.mark.parametrize("model", ["", "auto"])
def test_no_alias_stands_for_a_model_that_was_left_open(model: str) -> None:
    routes = replace(ROUTES, aliases=(Alias("*", ("gpt-6",)),))
    assert decided(asking(model), routes).route == "default"


def test_members_of_a_chain_may_be_aliases_once() -> None:
    routes = Routes(default=("fast", "gpt-9"), aliases=(Alias("fast", ("gpt-6", "gpt-7")), Alias("gpt-7", ("o3",))))
    assert decided(asking(), routes).chain == ("gpt-6", "gpt-7", "gpt-9")
    assert decided(asking("fast"), routes).chain == ("gpt-6", "o3")


def test_an_alias_may_name_what_it_stands_for() -> None:
    routes = Routes(aliases=(Alias("claude-*", ("claude-sonnet-5-5", "gpt-6")),))
    assert decided(asking("claude-4"), routes).chain == ("claude-sonnet-5-5", "gpt-6")


def test_a_ring_of_aliases_ends() -> None:
    routes = Routes(aliases=(Alias("gpt-1", ("gpt-2",)), Alias("gpt-2", ("gpt-1",))))
    assert decided(asking("gpt-1"), routes).chain == ("gpt-1",)


def test_the_requests_own_fallback_follows_the_chain_and_no_model_is_asked_twice() -> None:
    request = asking("auto", thinking=True, fallback=("gemini/gemini-4-hydrogen", "claude-haiku-9", "gpt-6"))
    assert decided(request).chain == ("claude-sonnet-5-5", "gemini-4-hydrogen", "gemini-3.5-flash-lite", "gpt-6")


@pytest.mark.parametrize("model", ["", "auto", "nobodys", "nowhere/model"])
def test_kinds_of_requests_have_their_order(model: str) -> None:
    request = replace(ALL_KINDS, model=model)
    routes = ROUTES
    found = []
    for kind in ("image", "web_search", "long_context", "think", "background", "default"):
        decision = decided(request, routes, tokens=1001)
        found.append(decision.route)
        assert decision.reason
        routes = replace(routes, **{kind: None if kind == "long_context" else ()})
    assert found == ["image", "web_search", "long_context", "think", "background", "default"]


def test_an_image_counts_where_the_last_message_holds_it() -> None:
    shown = Message("user", (IMAGE, Text("What is this?")))
    answered = Message("assistant", (Text("A cat."),))
    again = Message("user", (Text("Sure?"),))
    assert decided(Request("", (shown,))).route == "image"
    assert decided(Request("", (shown, answered, again))).route == "default"
    drawn = Message("user", (ToolResult("draw", (Text("Here."), IMAGE)),))
    assert decided(Request("", (again, answered, drawn))).route == "image"
    assert decided(Request("", (Message("user", (Media("audio", "audio/wav", b""),)),))).route == "default"
    assert decided(Request("", ())).route == "default"


@pytest.mark.parametrize(
    "settings",
    [
        {"tools": (Tool("web_search"),)},
        {"tools": (Tool("calculator"), CachePoint(), Tool("web_search_preview"))},
        {"options": {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]}},
        {"options": {"tools": [{"googleSearch": {}}]}},
        {"options": {"tools": ({"google_search": {}},)}},
        {"options": {"tools": Beyond(("web search",), [{"type": "web_search_20250305", "name": "web_search"}], {})}},
        {"options": {"web_search_options": {}}},
    ],
)
def test_a_search_of_the_web_is_seen_in_every_dialect(settings: Any) -> None:
    assert decided(asking(**settings)).route == "web_search"


@pytest.mark.parametrize(
    "options",
    [{"tools": "web_search"}, {"tools": [None, {"type": 3}, {"codeExecution": {}}]}, {"safety": ["web_search"]}],
)
def test_other_options_are_no_search(options: Any) -> None:
    assert decided(asking(options=options)).route == "default"


def test_a_context_is_long_from_the_first_token_above_and_is_only_counted_when_it_matters() -> None:
    assert decided(asking(), tokens=1000).route == "default"
    long = decided(asking(), tokens=1001)
    assert (long.route, long.reason) == ("long_context", "about 1,001 input tokens, more than 1,000")

    def refuse(request: Request) -> int:
        raise AssertionError("nobody wants to know")

    decide(asking("gpt-6"), ROUTES, CATALOG, tokens=refuse)
    decide(asking(), replace(ROUTES, long_context=None), CATALOG, tokens=refuse)


@pytest.mark.parametrize(("thinking", "route"), [(True, "think"), ("low", "think"), (0, "default"), (False, "default")])
def test_thinking_counts_when_it_is_wanted(thinking: Any, route: str) -> None:
    assert decided(asking(thinking=thinking)).route == route


@pytest.mark.parametrize("request_", [asking("background"), asking("auto", route="background")])
def test_a_request_may_come_from_the_background(request_: Request) -> None:
    assert decided(request_).chain == ("gemini-3.5-flash-lite",)


def test_patterns_are_sought_in_the_users_last_prompt_only() -> None:
    asked, answered = Message("user", (Text("A Security\nReview"),)), Message("assistant", (Text("security review"),))
    please = Message("user", (IMAGE, Text("Please, a Security Review of this.")))
    routes = replace(ROUTES, image=())
    found = decided(Request("auto", (asked, answered, please)), routes)
    assert (found.route, found.reason) == ("pattern", "its prompt matches '(?i)security review'")
    assert decided(Request("auto", (please, answered, asked)), routes).route == "default"


def test_the_default_says_why_it_was_needed() -> None:
    assert decided(asking("auto")).reason == "no model is named"
    assert decided(asking("nobodys")).reason == "no model is known as 'nobodys'"


def test_without_a_route_an_unknown_model_stays_a_mistake() -> None:
    with pytest.raises(UsageError, match="it is not known whose model 'nobodys' is"):
        decided(asking("nobodys"), Routes(think=("gpt-6",)))
    with pytest.raises(UsageError, match="no model is named, and there is no 'default' among the routes"):
        decided(asking("auto"), Routes())


def test_a_chain_that_names_nobodys_model_is_a_mistake_before_anything_is_asked() -> None:
    with pytest.raises(UsageError, match="'nobodys'"):
        decided(asking("gpt-6", fallback=("nobodys",)))


names = st.sampled_from(["gpt-1", "gpt-2", "gemini-3", "openai/gpt-1", "claude-4", "auto", "", "x", "background"])
chains = st.lists(names.filter(lambda name: name not in ("auto", "", "x", "background")), max_size=3).map(tuple)
globs = st.sampled_from(["gpt-*", "*", "x", "gpt-[1]", "openai/*", "claude-4"])


@given(
    st.builds(
        Routes,
        default=chains,
        background=chains,
        think=chains,
        aliases=st.lists(st.builds(Alias, globs, chains.filter(bool)), max_size=3).map(tuple),
    ),
    names,
    chains,
    st.booleans(),
)
def test_a_decision_names_somebody_once_and_gives_a_reason(
    routes: Routes, model: str, fallback: tuple[str, ...], thinks: bool
) -> None:
    try:
        decision = decided(asking(model, fallback=fallback, thinking=thinks), routes)
    except UsageError:
        assert model in ("auto", "", "x", "background")
        assert not routes.default
        return
    assert decision.chain
    assert len(set(decision.chain)) == len(decision.chain)
    assert decision.reason
    assert decision.route in ("explicit", "alias", "think", "background", "default")
