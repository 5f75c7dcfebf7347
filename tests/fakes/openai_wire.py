"""The fake OpenAI service's side of the wire: what it was asked, and what its errors look like."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.fakes.behaviours import Fail
from tests.fakes.playing import ServiceError

Json = dict[str, Any]
Flavour = Literal["openai", "ollama", "openrouter"]

MODELS: dict[Flavour, tuple[str, ...]] = {
    "openai": ("gpt-5.2", "gpt-5.2-mini", "o4-mini", "gpt-4o"),
    "ollama": ("llama3.3:8b", "gpt-oss:20b"),
    "openrouter": ("anthropic/claude-sonnet-5", "meta-llama/llama-3.3-70b-instruct:free"),
}


@dataclass
class Asked:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    flavour: Flavour = "openai"
    body: Any = None
    status: int | None = field(default=None, compare=False)

    @property
    def content(self) -> Json:
        return self.body if isinstance(self.body, dict) else {}

    @property
    def model(self) -> str:
        return str(self.content.get("model") or "")

    @property
    def messages(self) -> list[Json]:
        messages: list[Json] = self.content.get("messages") or []
        return messages

    @property
    def prompt(self) -> str:
        """The text of the last message."""
        return text_of(self.messages[-1]) if self.messages else ""

    @property
    def key(self) -> str | None:
        return self.headers.get("Authorization", "").removeprefix("Bearer ") or None

    @property
    def streams(self) -> bool:
        return self.content.get("stream") is True

    @property
    def include_usage(self) -> bool:
        return bool((self.content.get("stream_options") or {}).get("include_usage"))

    @property
    def limit(self) -> int | None:
        limit: int | None = self.content.get("max_completion_tokens") or self.content.get("max_tokens")
        return limit

    @property
    def reasons(self) -> bool:
        """Whether its model is one that thinks."""
        return re.match(r"gpt-[5-9]|o\d", self.model) is not None

    @property
    def tokens(self) -> int:
        """A word is a token, and anything else than text is 258 of them."""
        return sum(_tokens(message) for message in self.messages)


def parts_of(message: Json) -> list[Json]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content if isinstance(content, list) else []


def text_of(message: Json) -> str:
    return "\n".join(part["text"] for part in parts_of(message) if part.get("type") == "text")


def _tokens(message: Json) -> int:
    return sum(len(part["text"].split()) if part.get("type") == "text" else 258 for part in parts_of(message))


class ApiError(ServiceError):
    """An error that the service answers with."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        said = {"message": message, "type": kind, "param": param, "code": code}
        super().__init__(status, message, {"error": said}, headers)


def told(error: ServiceError, flavour: Flavour) -> Json:
    """An error in the words of a flavour."""
    return {"error": {"message": str(error), "code": error.status}} if flavour == "openrouter" else error.json


_MESSAGES = {
    429: "Rate limit reached for {model} in organization org-1 on requests per min (RPM): Limit 3, Used 3, Requested 1.",
    500: "The server had an error while processing your request. Sorry about that!",
    503: "The engine is currently overloaded, please try again later.",
}
_KINDS = {400: "invalid_request_error", 401: "invalid_request_error", 404: "invalid_request_error", 429: "requests"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


def failure(fail: Fail, model: str = "") -> ApiError:
    """The error that a test has asked for."""
    message = fail.message or _MESSAGES.get(fail.status, f"Error {fail.status}.").format(model=model)
    kind, code = _KINDS.get(fail.status, "server_error"), _CODES.get(fail.status)
    if fail.quota == "PerDay":
        message = fail.message or (
            "You exceeded your current quota, please check your plan and billing details. For more information on this "
            "error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
        )
        kind = code = "insufficient_quota"
    elif fail.retry is not None:
        message += f" Please try again in {fail.retry:g}s. Visit https://platform.openai.com/account/rate-limits."
    headers = {} if fail.retry_after is None else {"Retry-After": str(fail.retry_after)}
    return ApiError(fail.status, message, kind=kind, code=code, headers=headers)


def no_key() -> ApiError:
    return ApiError(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from "
        "https://platform.openai.com/account/api-keys.",
    )


def bad_key(key: str) -> ApiError:
    shown = f"{key[:8]}{'*' * 8}{key[-4:]}" if len(key) > 12 else key
    message = f"Incorrect API key provided: {shown}. You can find your API key at https://platform.openai.com/account/api-keys."
    return ApiError(401, message, code="invalid_api_key")


def unknown_model(model: str, flavour: Flavour) -> ApiError:
    match flavour:
        case "ollama":
            return ApiError(404, f"model '{model}' not found", kind="not_found_error")
        case "openrouter":
            return ApiError(404, f"No endpoints found for {model}.")
        case _:
            message = f"The model `{model}` does not exist or you do not have access to it."
            return ApiError(404, message, code="model_not_found")


def blocked() -> ApiError:
    return ApiError(
        400,
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a "
        "different prompt: https://platform.openai.com/docs/guides/reasoning#advice-on-prompting",
        code="invalid_prompt",
    )
