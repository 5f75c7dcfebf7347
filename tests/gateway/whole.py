"""The whole of it for tests with the vendors' own clients: a gateway, real drivers behind it, a fake of each provider.

    with running(folder) as whole:
        whole.anthropic.messages.create(model=MODELS["gemini"], …)

It all runs in one thread beside the test's, so that clients may block.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from anthropic import Anthropic
from google import genai
from google.genai.types import HttpOptions
from openai import OpenAI

from boticelli_cli.catalog import Catalog
from boticelli_cli.config import read_config
from boticelli_cli.gateway.faces.base import ServedModel
from boticelli_cli.providers import Providers
from boticelli_cli.serving import served_models
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.bedrock import TOKEN, FakeBedrock
from tests.fakes.behaviours import Behaviour, Script
from tests.fakes.gemini import FakeGemini
from tests.fakes.openai import FakeOpenAI
from tests.fakes.playing import Playing
from tests.fakes.serving import in_thread
from tests.gateway.serving import Served, gateway

MODELS = {
    "anthropic": "claude-haiku-5-5",
    "openai": "gpt-5.2",
    "gemini": "gemini-3.8-flash",
    "invoke": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "converse": "amazon.nova-pro-v1:0",
    "openrouter": "openrouter/anthropic/claude-sonnet-5",
}
"""A model of each dialect that is spoken upstream: Bedrock speaks two, OpenRouter its own kind of OpenAI's."""

UPSTREAMS = tuple(MODELS)
DIALECTS = UPSTREAMS[:5]

CALLS = (("get_weather", {"city": "Ulm"}), ("get_weather", {"city": "Köln"}))
"""What a model calls when it is to call two tools at once."""

USED: dict[str, dict[str, Any]] = {
    "anthropic": {
        "input_tokens": 10,
        "cache_read_input_tokens": 30,
        "cache_creation_input_tokens": 5,
        "output_tokens": 7,
    },
    "invoke": {
        "input_tokens": 10,
        "cache_read_input_tokens": 30,
        "cache_creation_input_tokens": 5,
        "output_tokens": 7,
    },
    "converse": {
        "inputTokens": 10,
        "cacheReadInputTokens": 30,
        "cacheWriteInputTokens": 5,
        "outputTokens": 7,
        "totalTokens": 52,
    },
    "openai": {
        "prompt_tokens": 40,
        "completion_tokens": 7,
        "total_tokens": 47,
        "prompt_tokens_details": {"cached_tokens": 30},
    },
    "openrouter": {
        "prompt_tokens": 45,
        "completion_tokens": 7,
        "total_tokens": 52,
        "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 5},
    },
    "gemini": {
        "promptTokenCount": 40,
        "cachedContentTokenCount": 30,
        "candidatesTokenCount": 7,
        "totalTokenCount": 47,
    },
}
"""What a service says that it has used: 10 tokens of input, 30 read from a cache, and 5 written to it where there is a
word for that; 7 of output."""

_CONFIG = """
providers:
  openrouter: {{dialect: openai, base_url: "{openrouter}/v1", api_key: test-key, transformers: [openrouter]}}
routes:
  aliases: {{{aliases}}}
"""


