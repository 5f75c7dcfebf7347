"""How strictly the fake Gemini service reads a request: as the real one does, with its sentences."""

import base64
import binascii
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from tests.fakes.gemini_wire import ApiError, Asked, Json, invalid_json, text_of

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
    if "generateContentRequest" in asked.content and not asked.vertex:
        inner = Asked(asked.method, asked.path, asked.query, asked.headers, asked.content["generateContentRequest"])
        inner.model = asked.model
        check_request(inner, 0)
        return inner
    known = REQUEST if asked.vertex else frozenset({"contents", "generateContentRequest", "model"})
    check_fields(asked.content, known, "")
    check_request(asked, 0)
    return asked


def check_fields(value: Json, known: frozenset[str], where: str) -> None:
    if not isinstance(value, dict):
        raise ApiError(400, f"Invalid value at '{where}' (message), {value!r}")
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
    """Every call is answered in the next turn, and from Gemini 3 on comes back with its signature.

    A turn may come in pieces, as google-genai's streamed answers go back.
    """
    contents = _combined(contents)
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


def _combined(contents: list[Json]) -> list[Json]:
    """Consecutive contents of one role are one turn."""
    turns = groupby(contents, lambda turn: str(turn.get("role", "user")))
    return [{"role": role, "parts": [part for turn in each for part in turn.get("parts", [])]} for role, each in turns]


def _all(turn: Json, name: str) -> Iterator[Json]:
    return (part[name] for part in turn.get("parts", []) if name in part)


def _last_user_text(contents: list[Json]) -> int:
    asked = [at for at, turn in enumerate(contents) if turn.get("role", "user") == "user" and text_of(turn)]
    return asked[-1] if asked else 0
