"""The messages of OpenAI's requests, both ways.

https://platform.openai.com/docs/api-reference/chat/create#chat-create-messages. A turn of the user's that brings
results of tools becomes a message for each of them, which have to follow their calls at once, and one for the rest.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from boticelli_cli.messages import CachePoint, Media, Message, Part, Request, Text, Thought, ToolCall, ToolResult
from boticelli_cli.wire.body import Losses, encode_json
from boticelli_cli.wire.openai_calls import WireCall, arguments_of
from boticelli_cli.wire.openai_errors import PROVIDER
from boticelli_cli.wire.openai_media import (
    File,
    ImageAddress,
    InputAudio,
    document_of,
    encode_medium,
    media_of,
    spoken_of,
)
from boticelli_cli.wire.tool_turns import IdRule, with_tool_turns

__all__ = [
    "CacheControl",
    "WireMessage",
    "cache_control",
    "encode_messages",
    "mark_of",
    "messages_of",
    "system_of",
    "without_thoughts",
]


IDS: Final = IdRule(re.compile(r"(?!)"), 40)
"""OpenAI takes any characters in the ids of calls, but not more of them than these."""


class CacheControl(msgspec.Struct, gc=False):
    type: str = "ephemeral"
    ttl: str | None = None


class _Part(msgspec.Struct, gc=False):
    type: str = "text"
    text: str | None = None
    refusal: str | None = None
    image_url: ImageAddress | None = None
    input_audio: InputAudio | None = None
    file: File | None = None
    cache_control: CacheControl | None = None


class WireMessage(msgspec.Struct, gc=False):
    role: str
    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[WireCall] | None = None
    tool_call_id: str = ""
    reasoning_content: Any = None
    reasoning: Any = None


def encode_messages(
    request: Request, losses: Losses, *, cache_marks: bool = False, thoughts: bool = False, as_they_are: bool = False
) -> list[dict[str, Any]]:
    """The messages of a request, its system prompt first; `as_they_are`, calls and results stand where they stood.

    With `thoughts`, calls have those that led to them, and others are left out, as DeepSeek wants it in its thinking
    mode: https://api-docs.deepseek.com/guides/thinking_mode.
    Thoughts, of which OpenAI takes none back, are not missed where its own dialect has brought them, as an echo.
    """
    echoed = thoughts or request.dialect == PROVIDER
    writer = _Writer(losses, cache_marks=cache_marks, thoughts=thoughts, echoed=echoed)
    messages = request.messages if as_they_are else with_tool_turns(request.messages, losses, IDS)
    told: list[dict[str, Any]] = []
    if request.system is not None:
        blocks = (Text(request.system),) if isinstance(request.system, str) else request.system
        told.append({"role": "system", "content": writer.content(blocks)})
    for message in messages:
        told += writer.assistant(message.parts) if message.role == "assistant" else writer.user(message.parts)
    return told


def without_thoughts(message: dict[str, Any]) -> dict[str, Any]:
    """A message without the thoughts that clients give back, and no server but few takes."""
    return {key: value for key, value in message.items() if key not in _THOUGHTS}


_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")


def system_of(messages: Sequence[WireMessage]) -> str | tuple[Text | CachePoint, ...] | None:
    """The system prompt, which is the first message if there is one."""
    if not messages or messages[0].role != "system":
        return None
    content = messages[0].content
    if isinstance(content, str):
        return content
    return tuple(part for part in _parts(content) if isinstance(part, Text | CachePoint))


def messages_of(messages: Iterable[WireMessage]) -> tuple[Message, ...]:
    """The turns of a conversation. Results that follow each other are one turn, and know the names of their calls.

    A system prompt that comes later is something that the user says. Raises ValueError for bad base64.
    """
    turns: list[Message] = []
    names: dict[str, str] = {}
    results = False
    for at, said in enumerate(messages):
        match said.role:
            case "system" if at == 0:
                continue
            case "assistant":
                calls = [_call(each) for each in said.tool_calls or () if each.function is not None]
                names |= {call.id: call.name for call in calls if call.id is not None}
                refusal = (Text(said.refusal),) if said.refusal else ()
                turns.append(Message("assistant", (*_thoughts(said), *_parts(said.content), *refusal, *calls)))
            case "tool":
                parts = _result(said, names.get(said.tool_call_id, ""))
                if results:
                    parts = (*turns.pop().parts, *parts)
                turns.append(Message("user", parts))
            case _:
                turns.append(Message("user", _parts(said.content)))
        results = said.role == "tool"
    return tuple(turns)


class _Writer:
    """Writes turns, in which calls have their ids, and results stand right behind them."""

    def __init__(self, losses: Losses, *, cache_marks: bool, thoughts: bool, echoed: bool) -> None:
        self._losses = losses
        self._thoughts = thoughts
        self._echoed = echoed
        self._cache_marks = cache_marks

    def user(self, parts: Iterable[Part]) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []
        rest: list[Part] = []
        shown: list[Part] = []
        marks_result = False
        for part in parts:
            if isinstance(part, ToolResult):
                told.append(self._result(part, shown))
            elif isinstance(part, CachePoint) and marks_result:
                self._mark(told[-1], part)
            else:
                rest.append(part)
            marks_result = isinstance(part, ToolResult)
        content = self.content([*shown, *rest])
        return [*told, {"role": "user", "content": content}] if content or not told else told

    def assistant(self, parts: Iterable[Part]) -> list[dict[str, Any]]:
        said: list[Part] = []
        calls: list[dict[str, Any]] = []
        for part in parts:
            match part:
                case ToolCall():
                    calls.append(self._call(part))
                case Media():
                    self._losses.add(f"{part.kind} of the assistant")
                case CachePoint() if calls:
                    self._losses.add("cache marks")
                case _:
                    said.append(part)
        content = self.content(said)
        if calls:
            thought = "".join(part.text for part in said if isinstance(part, Thought)) if self._thoughts else ""
            thoughts = {"reasoning_content": thought} if thought else {}
            return [{"role": "assistant", "content": content or None, **thoughts, "tool_calls": calls}]
        return [{"role": "assistant", "content": content}]

    def content(self, parts: Iterable[Part]) -> str | list[dict[str, Any]]:
        """A single text as it is, which every server knows, and anything else as a list of parts."""
        told: list[dict[str, Any]] = []
        for part in parts:
            match part:
                case Text(text):
                    told.append({"type": "text", "text": text})
                case Media():
                    if (said := encode_medium(part, self._losses)) is not None:
                        told.append(said)
                case Thought(signature=None) if self._echoed:
                    pass
                case Thought():
                    self._losses.add("thought signatures" if self._thoughts else "thoughts")
                case CachePoint() if self._cache_marks and told:
                    told[-1]["cache_control"] = cache_control(part)
                case CachePoint():
                    self._losses.add("cache marks")
        match told:
            case []:
                return ""
            case [{"type": "text", "text": str(text), **more}] if not more:
                return text
        return told

    def _call(self, call: ToolCall) -> dict[str, Any]:
        if call.signature is not None:
            self._losses.add("thought signatures")
        function = {"name": call.name, "arguments": encode_json(call.arguments).decode()}
        return {"id": call.id, "type": "function", "function": function}

    def _result(self, result: ToolResult, shown: list[Part]) -> dict[str, Any]:
        """The message of a result. The media in it are to be shown after all results: here only texts may stand."""
        if result.is_error:
            self._losses.add("tool errors")
        content: str | list[dict[str, Any]]
        match result.output:
            case str(text):
                content = text
            case tuple() as pieces:
                shown += [piece for piece in pieces if isinstance(piece, Media)]
                content = self.content([piece for piece in pieces if isinstance(piece, Text)])
            case data:
                content = encode_json(data).decode()
        return {"role": "tool", "tool_call_id": result.id, "content": content}

    def _mark(self, message: dict[str, Any], mark: CachePoint) -> None:
        if not self._cache_marks:
            self._losses.add("cache marks")
            return
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        message["content"] = [*parts[:-1], {**parts[-1], "cache_control": cache_control(mark)}]


def cache_control(mark: CachePoint) -> dict[str, str]:
    """Anthropic's mark, which OpenRouter and LiteLLM take in this dialect too."""
    return {"type": "ephemeral"} if mark.ttl is None else {"type": "ephemeral", "ttl": mark.ttl}


