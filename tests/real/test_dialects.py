"""The services themselves, each asked as little as it can be. What runs is what has its keys in the environment.

Those are GEMINI_API_KEY, ANTHROPIC_API_KEY, OPENAI_API_KEY; for Bedrock AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
AWS_REGION. An Ollama is asked if one listens on its usual port.
"""

import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from boticelli_cli.catalog import DEFAULTS
from boticelli_cli.drivers.access import Access
from boticelli_cli.drivers.anthropic import anthropic_driver
from boticelli_cli.drivers.base import fold
from boticelli_cli.drivers.bedrock import bedrock_driver
from boticelli_cli.drivers.bedrock_access import BedrockAccess
from boticelli_cli.drivers.gemini import Gemini
from boticelli_cli.drivers.gemini_access import GeminiAccess
from boticelli_cli.drivers.openai import openai_driver
from boticelli_cli.errors import RefusedError
from boticelli_cli.messages import Message, Request, Text, Thought

pytestmark = pytest.mark.real

COUNT = "Count from 1 to 5, in digits, with nothing else."
OLLAMA = ("127.0.0.1", 11434)


@dataclass(frozen=True)
class Service:
    """`make` takes the keys that are called `variables`; `has` is part of the name of one of its models.

    `most` are the tokens of a short greeting at the most, where it counts them. `tells`: it says which model answered.
    """

    model: str
    variables: tuple[str, ...]
    make: Callable[..., Any]
    has: str
    unknown: str
    most: int | None = None
    tells: bool = True
    settings: dict[str, Any] = field(default_factory=lambda: {"max_tokens": 2000})

    def __str__(self) -> str:
        return self.model

    def asking(self, prompt: str, **settings: Any) -> Request:
        return Request(**{"model": self.model, "messages": (said(prompt),), **self.settings, **settings})


def said(prompt: str) -> Message:
    return Message("user", (Text(prompt),))


GEMINI = Service(
    DEFAULTS["gemini"],
    ("GEMINI_API_KEY",),
    lambda key: Gemini(GeminiAccess(key)),
    has="gemini",
    unknown="gemini-0-never-was",
    most=10,
    settings={"thinking": "low"},
)
ANTHROPIC = Service(
    "claude-haiku-5-5",
    ("ANTHROPIC_API_KEY",),
    lambda key: anthropic_driver(Access("anthropic", key)),
    has="claude",
    unknown="claude-0-never-was",
    most=30,
)
OPENAI = Service(
    "gpt-5.4-mini",
    ("OPENAI_API_KEY",),
    lambda key: openai_driver(Access("openai", key)),
    has="gpt",
    unknown="gpt-0-never-was",
)
BEDROCK = [
    Service(
        model,
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"),
        lambda *_: bedrock_driver(BedrockAccess()),
        has="amazon.",
        unknown="amazon.nova-never-was-v1:0",
        tells=False,
        settings={"max_tokens": 200},
    )
    for model in ("us.amazon.nova-lite-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0")
]

every_service = pytest.mark.parametrize("service", [GEMINI, ANTHROPIC, OPENAI, *BEDROCK], ids=str)


@pytest.fixture
async def driver(
    service: Service, real_key: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Any]:
    """It takes its keys, or reads them from the environment."""
    keys = [real_key(name) for name in service.variables]
    for name, key in zip(service.variables, keys, strict=True):
        monkeypatch.setenv(name, key)
    driver = service.make(*keys)
    yield driver
    await driver.aclose()


@every_service
async def test_streams_an_answer(driver: Any, service: Service) -> None:
    async with driver.stream(service.asking(COUNT)) as deltas:
        response = await fold(deltas)
    assert "3" in response.text
    assert response.finish.reason == "stop"
    assert response.finish.usage.input
    assert response.finish.served_model or not service.tells


@every_service
async def test_gives_a_whole_answer(driver: Any, service: Service) -> None:
    response = await driver.generate(service.asking("Say hello, in one word."))
    assert response.text
    assert response.finish.usage.output


@every_service
async def test_lists_models_and_refuses_one_that_it_does_not_have(driver: Any, service: Service) -> None:
    assert service.has in " ".join(model.name for model in await driver.models())
    with pytest.raises(RefusedError) as raised:
        await driver.generate(service.asking("Hello.", model=service.unknown))
    assert raised.value.status == 404


@pytest.mark.parametrize("service", [GEMINI, ANTHROPIC], ids=str)
async def test_counts_tokens(driver: Any, service: Service) -> None:
    assert 1 <= await driver.count_tokens(service.asking("Hello there.")) <= (service.most or 0)


@pytest.mark.parametrize("service", [ANTHROPIC], ids=str)
async def test_seals_what_it_thinks(driver: Any, service: Service) -> None:
    prompt = "How many letters r are there in 'strawberry raspberry'? Think about it step by step."
    async with driver.stream(service.asking(prompt, thinking="low")) as deltas:
        response = await fold(deltas)
    assert all(part.signature for part in response.parts if isinstance(part, Thought))


async def test_asks_an_ollama() -> None:
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(OLLAMA) != 0:
            pytest.skip(f"no Ollama listens at {OLLAMA[0]}:{OLLAMA[1]}")
    driver = openai_driver(Access("ollama", base_url=f"http://{OLLAMA[0]}:{OLLAMA[1]}/v1"))
    try:
        models = await driver.models()
        if not models:
            pytest.skip("that Ollama has no models")
        async with driver.stream(Request(models[0].name, (said(COUNT),), max_tokens=2000)) as deltas:
            response = await fold(deltas)
    finally:
        await driver.aclose()
    assert response.text
    assert response.finish.reason == "stop"
