"""Gemini's requests, both ways: the bodies of generateContent, streamGenerateContent and countTokens.

https://ai.google.dev/api/generate-content. The model is not in the body but in the address.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from operator import is_
from typing import Any, Final

import msgspec

from boticelli_cli.errors import UsageError
from boticelli_cli.messages import CachePoint, Message, Request, Text, Thinking, Tool, ToolCall, ToolChoice
from boticelli_cli.wire.beyond import Field, with_options
from boticelli_cli.wire.body import (
    Encoded,
    Losses,
    check_media,
    decode_object,
    encode_json,
    laid_over,
    own_options,
    with_own_seals,
    written,
)
from boticelli_cli.wire.gemini_errors import PROVIDER
from boticelli_cli.wire.gemini_parts import Struct, WireContent, encode_parts, part_of
from boticelli_cli.wire.gemini_tidy import tidy
from boticelli_cli.wire.tool_names import RULES, ToolNames
from boticelli_cli.wire.tool_turns import IdRule, with_tool_turns

__all__ = ["decode_count_request", "decode_request", "encode_count", "encode_request", "may_be_forwarded"]


def encode_request(request: Request) -> Encoded:
    """The body that asks for an answer, whole or streamed. The request's `options` are laid over it last.

    Raises UsageError for media that have neither bytes nor an address.
    """
    losses = Losses()
    request = _sealed(request)
    return written(_body(request, losses), request, PROVIDER, losses)


def decode_request(body: bytes, model: str) -> Request:
    """What a client asks. What a `Request` cannot say goes into its `options`, in this dialect's words.

    Keys may be in camel case or, as google-genai sends some, in snake case. Encoding the request again says
    all that the body said. Raises UsageError for a body that is not of this dialect.
    """
    return _request(decode_object(body), model)


def may_be_forwarded(request: Request) -> bool:
    """Whether Gemini takes a client's body as it came: not with calls of others in it, which have no seal."""
    return _sealed(request) is request


def encode_count(request: Request, *, vertex: bool = False) -> bytes:
    """The body that asks how many tokens a request has, its system prompt and tools among them.

    Vertex AI takes what is to be counted as it is, and of a request nothing else
    (cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints/countTokens).
    """
    losses = Losses()
    request = _sealed(request)
    request = ToolNames.of(request, RULES[PROVIDER]).fit(request)
    body = laid_over(_body(request, losses), own_options(request, PROVIDER, losses))
    if vertex:
        return encode_json({key: value for key, value in body.items() if key in _COUNTED})
    return encode_json({"generateContentRequest": {"model": f"models/{request.model}", **body}})


def decode_count_request(body: bytes, model: str) -> Request:
    """What a client wants counted: contents alone, or a whole request."""
    raw = decode_object(body)
    whole = raw.get("generateContentRequest", raw.get("generate_content_request"))
    return _request(whole if isinstance(whole, dict) else raw, model)


def _body(request: Request, losses: Losses) -> dict[str, Any]:
    check_media(request)
    body: dict[str, Any] = {
        "contents": [
            {"role": _ROLES[message.role], "parts": parts}
            for message in _turns(request, losses)
            if (parts := encode_parts(message.parts, losses))  # none may be empty
        ]
    }
    if any(isinstance(each, CachePoint) for each in (*(request.system or ()), *request.tools)):
        losses.add("cache marks")
    if (system := _system(request)) is not None:
        body["systemInstruction"] = system
    if config := _config(request, losses):
        body["generationConfig"] = config
    if tools := request.declared_tools:
        body["tools"] = _tools(tools)
        if request.tool_choice is not None:  # without functions it is refused
            body["toolConfig"] = {"functionCallingConfig": _calling(request.tool_choice)}
    return body


_COUNTED = ("contents", "systemInstruction", "tools", "generationConfig")
_ROLES = {"user": "user", "assistant": "model"}


def _system(request: Request) -> dict[str, Any] | None:
    """Google joins the texts of several parts without a blank: blocks of other dialects are one text."""
    if request.system is None:
        return None
    if isinstance(request.system, str) or request.dialect not in (None, PROVIDER):
        return {"parts": [{"text": request.system_text}]}
    texts = [{"text": block.text} for block in request.system if isinstance(block, Text)]
    return {"parts": texts} if texts else None