def mark_of(control: CacheControl | None) -> CachePoint | None:
    if control is None:
        return None
    return CachePoint(control.ttl if control.ttl in ("5m", "1h") else None)  # type: ignore[arg-type]


def _thoughts(said: WireMessage) -> tuple[Thought, ...]:
    """What a client gives back of a model's thoughts, in DeepSeek's word or OpenRouter's."""
    told = (each for each in (said.reasoning_content, said.reasoning) if isinstance(each, str) and each)
    return tuple(Thought(each) for each in told)[:1]


def _parts(content: str | list[_Part] | None) -> tuple[Part, ...]:
    if content is None or isinstance(content, str):
        return (Text(content),) if content else ()
    parts: list[Part] = []
    for said in content:
        if (part := _part(said)) is not None:
            parts.append(part)
        if (mark := mark_of(said.cache_control)) is not None:
            parts.append(mark)
    return tuple(parts)


def _part(said: _Part) -> Part | None:
    """A part as a value, or None for what no value says (a file that lies with OpenAI, say)."""
    if (text := said.text if said.text is not None else said.refusal) is not None:
        return Text(text)
    if said.image_url is not None:
        return media_of(said.image_url.url)
    if said.input_audio is not None:
        return spoken_of(said.input_audio)
    return None if said.file is None else document_of(said.file)


def _call(call: WireCall) -> ToolCall:
    function = call.function
    if function is None or not function.name:
        raise ValueError("a tool call has a function with a name")
    arguments = function.arguments
    if not isinstance(arguments, dict):
        try:
            arguments = arguments_of(arguments or "")
        except ValueError:  # what a model once said, and nobody can change any more
            arguments = {}
    return ToolCall(function.name, arguments, call.id or None)


def _result(said: WireMessage, name: str) -> tuple[Part, ...]:
    """A result, and the mark behind it where there is one."""
    parts = _parts(said.content)
    texts = tuple(part for part in parts if isinstance(part, Text))
    output = "".join(part.text for part in texts) if len(texts) < 2 else texts
    marks = [part for part in parts if isinstance(part, CachePoint)]
    return (ToolResult(name, output, said.tool_call_id or None), *marks[-1:])
