"""The fake Anthropic service, as Anthropic's own client sees it, and how strictly it reads."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import AsyncAnthropic

from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.behaviours import Blocked, Empty, Fail, InStreamError, Malformed, TruncatedClean
from tests.fakes.material import dot

OLD = "claude-haiku-4-5"
NEW = "claude-sonnet-5-5"


@pytest.fixture
async def fake() -> AsyncIterator[FakeAnthropic]:
    async with FakeAnthropic() as fake:
        yield fake


@asynccontextmanager
async def vendor(fake: FakeAnthropic, key: str = "test-key", **settings: Any) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(api_key=key, base_url=fake.url, **{"max_retries": 0, **settings}) as client:
        yield client


def asking(prompt: Any = "one two three", model: str = OLD, **more: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 2000, "messages": [{"role": "user", "content": prompt}], **more}


async def test_answers_what_it_was_asked(fake: FakeAnthropic) -> None:
    async with vendor(fake) as client:
        message = await client.messages.create(**asking("one two three", system="Be brief."))
    assert [block.text for block in message.content] == ["You said: one two three"]
    assert (message.model, message.role, message.stop_reason) == (OLD, "assistant", "end_turn")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (5, 5)
    [asked] = fake.requests
    assert (asked.path, asked.prompt, asked.key) == ("/v1/messages", "one two three", "test-key")
    assert asked.version == "2026-10-21"
    assert asked.headers["Authorization"] == "Bearer test-key"


async def test_streams_in_the_order_that_the_client_wants(fake: FakeAnthropic) -> None:
    async with vendor(fake) as client:
        async with client.messages.stream(**asking("a b c d e f")) as stream:
            said = [text async for text in stream.text_stream]
            message = await stream.get_final_message()
        kinds = [event.type async for event in await client.messages.create(**asking("a"), stream=True)]
    assert said == ["You said: a ", "b c d ", "e f"]
    assert message.content[0].text == "You said: a b c d e f"
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == ("end_turn", 6, 8)
    assert kinds == [
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]


@pytest.mark.parametrize("streamed", [False, True])
async def test_calls_tools_and_hears_what_they_say(fake: FakeAnthropic, streamed: bool) -> None:
    tools = [{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]
    prompt = {"role": "user", "content": '[[call name=weather city="Paris ü"]]'}
    async with vendor(fake) as client:

        async def say(*messages: Any) -> Any:
            asked = asking(tools=tools) | {"messages": messages}
            if not streamed:
                return await client.messages.create(**asked)
            async with client.messages.stream(**asked) as stream:
                return await stream.get_final_message()

        first = await say(prompt)
        [call] = first.content
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "rain"}
        answer = {"role": "assistant", "content": first.content}
        second = await say(prompt, answer, {"role": "user", "content": [result]})
        with pytest.raises(anthropic.BadRequestError, match="without `tool_result` blocks immediately after"):
            await say(prompt, answer, {"role": "user", "content": "Well?"})
        with pytest.raises(anthropic.BadRequestError, match="without `tool_result` blocks immediately after"):
            await say(prompt, answer, {"role": "user", "content": [{"type": "text", "text": "So"}, result]})
        with pytest.raises(anthropic.BadRequestError, match="unexpected `tool_use_id`"):
            await say(prompt, answer, {"role": "user", "content": [result, {**result, "tool_use_id": "other"}]})
    assert (call.name, call.input, first.stop_reason) == ("weather", {"city": "Paris ü"}, "tool_use")
    assert second.content[0].text == "The tools said: weather: rain"


async def test_thinks_and_wants_its_seals_back(fake: FakeAnthropic) -> None:
    async with vendor(fake) as client:
        shown = await client.messages.create(**asking("why?", thinking={"type": "enabled", "budget_tokens": 1024}))
        async with client.messages.stream(**asking("why?", NEW, thinking={"type": "adaptive"})) as stream:
            hidden = await stream.get_final_message()
        config: dict[str, Any] = {"thinking": {"type": "adaptive", "display": "summarized"}}
        asked = await client.messages.create(**asking("why?", NEW, **config, output_config={"effort": "low"}))
        answer = {"role": "assistant", "content": [block.to_dict() for block in shown.content]}
        turns = [{"role": "user", "content": "why?"}, answer, {"role": "user", "content": "and?"}]
        assert (await client.messages.create(**asking() | {"messages": turns})).content
        answer["content"][0]["signature"] = "forged"  # type: ignore[index]
        with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
            await client.messages.create(**asking() | {"messages": turns})
    assert (shown.content[0].thinking, shown.content[1].text) == ("Thinking about: why?", "You said: why?")
    assert shown.usage.output_tokens_details.thinking_tokens == 3
    assert (hidden.content[0].thinking, bool(hidden.content[0].signature)) == ("", True)
    assert asked.content[0].thinking == "Thinking about: why?"


async def test_takes_pictures_documents_and_marks(fake: FakeAnthropic) -> None:
    data = base64.b64encode(dot()).decode()
    content = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "title": "t"},
        {"type": "text", "text": "what?", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "Say it."},
    ]
    async with vendor(fake) as client:
        first, second = [await client.messages.create(**asking(content)) for _ in range(2)]
    assert first.content[0].text == "You said: what?\nSay it."
    counts = [
        (each.usage.input_tokens, each.usage.cache_creation_input_tokens, each.usage.cache_read_input_tokens)
        for each in (first, second)
    ]
    assert counts == [(2, 301, 0), (2, 0, 301)]


async def test_answers_in_the_shape_asked_for(fake: FakeAnthropic) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}}}
    config = {"format": {"type": "json_schema", "schema": schema}}
    async with vendor(fake) as client:
        message = await client.messages.create(**asking("Paris", output_config=config))
    assert json.loads(message.content[0].text) == {"city": "You said: Paris", "degrees": 1}


async def test_stops_at_the_limit_of_tokens(fake: FakeAnthropic) -> None:
    async with vendor(fake) as client:
        message = await client.messages.create(**asking("a b c d") | {"max_tokens": 4})
    assert (message.content[0].text, message.stop_reason) == ("You said: a b ", "max_tokens")


async def test_counts_tokens_and_lists_its_models(fake: FakeAnthropic) -> None:
    async with vendor(fake) as client:
        counted = await client.messages.count_tokens(
            model=OLD, messages=[{"role": "user", "content": "a b"}], system="c"
        )
        models = [model.id async for model in client.models.list(limit=3)]
        one = await client.models.retrieve(NEW)
    assert counted.input_tokens == 3
    assert models == list(fake.models)
    assert (one.display_name, one.max_input_tokens) == ("Claude Sonnet 5 5", 200_000)


@pytest.mark.parametrize(
    ("behaviour", "error", "kind"),
    [
        (Fail(400), anthropic.BadRequestError, "invalid_request_error"),
        (Fail(402), anthropic.PaymentRequiredError, "billing_error"),
        (Fail(403), anthropic.PermissionDeniedError, "permission_error"),
        (Fail(429), anthropic.RateLimitError, "rate_limit_error"),
        (Fail(500), anthropic.InternalServerError, "api_error"),
        (Fail(529), anthropic.InternalServerError, "overloaded_error"),
    ],
)
async def test_fails_in_the_form_that_the_client_knows(
    fake: FakeAnthropic, behaviour: Fail, error: type[anthropic.APIStatusError], kind: str
) -> None:
    fake.script.append(behaviour)
    async with vendor(fake) as client:
        with pytest.raises(error) as raised:
            await client.messages.create(**asking())
    assert (raised.value.status_code, raised.value.type) == (behaviour.status, kind)


async def test_has_the_client_wait_and_come_back(fake: FakeAnthropic) -> None:
    async with vendor(fake, max_retries=2) as client:
        message = await client.messages.create(**asking("hi [[429 retry=0.01 times=2]]"))
    assert message.content[0].text == "You said: hi"
    assert len(fake.requests) == 3


async def test_fails_in_the_middle_of_a_stream(fake: FakeAnthropic) -> None:
    fake.script.extend([InStreamError(529, after=2), TruncatedClean(after=2), Malformed(after=2)])
    async with vendor(fake) as client:

        async def said() -> list[str]:
            heard: list[str] = []
            try:
                async for event in await client.messages.create(**asking(), stream=True):
                    if event.type == "content_block_delta":
                        heard.append(event.delta.text)
            except anthropic.APIStatusError as error:
                heard.append(error.type or "")
            except ValueError:
                heard.append("not JSON")
            return heard

        assert await said() == ["piece 1 ", "piece 2 ", "overloaded_error"]
        assert await said() == ["piece 1 ", "piece 2 "]
        assert await said() == ["piece 1 ", "piece 2 ", "not JSON"]


async def test_refuses_to_answer_and_says_nothing(fake: FakeAnthropic) -> None:
    fake.script.extend([Blocked("Not this."), Empty()])
    async with vendor(fake) as client:
        refused = await client.messages.create(**asking())
        empty = await client.messages.create(**asking())
    assert (refused.stop_reason, refused.content, refused.stop_details.explanation) == ("refusal", [], "Not this.")
    assert (empty.stop_reason, empty.content) == ("end_turn", [])


async def test_refuses_bad_keys_and_unknown_models(fake: FakeAnthropic) -> None:
    async with vendor(fake, key="wrong") as client:
        with pytest.raises(anthropic.AuthenticationError, match="Invalid bearer token"):
            await client.messages.create(**asking())
    async with vendor(fake) as client:
        with pytest.raises(anthropic.NotFoundError, match="model: claude-0"):
            await client.messages.create(**asking(model="claude-0"))


def client_of(fake: FakeAnthropic, version: str = "2023-06-01", **headers: str) -> httpx.AsyncClient:
    sent = {"x-api-key": "test-key", "anthropic-version": version, **headers}
    return httpx.AsyncClient(base_url=fake.url, headers=sent, trust_env=False)


TEXT = {"type": "text", "text": "x"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "eA=="}}
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
MARKED = {**TEXT, "cache_control": {"type": "ephemeral"}}


def answered(*blocks: Any) -> dict[str, Any]:
    turns = [("user", [TEXT]), ("assistant", list(blocks)), ("user", [TEXT])]
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"seed": 5}, "seed: Extra inputs are not permitted"),
    ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
    ({"max_tokens": 100_000}, "which is the maximum allowed number of output tokens for claude-haiku-4-5"),
    ({"messages": []}, "at least one message is required"),
    ({"messages": [{"role": "system", "content": "x"}]}, "messages.0.role: Input should be 'user' or 'assistant'"),
    ({"messages": [{"role": "user", "content": []}]}, "all messages must have non-empty content"),
    ({"messages": [{"role": "user", "content": ""}]}, "all messages must have non-empty content"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, "non-whitespace text"),
    ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "does not match any of"),
    ({"messages": [{"role": "user", "content": [{**TEXT, "x": 1}]}]}, "content.0.text.x: Extra inputs"),
    ({"messages": [{"role": "user", "content": [MARKED] * 5}]}, "A maximum of 4 blocks with cache_control"),
    ({"messages": [{"role": "assistant", "content": "x "}]}, "cannot end with trailing whitespace"),
    (answered(PNG), "image blocks are not permitted in assistant messages"),
    (answered({"type": "tool_use", "id": "a.b", "name": "f", "input": {}}), "should match pattern"),
    (answered({"type": "thinking", "thinking": "x"}), "Invalid `signature`"),
    ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "source: Field required"),
    ({"temperature": 2}, "temperature: range: 0..1"),
    ({"temperature": 0.5, "top_p": 0.5}, "cannot both be specified"),
    ({"stop_sequences": [" "]}, "must contain non-whitespace"),
    ({"thinking": {"type": "adaptive"}}, "adaptive thinking is not supported"),
    ({"thinking": {"type": "enabled", "budget_tokens": 5}}, "greater than or equal to 1024"),
    ({"thinking": {"type": "enabled", "budget_tokens": 3000}}, "must be greater than `thinking.budget_tokens`"),
    ({"output_config": {"effort": "low"}}, "does not support the effort parameter"),
    ({"tools": [{"name": "f g", "input_schema": {"type": "object"}}]}, "should match pattern"),
    ({"tools": [{"name": "f"}]}, "input_schema: Field required"),
    ({"tools": [{"name": "f", "input_schema": {}}]}, "input_schema.type: Input should be 'object'"),
    ({"tools": [TOOL, TOOL]}, "Tool names must be unique"),
    ({"tool_choice": {"type": "auto"}}, "may only be specified while providing tools"),
    ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "not found in provided tools"),
]


async def test_refuses_what_the_service_refuses(fake: FakeAnthropic) -> None:
    async with client_of(fake) as client:
        for fields, message in REFUSED:
            response = await client.post("/v1/messages", json=asking() | fields)
            assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error"), fields
            assert message in response.json()["error"]["message"]
        response = await client.post("/v1/messages", content=b"{")
        assert "not valid JSON" in response.json()["error"]["message"]
        for name in ("model", "max_tokens", "messages"):
            body = asking()
            del body[name]
            response = await client.post("/v1/messages", json=body)
            assert response.json()["error"]["message"] == f"{name}: Field required"


async def test_later_models_and_versions_refuse_more(fake: FakeAnthropic) -> None:
    cited = [{**TEXT, "citations": [{"type": "char_location"}]}]
    async with client_of(fake) as client, client_of(fake, "2026-10-21") as latest:
        for fields, at_all in (
            ({"temperature": 1.0}, False),
            ({"top_p": 1.0}, False),
            ({"top_k": 5}, False),
            (answered(TEXT, DOCUMENT), False),
            ({"messages": [{"role": "user", "content": cited}]}, False),
            ({}, True),
        ):
            assert (await client.post("/v1/messages", json=asking() | fields)).status_code == 200
            assert ((await latest.post("/v1/messages", json=asking() | fields)).status_code == 200) is at_all
        for fields in (
            {"temperature": 1.0},
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"messages": [{"role": "assistant", "content": "Once"}]},
        ):
            assert (await client.post("/v1/messages", json=asking(model=NEW) | fields)).status_code == 400


async def test_wants_a_version_that_there_is_and_a_key(fake: FakeAnthropic) -> None:
    async with client_of(fake, "2020-01-01") as client:
        assert (await client.post("/v1/messages", json=asking())).status_code == 400
    async with client_of(fake, authorization="Bearer wrong") as client:
        assert (await client.post("/v1/messages", json=asking())).status_code == 200
    async with httpx.AsyncClient(base_url=fake.url, trust_env=False) as client:
        assert (await client.post("/v1/messages", json=asking())).status_code == 401
        response = await client.post("/v1/messages", json=asking(), headers={"x-api-key": "test-key"})
        assert response.json()["error"]["message"] == "anthropic-version: header is required"
