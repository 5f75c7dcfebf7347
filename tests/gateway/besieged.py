"""A gateway with real providers behind it, whose services are fakes: each face in front of each dialect."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from boticelli_cli.catalog import Catalog
from boticelli_cli.drivers.base import Driver
from boticelli_cli.messages import Delta, Request, Response
from boticelli_cli.providers import Providers
from tests.configuring import configured
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.bedrock import ACCESS_KEY, SECRET_KEY, FakeBedrock
from tests.fakes.gemini import FakeGemini
from tests.fakes.openai import FakeOpenAI
from tests.gateway.serving import Served, gateway

MODELS = {
    "anthropic": "claude-sonnet-5-5",
    "openai": "openai/gpt-5.2",
    "gemini": "gemini-3.8-flash",
    "converse": "bedrock/us.amazon.nova-lite-v1:0",
    "invoke": "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
}
"""A model for each of the ways in which providers are asked."""

ACCOUNTS = "\n".join(
    f"- {{name: {provider}-{number}, provider: {provider}, max_concurrent: 20, {key}}}"
    for provider, key in (
        ("gemini", "api_key: test-key"),
        ("anthropic", "api_key: test-key"),
        ("openai", "api_key: test-key"),
        ("bedrock", "region: us-east-1"),
    )
    for number in (1, 2)
)


@contextmanager
def aws() -> Iterator[None]:
    """Somebody who may use Bedrock, in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


class AtOnce:
    """A driver that has nothing asked again: what failed has failed."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def supports_streaming(self, model: str) -> bool:
        return self._driver.supports_streaming(model)

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        return self._driver.stream(replace(request, retries=0))

    async def generate(self, request: Request) -> Response:
        return await self._driver.generate(replace(request, retries=0))


@dataclass
class Besieged:
    """A gateway, what stands behind it, and the services that are asked."""

    served: Served
    providers: Providers
    gemini: FakeGemini
    anthropic: FakeAnthropic
    bedrock: FakeBedrock
    openai: FakeOpenAI

    @property
    def fakes(self) -> tuple[Any, ...]:
        return (self.gemini, self.anthropic, self.bedrock, self.openai)

    @property
    def leases(self) -> int:
        """Places at accounts that are taken."""
        return sum(standing.in_flight for standing in self.providers.standings())

    def fake_of(self, dialect: str) -> Any:
        return {"converse": self.bedrock, "invoke": self.bedrock}.get(dialect) or getattr(self, dialect)


@asynccontextmanager
async def besieged(folder: Path, *, more: str = "", retries: bool = False) -> AsyncIterator[Besieged]:
    """A gateway in front of all dialects. `more` is added to its configuration."""
    async with AsyncExitStack() as stack:
        stack.enter_context(aws())
        fakes = FakeGemini(), FakeAnthropic(), FakeBedrock(), FakeOpenAI()
        for fake in fakes:
            await stack.enter_async_context(fake)
        gemini, anthropic, bedrock, openai = fakes
        environ = {
            "BOTICELLI_HOME": str(folder.parent / "home"),
            "GOOGLE_GEMINI_BASE_URL": gemini.url,
            "ANTHROPIC_BASE_URL": anthropic.url,
            "OPENAI_BASE_URL": openai.base_url,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": bedrock.url,
        }
        config = configured(folder, user=f"accounts:\n{ACCOUNTS}\n{more}", environ=environ)
        providers = Providers(
            config, Catalog.builtin().with_providers(config.providers, like={}), environ, wide=True, announced=True
        )
        stack.push_async_callback(providers.aclose)
        driver = providers.driver if retries else AtOnce(providers.driver)
        served = await stack.enter_async_context(gateway(driver))
        yield Besieged(served, providers, gemini, anthropic, bedrock, openai)
