"""What can be asked here, and by whom."""

import json
import re
import subprocess
import sys
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from boticelli_cli.catalog import Catalog, Limits, ListedModel
from boticelli_cli.config import Account, Config, Provider
from boticelli_cli.errors import CredentialsError, UsageError
from boticelli_cli.limit_states import limits_of
from boticelli_cli.messages import Finish, Message, Request, Response, Text, Thought, Tool, ToolCall, ToolResult
from boticelli_cli.model_checks import check_models, default_model
from boticelli_cli.providers import Providers, accounts_for
from boticelli_cli.routes import Alias, LongContext, Pattern, Routes, Transformation
from boticelli_cli.runs.plan import make_plan
from boticelli_cli.wire import openai
from tests.narrative.writing import narrative
from tests.wire.answering import Answering

CATALOG = Catalog.builtin()
MAIN = Account("main", "gemini", "k", tier="free", max_concurrent=4)
CLAUDE = Account("anthropic", "anthropic", "k")
KEYED = Config(accounts=(MAIN, CLAUDE))


def notices(acts: str, config: Config = KEYED) -> list[str]:
    plan = make_plan(narrative(f"narrative: {{name: n, context: fresh}}\nacts:\n{acts}"))
    return check_models(plan, config, CATALOG)


def test_the_embedded_model_needs_nobody() -> None:
    assert notices("  a: {prompt: One., model: rehearsal/fast}", Config()) == []


FIRST_REQUEST = r"""
import asyncio, sys
from boticelli_cli.catalog import Catalog
from boticelli_cli.config import Account, Config
from boticelli_cli.errors import RefusedError
from boticelli_cli.messages import Message, Request, Text
from boticelli_cli.providers import Providers

async def refuse(reader, writer):
    await reader.readuntil(b"Hello")
    writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    writer.close()

async def main():
    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    url = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
    config = Config(accounts=(Account("anthropic", "anthropic", "k", base_url=url),))
    providers = Providers(config, Catalog.builtin(), {"BOTICELLI_HOME": sys.argv[1]}, wide=True)
    await providers.load()
    loaded = set(sys.modules)
    try:
        async with providers.driver.stream(Request("claude-sonnet-5-5", (Message("user", (Text("Hello"),)),))):
            print("it was answered")
    except RefusedError:
        print(*sorted(set(sys.modules) - loaded))
    await providers.aclose()

asyncio.run(main())
"""


