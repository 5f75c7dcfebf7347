"""Keys that are guessed, raced for, revoked and looked for, at a real gateway."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.serving import until
from tests.gateway.besieged import MODELS
from tests.gateway.judging import body_of, error_in, judged, path_of
from tests.gateway.walled import CONFIG, KEYS, Walled, told, walled
from tests.process import boticelli

WAYS = {
    "x-api-key": lambda key: {"headers": {"x-api-key": key}},
    "bearer": lambda key: {"headers": {"authorization": f"Bearer {key}"}},
    "x-goog-api-key": lambda key: {"headers": {"x-goog-api-key": key}},
    "query": lambda key: {"params": {"key": key, "alt": "sse"}},
}

OUR_HEADERS = {
    *(
        "date",
        "content-type",
        "content-length",
        "transfer-encoding",
        "cache-control",
        "x-accel-buffering",
        "retry-after",
    ),
    *("request-id", "x-request-id"),
    *(
        f"x-boticelli-{name}"
        for name in ("request-id", "model", "provider", "account", "route", "reason", "dropped", "notice")
    ),
}
"""All that a client is told in the head of an answer."""


async def ask(client: httpx.AsyncClient, face: str, model: str, text: str = "Say.", **how: Any) -> httpx.Response:
    streamed = how.pop("streamed", False)
    return await client.post(
        path_of(face, model, streamed=streamed), json=body_of(face, model, text, streamed=streamed), **how
    )


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("face", ["anthropic", "openai", "gemini"])
async def test_shows_nobody_a_key_whichever_way_it_is_sent(here: Walled, way: str, face: str) -> None:
    key, before = KEYS["full"], [len(fake.requests) for fake in here.fakes]
    rows, lines = len(here.rows()), len(here.said)
    sent = WAYS[way](key)
    sent["headers"] = {
        "cookie": f"session={key}",
        "proxy-authorization": key,
        "referer": key,
        **sent.get("headers", {}),
    }
    async with here.client(None) as client:
        for model in MODELS.values():
            for text in ("Say.", "[[400]]"):
                answer = await ask(client, face, model, text, streamed=text == "Say.", **sent)
                judged(face, answer, streamed=text == "Say.")
                assert answer.headers.keys() <= OUR_HEADERS
                assert key not in answer.text + str(answer.headers)
    for fake, count in zip(here.fakes, before, strict=True):
        assert len(fake.requests) > count
        for asked in fake.requests[count:]:
            assert key not in asked.path + str(asked.headers)
            assert not {"cookie", "referer", "proxy-authorization"} & {name.lower() for name in asked.headers}
    await asyncio.to_thread(here.waits_for_rows, rows + 2 * len(MODELS))
    await asyncio.to_thread(until, lambda: len(here.said) >= lines + 2 * len(MODELS))
    assert not any(key in line for line in here.said)
    assert {told(line)["key"] for line in here.said[lines:]} == {"full"}
    assert not any(key.encode() in path.read_bytes() for path in here.ledger.parent.glob("gateway*"))


@pytest.mark.parametrize(
    ("model", "face", "status"),
    [
        ("claude-sonnet-5-5", "anthropic", 200),
        ("anthropic/claude-sonnet-5-5", "anthropic", 200),
        ("claude-sonnet-5-5", "openai", 403),
        ("claude-sonnet-5-5", "gemini", 403),
        ("mine", "anthropic", 403),
        ("CLAUDE-sonnet-5-5", "anthropic", 403),
        ("gemini-3.8-flash", "anthropic", 403),
        ("bedrock/anthropic.claude-3-haiku-20240307-v1:0", "anthropic", 403),
        ("claude-sonnet-5-5/../../gpt-5.2", "anthropic", 404),
        ("anthropic/../gemini-3.8-flash", "anthropic", 404),
        ("", "anthropic", 403),
        ("auto", "anthropic", 403),
    ],
)
async def test_a_key_opens_its_faces_and_models_and_no_others(here: Walled, model: str, face: str, status: int) -> None:
    asked = [len(fake.requests) for fake in here.fakes]
    async with here.client("claude") as client:
        answer = await ask(client, face, model)
    assert (answer.status_code, judged(face, answer, streamed=False).status) == (status, status)
    if status == 403:
        assert [len(fake.requests) for fake in here.fakes] == asked


@pytest.mark.parametrize(
    "body", [b'"model":"gemini-3.8-flash","model":"claude-haiku-4-5"', b'"model":"claude-haiku-4-5","MODEL":"dear"']
)
async def test_a_model_that_is_not_granted_is_not_smuggled_past_as_a_second_one(here: Walled, body: bytes) -> None:
    asked = b"{" + body + b',"max_tokens":50,"messages":[{"role":"user","content":"Say."}]}'
    async with here.client("claude") as client:
        answer = await client.post("/v1/messages", content=asked)
    judged("anthropic", answer, streamed=False)
    assert answer.status_code in (200, 400)
    sent = here.fake["anthropic"].bodies[-1].lower()
    assert (sent.count(b'"model"'), b"dear" in sent, b"gemini" in sent) == (1, False, False)


@pytest.mark.parametrize("face", ["anthropic", "openai", "gemini"])
async def test_says_of_a_key_that_it_has_expired_or_is_not_known(here: Walled, face: str) -> None:
    async with here.client(None) as client:
        for key, word in ((KEYS["gone"], "expired"), ("bot-unknown", "not known"), (None, "no key")):
            answer = await ask(client, face, MODELS["gemini"], headers={"x-api-key": key} if key else {})
            assert (answer.status_code, word in error_in(face, answer.json(), 401)) == (401, True)


async def test_gives_the_last_place_of_a_key_to_one_alone(here: Walled) -> None:
    async with here.client("lone") as client, asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(ask(client, face, MODELS[dialect], "[[paced chunks=5 delay=0.05]]", streamed=True))
            for face in ("anthropic", "openai", "gemini")
            for dialect in MODELS
        ]
        answers = await asyncio.gather(*asked)
        assert Counter(answer.status_code for answer in answers) == {200: 1, 429: len(asked) - 1}
        assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 429)


@pytest.mark.slow
async def test_guesses_are_not_heard_for_a_minute_but_a_valid_key_is(tmp_path: Path, behind: tuple[Any, ...]) -> None:
    with walled(tmp_path / "home", behind) as here:
        async with here.client(None) as client:
            answers = [
                await ask(client, "openai", MODELS["openai"], **[*WAYS.values()][number % 4](f"bot-guess-{number}"))
                for number in range(30)
            ]
            assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 10
            assert 50 < int(answers[-1].headers["retry-after"]) <= 60
            for path in ("/v1/models", "/v1/usage", "/v1/key-info"):
                refused = await client.get(path, headers={"x-api-key": "bot-guess"})
                assert refused.status_code == 429, path
            answer = await ask(client, "openai", MODELS["openai"], headers={"x-api-key": KEYS["full"]})
            assert answer.status_code == 200


@pytest.mark.slow
async def test_a_key_that_is_revoked_ends_with_the_stream_that_it_has_begun(
    tmp_path: Path, behind: tuple[Any, ...]
) -> None:
    with walled(tmp_path / "home", behind) as here:
        env = {"BOTICELLI_HOME": str(here.home)}
        key = (await asyncio.to_thread(boticelli, "serve", "keys", "new", "guest", env=env)).out.strip()
        async with here.client(None) as client:
            sent = {"headers": {"x-api-key": key}}
            path, model = path_of("openai", MODELS["openai"], streamed=True), MODELS["openai"]
            body = body_of("openai", model, "[[paced chunks=30 delay=0.1]]", streamed=True)
            async with client.stream("POST", path, json=body, **sent) as answer:
                pieces = answer.aiter_bytes()
                await anext(pieces)
                done = await asyncio.to_thread(boticelli, "serve", "keys", "remove", "guest", env=env)
                assert done.code == 0, done.err
                async with asyncio.timeout(10):
                    while (await ask(client, "openai", model, **sent)).status_code != 401:  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
                rest = b"".join([piece async for piece in pieces])
            assert rest.endswith(b"data: [DONE]\n\n")


@pytest.mark.slow
async def test_says_nothing_of_an_account_s_key_that_its_provider_repeats(
    tmp_path: Path, behind: tuple[Any, ...]
) -> None:
    secret = "sk-of-ours-0123456789abcdef"
    config = CONFIG.replace(
        "name: openai-1, provider: openai, max_concurrent: 20, api_key: test-key",
        f"name: openai-1, provider: openai, api_key: {secret}",
    )
    config = config.replace("- {name: openai-2, provider: openai, max_concurrent: 20, api_key: test-key}\n", "")
    assert config.count("openai") == 2 + CONFIG.count("permissions: [openai")
    with walled(tmp_path / "home", behind, config=config) as here:
        async with here.client() as client:
            for face in ("openai", "anthropic", "gemini"):
                answer = await ask(client, face, MODELS["openai"])
                assert answer.status_code == 502
                assert secret[:10] not in answer.text
                assert json.loads(answer.text)["error"]["message"]
        await asyncio.to_thread(until, lambda: len(here.said) >= 4)
        assert not any(secret[:10] in line for line in here.said)
        assert not any(secret[:10] in str(row) for row in here.rows("message"))
