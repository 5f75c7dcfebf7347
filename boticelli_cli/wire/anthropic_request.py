"""Anthropic's requests, both ways: the bodies of messages and of count_tokens.

https://platform.claude.com/docs/en/api/messages/create. On Bedrock they are the same, but for who is asked:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from boticelli_cli.errors import UsageError
from boticelli_cli.messages import (
    Beyond,
    CachePoint,
    Media,
    Message,
    Part,
    Request,
    Text,
    Thought,
    ToolCall,
    ToolResult,
)
from boticelli_cli.wire.anthropic_blocks import IDS, Block, Struct, cache_point, encode_blocks, part_of
from boticelli_cli.wire.anthropic_errors import PROVIDER
from boticelli_cli.wire.anthropic_settings import (
    Settings,
    encode_settings,
    encode_tools,
    schema_of,
    thinking_of,
    tool_choice_of,
    tools_of,
)
from boticelli_cli.wire.anthropic_tidy import tidy
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
from boticelli_cli.wire.tool_names import RULES, ToolNames
from boticelli_cli.wire.tool_turns import with_tool_turns

__all__ = [
    "BEDROCK_VERSION",
    "decode_count_request",
    "decode_request",
    "encode_count",
    "encode_request",
    "is_streamed",
    "may_be_forwarded",
]

BEDROCK_VERSION: Final = "bedrock-2023-05-31"


def encode_request(request: Request, *, streamed: bool, bedrock: bool = False) -> Encoded:
    """The body that asks for an answer. The request's `options` are laid over it last.

    With `bedrock`, it is what Bedrock's InvokeModel takes: its address says the model, and whether to stream.
    Raises UsageError for media that have neither bytes nor an address.
    """
    losses = Losses()
    if bedrock:
        messages = tuple(_without_addresses(each, losses) for each in request.messages)
        request = replace(request, messages=messages, options=_on_bedrock(request, losses))
        body = {"anthropic_version": BEDROCK_VERSION, **_body(request, losses)}
    else:
        body = {"model": request.model, **_body(request, losses), **({"stream": True} if streamed else {})}
    return written(body, request, PROVIDER, losses)


def decode_request(body: bytes, model: str | None = None) -> Request:
    """What a client asks; the model is in the body, unless it is given.

    What a `Request` cannot say goes into its `options`, in this dialect's words. Encoding the request again says all
    that the body said. Raises UsageError for a body that is not of this dialect.
    """
    raw = decode_object(body)
    named = raw.get("model") if model is None else model
    if not isinstance(named, str) or not named:
        raise UsageError("the request names no model")
    try:
        tidied = tidy(raw)
        request = _said(msgspec.convert(tidied, _Body, strict=False), named)
        tidied["messages"] = [_sealed(each) for each in tidied["messages"]]
        request = with_options(request, tidied, encode_settings(request, Losses()), *_fields(request))
        request = _with_own_display(request, tidied)
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"the request's body is not as Anthropic's are: {exc}") from exc
    if not request.messages:
        raise UsageError("the request has no messages, so there is nothing to answer")
    return request


def may_be_forwarded(request: Request) -> bool:
    """Whether Anthropic takes a client's body as it came: not with thoughts of others in it, which have no seal."""
    return not any(
        isinstance(part, Thought) and not part.signature for message in request.messages for part in message.parts
    )


def is_streamed(body: bytes) -> bool:
    """Whether a client wants its answer streamed. A body that cannot be read is for `decode_request` to refuse."""
    try:
        return msgspec.json.decode(body, type=_Call).stream is True
    except (ValueError, RecursionError):
        return False


def encode_count(request: Request) -> bytes:
    """The body that asks how many tokens a request has, its system prompt and tools among them."""
    losses = Losses()
    request = ToolNames.of(request, RULES[PROVIDER]).fit(request)
    body = laid_over({"model": request.model, **_body(request, losses)}, own_options(request, PROVIDER, losses))
    return encode_json({key: value for key, value in body.items() if key in _COUNTED})


def decode_count_request(body: bytes) -> Request:
    """What a client wants counted."""
    return decode_request(body)


def _on_bedrock(request: Request, losses: Losses) -> Mapping[str, Any]:
    """The options of a request to Anthropic itself, without those that Bedrock refuses."""
    if request.dialect != PROVIDER:
        return request.options
    left = dict(request.options)
    for name, value in request.options.items():
        lost: tuple[str, ...] = (f"option {name}",) if name in _NOT_ON_BEDROCK else ()
        if isinstance(value, Beyond) and any(_runs_at_anthropic(tool) for tool in value.whole or () if name == "tools"):
            lost = value.names
        if lost:
            del left[name]
        for each in lost:
            losses.add(each)
    return left


def _runs_at_anthropic(tool: Any) -> bool:
    return isinstance(tool, dict) and str(tool.get("type", "")).startswith(("web_", "code_execution_", "mcp_"))


_NOT_ON_BEDROCK: Final = (
    "cache_control",
    "container",
    "diagnostics",
    "inference_geo",
    "mcp_servers",
    "service_tier",
    "speed",
)
"""https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
names all that it takes; of anything else it says that it is not permitted."""


def _without_addresses(message: Message, losses: Losses) -> Message:
    """A message without media that lie elsewhere: Bedrock fetches none.

    https://platform.claude.com/docs/en/build-with-claude/vision.
    """
    parts: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolResult) and isinstance(part.output, tuple):
            part = replace(part, output=tuple(piece for piece in part.output if _is_here(piece, losses)))
        if _is_here(part, losses):
            parts.append(part)
    return replace(message, parts=tuple(parts))


