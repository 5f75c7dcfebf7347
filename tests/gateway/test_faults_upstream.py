"""What clients get when providers fail: the whole answer or an error in their own words, and nothing in between."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from boticelli_cli.catalog import Catalog
from boticelli_cli.providers import Providers
from tests.configuring import configured
from tests.fakes.behaviours import Answer, keyword
from tests.gateway.besieged import MODELS, AtOnce, aws, besieged
from tests.gateway.broken import Broken, Said, broken
from tests.gateway.judging import FACES, Verdict, body_of, judged, path_of
from tests.gateway.serving import Served, gateway

TEXT = "a é 中 🎨 z"

ASKED = [*((face, True) for face in FACES), *((face, False) for face in ("anthropic", "openai", "gemini"))]


async def ask(
    client: httpx.AsyncClient, face: str, model: str, text: str = "Say.", *, streamed: bool = True
) -> Verdict:
    """Ask, and judge what comes. Whatever becomes of the provider, it comes soon."""
    async with asyncio.timeout(10):
        answer = await client.post(
            path_of(face, model, streamed=streamed), json=body_of(face, model, text, streamed=streamed)
        )
    return judged(face, answer, streamed=streamed)


FAILURES = {
    "[[drop headers=false]]": 503,
    "[[drop after=0]]": 503,
    "[[drop after=0 inside=true]]": 503,
    "[[drop after=2]]": 200,
    "[[drop after=2 inside=true]]": 200,
    "[[truncated after=0]]": 503,
    "[[truncated after=2]]": 200,
    "[[malformed after=0]]": 503,
    "[[malformed after=2]]": 200,
    "[[error after=2]]": 200,
    "[[html status=200]]": 503,
    "[[html status=502]]": 502,
}
"""What providers do, and the status of a stream that comes to it. One that is not streamed has said nothing before."""


@pytest.mark.slow
@pytest.mark.parametrize("dialect", MODELS)
async def test_a_failure_is_an_error_in_every_face(folder: Path, dialect: str) -> None:
    async with besieged(folder) as here, here.served.client() as client:
        for (failure, status), (face, streamed) in itertools.product(FAILURES.items(), ASKED):
            if failure == "[[truncated after=2]]" and not streamed:
                continue  # whole, it is an answer without a reason
            verdict = await ask(client, face, MODELS[dialect], f"Say. {failure}", streamed=streamed)
            assert (verdict.kind, verdict.status == 200) == ("error", streamed and status == 200), (face, failure)
            assert status == 200 or verdict.status == status, (face, failure, verdict)
        assert (here.leases, here.served.places.held, here.served.exchanges.in_flight()) == (0, 0, [])


async def another_model_answers(folder: Path, cases: Iterable[tuple[str, tuple[str, bool]]]) -> None:
    """For each failure, and each way to be asked, whether another model answers: only where nothing was passed on."""
    chain = "routes: {aliases: {both: [claude-sonnet-5-5, openai/gpt-5.2]}}\n"
    async with besieged(folder, more=chain) as here, here.served.client() as client:
        for failure, (face, streamed) in cases:
            if failure == "[[truncated after=2]]" and not streamed:
                continue
            text = f"Say {face}, {streamed}, for {failure.strip('[]')}"
            behaviour = keyword(failure)
            assert behaviour is not None
            here.anthropic.script.append(behaviour, prompt=text, times=None)  # at either account
            asked = len(here.openai.requests)
            verdict = await ask(client, face, "both", text, streamed=streamed)
            was_passed_on = streamed and FAILURES[failure] == 200
            assert verdict.kind == ("error" if was_passed_on else "answer"), (failure, face, streamed)
            assert len(here.openai.requests) == asked + (not was_passed_on)
            assert (await ask(client, face, MODELS["anthropic"])).kind == "answer"  # it is well again


async def test_another_model_answers_where_nothing_was_passed_on(folder: Path) -> None:
    await another_model_answers(folder, zip(FAILURES, itertools.cycle(ASKED), strict=False))


@pytest.mark.slow
async def test_another_model_answers_however_it_is_asked(folder: Path) -> None:
    await another_model_answers(folder, itertools.product(FAILURES, ASKED))


@asynccontextmanager
async def before(folder: Path, service: Broken) -> AsyncIterator[Served]:
    """A gateway whose providers are all one service."""
    url = service.url
    environ = {
        "BOTICELLI_HOME": str(folder.parent / "home"),
        **{f"{name}_API_KEY": "test-key" for name in ("GEMINI", "ANTHROPIC", "OPENAI")},
        "GOOGLE_GEMINI_BASE_URL": url,
        "ANTHROPIC_BASE_URL": url,
        "OPENAI_BASE_URL": f"{url}/v1",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url,
    }
    async with AsyncExitStack() as stack:
        stack.enter_context(aws())
        config = configured(folder, environ=environ)
        catalog = Catalog.builtin().with_providers(config.providers, like={})
        providers = Providers(config, catalog, environ, wide=True, announced=True)
        stack.push_async_callback(providers.aclose)
        yield await stack.enter_async_context(gateway(AtOnce(providers.driver)))


async def good_answers(folder: Path) -> dict[tuple[str, bool], Said]:
    """What each dialect's service says when all is well: streamed, and not."""
    said: dict[tuple[str, bool], Said] = {}
    async with besieged(folder) as here, here.served.client() as client:
        for (dialect, model), streamed in itertools.product(MODELS.items(), (True, False)):
            fake = here.fake_of(dialect)
            fake.script.append(Answer(TEXT, chunks=3))
            assert await ask(client, "openai", model, streamed=streamed) == Verdict("answer", 200, TEXT)
            said[dialect, streamed] = Said(bytes(fake.sent[-1]), _kind(dialect, streamed=streamed))
    return said


