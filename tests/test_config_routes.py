"""Routes of the configuration."""

from pathlib import Path

import pytest

from boticelli_cli.routes import Alias, LongContext, Routes
from tests.configuring import configured, mistakes

ROUTES = """
providers: {openrouter: {dialect: openai, base_url: "https://openrouter.ai/api/v1"}}
routes:
  default: gemini-3.8-flash
  background: openrouter/meta-llama/llama-4
  think: [claude-sonnet-5-5, gemini-4-hydrogen]
  long_context: {over_tokens: 60000, to: gemini-4-hydrogen}
  image: rehearsal
  patterns: [{match: "(?i)security review", to: claude-sonnet-5-5}]
  aliases: {"claude-haiku-*": gemini-3.5-flash-lite, fast: [rehearsal/fast]}
"""


def test_reads_a_model_or_a_chain_for_each_route(folder: Path) -> None:
    routes = configured(folder, user=ROUTES).routes
    assert routes.default == ("gemini-3.8-flash",)
    assert routes.background == ("openrouter/meta-llama/llama-4",)
    assert routes.think == ("claude-sonnet-5-5", "gemini-4-hydrogen")
    assert routes.long_context == LongContext(60_000, ("gemini-4-hydrogen",))
    assert routes.web_search == ()
    [pattern] = routes.patterns
    assert pattern.match.search("A Security Review, please.")
    assert routes.aliases == (
        Alias("claude-haiku-*", ("gemini-3.5-flash-lite",)),
        Alias("fast", ("rehearsal/fast",)),
    )


def test_without_routes_there_are_none(folder: Path) -> None:
    assert configured(folder).routes == Routes()


def test_a_projects_routes_lie_over_the_users_mappings_merged_and_lists_replaced(folder: Path) -> None:
    project = """
routes:
  think: gemini-3.8-flash
  long_context: {over_tokens: 9}
  patterns: []
  aliases: {mine: rehearsal, fast: gemini-3.8-flash}
"""
    routes = configured(folder, user=ROUTES, project=project).routes
    assert (routes.default, routes.think) == (("gemini-3.8-flash",), ("gemini-3.8-flash",))
    assert routes.long_context == LongContext(9, ("gemini-4-hydrogen",))
    assert routes.patterns == ()
    assert [(each.glob, each.to[0]) for each in routes.aliases] == [
        ("mine", "rehearsal"),
        ("fast", "gemini-3.8-flash"),
        ("claude-haiku-*", "gemini-3.5-flash-lite"),
    ]


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ("default: []", "1:10: 'default' must not be empty"),
        ("defualt: a", "unknown key 'defualt'; did you mean 'default'?"),
        ("default: opnai/x", "1:10: model 'opnai/x' names unknown provider 'opnai'; did you mean 'openai'?"),
        ("think: [gemini-4-hydrogen, nobodys]", "1:37: it is not known whose model 'nobodys' is"),
        ("aliases: {fast: openai/}", "model 'openai/' has no name after the slash"),
        ("long_context: {to: gemini-4-hydrogen}", "1:10: 'long_context': 'over_tokens' is missing"),
        ("long_context: {over_tokens: 0, to: a}", "'over_tokens' is 0; it must be at least 1"),
        ("patterns: [{match: '(a', to: rehearsal}]", "1:22: 'match' is no regular expression: missing ), "),
        ("patterns: [{match: a}]", "'to' is missing"),
        ("patterns: [{match: a, to: x/y}]", "1:32: model 'x/y' names unknown provider 'x'"),
    ],
)
def test_mistakes_are_told_with_their_place(folder: Path, routes: str, said: str) -> None:
    assert said in mistakes(folder, user=f"routes: {{{routes}}}")


def test_an_expression_that_may_mean_something_else_one_day_is_taken_quietly(folder: Path) -> None:
    [pattern] = configured(folder, user="routes: {patterns: [{match: '[[a]', to: rehearsal}]}").routes.patterns
    assert pattern.match.search("[")
