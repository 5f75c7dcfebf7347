"""The fake Bedrock service's side of the wire: what it was asked, and what its errors look like."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.fakes.behaviours import Fail
from tests.fakes.playing import ServiceError

Json = dict[str, Any]

_ASK = re.compile(
    r"/model/(?P<model>[^/]+)/(?P<action>count-tokens|converse|converse-stream|invoke|invoke-with-response-stream)"
)


@dataclass
class Asked:
    """One request as it came in; `path` is as it was sent, `content` its body."""

    method: str
    path: str
    headers: Mapping[str, str]
    data: bytes = b""
    content: Json = field(default_factory=dict)
    status: int | None = field(default=None, compare=False)

    @property
    def model(self) -> str:
        return unquote(found["model"]) if (found := _ASK.fullmatch(self.path)) else ""

    @property
    def action(self) -> str:
        return found["action"] if (found := _ASK.fullmatch(self.path)) else ""

    @property
    def streams(self) -> bool:
        return self.action.endswith("stream")

    @property
    def is_invoke(self) -> bool:
        """Whether the body is Anthropic's."""
        return self.action.startswith("invoke")

    @property
    def key(self) -> str | None:
        """The access key, or the bearer token, that it came with."""
        said = self.headers.get("Authorization", "")
        found = re.search(r"Credential=([^/]+)/|Bearer (.+)", said)
        return (found[1] or found[2]) if found else None

    @property
    def last(self) -> list[Json]:
        """The blocks of the last turn."""
        return blocks_of((self.content.get("messages") or [{}])[-1])

    @property
    def prompt(self) -> str:
        return text_of(self.last)

    @property
    def limit(self) -> int | None:
        if self.is_invoke:
            return self.content.get("max_tokens")
        return (self.content.get("inferenceConfig") or {}).get("maxTokens")

    @property
    def shows_thoughts(self) -> bool:
        if self.is_invoke:
            return (self.content.get("thinking") or {}).get("type") in ("enabled", "adaptive")
        return bool(
            (self.content.get("outputConfig") or {}).get("effort") or self.content.get("additionalModelRequestFields")
        )

    @property
    def schema(self) -> Json | None:
        """The JSON Schema that the answer has to satisfy."""
        if self.is_invoke:
            return (self.content.get("output_config") or {}).get("format", {}).get("schema")
        said = (self.content.get("outputConfig") or {}).get("textFormat")
        return json.loads(said["structure"]["jsonSchema"]["schema"]) if said else None

    @property
    def tokens(self) -> int:
        """A word is a token, and anything else than text is 258 of them."""
        system = self.content.get("system") or []
        turns = [*self.content.get("messages", []), {"content": system}]
        blocks = [block for turn in turns for block in blocks_of(turn)]
        return sum(len(block["text"].split()) if "text" in block else 258 for block in blocks if not is_mark(block))


def blocks_of(turn: Json) -> list[Json]:
    content = turn.get("content") or []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def is_mark(block: Json) -> bool:
    return "cachePoint" in block


def text_of(blocks: list[Json]) -> str:
    return "\n".join(block["text"] for block in blocks if isinstance(block.get("text"), str))


class ApiError(ServiceError):
    """An error that the service answers with."""

    def __init__(self, status: int, name: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        kind = f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"
        super().__init__(status, message, {"message": message}, {"x-amzn-ErrorType": kind, **(headers or {})})
        self.name = name


NAMES = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}

MESSAGES = {
    403: "You don't have access to the model with the specified model ID.",
    404: "Model not found.",
    408: "Model has timed out in processing the request. Try your request again.",
    424: "The model returned the following errors: it stopped.",
    429: "Too many requests, please wait before trying again.",
    500: "The system encountered an unexpected error during processing. Try your request again.",
    503: "Bedrock is unable to process your request.",
}


def failure(fail: Fail) -> ApiError:
    """The error that a test has asked for."""
    message = fail.message or MESSAGES.get(fail.status, f"Error {fail.status}.")
    if fail.quota == "PerDay":
        message = "Too many tokens per day, please wait before trying again."
    headers = {} if fail.retry_after is None else {"Retry-After": str(fail.retry_after)}
    return ApiError(fail.status, NAMES.get(fail.status, "UnknownException"), message, headers)


def invalid(message: str) -> ApiError:
    return ApiError(400, "ValidationException", message)
