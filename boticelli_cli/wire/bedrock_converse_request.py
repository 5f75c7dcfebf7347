"""Converse's requests, both ways: the bodies of Converse and ConverseStream, which are the same.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. The model is not in the body but in
the address. What is particular to a model goes through `options`, as `additionalModelRequestFields`.
"""

from dataclasses import replace
from typing import Any

import msgspec

from boticelli_cli.errors import UsageError
from boticelli_cli.messages import (
    CachePoint,
    Message,
    Part,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from boticelli_cli.wire.bedrock_converse_media import Struct
from boticelli_cli.wire.bedrock_converse_parts import (
    IDS,
    BlockWriter,
    WireBlock,
    WireCachePoint,
    cache_block,
    mark_of,
    part_of,
)
from boticelli_cli.wire.bedrock_errors import PROVIDER
from boticelli_cli.wire.body import (
    Encoded,
    Losses,
    check_media,
    decode_object,
    encode_json,
    unsaid,
    with_own_seals,
    written,
)
from boticelli_cli.wire.tool_turns import with_tool_turns

__all__ = ["decode_request", "encode_request"]


def encode_request(request: Request, *, streamed: bool = False) -> Encoded:
    """The body that asks for an answer; whether it is `streamed`, the address says. The `options` are laid over it.

    Messages of one role that follow each other become one, as Converse wants them to alternate, and none is empty.
    Raises UsageError for media that have neither bytes nor an address.
    """
    losses = Losses()
    return written(_body(request, losses), request, PROVIDER, losses)


def decode_request(body: bytes, model: str) -> Request:
    """What a client asks. What a `Request` cannot say goes into its `options`, in this dialect's words.

    Encoding the request again says all that the body said. Raises UsageError for a body that is not of this dialect.
    """
    raw = _tidy(decode_object(body))
    try:
        request = _said(msgspec.convert(raw, _Body), model)
        options = unsaid(raw, _body(request, Losses()))
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"the request's body is not as Converse's are: {exc}") from exc
    if not request.messages:
        raise UsageError("the request has no messages, so there is nothing to answer")
    return replace(request, options=options)


def _body(request: Request, losses: Losses) -> dict[str, Any]:
    check_media(request)
    body: dict[str, Any] = {"messages": _messages(request, losses)}
    if system := _system(request):
        body["system"] = system
    if config := _config(request):
        body["inferenceConfig"] = config
    if tools := _tools(request, losses):
        body["toolConfig"] = tools
    if output := _output_config(request, losses):
        body["outputConfig"] = output
    return body


def _messages(request: Request, losses: Losses) -> list[dict[str, Any]]:
    writer = BlockWriter(losses)
    messages: list[dict[str, Any]] = []
    for message in with_tool_turns(with_own_seals(request, losses, PROVIDER, "anthropic"), losses, IDS):
        blocks = writer.blocks(message.parts)
        if messages and messages[-1]["role"] == message.role:
            messages[-1]["content"] += blocks
        elif blocks:
            messages.append({"role": message.role, "content": blocks})
    for told in messages:
        told["content"] += _words_for(told["content"])
    if messages and messages[0]["role"] == "assistant":
        messages.insert(0, {"role": "user", "content": [{"text": _BEGIN}]})
    return messages


_BEGIN = "Begin."
"""What the user says, who has to speak first, in a conversation that the model began."""