def test_the_first_request_finds_everything_loaded(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FIRST_REQUEST, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    late = {name.partition(".")[0] for name in done.stdout.split()}
    assert late <= {"encodings", "stringprep", "unicodedata"}  # the standard library's, for names of hosts


def test_a_provider_needs_a_key() -> None:
    with pytest.raises(CredentialsError) as caught:
        notices("  a: {prompt: One., model: gemini-3.8-flash}", Config())
    assert caught.value.hint is not None
    assert "set GEMINI_API_KEY" in caught.value.hint
    lacking = Config(accounts=(Account("main", "gemini", lacks="$KEY is not set"),))
    with pytest.raises(CredentialsError, match="account 'main' has no key for gemini: \\$KEY is not set"):
        notices("  a: {prompt: One., model: gemini-3.8-flash}", lacking)


def test_a_dry_run_needs_no_key_and_tells_that_there_is_none() -> None:
    plan = make_plan(narrative("narrative: {name: n, model: gemini-3.8-flash}\nacts: {a: One., b: Two.}"))
    assert check_models(plan, Config(), CATALOG, need_keys=False) == ["there is no key for gemini"]


def test_a_retired_name_is_told_once() -> None:
    acts = "".join(f"  a{n}: {{prompt: One., model: gemini-2.0-flash-live}}\n" for n in range(3))
    assert notices(acts) == ["gemini-2.0-flash-live was shut down on 2025-12-09; gemini-3.8-live answers instead"]


def test_a_bare_name_leads_to_the_provider_that_lists_it() -> None:
    catalog = CATALOG.with_providers(["ollama"]).with_listed("ollama", [ListedModel("llama3.3:8b", calls=("sse",))])
    plan = make_plan(narrative("narrative: {name: n, model: 'llama3.3:8b'}\nacts: {a: One.}"))
    with pytest.raises(UsageError, match=r"did you mean 'ollama/llama3\.3:8b'"):
        check_models(plan, KEYED, catalog)


def test_a_setting_that_a_model_would_refuse_is_told() -> None:
    told = notices("  a: {prompt: One., model: gemini-3.8-flash, thinking: 800}")
    assert told == ["gemini-3.8-flash takes no thinking budget; 'thinking: 800' is sent as 'low'"]


def test_what_a_model_cannot_read_is_a_mistake_and_all_are_told() -> None:
    film = "data:video/mp4;base64,AAAA"
    acts = f"""
  a: {{prompt: What is this?, model: gemini-3.5-live-translate-preview, input: [{{type: video, base64: "{film}"}}]}}
  b: {{prompt: "Two.", model: claude-sonnet-5-5, input: [{{type: video, base64: "{film}"}}]}}
  c: {{prompt: Three., model: nobodys}}
"""
    with pytest.raises(UsageError) as caught:
        notices(acts)
    said = str(caught.value)
    assert "act 'a': gemini-3.5-live-translate-preview takes no video, only audio" in said
    assert "act 'b': claude-sonnet-5-5 takes no video, only text, image, document" in said
    assert "it is not known whose model 'nobodys' is" in said


def test_an_address_that_came_with_a_project_is_told() -> None:
    def at(url: str) -> Config:
        provider = Provider("gemini", "gemini", url, from_project=True, named_by="boticelli.yaml:2")
        return replace(KEYED, providers={**KEYED.providers, "gemini": provider})

    acts = "  a: {prompt: One., model: gemini-3.8-flash}\n  b: {prompt: Two., model: gemini-3.8-flash}"
    assert notices(acts, at("https://strange.test")) == [
        "prompts for gemini go to https://strange.test, which boticelli.yaml:2 names"
    ]
    assert notices(acts, at("http://127.0.0.1:8080")) == []


def test_an_address_that_came_with_a_project_is_told_where_only_routes_lead_there() -> None:
    acts = "  a: {prompt: One., model: auto}\n  b: {prompt: Two., model: auto}"
    strange = Provider("mine", "openai", "https://strange.test", from_project=True, named_by="boticelli.yaml:2")
    said = ["prompts for mine go to https://strange.test, which boticelli.yaml:2 names"]
    providers = {**KEYED.providers, "mine": strange}
    catalog = CATALOG.with_providers(providers)
    ways = (
        Routes(default=("mine/m",)),
        Routes(default=("gemini-3.8-flash",), think=("mine/m",)),
        Routes(default=("gemini-3.8-flash",), long_context=LongContext(9, ("mine/m",))),
        Routes(default=("gemini-3.8-flash",), patterns=(Pattern(re.compile("x"), ("mine/m",)),)),
        Routes(default=("gemini-3.8-flash",), aliases=(Alias("gemini-*", ("mine/m",)),)),
    )
    plan = make_plan(narrative(f"narrative: {{name: n, context: fresh}}\nacts:\n{acts}"))
    for routes in ways:
        assert check_models(plan, replace(KEYED, providers=providers, routes=routes), catalog) == said
    harmless = Routes(default=("gemini-3.8-flash",))
    assert check_models(plan, replace(KEYED, providers=providers, routes=harmless), catalog) == []


def test_accounts_without_their_key_are_passed_over() -> None:
    accounts = (Account("first", "gemini", lacks="$K is not set"), Account("second", "gemini", "k"))
    config = Config(accounts=accounts)
    assert [account.name for account in accounts_for(config, config.providers["gemini"])] == ["second"]


def test_a_model_without_a_key_is_told_of_when_another_can_answer() -> None:
    told = notices("  a: {prompt: One., model: gpt-6.2-sol, fallback: gemini-3.8-flash}")
    assert told == ["there is no key for openai"]
    with pytest.raises(CredentialsError, match="there is no key for openai"):
        notices("  a: {prompt: One., model: gpt-6.2-sol, fallback: gpt-6-luna}")


def test_what_a_fallback_cannot_read_is_told() -> None:
    film = "data:video/mp4;base64,AAAA"
    acts = f'  a: {{prompt: One., model: gemini-3.8-flash, fallback: claude-sonnet-5-5, input: [{{type: video, base64: "{film}"}}]}}'
    assert notices(acts) == ["act 'a': claude-sonnet-5-5 takes no video, only text, image, document"]


def test_an_alias_is_checked_as_what_is_asked_for_it() -> None:
    config = replace(KEYED, routes=Routes(aliases=(Alias("gpt-*", ("gemini-2.0-flash-live",)),)))
    assert notices("  a: {prompt: One., model: gpt-9}", config) == [
        "gemini-2.0-flash-live was shut down on 2025-12-09; gemini-3.8-live answers instead"
    ]


def test_what_the_routes_will_choose_is_not_known_before() -> None:
    config = replace(KEYED, routes=Routes(default=("gemini-3.8-flash",)))
    assert default_model(config) == "auto"
    assert notices("  a: {prompt: One., model: auto, thinking: 800}", config) == []


@pytest.mark.parametrize(
    ("accounts", "expected"),
    [
        ((), "rehearsal"),
        ((Account("a", "gemini", "k"),), "gemini-3.8-flash"),
        ((Account("a", "gemini", lacks="$K is not set"),), "gemini-3.8-flash"),
    ],
)
def test_the_default_is_a_model_that_there_is_an_account_for(accounts: Any, expected: str) -> None:
    assert default_model(Config(accounts=accounts)) == expected


def test_limits_are_those_written_over_those_of_the_tier() -> None:
    config = Config(limits={("gemini", "gemini-3.8-flash"): Limits(rpm=2)})
    assert limits_of(config, CATALOG, MAIN, "gemini-3.8-flash") == Limits(2, 250_000, 20)
    assert limits_of(config, CATALOG, MAIN, "gemini-9-neon") == Limits()
    free = Account("other", "gemini", "k")
    assert limits_of(config, CATALOG, free, "gemini-3.8-flash") == Limits(rpm=2)
    assert limits_of(config, CATALOG, free, "gemini-3.6-flash") == Limits()


async def test_what_a_service_refuses_of_another_dialect_is_said_so_that_it_is_taken(tmp_path: Path) -> None:
    turns = (
        Message("user", (Text("Read."),)),
        Message("assistant", (Thought("Hm."), ToolCall("files.read", {}, "1"))),
        Message("user", (ToolResult("files.read", "x", "1"),)),
    )
    answer = Response((ToolCall("files_read", {}, "2"),), Finish("tool_call"))
    with Answering() as server:
        server.prepare(openai.encode_response(answer))
        mine = Provider("mine", "openai", server.url, (Transformation("deepseek"),))
        config = Config(accounts=(Account("main", "mine", "k", base_url=server.url),), providers={"mine": mine})
        catalog = CATALOG.with_providers(config.providers)
        request = Request("mine/m", turns, tools=(Tool("files.read"),), dialect="anthropic")
        async with aclosing(Providers(config, catalog, {"BOTICELLI_HOME": str(tmp_path)})) as providers:
            response = await providers.driver.generate(request)
        [(_, body)] = server.asked
    said = json.loads(body)
    assert response.tool_calls == (ToolCall("files.read", {}, "2"),)
    assert [tool["function"]["name"] for tool in said["tools"]] == ["files_read"]
    assert said["messages"][1]["tool_calls"][0]["function"]["name"] == "files_read"
    assert said["messages"][1]["reasoning_content"] == "Hm."
