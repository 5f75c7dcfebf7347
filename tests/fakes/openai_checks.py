"""How strictly the fake OpenAI service reads a request: as the real one does, with its sentences."""

import base64
import binascii
import re
from typing import Any

from tests.fakes.openai_wire import ApiError, Asked, Json, parts_of

_FIELDS = frozenset(
    "messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens "
    "metadata modalities moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key "
    "prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier "
    "stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity "
    "web_search_options".split()
)
_MESSAGE = {
    "system": frozenset("role content name".split()),
    "developer": frozenset("role content name".split()),
    "user": frozenset("role content name".split()),
    "assistant": frozenset("role content name refusal annotations audio tool_calls function_call".split()),
    "tool": frozenset("role content tool_call_id".split()),
}
_PARTS = {
    "system": {"text"},
    "developer": {"text"},
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "tool": {"text"},
}
_PART = frozenset("type text refusal image_url input_audio file prompt_cache_breakpoint".split())
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def check_request(asked: Asked) -> None:
    """Read a request as strictly as the service does. Raises ApiError."""
    body = asked.content
    _check_fields(body, _FIELDS, "")
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise ApiError(
            400, "Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter"
        )
    if not messages:
        message = (
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."
        )
        raise ApiError(400, message, param="messages", code="empty_array")
    for number, message in enumerate(messages):
        _check_message(message, f"messages[{number}]")
    _check_tool_turns(messages)
    _check_settings(asked)
    for number, tool in enumerate(body.get("tools") or []):
        _check_tool(tool, f"tools[{number}]")


def check_loosely(asked: Asked) -> None:
    """What every server of the dialect insists on."""
    if not asked.messages:
        raise ApiError(400, "[] is too short - 'messages'")
    for message in asked.messages:
        if message.get("role") not in _MESSAGE:
            raise ApiError(400, f"invalid role: {message.get('role')}")


def _check_fields(value: Any, known: frozenset[str], where: str) -> None:
    if not isinstance(value, dict):
        raise _invalid_type(where, "an object", value)
    for name in value:
        if name not in known:
            full = f"{where}.{name}" if where else name
            raise ApiError(400, f"Unknown parameter: '{full}'.", param=full, code="unknown_parameter")


def _invalid_type(where: str, expected: str, value: Any) -> ApiError:
    message = f"Invalid type for '{where}': expected {expected}, but got {type(value).__name__} instead."
    return ApiError(400, message, param=where, code="invalid_type")


def _invalid_value(where: str, value: Any, known: Any) -> ApiError:
    shown = ", ".join(f"'{each}'" for each in sorted(known))
    return ApiError(400, f"Invalid value: '{value}'. Supported values are: {shown}.", param=where, code="invalid_value")


def _check_message(message: Any, where: str) -> None:
    if not isinstance(message, dict):
        raise _invalid_type(where, "an object", message)
    role = message.get("role")
    if role not in _MESSAGE:
        raise _invalid_value(f"{where}.role", role, _MESSAGE)
    _check_fields(message, _MESSAGE[role], where)
    content = message.get("content")
    if content is None and not (role == "assistant" and (message.get("tool_calls") or message.get("refusal"))):
        raise _invalid_type(f"{where}.content", "one of a string or array of objects", None)
    if content == []:
        raise ApiError(400, f"Invalid '{where}.content': empty array.", param=f"{where}.content", code="empty_array")
    if content is not None and not isinstance(content, str | list):
        raise _invalid_type(f"{where}.content", "one of a string or array of objects", content)
    for number, part in enumerate(content if isinstance(content, list) else []):
        _check_part(part, role, f"{where}.content[{number}]")
    for number, call in enumerate(message.get("tool_calls") or []):
        _check_call(call, f"{where}.tool_calls[{number}]")


def _check_part(part: Any, role: str, where: str) -> None:
    _check_fields(part, _PART, where)
    kind = part.get("type")
    if kind not in _PARTS[role]:
        raise _invalid_value(where, kind, _PARTS[role])
    if kind not in part:
        raise ApiError(400, f"Missing required parameter: '{where}.{kind}'.", code="missing_required_parameter")
    match part:
        case {"type": "text", "text": text} if not isinstance(text, str):
            raise _invalid_type(f"{where}.text", "a string", text)
        case {"type": "image_url", "image_url": address}:
            _check_fields(address, frozenset({"url", "detail"}), f"{where}.image_url")
            _check_address(str(address.get("url")), f"{where}.image_url.url")
        case {"type": "input_audio", "input_audio": audio}:
            _check_fields(audio, frozenset({"data", "format"}), f"{where}.input_audio")
            if audio.get("format") not in ("wav", "mp3"):
                raise _invalid_value(f"{where}.input_audio.format", audio.get("format"), ("wav", "mp3"))
            _check_base64(audio.get("data"), f"{where}.input_audio.data")
        case {"type": "file", "file": file}:
            _check_fields(file, frozenset({"file_data", "file_id", "filename"}), f"{where}.file")
            if "file_id" not in file and not file.get("filename"):
                raise ApiError(
                    400, f"Missing required parameter: '{where}.file.filename'.", code="missing_required_parameter"
                )
            if "file_id" not in file:
                _check_pdf(str(file.get("file_data")), f"{where}.file.file_data")


