"""Gemini's requests, both ways: the bodies of generateContent, streamGenerateContent and countTokens.

https://ai.google.dev/api/generate-content. The model is not in the body but in the address.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from boticelli_cli.errors import UsageError
from boticelli_cli.messages import Media, Message, Request, Thinking, Tool, ToolChoice
from boticelli_cli.wire.gemini_parts import Struct, WireContent, encode_json, encode_part, part_of
from boticelli_cli.wire.gemini_tidy import tidy

__all__ = ["decode_count_request", "decode_request", "encode_count", "encode_request"]


def encode_request(request: Request) -> bytes:
    """The body that asks for an answer, whole or streamed. The request's `options` are laid over it last.

    Raises UsageError for media that have neither bytes nor an address.
    """
    return encode_json(_laid_over(_body(request), request.options))


def decode_request(body: bytes, model: str) -> Request:
    """What a client asks. What a `Request` cannot say goes into its `options`, in this dialect's words.

    Keys may be in camel case or, as google-genai sends some, in snake case. Encoding the request again says
    all that the body said. Raises UsageError for a body that is not of this dialect.
    """
    return _request(_object(body), model)


def encode_count(request: Request, *, vertex: bool = False) -> bytes:
    """The body that asks how many tokens a request has, its system prompt and tools among them.

    Vertex AI takes what is to be counted as it is, and of a request nothing else
    (cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints/countTokens).
    """
    body = _laid_over(_body(request), request.options)
    if vertex:
        return encode_json({key: value for key, value in body.items() if key in _COUNTED})
    return encode_json({"generateContentRequest": {"model": f"models/{request.model}", **body}})


def decode_count_request(body: bytes, model: str) -> Request:
    """What a client wants counted: contents alone, or a whole request."""
    raw = _object(body)
    whole = raw.get("generateContentRequest", raw.get("generate_content_request"))
    return _request(whole if isinstance(whole, dict) else raw, model)


def _body(request: Request) -> dict[str, Any]:
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, Media) and part.data is None and part.url is None:
                raise UsageError(f"the {part.kind} '{part.name or part.mime}' has neither data nor a url")
    body: dict[str, Any] = {
        "contents": [
            {"role": _ROLES[message.role], "parts": [encode_part(part) for part in message.parts]}
            for message in request.messages
        ]
    }
    if request.system is not None:
        body["systemInstruction"] = {"parts": [{"text": request.system}]}
    if config := _config(request):
        body["generationConfig"] = config
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in request.tools]}]
    if request.tool_choice is not None:
        body["toolConfig"] = {"functionCallingConfig": _calling(request.tool_choice)}
    return body


_COUNTED = ("contents", "systemInstruction", "tools", "generationConfig")
_ROLES = {"user": "user", "assistant": "model"}


def _config(request: Request) -> dict[str, Any]:
    config: dict[str, Any] = {
        "temperature": request.temperature,
        "topP": request.top_p,
        "maxOutputTokens": request.max_tokens,
        "stopSequences": request.stop or None,
        "thinkingConfig": thinking_config(request.thinking, show=request.show_thoughts),
        "responseMimeType": None if request.schema is None else "application/json",
        "responseJsonSchema": request.schema,
    }
    return {key: value for key, value in config.items() if value is not None}


def thinking_config(thinking: Thinking | None, *, show: bool = True) -> dict[str, Any] | None:
    """Gemini's `thinkingConfig`; with `show`, what a model thinks is told."""
    told = {"includeThoughts": True} if show else {}
    match thinking:
        case None:
            return None
        case True:
            return told or None
        case str():
            return {"thinkingLevel": thinking.upper(), **told}
        case 0:
            return {"thinkingBudget": 0}
    return {"thinkingBudget": thinking, **told}


def _declaration(tool: Tool) -> dict[str, Any]:
    said = {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}
    return {key: value for key, value in said.items() if value is not None}


def _calling(choice: ToolChoice) -> dict[str, Any]:
    match choice:
        case "auto" | "none":
            return {"mode": choice.upper()}
        case "required":
            return {"mode": "ANY"}
        case _:
            return {"mode": "ANY", "allowedFunctionNames": choice}


