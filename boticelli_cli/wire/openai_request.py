"""OpenAI's requests, both ways: https://platform.openai.com/docs/api-reference/chat/create."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from boticelli_cli.errors import UsageError
from boticelli_cli.messages import CachePoint, Request, Thinking, Tool, ToolChoice
from boticelli_cli.wire.beyond import Field, with_options
from boticelli_cli.wire.body import Encoded, Losses, check_media, decode_object, written
from boticelli_cli.wire.openai_errors import PROVIDER
from boticelli_cli.wire.openai_parts import (
    CacheControl,
    WireMessage,
    cache_control,
    encode_messages,
    mark_of,
    messages_of,
    system_of,
    without_thoughts,
)
from boticelli_cli.wire.openai_tidy import tidy

__all__ = ["Manner", "decode_manner", "decode_request", "encode_request"]

MAX_TOKENS_NAME: Final = "max_completion_tokens"

MOST_STOPS: Final = 4
"""https://platform.openai.com/docs/api-reference/chat/create#chat-create-stop."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a client wants its answer sent: as a stream or whole, and a stream with the counts of tokens or without."""

    streamed: bool = False
    include_usage: bool = False


def encode_request(
    request: Request,
    *,
    streamed: bool,
    max_tokens_name: str = MAX_TOKENS_NAME,
    cache_marks: bool = False,
    thoughts: bool = False,
) -> Encoded:
    """The body that asks for an answer, whole or streamed. The request's `options` are laid over it last.

    `max_tokens_name` is what the limit of tokens is called: most other servers know `max_tokens` only. With
    `cache_marks` those are written, as OpenRouter and LiteLLM take them, and with `thoughts` those that led to calls,
    as DeepSeek wants them. Raises UsageError for media that have neither bytes nor an address.
    """
    losses = Losses()
    messages = encode_messages(request, losses, cache_marks=cache_marks, thoughts=thoughts)
    body = _body(request, messages, losses, max_tokens_name=max_tokens_name, cache_marks=cache_marks)
    if streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return written(body, request, PROVIDER, losses)


def decode_request(body: bytes) -> Request:
    """What a client asks. What a `Request` cannot say goes into its `options`, in this dialect's words.

    Encoding the request again says all that the body said, but for how it is to be answered, which `decode_manner`
    reads. The model is empty where the body names none. Raises UsageError for a body that is not of this dialect.
    """
    raw = decode_object(body)
    try:
        tidied = tidy(raw)
        request = _said(msgspec.convert(tidied, _Body, strict=False))
        tidied["messages"] = [without_thoughts(each) for each in tidied["messages"]]
        turns = encode_messages(request, Losses(), cache_marks=True, as_they_are=True)
        tools = _tools(request, Losses(), cache_marks=True)
        fields: tuple[Field, ...] = (("messages", ("messages", "system"), turns), ("tools", ("tools",), tools))
        settings = {"model": request.model, **_settings(request, Losses(), max_tokens_name=MAX_TOKENS_NAME)}
        request = with_options(request, tidied, settings, *fields)
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"the request's body is not as OpenAI's are: {exc}") from exc
    if not request.messages:
        raise UsageError("the request has no messages, so there is nothing to answer")
    return request


def decode_manner(body: bytes) -> Manner:
    """How a client wants to be answered. Raises UsageError for a body that is not JSON."""
    raw = decode_object(body)
    options = raw.get("stream_options")
    include_usage = isinstance(options, dict) and options.get("include_usage") is True
    return Manner(raw.get("stream") is True, include_usage)


def _body(
    request: Request, messages: list[dict[str, Any]], losses: Losses, *, max_tokens_name: str, cache_marks: bool
) -> dict[str, Any]:
    check_media(request)
    body: dict[str, Any] = {
        "model": request.model or None,
        "messages": messages,
        "tools": _tools(request, losses, cache_marks=cache_marks) or None,
        **_settings(request, losses, max_tokens_name=max_tokens_name),
    }
    return {key: value for key, value in body.items() if value is not None}


def _settings(request: Request, losses: Losses, *, max_tokens_name: str) -> dict[str, Any]:
    """What a request sets, as fields of the body; those that nobody set are None."""
    return {
        "temperature": request.temperature,
        "top_p": request.top_p,
        max_tokens_name: request.max_tokens,
        "stop": _stop(request.stop, losses),
        "reasoning_effort": _effort(request.thinking, losses),
        "response_format": None if request.schema is None else _format(request.schema),
        "tool_choice": _choice(request.tool_choice) if request.declared_tools else None,
    }