def _is_here(part: Part, losses: Losses) -> bool:
    if not isinstance(part, Media) or part.data is not None or part.url is None:
        return True
    losses.add(f"{part.kind} addresses")
    return False


def _with_own_display(request: Request, body: Mapping[str, Any]) -> Request:
    """A request of a client who lets Claude think as it likes, and says nothing of whether to show it.

    Others are to show it, as Claude itself once did; Claude is told no more than the client says.
    """
    match body.get("thinking"):
        case {"type": "adaptive", **more} if "display" not in more:
            made = {"thinking": request.thinking, "show_thoughts": request.show_thoughts}
            own = Beyond((), {"type": "adaptive", **more}, made)
            return replace(request, options={**request.options, "thinking": own})
    return request


_COUNTED = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control")


def _fields(request: Request) -> tuple[Field, ...]:
    """What would be written of a request where more may have been said."""
    turns = [{"role": each.role, "content": encode_blocks(each.parts, Losses())} for each in request.messages]
    return (
        ("messages", ("messages",), turns),
        ("tools", ("tools",), encode_tools(request.tools, Losses())),
        ("system", ("system",), _system(request.system, Losses())),
    )


def _sealed(message: dict[str, Any]) -> dict[str, Any]:
    """A message without thoughts that have no seal, which nobody takes back."""
    content = [each for each in message["content"] if each.get("type") != "thinking" or each.get("signature")]
    return message if len(content) == len(message["content"]) else {**message, "content": content}


def _body(request: Request, losses: Losses) -> dict[str, Any]:
    check_media(request)
    body: dict[str, Any] = {
        "system": _system(request.system, losses),
        "messages": _messages(with_own_seals(request, losses, PROVIDER, "bedrock"), losses),
        "tools": encode_tools(request.tools, losses),
        **encode_settings(request, losses),
    }
    if body["thinking"] and body["thinking"]["type"] == "enabled" and not _may_think(body["messages"]):
        losses.add("thinking")
        body["thinking"] = None
    return {key: value for key, value in body.items() if value is not None}


def _may_think(messages: list[dict[str, Any]]) -> bool:
    """Who is to think by a budget wants its thoughts back with the calls they led to, and there are no other's.

    https://platform.claude.com/docs/en/build-with-claude/extended-thinking#preserving-thinking-blocks.
    """
    if not messages or messages[-1]["role"] == "assistant":
        return True
    answers = [each["content"] for each in messages if each["role"] == "assistant"]
    if not answers or all(block["type"] != "tool_use" for block in answers[-1]):
        return True
    return "thinking" in answers[-1][0]["type"]


def _system(system: str | tuple[Text | CachePoint, ...] | None, losses: Losses) -> str | list[dict[str, Any]] | None:
    if system is None or isinstance(system, str):
        return system or None
    return encode_blocks(system, losses) or None


def _messages(messages: tuple[Message, ...], losses: Losses) -> list[dict[str, Any]]:
    """Messages as Anthropic takes them: none is empty, and blanks do not end the last."""
    told: list[dict[str, Any]] = []
    for message in with_tool_turns(messages, losses, IDS):
        if blocks := encode_blocks(message.parts, losses, answered=message.role == "assistant"):
            told.append({"role": message.role, "content": blocks})
    if told and told[-1]["role"] == "assistant" and (last := told[-1]["content"][-1])["type"] == "text":
        last["text"] = last["text"].rstrip()
    return told


class _Call(Struct):
    stream: Any = None


class _Message(Struct):
    role: str
    content: list[Block]


class _Metadata(Struct):
    user_id: Any = None


class _Body(Settings, kw_only=True):
    messages: list[_Message]
    system: str | list[Block] | None = None
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


def _said(body: _Body, model: str) -> Request:
    thinking, shown = thinking_of(body)
    return Request(
        model,
        _messages_of(body.messages),
        system=_system_of(body.system),
        temperature=body.temperature,
        top_p=body.top_p,
        max_tokens=body.max_tokens,
        stop=body.stop_sequences,
        thinking=thinking,
        show_thoughts=shown,
        schema=schema_of(body),
        tools=tools_of(body),
        tool_choice=tool_choice_of(body),
        session=_session_of(body.metadata.user_id),
    )


def _messages_of(messages: list[_Message]) -> tuple[Message, ...]:
    """Messages whose tool results have the names of their calls, for the sake of dialects that tell them so."""
    names: dict[str | None, str] = {}
    said: list[Message] = []
    for message in messages:
        parts: list[Part] = []
        for part in _parts_of(message.content):
            if isinstance(part, ToolCall):
                names[part.id] = part.name
            elif isinstance(part, ToolResult):
                part = replace(part, name=names.get(part.id, ""))
            parts.append(part)
        said.append(Message("assistant" if message.role == "assistant" else "user", tuple(parts)))
    return tuple(said)


def _parts_of(blocks: list[Block]) -> list[Part]:
    parts: list[Part] = []
    for block in blocks:
        if (part := part_of(block)) is not None:
            parts.append(part)
            if (mark := cache_point(block.cache_control)) is not None:
                parts.append(mark)
    return parts


def _system_of(system: str | list[Block] | None) -> str | tuple[Text | CachePoint, ...] | None:
    if system is None or isinstance(system, str):
        return system
    return tuple(part for part in _parts_of(system) if isinstance(part, Text | CachePoint))


def _session_of(user: Any) -> str | None:
    """The conversation that a `user_id` names.

    Claude Code writes `user_…_session_<uuid>`, from 2.1.78 on JSON with a `session_id`; of others it is the whole.
    """
    if not isinstance(user, str) or not user:
        return None
    found = re.search(r'session_(?:id"\s*:\s*")?([\w-]+)', user)
    return found[1] if found else user
