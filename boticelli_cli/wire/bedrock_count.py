"""Bedrock's counts of tokens: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html.

What is counted is a request as it would be sent, by either way.
"""

from typing import Any

import msgspec

from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import Request
from boticelli_cli.wire import bedrock_converse, bedrock_invoke
from boticelli_cli.wire.bedrock_errors import PROVIDER
from boticelli_cli.wire.body import encode_json

__all__ = ["decode_count", "encode_count", "encode_count_response"]


def encode_count(request: Request, *, invoked: bool) -> bytes:
    """The body that asks how many tokens a request has, its system prompt and tools among them."""
    if invoked:
        said: dict[str, Any] = {"invokeModel": {"body": bedrock_invoke.encode_request(request).body}}
    else:
        body = msgspec.json.decode(bedrock_converse.encode_request(request).body, type=dict[str, msgspec.Raw])
        said = {"converse": {key: value for key, value in body.items() if key in _COUNTED}}
    return encode_json({"input": said})


def decode_count(body: bytes) -> int:
    """How many tokens a request has."""
    try:
        return msgspec.json.decode(body, type=_Count).input_tokens
    except (ValueError, RecursionError) as exc:
        raise ProviderError(f"the count of tokens cannot be read ({exc})", provider=PROVIDER) from exc


def encode_count_response(tokens: int) -> bytes:
    return msgspec.json.encode({"inputTokens": tokens})


_COUNTED = ("messages", "system", "toolConfig", "additionalModelRequestFields")


class _Count(msgspec.Struct, rename="camel"):
    input_tokens: int