def _check_pdf(address: str, where: str) -> None:
    found = re.match(r"data:([\w.+-]+/[\w.+-]+);base64,", address)
    if found is None or found[1] != "application/pdf":
        got = f"unsupported MIME type '{found[1]}'" if found else "an invalid base64-encoded value"
        message = (
            f"Invalid file data: '{where}'. Expected a base64-encoded data URL with an application/pdf MIME type (e.g. "
            f"'data:application/pdf;base64,SGVsbG8sIFdvcmxkIQ=='), but got {got}."
        )
        raise ApiError(400, message, param=where, code="invalid_value")
    _check_base64(address[found.end() :], where)


def _check_address(address: str, where: str) -> None:
    if address.startswith(("http://", "https://")):
        return
    found = re.match(r"data:[\w.+-]+/[\w.+-]+;base64,", address)
    if found is None:
        message = f"Invalid '{where}'. Expected a base64-encoded data URL with a MIME type (e.g. 'data:image/png;base64,aW1n')."
        raise ApiError(400, message, param=where, code="invalid_value")
    _check_base64(address[found.end() :], where)


def _check_base64(data: Any, where: str) -> None:
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise ApiError(400, f"Invalid '{where}': not valid base64.", param=where, code="invalid_base64") from None


def _check_call(call: Any, where: str) -> None:
    _check_fields(call, frozenset({"id", "type", "function", "custom"}), where)
    for name in ("id", "type", "function"):
        if name not in call:
            raise ApiError(400, f"Missing required parameter: '{where}.{name}'.", code="missing_required_parameter")
    _check_fields(call["function"], frozenset({"name", "arguments"}), f"{where}.function")
    if not isinstance(call["function"].get("arguments"), str):
        raise _invalid_type(f"{where}.function.arguments", "a string", call["function"].get("arguments"))


def _check_tool_turns(messages: list[Json]) -> None:
    """Every call is answered by messages that follow it at once, and by nothing else."""
    open_calls: list[str] = []
    for number, message in enumerate([*messages, {"role": "end"}]):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise ApiError(
                    400,
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    param=f"messages.[{number}].role",
                )
            open_calls.remove(message["tool_call_id"])
        elif open_calls:
            raise ApiError(
                400,
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(open_calls)}",
                param=f"messages.[{number}].role",
            )
        else:
            open_calls = [call["id"] for call in message.get("tool_calls") or []]


def _check_settings(asked: Asked) -> None:
    body = asked.content
    if asked.reasons:
        if body.get("max_tokens") is not None:
            raise _unsupported(
                "max_tokens",
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            )
        for name in ("temperature", "top_p"):
            if body.get(name) not in (None, 1):
                raise _unsupported(
                    name,
                    f"Unsupported value: '{name}' does not support {body[name]} with this model. Only the default (1) value "
                    "is supported.",
                )
    elif body.get("reasoning_effort") is not None:
        raise ApiError(400, "Unrecognized request argument supplied: reasoning_effort")
    if body.get("reasoning_effort") not in (None, *_EFFORTS):
        raise _invalid_value("reasoning_effort", body["reasoning_effort"], _EFFORTS)
    if body.get("stream_options") is not None and not asked.streams:
        raise ApiError(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    if body.get("metadata") and not body.get("store"):
        raise ApiError(400, "The 'metadata' parameter is only allowed when 'store' is enabled.", param="metadata")
    if body.get("tool_choice") is not None and not body.get("tools"):
        raise ApiError(
            400, "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified."
        )
    if isinstance(stop := body.get("stop"), list) and len(stop) > 4:
        raise ApiError(
            400, f"Invalid 'stop': array too long. Expected an array with maximum length 4, but got {len(stop)}."
        )
    _check_format(body.get("response_format"))


def _unsupported(name: str, message: str) -> ApiError:
    return ApiError(400, message, param=name, code="unsupported_parameter")


def _check_format(said: Any) -> None:
    if said is None:
        return
    if said.get("type") not in ("text", "json_object", "json_schema"):
        raise _invalid_value("response_format.type", said.get("type"), ("json_object", "json_schema", "text"))
    if said["type"] == "json_schema":
        schema = said.get("json_schema") or {}
        _check_fields(schema, frozenset("name description schema strict".split()), "response_format.json_schema")
        if not re.fullmatch(r"[\w-]{1,64}", schema.get("name") or ""):
            raise ApiError(
                400,
                "Missing required parameter: 'response_format.json_schema.name'.",
                code="missing_required_parameter",
            )


def _check_tool(tool: Any, where: str) -> None:
    _check_fields(tool, frozenset({"type", "function", "custom"}), where)
    if tool.get("type") not in ("function", "custom"):
        raise _invalid_value(f"{where}.type", tool.get("type"), ("custom", "function"))
    if tool["type"] == "function":
        known = frozenset("name description parameters strict".split())
        _check_fields(tool.get("function"), known, f"{where}.function")
        if not re.fullmatch(r"[\w-]{1,64}", tool["function"].get("name") or ""):
            message = f"Invalid '{where}.function.name': string does not match pattern '^[a-zA-Z0-9_-]+$'."
            raise ApiError(400, message, param=f"{where}.function.name", code="invalid_value")


def results_of(messages: list[Json]) -> list[tuple[str, str]]:
    """The results that the last messages bring: the tools' names, and what they said."""
    names = {call["id"]: call["function"]["name"] for each in messages for call in each.get("tool_calls") or []}
    found: list[tuple[str, str]] = []
    for message in reversed(messages):
        if message.get("role") != "tool":
            break
        said = "\n".join(part["text"] for part in parts_of(message))
        found.insert(0, (names.get(message.get("tool_call_id"), "?"), said))
    return found
