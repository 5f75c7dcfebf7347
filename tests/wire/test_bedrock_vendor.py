"""What is written in Converse's words, by Amazon's own description of them, and as botocore reads it."""

import base64
import json
from functools import cache
from typing import Any

import botocore.session
from botocore.model import OperationModel
from botocore.parsers import create_parser
from botocore.validate import ParamValidator
from hypothesis import given, settings

from boticelli_cli.errors import ProviderError, QuotaError, RefusedError
from boticelli_cli.messages import Finish, Media, Request, Response, Text, Thought, ToolCall
from boticelli_cli.wire.bedrock import encode_count, encode_error
from boticelli_cli.wire.bedrock_converse import encode_request, encode_response
from tests.wire.spoken_bedrock import requests, responses


@cache
def operation(name: str) -> OperationModel:
    return botocore.session.Session().get_service_model("bedrock-runtime").operation_model(name)


def errors_of(name: str, body: bytes) -> str:
    said = {"modelId": "amazon.nova-pro-v1:0", **json.loads(body)}
    report: str = ParamValidator().validate(said, operation(name).input_shape).generate_report()
    return report


@given(requests())
@settings(max_examples=50)
def test_says_requests_as_amazon_describes_them(request: Request) -> None:
    for name in ("Converse", "ConverseStream"):
        assert errors_of(name, encode_request(request).body) == ""
    for invoked in (False, True):
        assert errors_of("CountTokens", encode_count(request, invoked=invoked)) == ""


def parsed(body: bytes, status: int = 200) -> Any:
    answer = {"body": body, "headers": {"content-type": "application/json"}, "status_code": status, "context": {}}
    return create_parser("rest-json").parse(answer, operation("Converse").output_shape)


@given(responses())
@settings(max_examples=50)
def test_botocore_reads_the_answers_that_are_written(response: Response) -> None:
    said = parsed(encode_response(response))
    blocks = said["output"]["message"]["content"]
    assert [block["text"] for block in blocks if "text" in block] == [
        part.text for part in response.parts if isinstance(part, Text)
    ]
    assert [block["toolUse"]["input"] for block in blocks if "toolUse" in block] == [
        part.arguments for part in response.parts if isinstance(part, ToolCall)
    ]
    thoughts = [part for part in response.parts if isinstance(part, Thought) and not part.redacted]
    assert [
        block["reasoningContent"]["reasoningText"]["text"]
        for block in blocks
        if "reasoningText" in block.get("reasoningContent", {})
    ] == [part.text for part in thoughts]
    pictures = [block["image"]["source"].get("bytes") for block in blocks if "image" in block]
    assert pictures == [part.data for part in response.parts if isinstance(part, Media)]
    usage = response.finish.usage
    assert said["usage"]["totalTokens"] == usage.total
    assert said["stopReason"] in operation("Converse").output_shape.members["stopReason"].enum


def test_botocore_knows_the_errors_that_are_written() -> None:
    for error, code in (
        (RefusedError("No.", status=404), "ResourceNotFoundException"),
        (RefusedError("No."), "ValidationException"),
        (QuotaError("No."), "ThrottlingException"),
        (ProviderError("No.", status=503), "ServiceUnavailableException"),
    ):
        status, body = encode_error(error)
        said = parsed(body, status)
        assert said["Error"] == {"Code": code, "Message": "No."}
        assert code in [shape.name for shape in operation("Converse").error_shapes]


def test_redacted_thoughts_are_read_as_bytes() -> None:
    seal = base64.b64encode(b"secret").decode()
    said = parsed(encode_response(Response((Thought("", seal, redacted=True),), Finish("stop"))))
    assert said["output"]["message"]["content"] == [{"reasoningContent": {"redactedContent": b"secret"}}]