def _kind(dialect: str, *, streamed: bool) -> str:
    if not streamed:
        return "application/json"
    return "application/vnd.amazon.eventstream" if dialect in ("converse", "invoke") else "text/event-stream"


async def cut_anywhere(folder: Path, cuts: int) -> Counter[str]:
    """Every dialect's answers, cut off at so many places each, for every face."""
    good, chance, kinds = await good_answers(folder), random.Random(6), Counter[str]()
    async with broken() as service, before(folder, service) as served, served.client() as client:
        for (dialect, model), (face, streamed) in itertools.product(MODELS.items(), ASKED):
            said = good[dialect, streamed]
            size = len(said.body)
            places = {*(chance.randrange(size) for _ in range(cuts)), size - 2, size - 1}
            for at, breaks in itertools.product(sorted(places), (True, False)):
                service.says = replace(said, body=said.body[:at], breaks=breaks)
                verdict = await ask(client, face, model, streamed=streamed)
                assert verdict.kind == "error" or verdict.text == TEXT, (dialect, face, at)
                kinds[verdict.kind] += 1
        assert (served.places.held, served.exchanges.in_flight()) == (0, [])
    return kinds


async def test_an_answer_that_is_cut_anywhere_is_an_error(folder: Path) -> None:
    assert (await cut_anywhere(folder, 1))["error"] > 150


@pytest.mark.slow
async def test_an_answer_that_is_cut_at_any_of_many_places_is_an_error(folder: Path) -> None:
    assert (await cut_anywhere(folder, 40))["error"] > 2_000


def nonsense() -> list[Said]:
    """What comes of services that are none, and of what stands in between."""
    kinds = ("text/event-stream", "application/json", "text/plain", "application/vnd.amazon.eventstream", "")
    bodies = (
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe\x00",
        b"data: null\n\n",
        b"data: {}\n\ndata: [DONE]\n\n",
        b"data: [[[[\n\n",
        b'data: "x"\n\n',
        b'data: {"choices": 5}\n\n',
        b'data: {"candidates": [{"content": {"parts": [{"text": "\xe4',
        b"event: message_stop\ndata: {}\n\n",
        b"\n" * 1000,
        b": comment\n\n" * 100,
        b'{"error": {"message": "not today", "type": "x", "code": 503, "status": "UNAVAILABLE"}}',
        b'{"type": "error", "error": {"type": "overloaded_error", "message": "not today"}}',
        b"<html><body>Please log in</body></html>",
        b"\x00\x00\x00\x10\x00\x00\x00\x00" * 4,
        b"\xff" * 1000,
        b"[" * 100_000,
    )
    raw = (
        b"",
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\nx",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\ncontent-type: application/json\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nlocation: http://evil.example/\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 999 What\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\ncontent-length: 0\r\n\r\n",
        b'HTTP/1.1 429 Slow\r\nretry-after: -5\r\ncontent-length: 15\r\n\r\n{"error": "no"}',
        b"HTTP/1.1 503 No\r\nretry-after: nan\r\ncontent-length: 4\r\n\r\nnull",
        b'HTTP/1.1 400 No\r\ncontent-length: 25\r\n\r\n{"error":{"message":[{}]}}'[:-1],
    )
    return [*(Said(body, kind) for body in bodies for kind in kinds), *(Said(raw=each) for each in raw)]


@pytest.mark.slow
@pytest.mark.parametrize("dialect", MODELS)
async def test_nonsense_is_an_error_in_every_face(folder: Path, dialect: str) -> None:
    chance = random.Random(dialect)
    async with broken() as service, before(folder, service) as served, served.client() as client:
        for said in nonsense():
            for face, streamed in chance.sample(ASKED, 2):
                service.says = said
                verdict = await ask(client, face, MODELS[dialect], streamed=streamed)
                assert (verdict.kind, verdict.status >= 400) == ("error", True), (said, face, streamed)
        assert (served.places.held, served.exchanges.in_flight()) == (0, [])