def _tools(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    return [{"functionDeclarations": [_declaration(tool) for tool in tools]}]


def _turns(request: Request, losses: Losses) -> tuple[Message, ...]:
    """The messages as Gemini takes them: each call answered in the turn behind it, and of others no empty texts."""
    messages = with_tool_turns(with_own_seals(request, losses, PROVIDER), losses, IDS)
    if request.dialect in (None, PROVIDER):
        return messages
    return tuple(
        Message(each.role, tuple(part for part in each.parts if part != _NOTHING)) if _NOTHING in each.parts else each
        for each in messages
    )


_NOTHING: Final = Text("")


IDS: Final = IdRule(re.compile(r"(?!)"), 1000, required=False)
"""Gemini tells calls by their names and order, and takes any id."""

NO_SEAL: Final = "skip_thought_signature_validator"
"""What stands for the seal of a call that another model made: https://ai.google.dev/gemini-api/docs/thought-signatures."""


def _sealed(request: Request) -> Request:
    """A client's request with a seal on the first call of each turn, for models that refuse calls without one.

    Where nothing is wanting it is the same request.
    """
    found = re.search(r"gemini-(?:(\d+)|[a-z-]*latest)", request.model)
    if request.dialect is None or found is None or (found[1] and int(found[1]) < SEALED_SINCE):
        return request
    messages = tuple(map(_sealed_turn, request.messages))
    return request if all(map(is_, messages, request.messages)) else replace(request, messages=messages)


SEALED_SINCE: Final = 3
"""The first generation of models that want seals."""


def _sealed_turn(message: Message) -> Message:
    at = next((at for at, part in enumerate(message.parts) if isinstance(part, ToolCall)), None)
    if at is None or not isinstance(call := message.parts[at], ToolCall) or call.signature:
        return message
    parts = (*message.parts[:at], replace(call, signature=NO_SEAL), *message.parts[at + 1 :])
    return replace(message, parts=parts)


def _config(request: Request, losses: Losses) -> dict[str, Any]:
    config: dict[str, Any] = {
        "temperature": request.temperature,
        "topP": request.top_p,
        "maxOutputTokens": request.max_tokens,
        "stopSequences": _stop(request.stop, losses),
        "thinkingConfig": thinking_config(request.thinking, show=request.show_thoughts),
        "responseMimeType": None if request.schema is None else "application/json",
        "responseJsonSchema": request.schema,
    }
    return {key: value for key, value in config.items() if value is not None}


MOST_STOPS: Final = 5
"""https://ai.google.dev/api/generate-content#generationconfig."""


def _stop(stop: tuple[str, ...], losses: Losses) -> tuple[str, ...] | None:
    if len(stop) > MOST_STOPS:
        losses.add(f"stop sequences above {MOST_STOPS}")
    return stop[:MOST_STOPS] or None


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


def _request(raw: dict[str, Any], model: str) -> Request:
    try:
        tidied = tidy(raw)
        request = _said(msgspec.convert(tidied, _Body, strict=False), model)
        request = with_options(request, tidied, _body(replace(request, messages=()), Losses()), *_fields(request))
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"the request's body is not as Gemini's are: {exc}") from exc
    if not request.messages:
        raise UsageError("the request has no contents, so there is nothing to answer")
    return request


def _fields(request: Request) -> tuple[Field, ...]:
    """What would be written of a request where more may have been said."""
    turns = [{"role": _ROLES[each.role], "parts": encode_parts(each.parts, Losses())} for each in request.messages]
    return (
        ("contents", ("messages",), turns),
        ("tools", ("tools",), _tools(request.declared_tools)),
        ("systemInstruction", ("system",), _system(request)),
    )


def _said(body: _Body, model: str) -> Request:
    config = body.generation_config
    schema = config.response_json_schema
    return Request(
        model,
        tuple(_message(content) for content in body.contents),
        system=_system_of(body.system_instruction),
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


def _system_of(content: WireContent | None) -> str | tuple[Text, ...] | None:
    texts = [part.text for part in (content and content.parts) or () if part.text is not None]
    return texts[0] if len(texts) == 1 else tuple(map(Text, texts)) or None


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
