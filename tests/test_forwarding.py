"""What becomes of requests in their makers' own words on their way through routes, accounts and retries."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from boticelli_cli.catalog import Catalog
from boticelli_cli.drivers.base import fold, metering
from boticelli_cli.messages import Delta, Finish, Forwarded, Original, Request
from boticelli_cli.providers import Providers
from boticelli_cli.wire import anthropic, openai
from tests.clock import in_virtual_time
from tests.configuring import configured
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.behaviours import Fail
from tests.fakes.gemini import FakeGemini
from tests.fakes.openai import FakeOpenAI
from tests.fakes.serving import Served

ROUTES = """
routes:
  aliases: {mine: [claude-haiku-4-5], both: [gpt-5.2, gemini-3.8-flash]}
providers:
  shop: {dialect: openai, base_url: "SHOP", api_key: test-key, transformers: [ollama]}
"""


@asynccontextmanager
async def providers(*fakes: Served) -> AsyncIterator[Providers]:
    """All that stands between a request and these fakes."""
    environ: dict[str, str] = {}
    shop = "http://127.0.0.1:1"
    for fake in fakes:
        match fake:
            case FakeOpenAI():
                environ |= {"OPENAI_BASE_URL": fake.base_url, "OPENAI_API_KEY": "test-key"}
                shop = fake.base_url
            case FakeAnthropic():
                environ |= {"ANTHROPIC_BASE_URL": fake.url, "ANTHROPIC_API_KEY": "test-key"}
            case FakeGemini():
                environ |= {"GOOGLE_GEMINI_BASE_URL": fake.url, "GEMINI_API_KEY": "test-key"}
    config = configured(Path.cwd(), user=ROUTES.replace("SHOP", shop), environ=environ)
    stack = Providers(config, Catalog.builtin().with_providers(config.providers), environ, wide=True)
    try:
        yield stack
    finally:
        await stack.aclose()


def said(model: str, dialect: str = "openai") -> Request:
    body = json.dumps(
        {"stream": True, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello."}], "model": model}
    ).encode()
    request = anthropic.decode_request(body) if dialect == "anthropic" else openai.decode_request(body)
    return replace(request, original=Original(dialect, body, include_usage=True), dialect=dialect)


async def heard(stack: Providers, request: Request) -> list[Delta]:
    async with stack.driver.stream(request) as deltas:
        return [delta async for delta in deltas]


@in_virtual_time
async def test_a_request_that_failed_at_first_is_passed_on_all_the_same() -> None:
    async with FakeAnthropic((Fail(503), "Hello.")) as fake, providers(fake) as stack:
        with metering() as meter:
            *pieces, finish = await heard(stack, said("mine", "anthropic"))
    assert b"".join(each.data for each in pieces if isinstance(each, Forwarded)) == bytes(fake.sent[0])
    assert isinstance(finish, Finish)
    assert meter.usage == finish.usage
    first, second = fake.bodies
    assert first == second
    assert json.loads(second)["model"] == "claude-haiku-4-5"
    assert list(json.loads(second)) == ["stream", "max_tokens", "messages", "model"]


@in_virtual_time
async def test_a_model_that_speaks_otherwise_takes_over_in_values() -> None:
    async with FakeOpenAI((Fail(400),)) as first, FakeGemini(("Hello.",)) as second, providers(first, second) as stack:
        deltas = await heard(stack, said("both"))
    assert not any(isinstance(delta, Forwarded) for delta in deltas)
    assert len(first.bodies) == 1
    [asked] = second.requests
    assert asked.content["contents"] == [{"role": "user", "parts": [{"text": "Hello."}]}]


@in_virtual_time
async def test_what_transformers_may_change_comes_in_values() -> None:
    fake = FakeOpenAI(("<think>Hm.</think>Hello.",), flavour="ollama", models=["fake-1"])
    async with fake, providers(fake) as stack, stack.driver.stream(said("shop/fake-1")) as deltas:
        response = await fold(deltas)
    assert (response.thinking, response.text) == ("Hm.", "Hello.")
    assert fake.requests[0].content["max_tokens"] == 50