def _stop(stop: tuple[str, ...], losses: Losses) -> list[str] | None:
    if len(stop) > MOST_STOPS:
        losses.add(f"stop sequences above {MOST_STOPS}")
    return list(stop[:MOST_STOPS]) or None


def _effort(thinking: Thinking | None, losses: Losses) -> str | None:
    """Models that think do so unasked, and nothing tells them to show it; a budget cannot be said."""
    match thinking:
        case None | True:
            return None
        case False | 0:
            return _NO_EFFORT
        case str():
            return thinking
    losses.add("thinking budget")
    return None


_NO_EFFORT = "none"


def _format(schema: Any) -> dict[str, Any]:
    """Not strict, which only schemas in OpenAI's own subset of JSON Schema may be; an option can say so."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def _tools(request: Request, losses: Losses, *, cache_marks: bool) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    for tool in request.tools:
        if isinstance(tool, Tool):
            said = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
            function = {key: value for key, value in said.items() if value is not None}
            told.append({"type": "function", "function": function})
        elif cache_marks and told:
            told[-1]["cache_control"] = cache_control(tool)
        else:
            losses.add("cache marks")
    return told


def _choice(choice: ToolChoice | None) -> str | dict[str, Any] | None:
    if choice is None or isinstance(choice, str):
        return choice
    named = [{"type": "function", "function": {"name": name}} for name in choice]
    if len(named) == 1:
        return named[0]
    return {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": named}}


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: Any = None


class _Tool(msgspec.Struct):
    function: _Function | None = None
    cache_control: CacheControl | None = None


class _Schema(msgspec.Struct):
    schema: Any = None


class _Format(msgspec.Struct):
    type: str
    json_schema: _Schema | None = None


class _Body(msgspec.Struct):
    messages: list[WireMessage]
    model: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_completion_tokens: int | None = None
    stop: tuple[str, ...] = ()
    reasoning_effort: str | None = None
    response_format: _Format | None = None
    tools: tuple[_Tool, ...] = ()
    tool_choice: Any = None
    metadata: Any = None
    prompt_cache_key: Any = None


def _said(body: _Body) -> Request:
    schema = body.response_format and body.response_format.json_schema and body.response_format.json_schema.schema
    return Request(
        body.model,
        messages_of(body.messages),
        system=system_of(body.messages),
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.max_completion_tokens,
        stop=body.stop,
        thinking=_thinking(body.reasoning_effort),
        schema=schema if isinstance(schema, dict) else None,
        tools=_tools_of(body.tools),
        tool_choice=_choice_of(body.tool_choice),
        session=_session(body),
    )


def _thinking(effort: str | None) -> Thinking | None:
    match effort:
        case "none":
            return False
        case "minimal" | "low" | "medium" | "high":
            return effort
        case "xhigh" | "max":  # as near as a request can say it; the option says it to who knows the word
            return "high"
        case _:
            return None


def _tools_of(tools: tuple[_Tool, ...]) -> tuple[Tool | CachePoint, ...]:
    found: list[Tool | CachePoint] = []
    for tool in tools:
        if (said := tool.function) is not None:
            schema = said.parameters if isinstance(said.parameters, dict) else None
            found.append(Tool(said.name, said.description, schema))
            if (mark := mark_of(tool.cache_control)) is not None:
                found.append(mark)
    return tuple(found)


def _choice_of(choice: Any) -> ToolChoice | None:
    match choice:
        case "auto" | "none" | "required":
            return choice  # type: ignore[no-any-return]
        case {"type": "function", "function": {"name": str(name)}}:
            return (name,)
        case {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [*tools]}}:
            names = [each["function"]["name"] for each in tools if _is_named(each)]
            return tuple(names) or None
        case _:
            return None


def _is_named(tool: Any) -> bool:
    match tool:
        case {"function": {"name": str()}}:
            return True
        case _:
            return False


def _session(body: _Body) -> str | None:
    """The conversation that a request belongs to, as far as clients say it; what they said stays in the options."""
    named = body.metadata.get("session_id") if isinstance(body.metadata, dict) else None
    return next((each for each in (named, body.prompt_cache_key) if isinstance(each, str) and each), None)