def _laid_over(body: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged key by key; everything else is replaced."""
    merged = dict(body)
    for key, value in options.items():
        below = merged.get(key)
        merged[key] = _laid_over(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return merged


class _ThinkingConfig(Struct):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class _Config(Struct):
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    stop_sequences: list[str] | None = None
    response_json_schema: Any = None
    thinking_config: _ThinkingConfig | None = None


class _Declaration(Struct):
    name: str
    description: str | None = None
    parameters_json_schema: Any = None


class _Tools(Struct):
    function_declarations: list[_Declaration] | None = None


class _Calling(Struct):
    mode: str | None = None
    allowed_function_names: list[str] | None = None


class _ToolConfig(Struct):
    function_calling_config: _Calling | None = None


class _Body(Struct):
    contents: list[WireContent]
    system_instruction: WireContent | None = None
    generation_config: _Config = msgspec.field(default_factory=_Config)
    tools: tuple[_Tools, ...] = ()
    tool_config: _ToolConfig | None = None


def _object(body: bytes) -> dict[str, Any]:
    try:
        raw = msgspec.json.decode(body)
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"the request's body is not JSON: {exc}") from exc
    if not isinstance(raw, dict):
        raise UsageError("the request's body is not a JSON object")
    return raw


def _request(raw: dict[str, Any], model: str) -> Request:
    try:
        tidied = tidy(raw)
        request = _said(msgspec.convert(tidied, _Body, strict=False), model)
        options = _unsaid(tidied, _body(request))
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"the request's body is not as Gemini's are: {exc}") from exc
    if not request.messages:
        raise UsageError("the request has no contents, so there is nothing to answer")
    return replace(request, options=options)


def _said(body: _Body, model: str) -> Request:
    config = body.generation_config
    schema = config.response_json_schema
    return Request(
        model,
        tuple(_message(content) for content in body.contents),
        system=_system(body.system_instruction),
        temperature=config.temperature,
        top_p=config.top_p,
        max_tokens=config.max_output_tokens,
        stop=tuple(config.stop_sequences or ()),
        thinking=(thinking := _thinking(config.thinking_config)),
        show_thoughts=_shows_thoughts(thinking, config.thinking_config),
        schema=schema if isinstance(schema, dict) else None,
        tools=tuple(_tool(each) for group in body.tools for each in group.function_declarations or ()),
        tool_choice=_tool_choice(body.tool_config),
    )


def _message(content: WireContent) -> Message:
    parts = tuple(said for part in content.parts or () if (said := part_of(part)) is not None)
    return Message("assistant" if content.role == "model" else "user", parts)


def _system(content: WireContent | None) -> str | None:
    texts = [part.text for part in (content and content.parts) or () if part.text is not None]
    return "\n".join(texts) if texts else None


def _thinking(config: _ThinkingConfig | None) -> Thinking | None:
    if config is None:
        return None
    match (config.thinking_level or "").lower():
        case "minimal" | "low" | "medium" | "high" as effort:
            return effort
    if config.thinking_budget is not None and config.thinking_budget >= 0:
        return config.thinking_budget or False
    return True if config.include_thoughts else None


def _shows_thoughts(thinking: Thinking | None, config: _ThinkingConfig | None) -> bool:
    """Whether thoughts are to be told, which Google does when it is asked to; where there are none, it is all one."""
    return not thinking or bool(config and config.include_thoughts)


def _tool(said: _Declaration) -> Tool:
    schema = said.parameters_json_schema
    return Tool(said.name, said.description, schema if isinstance(schema, dict) else None)


def _tool_choice(config: _ToolConfig | None) -> ToolChoice | None:
    calling = config and config.function_calling_config
    match ((calling and calling.mode) or "").upper():
        case "AUTO":
            return "auto"
        case "NONE":
            return "none"
        case "ANY":
            return tuple((calling and calling.allowed_function_names) or ()) or "required"
        case _:
            return None


def _unsaid(body: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """What a body says beyond another that was made of its request: laid over that one, it makes it whole."""
    beyond: dict[str, Any] = {}
    for key, value in body.items():
        other = said.get(key)
        if isinstance(value, dict) and isinstance(other, Mapping):
            if more := _unsaid(value, other):
                beyond[key] = more
        elif not _is_said(value, other):
            beyond[key] = value
    return beyond


def _is_said(value: Any, other: Any) -> bool:
    if value == other or isinstance(other, bytes):  # bytes are media, which were decoded from this very value
        return True
    if isinstance(value, list) and isinstance(other, list | tuple):
        return len(value) == len(other) and all(map(_is_said, value, other))
    if isinstance(value, dict) and isinstance(other, Mapping):
        return not _unsaid(value, other)
    return False
