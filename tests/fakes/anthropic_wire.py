"""The fake Anthropic service's side of the wire: what it was asked, and what its errors look like."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.behaviours import Fail
from tests.fakes.playing import ServiceError

Json = dict[str, Any]


@dataclass
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any = None
    status: int | None = field(default=None, compare=False)

    @property
    def content(self) -> Json:
        return self.body if isinstance(self.body, dict) else {}

    @property
    def model(self) -> str:
        return str(self.content.get("model", ""))

    @property
    def messages(self) -> list[Json]:
        return self.content.get("messages") or []

    @property
    def prompt(self) -> str:
        """The text of the user's last turn."""
        turns = [turn for turn in self.messages if turn.get("role") == "user"]
        return text_of(turns[-1]) if turns else ""

    @property
    def key(self) -> str | None:
        """The API key that it came with; of two, the one in the header of its own counts."""
        return self.headers.get("x-api-key") or self.headers.get("Authorization", "").removeprefix("Bearer ") or None

    @property
    def version(self) -> str:
        return self.headers.get("anthropic-version", "")

    @property
    def streams(self) -> bool:
        return self.content.get("stream") is True

    @property
    def thinking(self) -> Json:
        return self.content.get("thinking") or {"type": "disabled"}

    @property
    def tokens(self) -> int:
        """A word is a token, and anything else than text is 100 of them."""
        return sum(tokens_of(block) for block in self.blocks())

    def blocks(self) -> Iterator[Json]:
        """All that it says, from what is cached first on: tools, system, messages."""
        for tool in self.content.get("tools") or []:
            yield {**tool, "type": "text", "text": tool.get("description") or ""}
        yield from content_of(self.content.get("system"))
        for turn in self.messages:
            yield from content_of(turn.get("content"))


def content_of(content: Any) -> list[Json]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content or []


def text_of(turn: Json) -> str:
    return "\n".join(block["text"] for block in content_of(turn.get("content")) if block["type"] == "text")


def tokens_of(block: Json) -> int:
    return len(block["text"].split()) if block["type"] == "text" else 100


class ApiError(ServiceError):
    """An error that the service answers with."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
        details: Json | None = None,
    ) -> None:
        error = {"type": kind or KINDS.get(status, "api_error"), "message": message}
        error |= {"details": details} if details else {}
        told = {"type": "error", "error": error, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}
        super().__init__(status, message, told, headers)


KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

_MESSAGES = {
    401: "invalid x-api-key",
    402: "Your organization's payment did not go through.",
    403: "Your API key does not have permission to use the specified resource.",
    413: "Request exceeds the maximum size",
    429: "This request would exceed your organization's rate limit of 50 requests per minute.",
    500: "Internal server error",
    504: "Request timed out",
    529: "Overloaded",
}

_PER_DAY = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."


def failure(fail: Fail) -> ApiError:
    """The error that a test has asked for. A quota per day is a limit that an organization set itself."""
    if fail.quota == "PerDay":
        return ApiError(400, fail.message or _PER_DAY)
    message = fail.message or _MESSAGES.get(fail.status, f"Error {fail.status}.")
    wait = fail.retry if fail.retry_after is None else fail.retry_after
    headers = {} if wait is None else {"retry-after": f"{wait:g}" if isinstance(wait, float) else str(wait)}
    if fail.retry_after_ms is not None:
        headers["retry-after-ms"] = fail.retry_after_ms
    return ApiError(fail.status, message, headers=headers)
