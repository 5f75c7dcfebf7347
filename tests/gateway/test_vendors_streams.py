"""Streams that are slow, cut into bytes, empty, or left early, as the vendors' own clients see them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors

from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import Delta, Request, Response
from tests.fakes.behaviours import Answer, Empty, Huge, OneByteAtATime
from tests.fakes.serving import until
from tests.gateway.whole import DIALECTS, MODELS, Whole, running

every_dialect = pytest.mark.parametrize("upstream", DIALECTS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """A gateway that says at once that it lives, when nothing comes."""
    with running(tmp_path_factory.mktemp("whole"), keep_alive=0.01) as whole:
        yield whole


def stream_as_anthropic(whole: Whole, model: str, prompt: str) -> Iterator[str]:
    turns: Any = [{"role": "user", "content": prompt}]
    with whole.anthropic.messages.stream(model=model, max_tokens=9000, messages=turns) as stream:
        yield from stream.text_stream


def stream_as_openai(whole: Whole, model: str, prompt: str) -> Iterator[str]:
    turns: Any = [{"role": "user", "content": prompt}]
    with whole.openai.chat.completions.create(model=model, messages=turns, stream=True) as stream:
        for chunk in stream:
            yield chunk.choices[0].delta.content or ""


def stream_as_gemini(whole: Whole, model: str, prompt: str) -> Iterator[str]:
    with closing(whole.gemini.models.generate_content_stream(model=model, contents=prompt)) as chunks:
        for chunk in chunks:
            yield chunk.text or ""


Stream = Callable[[Whole, str, str], Iterator[str]]

CLIENTS: dict[str, Stream] = {
    "anthropic": stream_as_anthropic,
    "openai": stream_as_openai,
    "gemini": stream_as_gemini,
}
ERRORS = (anthropic.APIError, openai.APIError, errors.APIError)

every_client = pytest.mark.parametrize("client", CLIENTS)


@every_client
@pytest.mark.parametrize("is_translated", [False, True])
def test_is_patient_with_signs_of_life(whole: Whole, client: str, is_translated: bool) -> None:
    upstream = {"anthropic": "openai", "openai": "gemini", "gemini": "anthropic"}[client] if is_translated else client
    behaviour = Answer(chunks=("one ", "two ", "three"), first_delay=0.05, delay=0.03)
    whole.plays(upstream, behaviour, prompt=f"Slowly, {client}")
    assert "".join(CLIENTS[client](whole, MODELS[upstream], f"Slowly, {client}")) == "one two three"


@every_client
@every_dialect
def test_reads_characters_that_arrive_in_bytes(whole: Whole, client: str, upstream: str) -> None:
    whole.plays(upstream, OneByteAtATime(), prompt=f"By bytes, {client}")
    assert "".join(CLIENTS[client](whole, MODELS[upstream], f"By bytes, {client}")) == "a é 中 🎨 z"


@every_client
@every_dialect
def test_reads_one_huge_piece(whole: Whole, client: str, upstream: str) -> None:
    whole.plays(upstream, Huge(300_000), prompt=f"Huge, {client}")
    assert "".join(CLIENTS[client](whole, MODELS[upstream], f"Huge, {client}")) == "x" * 300_000


@every_client
@every_dialect
def test_reads_an_empty_answer_as_one(whole: Whole, client: str, upstream: str) -> None:
    whole.plays(upstream, Empty(), prompt=f"Empty, {client}")
    assert "".join(CLIENTS[client](whole, MODELS[upstream], f"Empty, {client}")) == ""


@every_client
@every_dialect
def test_lets_go_of_the_provider_when_the_client_does(whole: Whole, client: str, upstream: str) -> None:
    prompt = f"Leave early, {client} {upstream}"
    whole.plays(upstream, Answer(chunks=2000, delay=0.01), prompt=prompt)
    with closing(CLIENTS[client](whole, MODELS[upstream], prompt)) as pieces:
        assert next(pieces) is not None
    until(lambda: any(asked.prompt == prompt for asked in whole.fakes[upstream].gone), patience=2)
    until(lambda: whole.served.places.held == 0, patience=2)


class Late:
    """A driver that fails when the client has been told for a while that it lives."""

    def supports_streaming(self, model: str) -> bool:
        return True

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        await asyncio.sleep(0.05)
        raise ProviderError("it has thought better of it", status=503)
        yield

    async def generate(self, request: Request) -> Response:
        raise NotImplementedError


@every_client
def test_raises_what_comes_after_signs_of_life(whole: Whole, client: str) -> None:
    whole.served.exchanges.driver = Late()
    try:
        with pytest.raises(ERRORS, match="it has thought better of it"):
            list(CLIENTS[client](whole, "any", "Hello"))
    finally:
        whole.forget()
