"""The fake Gemini service's side of the wire: what it was asked, how strictly it reads, and what its errors look like."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.fakes.behaviours import Fail
from tests.fakes.playing import ServiceError

Json = dict[str, Any]


@dataclass
class Asked:
    """One request as it came in. `content` is its body with every field's name as the documentation writes it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any = None
    model: str = ""
    action: str = ""
    version: str = "v1beta"
    vertex: bool = False
    status: int | None = field(default=None, compare=False)

    @cached_property
    def content(self) -> Json:
        named = camel(self.body) if isinstance(self.body, dict) else {}
        return named if isinstance(named, dict) else {}

    @property
    def prompt(self) -> str:
        """The text of the last turn."""
        contents = self.content.get("contents") or [{}]
        return text_of(contents[-1])

    @property
    def key(self) -> str | None:
        """The API key, or the token, that it came with."""
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return bearer or self.headers.get("x-goog-api-key") or self.query.get("key")

    @property
    def config(self) -> Json:
        return self.content.get("generationConfig") or {}

    @property
    def streams(self) -> bool:
        return self.action == "streamGenerateContent"

    @property
    def sse(self) -> bool:
        return self.query.get("alt") == "sse"

    @property
    def tokens(self) -> int:
        """A word is a token, and anything else than text is 258 of them."""
        turns = [*self.content.get("contents", []), self.content.get("systemInstruction") or {}]
        return sum(tokens(turn) for turn in turns)


def text_of(turn: Json) -> str:
    return "\n".join(part["text"] for part in turn.get("parts", []) if "text" in part and not part.get("thought"))


def tokens(turn: Json) -> int:
    return sum(len(part["text"].split()) if "text" in part else 258 for part in turn.get("parts", []))


class ApiError(ServiceError):
    """An error that the service answers with."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: str = "",
        details: list[Json] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        error = {"code": code, "message": message, "status": status or STATUSES.get(code, "UNKNOWN")}
        super().__init__(code, message, {"error": {**error, **({"details": details} if details else {})}}, headers)


STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

_MESSAGES = {
    429: "Resource has been exhausted (e.g. check quota).",
    500: "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
    503: "The model is overloaded. Please try again later.",
    504: "The request timed out. Please try again.",
}


def failure(fail: Fail, model: str = "") -> ApiError:
    """The error that a test has asked for."""
    details: list[Json] = []
    message = fail.message or _MESSAGES.get(fail.status, f"Error {fail.status}.")
    if fail.quota:
        message = fail.message or "You exceeded your current quota, please check your plan and billing details."
        quota = {
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": f"GenerateRequests{fail.quota}PerProjectPerModel-FreeTier",
            "quotaDimensions": {"location": "global", "model": model},
            "quotaValue": "20",
        }
        details.append({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [quota]})
    if fail.retry is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{fail.retry:g}s"})
    headers = {} if fail.retry_after is None else {"Retry-After": str(fail.retry_after)}
    return ApiError(fail.status, message, details=details, headers=headers)


def invalid_json(name: str, where: str = "") -> ApiError:
    place = f" at '{where}'" if where else ""
    message = f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.'
    violation = {"description": message, **({"field": where} if where else {})}
    return ApiError(400, message, details=[_bad_request(violation)])


def bad_key() -> ApiError:
    return ApiError(
        400,
        "API key not valid. Please pass a valid API key.",
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"},
            },
            {
                "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
                "locale": "en-US",
                "message": "API key not valid. Please pass a valid API key.",
            },
        ],
    )


def no_key() -> ApiError:
    return ApiError(
        403,
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API.",
    )


def bad_token() -> ApiError:
    return ApiError(
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "ACCESS_TOKEN_TYPE_UNSUPPORTED",
                "domain": "googleapis.com",
            }
        ],
    )


def unknown_model(model: str, version: str, action: str) -> ApiError:
    return ApiError(
        404,
        f"models/{model} is not found for API version {version}, or is not supported for {action}. "
        "Call ListModels to see the list of available models and their supported methods.",
    )


def _bad_request(*violations: Json) -> Json:
    return {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": list(violations)}


_FREE = frozenset(
    "args response parameters parametersJsonSchema responseSchema responseJsonSchema _responseJsonSchema labels "
    "partMetadata".split()
)
"""Fields whose own fields the user names."""


def camel(value: Any) -> Any:
    """Name all fields as the documentation does; the service takes `mime_type` for `mimeType` too."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub(r"(?<=[a-z])_([a-z])", lambda found: found[1].upper(), name): item for name, item in value.items()}
    return {name: item if name in _FREE else camel(item) for name, item in named.items()}
