"""The fake Bedrock service, as Amazon's own client sees it, and Anthropic's."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from anthropic import AnthropicBedrock, APIStatusError
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import Finish, TextDelta, ThinkingDelta, ToolCall, ToolCallDelta, Usage
from boticelli_cli.wire.bedrock_converse import StreamWriter
from tests.fakes.bedrock import ACCESS_KEY, SECRET_KEY, TOKEN, FakeBedrock
from tests.fakes.behaviours import Answer, Fail, InStreamError, Script
from tests.fakes.material import dot
from tests.fakes.serving import serving

NOVA = "amazon.nova-pro-v1:0"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"


@pytest.fixture(scope="module")
def served() -> Iterator[FakeBedrock]:
    with serving(FakeBedrock()) as fake:
        yield fake


@pytest.fixture
def fake(served: FakeBedrock) -> FakeBedrock:
    served.script = Script()
    served.requests.clear()
    return served


@pytest.fixture(scope="module")
def session() -> Any:
    return boto3.session.Session()


def amazon(session: Any, fake: FakeBedrock, **more: Any) -> Any:
    options = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, **more}
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5)
    service = options.pop("service_name", "bedrock-runtime")
    region = options.pop("region_name", "us-east-1")
    return session.client(service, region_name=region, endpoint_url=fake.url, config=config, **options)


@pytest.fixture
def client(session: Any, fake: FakeBedrock) -> Iterator[Any]:
    client = amazon(session, fake)
    yield client
    client.close()


def turn(*blocks: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": [{"text": block} if isinstance(block, str) else block for block in blocks]}


def test_answers_what_it_was_asked(client: Any, fake: FakeBedrock) -> None:
    response = client.converse(modelId=NOVA, messages=[turn("one two three")], system=[{"text": "Be brief."}])
    assert response["output"]["message"] == turn("You said: one two three", role="assistant")
    assert response["stopReason"] == "end_turn"
    assert response["usage"] == {"inputTokens": 5, "outputTokens": 5, "totalTokens": 10}
    [asked] = fake.requests
    assert (asked.path, asked.model, asked.key) == ("/model/amazon.nova-pro-v1%3A0/converse", NOVA, ACCESS_KEY)


@pytest.mark.parametrize("model", [NOVA, PROFILE])
def test_streams_in_chunks_and_tells_the_usage_last(client: Any, model: str) -> None:
    events = list(client.converse_stream(modelId=model, messages=[turn("a b c d")])["stream"])
    assert [next(iter(event)) for event in events] == [
        "messageStart",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    deltas = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert deltas == ["You said: a ", "b c d"]
    assert events[-1]["metadata"]["usage"]["totalTokens"] == 4 + 6


def test_thinks_where_it_is_told_to(client: Any, fake: FakeBedrock) -> None:
    fake.script.append(Answer("The lamp.", thoughts="It is dark."), times=2)
    asked = {"modelId": NOVA, "messages": [turn("Why?")], "outputConfig": {"effort": "low"}}
    [thought, text] = client.converse(**asked)["output"]["message"]["content"]
    assert thought["reasoningContent"]["reasoningText"]["text"] == "It is dark."
    assert text == {"text": "The lamp."}
    told = [event["contentBlockDelta"]["delta"] for event in client.converse_stream(**asked)["stream"] if "contentBlockDelta" in event]  # fmt: skip
    assert told[0] == {"reasoningContent": {"text": "It is dark."}}
    assert "signature" in told[1]["reasoningContent"]


def test_calls_tools_over_two_turns(client: Any, fake: FakeBedrock) -> None:
    fake.script.append(Answer("", tool_calls=(("find", {"city": "Malmö"}),)))
    tools = {"tools": [{"toolSpec": {"name": "find", "inputSchema": {"json": {"type": "object"}}}}]}
    first = client.converse(modelId=NOVA, messages=[turn("Where?")], toolConfig=tools)
    assert first["stopReason"] == "tool_use"
    [call] = first["output"]["message"]["content"]
    assert call["toolUse"]["input"] == {"city": "Malmö"}
    result = {"toolResult": {"toolUseId": call["toolUse"]["toolUseId"], "content": [{"json": {"found": 1}}]}}
    told = [turn("Where?"), first["output"]["message"], turn(result)]
    second = client.converse(modelId=NOVA, messages=told, toolConfig=tools)
    assert second["output"]["message"]["content"] == [{"text": 'The tools said: [{"json": {"found": 1}}]'}]
    for wrong in ({"messages": told}, {"messages": [told[0], told[1], turn("and?")], "toolConfig": tools}):
        with pytest.raises(ClientError, match="tool"):
            client.converse(modelId=NOVA, **wrong)


def test_streams_a_tool_call(client: Any, fake: FakeBedrock) -> None:
    fake.script.append(Answer("", tool_calls=(("find", {"city": "Malmö"}),)))
    events = list(client.converse_stream(modelId=NOVA, messages=[turn("Where?")])["stream"])
    start = next(event["contentBlockStart"] for event in events if "contentBlockStart" in event)
    told = "".join(event["contentBlockDelta"]["delta"]["toolUse"]["input"] for event in events if "contentBlockDelta" in event)  # fmt: skip
    assert (start["start"]["toolUse"]["name"], json.loads(told)) == ("find", {"city": "Malmö"})


def test_looks_at_pictures_and_documents(client: Any, fake: FakeBedrock) -> None:
    picture = {"image": {"format": "png", "source": {"bytes": dot()}}}
    paper = {"document": {"format": "pdf", "name": "Plan", "source": {"bytes": b"%PDF"}}}
    client.converse(modelId=NOVA, messages=[turn("Look.", picture, paper)])
    assert fake.requests[0].tokens == 1 + 258 + 258


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([turn("a", role="assistant")], "must start with a user message"),
        ([turn("a"), turn("b")], "must alternate"),
        ([turn()], "is empty"),
        ([turn(" ")], "is blank"),
        ([turn({"image": {"format": "tiff", "source": {"bytes": b"II"}}})], "enum value set"),
        ([turn({"document": {"format": "pdf", "name": "a", "source": {"bytes": b"a"}}})], "text block"),
    ],
)
def test_refuses_what_bedrock_refuses(client: Any, messages: Any, message: str) -> None:
    with pytest.raises(client.exceptions.ValidationException, match=message):
        client.converse(modelId=NOVA, messages=messages)


ERRORS = [
    (Fail(400, "No."), "ValidationException"),
    (Fail(403), "AccessDeniedException"),
    (Fail(408), "ModelTimeoutException"),
    (Fail(424), "ModelErrorException"),
    (Fail(429), "ThrottlingException"),
    (Fail(500), "InternalServerException"),
    (Fail(503), "ServiceUnavailableException"),
]


@pytest.mark.parametrize(("fail", "name"), ERRORS)
def test_raises_the_right_errors(client: Any, fake: FakeBedrock, fail: Fail, name: str) -> None:
    for ask in (client.converse, client.converse_stream):
        fake.script.append(fail)
        with pytest.raises(getattr(client.exceptions, name)):
            ask(modelId=NOVA, messages=[turn("Hello.")])


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (429, "throttlingException"),
        (503, "serviceUnavailableException"),
        (500, "internalServerException"),
        (400, "validationException"),
        (424, "modelStreamErrorException"),
    ],
)
def test_an_error_in_the_stream_is_raised_after_what_came_before(
    client: Any, fake: FakeBedrock, code: int, name: str
) -> None:
    fake.script.append(InStreamError(code, after=2))
    told = []
    opened = client.converse_stream(modelId=NOVA, messages=[turn("Hello.")])["stream"]
    with closing(opened) as stream, pytest.raises(EventStreamError, match=name):
        for event in stream:
            told.append(event)
    assert len(told) == 3


def test_knows_its_models(client: Any, session: Any, fake: FakeBedrock) -> None:
    with pytest.raises(client.exceptions.ValidationException, match="identifier is invalid"):
        client.converse(modelId="amazon.nova-0-v1:0", messages=[turn("Hello.")])
    with pytest.raises(client.exceptions.ValidationException, match="inference profile"):
        client.converse(modelId=CLAUDE.removeprefix("us."), messages=[turn("Hello.")])
    lister = amazon(session, fake, service_name="bedrock")
    assert NOVA in [each["modelId"] for each in lister.list_foundation_models()["modelSummaries"]]
    profiles = lister.list_inference_profiles()["inferenceProfileSummaries"]
    assert CLAUDE in [each["inferenceProfileId"] for each in profiles]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"aws_secret_access_key": "another"}, "InvalidSignatureException"),
        ({"aws_access_key_id": "AKIANOBODYNOBODYNOBO"}, "UnrecognizedClientException"),
        ({"aws_session_token": "old"}, "ExpiredTokenException"),
        ({"region_name": "eu-west-1"}, "InvalidSignatureException"),
    ],
)
def test_lets_nobody_in_whose_signature_is_another(session: Any, fake: FakeBedrock, wrong: Any, code: str) -> None:
    with pytest.raises(ClientError) as raised:
        amazon(session, fake, **wrong).converse(modelId=NOVA, messages=[turn("Hello.")])
    assert raised.value.response["Error"]["Code"] == code


def test_lets_in_who_has_a_session_token(session: Any, fake: FakeBedrock) -> None:
    fake.secrets["ASIAFAKE"] = ("secret", "token")
    keys = {"aws_access_key_id": "ASIAFAKE", "aws_secret_access_key": "secret", "aws_session_token": "token"}
    assert amazon(session, fake, **keys).converse(modelId=NOVA, messages=[turn("Hi.")])["stopReason"] == "end_turn"


BODY = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, "messages": [{"role": "user", "content": "a b c d"}]}  # fmt: skip


def test_invokes_claude_in_anthropics_words(client: Any) -> None:
    whole = json.loads(client.invoke_model(modelId=CLAUDE, body=json.dumps(BODY))["body"].read())
    assert (whole["content"], whole["stop_reason"]) == ([{"type": "text", "text": "You said: a b c d"}], "end_turn")
    stream = client.invoke_model_with_response_stream(modelId=CLAUDE, body=json.dumps(BODY))["body"]
    events = [json.loads(event["chunk"]["bytes"]) for event in stream]
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_counts_tokens(client: Any) -> None:
    model = CLAUDE.removeprefix("us.")
    for said in ({"converse": {"messages": [turn("a b c d")]}}, {"invokeModel": {"body": json.dumps(BODY)}}):
        assert client.count_tokens(modelId=model, input=said)["inputTokens"] == 4


@pytest.mark.parametrize("wrong", [{"model": CLAUDE}, {"stream": True}, {"anthropic_version": "2023-06-01"}])
def test_refuses_what_is_anthropics_but_not_on_bedrock(client: Any, wrong: Any) -> None:
    with pytest.raises(client.exceptions.ValidationException, match=r"reformat|allowed values"):
        client.invoke_model(modelId=CLAUDE, body=json.dumps({**BODY, **wrong}))


@pytest.fixture
def claude(fake: FakeBedrock) -> Iterator[AnthropicBedrock]:
    with AnthropicBedrock(
        aws_access_key=ACCESS_KEY, aws_secret_key=SECRET_KEY, aws_region="us-east-1", base_url=fake.url, max_retries=0
    ) as client:
        yield client


def test_is_taken_by_anthropics_own_client(claude: AnthropicBedrock, fake: FakeBedrock) -> None:
    fake.script.append(Answer("The lamp.", thoughts="It is dark.", tool_calls=(("find", {"city": "Malmö"}),)))
    with claude.messages.stream(
        model=CLAUDE,
        max_tokens=2000,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=[{"role": "user", "content": "Why?"}],
    ) as stream:
        message = stream.get_final_message()
    thought, text, call = message.content
    assert (thought.type, text.type, call.type) == ("thinking", "text", "tool_use")
    assert thought.thinking == "It is dark."
    assert thought.signature
    assert call.input == {"city": "Malmö"}
    assert (message.stop_reason, message.usage.output_tokens) == ("tool_use", 5)
    with pytest.raises(APIStatusError):
        claude.messages.create(model="anthropic.claude-0", max_tokens=5, messages=[{"role": "user", "content": "Hi."}])


def test_takes_a_bearer_token(session: Any, fake: FakeBedrock) -> None:
    import httpx

    body = {"messages": [turn("Hello.")]}
    for token, status in ((TOKEN, 200), ("another", 403)):
        answer = httpx.post(
            f"{fake.url}/model/{NOVA}/converse", json=body, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == status


def test_amazons_client_reads_the_gateways_stream(session: Any, fake: FakeBedrock) -> None:
    """What our own writer writes, keep-alives and errors included, with botocore's parser of Converse's events."""
    from botocore.eventstream import EventStream
    from botocore.parsers import create_parser

    deltas = [ThinkingDelta("Hm.", "c2VhbA=="), TextDelta("Hi."), ToolCallDelta(ToolCall("f", {"a": 1}, "t-1"))]
    writer = StreamWriter()
    stream = [writer.keep_alive(), *map(writer.write, deltas), writer.keep_alive()]
    ended = [*stream, writer.write(Finish("tool_call", Usage(1, 2, total=3)))]
    shape = amazon(session, fake).meta.service_model.operation_model("ConverseStream").output_shape.members["stream"]

    class Raw:
        def __init__(self, data: list[bytes]) -> None:
            self.stream = lambda: data
            self.close = lambda: None

    parser = create_parser("rest-json")._event_stream_parser
    events = list(EventStream(Raw(ended), shape, parser, "ConverseStream"))
    assert events[0] == {"messageStart": {"role": "assistant"}}
    assert events[-1]["metadata"]["usage"] == {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}
    assert len(events) == 11
    failed = [*stream, writer.error(ProviderError("full", status=529))]
    with pytest.raises(EventStreamError, match=r"serviceUnavailableException.*full"):
        list(EventStream(Raw(failed), shape, parser, "ConverseStream"))
