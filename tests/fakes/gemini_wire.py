"""The fake Gemini service's side of the wire: what it was asked, how strictly it reads, and what its errors look like."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.fakes.behaviours import Fail

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


class ApiError(Exception):
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
        super().__init__(message)
        self.code = code
        self.headers = dict(headers or {})
        error = {"code": code, "message": message, "status": status or STATUSES.get(code, "UNKNOWN")}
        self.json: Json = {"error": {**error, **({"details": details} if details else {})}}


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


REQUEST = frozenset(
    "contents systemInstruction tools toolConfig safetySettings generationConfig cachedContent model labels serviceTier "
    "store continuationToken".split()
)
GENERATION_CONFIG = frozenset(
    "stopSequences responseMimeType responseSchema responseJsonSchema _responseJsonSchema responseFormat "
    "responseModalities candidateCount maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty "
    "responseLogprobs logprobs enableEnhancedCivicAnswers speechConfig thinkingConfig imageConfig mediaResolution "
    "audioTimestamp enableAffectiveDialog routingConfig modelSelectionConfig audioTranscriptionConfig "
    "translationConfig".split()
)
THINKING_CONFIG = frozenset("includeThoughts thinkingBudget thinkingLevel".split())
_DATA = frozenset(
    "text inlineData fileData functionCall functionResponse executableCode codeExecutionResult toolCall "
    "toolResponse".split()
)
_PART = _DATA | frozenset("thought thoughtSignature videoMetadata mediaResolution partMetadata".split())
_BLOB = frozenset("data mimeType displayName".split())
_FREE = frozenset(
    "args response parameters parametersJsonSchema responseSchema responseJsonSchema _responseJsonSchema labels "
    "partMetadata".split()
)
"""Fields whose own fields the user names."""

_REQUEST_LIMIT = 20 * 1024 * 1024


def check_request(asked: Asked, size: int) -> None:
    """Read a request as strictly as the service does. Raises ApiError."""
    if size > _REQUEST_LIMIT:
        raise ApiError(400, f"Request payload size exceeds the limit: {_REQUEST_LIMIT} bytes.")
    content = asked.content
    check_fields(content, REQUEST, "")
    check_config(asked.config, "generation_config")
    contents = content.get("contents")
    if not contents:
        message = "* GenerateContentRequest.contents: contents is not specified\n"
        raise ApiError(400, message)
    for number, turn in enumerate(contents):
        check_turn(turn, f"contents[{number}]")
    if "systemInstruction" in content:
        check_turn(content["systemInstruction"], "system_instruction", roles=None)
    check_tools(contents, asked.model)


def check_count(asked: Asked) -> Asked:
    """countTokens takes contents, or a whole request."""
    if "generateContentRequest" in asked.content:
        inner = Asked(asked.method, asked.path, asked.query, asked.headers, asked.content["generateContentRequest"])
        inner.model = asked.model
        check_request(inner, 0)
        return inner
    known = REQUEST if asked.vertex else frozenset({"contents", "generateContentRequest", "model"})
    check_fields(asked.content, known, "")
    check_request(asked, 0)
    return asked


def check_fields(value: Json, known: frozenset[str], where: str) -> None:
    for name in value:
        if name not in known:
            raise invalid_json(name, where)


def check_config(config: Json, where: str) -> None:
    check_fields(config, GENERATION_CONFIG, where)
    thinking = config.get("thinkingConfig", {})
    check_fields(thinking, THINKING_CONFIG, f"{where}.thinking_config")
    if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
        raise ApiError(400, "You can only set only one of thinking budget and thinking level.")
    if not 0 <= (config.get("temperature") or 0) <= 2:
        name = "GenerateContentRequest.generation_config.temperature"
        raise ApiError(400, f"* {name}: temperature must be in the range [0.0, 2.0].\n")
    if (config.get("maxOutputTokens") or 1) < 1:
        raise ApiError(
            400, "* GenerateContentRequest.generation_config.max_output_tokens: max_output_tokens must be positive.\n"
        )


def check_turn(turn: Json, where: str, roles: tuple[str, ...] | None = ("user", "model", "function")) -> None:
    check_fields(turn, frozenset({"role", "parts"}), where)
    if roles is not None and turn.get("role", "user") not in roles:
        raise ApiError(400, "Please use a valid role: user, model.")
    if not turn.get("parts"):
        raise ApiError(400, f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.\n")
    for number, part in enumerate(turn["parts"]):
        _check_part(part, f"{where}.parts[{number}]")


def _check_part(part: Json, where: str) -> None:
    check_fields(part, _PART, where)
    data = [name for name in part if name in _DATA]
    if not data:
        raise ApiError(
            400, f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized field\n"
        )
    if len(data) > 1:
        raise ApiError(
            400, f"Invalid value at '{where}' (oneof), oneof field 'data' is already set. Cannot set '{data[1]}'"
        )
    if "text" in part and not isinstance(part["text"], str):
        raise ApiError(400, f"Invalid value at '{where}.text' (TYPE_STRING), {part['text']}")
    if blob := part.get("inlineData"):
        check_fields(blob, _BLOB, f"{where}.inline_data")
        check_base64(blob.get("data", ""), f"{where}.inline_data.data")
        if not blob.get("mimeType"):
            raise ApiError(400, "Unable to determine the MIME type of the provided data: mime_type is required.")
    if "thoughtSignature" in part:
        check_base64(part["thoughtSignature"], f"{where}.thought_signature")


def check_base64(data: Any, where: str) -> None:
    """The service takes both alphabets, padded or not."""
    try:
        base64.b64decode(data.translate(_URL_SAFE) + "=" * (-len(data) % 4), validate=True)
    except (binascii.Error, ValueError, AttributeError):
        shown = str(data)[:40]
        raise ApiError(
            400, f"Invalid value at '{where}' (TYPE_BYTES), Base64 decoding failed for \"{shown}\""
        ) from None


_URL_SAFE = str.maketrans("-_", "+/")


def check_tools(contents: list[Json], model: str) -> None:
    """Every call is answered in the next turn, and from Gemini 3 on comes back with its signature."""
    for before, turn in zip([{}, *contents], contents, strict=False):
        calls = list(_all(before, "functionCall"))
        responses = list(_all(turn, "functionResponse"))
        if responses and not calls:
            raise ApiError(
                400, "Please ensure that function response turn comes immediately after a function call turn."
            )
        if calls and len(calls) != len(responses):
            raise ApiError(
                400,
                "Please ensure that the number of function response parts is equal to the number of function call parts "
                "of the function call turn.",
            )
    if not model.startswith("gemini-3"):
        return
    for turn in contents[_last_user_text(contents) :]:
        signed = [part for part in turn["parts"] if "functionCall" in part][:1]
        if signed and "thoughtSignature" not in signed[0]:
            name = signed[0]["functionCall"].get("name")
            raise ApiError(
                400,
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
                "correctly, and missing thought_signature may lead to degraded model performance. Additional data, "
                f"function call `default_api:{name}`.",
            )


def _all(turn: Json, name: str) -> Iterator[Json]:
    return (part[name] for part in turn.get("parts", []) if name in part)


def _last_user_text(contents: list[Json]) -> int:
    asked = [at for at, turn in enumerate(contents) if turn.get("role", "user") == "user" and text_of(turn)]
    return asked[-1] if asked else 0


def camel(value: Any) -> Any:
    """Name all fields as the documentation does; the service takes `mime_type` for `mimeType` too."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub(r"(?<=[a-z])_([a-z])", lambda found: found[1].upper(), name): item for name, item in value.items()}
    return {name: item if name in _FREE else camel(item) for name, item in named.items()}