@dataclass
class Whole:
    """A gateway that runs. `fakes` are the services behind it, by the names of `MODELS`; the clients are the vendors'."""

    served: Served
    fakes: Mapping[str, Playing]
    providers: Providers
    loop: asyncio.AbstractEventLoop
    folder: Path
    anthropic: Anthropic = field(init=False)
    openai: OpenAI = field(init=False)
    gemini: genai.Client = field(init=False)
    http: httpx.Client = field(init=False)

    @property
    def url(self) -> str:
        return self.served.url

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which a process asks the same services."""
        return _environ(self.fakes)

    def plays(self, upstream: str, behaviour: Behaviour | str, *, prompt: str = "", times: int = 1) -> None:
        """Have a service behave so for the next request of this prompt."""
        self.fakes[upstream].script.append(behaviour, model=_own_name(upstream), prompt=prompt, times=times)

    def heard(self, upstream: str) -> Any:
        """The last request that a service was sent."""
        return self.fakes[upstream].requests[-1]

    def forget(self) -> None:
        """Have nobody know of what went before: accounts that rest would not be asked, and no service plays what is left."""

        async def forget() -> None:
            old = self.providers
            self.providers, _ = _providers(self.fakes, self.folder)
            self.served.exchanges.driver = self.providers.driver
            await old.aclose()

        for fake in self.fakes.values():
            fake.script = Script()
        asyncio.run_coroutine_threadsafe(forget(), self.loop).result()

    async def leave(self) -> None:
        """Close what the gateway has opened."""
        await self.providers.aclose()


@contextmanager
def running(folder: Path, *, keep_alive: float = 15.0) -> Iterator[Whole]:
    """A gateway before a fake of each provider, in a thread."""
    with in_thread(_whole(folder, keep_alive)) as whole, _with_clients(whole):
        yield whole


@asynccontextmanager
async def _whole(folder: Path, keep_alive: float) -> AsyncIterator[Whole]:
    async with AsyncExitStack() as stack:
        fakes = await _fakes(stack)
        providers, models = _providers(fakes, folder)
        # It does not wait: what would be asked again later fails at once.
        joined = gateway(
            providers.driver, models=models, count=providers.count_tokens, longest_wait=0.01, keep_alive=keep_alive
        )
        whole = Whole(await stack.enter_async_context(joined), fakes, providers, asyncio.get_running_loop(), folder)
        stack.push_async_callback(whole.leave)
        yield whole


async def _fakes(stack: AsyncExitStack) -> dict[str, Playing]:
    bedrock = await stack.enter_async_context(FakeBedrock())
    return {
        "anthropic": await stack.enter_async_context(FakeAnthropic()),
        "openai": await stack.enter_async_context(FakeOpenAI()),
        "gemini": await stack.enter_async_context(FakeGemini()),
        "invoke": bedrock,
        "converse": bedrock,
        "openrouter": await stack.enter_async_context(FakeOpenAI(flavour="openrouter")),
    }


def _providers(fakes: Mapping[str, Playing], folder: Path) -> tuple[Providers, list[ServedModel]]:
    """What asks the fakes, and the models that can be asked. What it remembers of accounts is its own."""
    home = Path(tempfile.mkdtemp(dir=folder))
    aliases = ", ".join(f'"first-{name}": [{MODELS["gemini"]}, "{model}"]' for name, model in MODELS.items())
    (home / "config.yaml").write_text(_CONFIG.format(openrouter=fakes["openrouter"].url, aliases=aliases))
    environ = {"BOTICELLI_HOME": str(home), **_environ(fakes)}
    config = read_config(environ, home)
    catalog = Catalog.builtin().with_providers(config.providers)
    providers = Providers(config, catalog, environ, wide=True, announced=True)
    return providers, [*served_models(config, catalog)]


def _environ(fakes: Mapping[str, Playing]) -> dict[str, str]:
    return {
        "GEMINI_API_KEY": "test-key",
        "GOOGLE_GEMINI_BASE_URL": fakes["gemini"].url,
        "ANTHROPIC_API_KEY": "test-key",
        "ANTHROPIC_BASE_URL": fakes["anthropic"].url,
        "OPENAI_API_KEY": "test-key",
        "OPENAI_BASE_URL": f"{fakes['openai'].url}/v1",
        "AWS_BEARER_TOKEN_BEDROCK": TOKEN,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": fakes["invoke"].url,
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def _with_clients(whole: Whole) -> Iterator[Whole]:
    """Clients that do not ask again by themselves."""
    with ExitStack() as stack:
        whole.http = stack.enter_context(httpx.Client(base_url=whole.url, timeout=20))
        whole.anthropic = stack.enter_context(Anthropic(api_key="any", base_url=whole.url, max_retries=0, timeout=20))
        whole.openai = stack.enter_context(OpenAI(api_key="any", base_url=f"{whole.url}/v1", max_retries=0, timeout=20))
        whole.gemini = genai.Client(api_key="any", http_options=HttpOptions(base_url=whole.url, timeout=20_000))
        stack.callback(whole.gemini.close)
        yield whole


def _own_name(upstream: str) -> str:
    """What a model is called where it is at home."""
    return MODELS[upstream].removeprefix("openrouter/")