def _words_for(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Documents have to have a text beside them: where there is none, their names."""
    if any("text" in block for block in content):
        return []
    return [{"text": block["document"]["name"]} for block in content if "document" in block]


def _system(request: Request) -> list[dict[str, Any]]:
    blocks = (Text(request.system),) if isinstance(request.system, str) else request.system or ()
    return [
        cache_block(block) if isinstance(block, CachePoint) else {"text": block.text}
        for block in blocks
        if isinstance(block, CachePoint) or block.text
    ]


def _config(request: Request) -> dict[str, Any]:
    config: dict[str, Any] = {
        "maxTokens": request.max_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "stopSequences": request.stop or None,
    }
    return {key: value for key, value in config.items() if value is not None}


def _tools(request: Request, losses: Losses) -> dict[str, Any]:
    """Without the word "none", a model that must call nothing is told of no tools, unless there are calls already.

    These have to be of some tool: where none are declared any more, of what they tell.
    """
    choice = request.tool_choice
    called = {part.name: None for message in request.messages for part in message.parts if isinstance(part, ToolCall)}
    is_silent = not request.declared_tools or (choice == "none" and not called)
    if is_silent and any(isinstance(each, CachePoint) for each in request.tools):
        losses.add("cache marks")
    if called and (is_silent or choice == "none"):
        losses.add("tool choice")
    if is_silent:
        return {"tools": [_tool_spec(Tool(name)) for name in called]} if called else {}
    tools = [cache_block(each) if isinstance(each, CachePoint) else _tool_spec(each) for each in request.tools]
    told: dict[str, Any] = {"tools": tools}
    match choice:
        case "auto":
            told["toolChoice"] = {"auto": {}}
        case "required":
            told["toolChoice"] = {"any": {}}
        case (name,):
            told["toolChoice"] = {"tool": {"name": name}}
        case tuple():
            losses.add("a choice between tools")
            told["toolChoice"] = {"any": {}}
    return told


def _tool_spec(tool: Tool) -> dict[str, Any]:
    schema = {"type": "object", **(tool.parameters or {"properties": {}})}  # no other type is taken
    said = {"name": tool.name, "description": tool.description or None, "inputSchema": {"json": schema}}
    return {"toolSpec": {key: value for key, value in said.items() if value is not None}}


def _output_config(request: Request, losses: Losses) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if isinstance(request.thinking, str):
        config["effort"] = "low" if request.thinking == "minimal" else request.thinking  # there is no less
    elif request.thinking is not None:
        losses.add("thinking")
    if request.schema is not None:
        schema = {"name": "answer", "schema": encode_json(request.schema).decode()}
        config["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    return config


class _Message(Struct):
    role: str
    content: list[WireBlock]


class _SystemBlock(Struct):
    text: str | None = None
    cache_point: WireCachePoint | None = None


class _Config(Struct):
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: list[str] | None = None


class _Schema(Struct):
    json: Any = None


class _ToolSpec(Struct):
    name: str
    description: str | None = None
    input_schema: _Schema = msgspec.field(default_factory=_Schema)


class _Tool(Struct):
    tool_spec: _ToolSpec | None = None
    cache_point: WireCachePoint | None = None


class _Named(Struct):
    name: str


class _Choice(Struct):
    auto: Any = None
    any: Any = None
    tool: _Named | None = None


class _ToolConfig(Struct):
    tools: tuple[_Tool, ...] = ()
    tool_choice: _Choice | None = None


class _JsonSchema(Struct):
    schema: str = ""


class _Structure(Struct):
    json_schema: _JsonSchema = msgspec.field(default_factory=_JsonSchema)


class _TextFormat(Struct):
    structure: _Structure = msgspec.field(default_factory=_Structure)


class _OutputConfig(Struct):
    effort: str | None = None
    text_format: _TextFormat | None = None


class _Body(Struct):
    messages: list[_Message]
    system: tuple[_SystemBlock, ...] = ()
    inference_config: _Config = msgspec.field(default_factory=_Config)
    tool_config: _ToolConfig = msgspec.field(default_factory=_ToolConfig)
    output_config: _OutputConfig = msgspec.field(default_factory=_OutputConfig)


def _tidy(value: Any) -> Any:
    """Without what is null, and without what is said to be as it is anyway."""
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    if not isinstance(value, dict):
        return value
    tidied = {key: each if key in _USERS else _tidy(each) for key, each in value.items() if each is not None}
    if isinstance(result := tidied.get("toolResult"), dict) and result.get("status") == "success":
        del result["status"]
    return tidied


_USERS = frozenset({"json", "input", "additionalModelRequestFields", "requestMetadata", "promptVariables"})
"""Keys whose values hold names that users made up."""


def _said(body: _Body, model: str) -> Request:
    config = body.inference_config
    return Request(
        model,
        _messages_of(body.messages),
        system=_system_of(body.system),
        temperature=config.temperature,
        top_p=config.top_p,
        max_tokens=config.max_tokens,
        stop=tuple(config.stop_sequences or ()),
        thinking=_thinking(body.output_config.effort),
        schema=_schema(body.output_config.text_format),
        tools=tuple(each for tool in body.tool_config.tools if (each := _tool(tool)) is not None),
        tool_choice=_tool_choice(body.tool_config.tool_choice),
    )


def _messages_of(messages: list[_Message]) -> tuple[Message, ...]:
    """Messages whose tool results have the names of their calls, for the sake of dialects that tell them so.

    What the system says in between, which some models take, is something that the user says.
    """
    names: dict[str | None, str] = {}
    said: list[Message] = []
    for message in messages:
        if message.role not in ("user", "assistant", "system"):
            raise ValueError("a message's role is 'user', 'assistant' or 'system'")
        parts: list[Part] = []
        for part in (part_of(block) for block in message.content):
            if isinstance(part, ToolCall):
                names[part.id] = part.name
            elif isinstance(part, ToolResult):
                part = replace(part, name=names.get(part.id, ""))
            if part is not None:
                parts.append(part)
        said.append(Message("assistant" if message.role == "assistant" else "user", tuple(parts)))
    return tuple(said)


def _system_of(blocks: tuple[_SystemBlock, ...]) -> str | tuple[Text | CachePoint, ...] | None:
    told: list[Text | CachePoint] = []
    for block in blocks:
        if block.text is not None:
            told.append(Text(block.text))
        elif block.cache_point is not None:
            told.append(mark_of(block.cache_point))
    match told:
        case []:
            return None
        case [Text(text)]:
            return text
        case _:
            return tuple(told)


def _thinking(effort: str | None) -> Thinking | None:
    match effort:
        case "low" | "medium" | "high":
            return effort
        case _:
            return None


def _schema(said: _TextFormat | None) -> dict[str, Any] | None:
    if said is None:
        return None
    schema = msgspec.json.decode(said.structure.json_schema.schema.encode())
    return schema if isinstance(schema, dict) else None


def _tool(tool: _Tool) -> Tool | CachePoint | None:
    if (spec := tool.tool_spec) is not None:
        schema = spec.input_schema.json
        return Tool(spec.name, spec.description, schema if isinstance(schema, dict) else None)
    return None if tool.cache_point is None else mark_of(tool.cache_point)


def _tool_choice(choice: _Choice | None) -> ToolChoice | None:
    if choice is None:
        return None
    if choice.tool is not None:
        return (choice.tool.name,)
    return "required" if choice.any is not None else "auto"
