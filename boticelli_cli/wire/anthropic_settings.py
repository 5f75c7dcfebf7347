"""What a request asks of Anthropic's models beside its messages, both ways: limits, thinking, shapes and tools.

https://platform.claude.com/docs/en/api/messages/create.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from boticelli_cli.messages import CachePoint, Effort, Request, Thinking, Tool, ToolChoice
from boticelli_cli.wire.anthropic_blocks import Struct, cache_control, cache_point
from boticelli_cli.wire.body import Losses

__all__ = ["Settings", "encode_settings", "encode_tools", "schema_of", "thinking_of", "tool_choice_of", "tools_of"]

MAX_TOKENS: Final = 16_384
"""Asked for where nobody set a limit, for there has to be one. Thinking counts towards it."""

AFTER_THINKING: Final = 8_192
"""What is left to speak with, at the least, above a budget for thinking."""


def encode_settings(request: Request, losses: Losses) -> dict[str, Any]:
    """What a request sets, as fields of the body; those that nobody set are None."""
    return {
        "max_tokens": _max_tokens(request),
        "tool_choice": _choice(request.tool_choice, losses) if request.declared_tools else None,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop_sequences": _stop(request.stop, losses),
        "thinking": _thinking(request),
        "output_config": _output_config(request),
    }


def encode_tools(tools: tuple[Tool | CachePoint, ...], losses: Losses) -> list[dict[str, Any]] | None:
    """Tools, each with the mark that follows it."""
    told: list[dict[str, Any]] = []
    for tool in tools:
        if isinstance(tool, Tool):
            described = {} if tool.description is None else {"description": tool.description}
            told.append({"name": tool.name, **described, "input_schema": _input_schema(tool)})
        elif told:
            told[-1]["cache_control"] = cache_control(tool)
        else:
            losses.add("cache marks")
    return told or None


def _input_schema(tool: Tool) -> Mapping[str, Any]:
    """There has to be one, and it has to say that it is an object's."""
    schema = tool.parameters or {"properties": {}}
    return schema if "type" in schema else {"type": "object", **schema}


def _max_tokens(request: Request) -> int:
    if request.max_tokens is not None:
        return request.max_tokens
    return max(MAX_TOKENS, request.thinking + AFTER_THINKING) if type(request.thinking) is int else MAX_TOKENS


def _choice(choice: ToolChoice | None, losses: Losses) -> dict[str, Any] | None:
    match choice:
        case None:
            return None
        case "auto" | "none":
            return {"type": choice}
        case "required":
            return {"type": "any"}
        case (name,):
            return {"type": "tool", "name": name}
    losses.add("a choice between tools")
    return {"type": "any"}


def _stop(stop: tuple[str, ...], losses: Losses) -> list[str] | None:
    """Texts of blanks alone are refused."""
    told = [text for text in stop if text and not text.isspace()]
    if len(told) < len(stop):
        losses.add("blanks as stop sequences")
    return told or None


def _thinking(request: Request) -> dict[str, Any] | None:
    """Anthropic's `thinking`, and whether it is shown: of a budget, only where it is not.

    Those that think by a budget tell what they think unless they are asked not to; of those that think by an effort,
    some do and some do not (https://platform.claude.com/docs/en/build-with-claude/thinking#controlling-thinking-display).
    """
    thinking = request.thinking
    if thinking is None:
        return None
    if isinstance(thinking, str) or thinking is True or thinking < 0:  # below 0, the model itself is to decide
        return {"type": "adaptive", "display": "summarized" if request.show_thoughts else "omitted"}
    if thinking == 0:
        return {"type": "disabled"}
    budget = {"type": "enabled", "budget_tokens": thinking}
    return budget if request.show_thoughts else {**budget, "display": "omitted"}


def _output_config(request: Request) -> dict[str, Any] | None:
    config: dict[str, Any] = {}
    if isinstance(request.thinking, str):
        config["effort"] = "low" if request.thinking == "minimal" else request.thinking
    if request.schema is not None:
        config["format"] = {"type": "json_schema", "schema": request.schema}
    return config or None


class _Thinking(Struct):
    type: str = ""
    budget_tokens: int | None = None
    display: str | None = None


class _Format(Struct):
    type: str = ""
    schema: Any = None


class _OutputConfig(Struct):
    effort: str | None = None
    format: _Format = msgspec.field(default_factory=_Format)


class _Tool(Struct):
    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: Any = None
    cache_control: Any = None


class _Choice(Struct):
    type: str = ""
    name: str | None = None


class Settings(Struct, kw_only=True):
    """The settings of a body, as they are read."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: tuple[str, ...] = ()
    thinking: _Thinking = msgspec.field(default_factory=_Thinking)
    output_config: _OutputConfig = msgspec.field(default_factory=_OutputConfig)
    tools: tuple[_Tool, ...] = ()
    tool_choice: _Choice = msgspec.field(default_factory=_Choice)


def thinking_of(body: Settings) -> tuple[Thinking | None, bool]:
    """How a model is to think, and whether it is to tell what."""
    said = body.thinking
    match said.type:
        case "enabled" if said.budget_tokens is not None and said.budget_tokens > 0:
            return said.budget_tokens, said.display != "omitted"
        case "adaptive":
            return _EFFORTS.get(body.output_config.effort or "", True), said.display != "omitted"
        case "disabled":
            return False, True
        case _:
            return None, True


_EFFORTS: dict[str, Effort] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}


def tools_of(body: Settings) -> tuple[Tool | CachePoint, ...]:
    """The client's own tools, and the marks on them. Those that Anthropic runs are for the options to say."""
    return tuple(each for tool in body.tools for each in _tool_of(tool))


def schema_of(body: Settings) -> Mapping[str, Any] | None:
    """What an answer has to satisfy."""
    said = body.output_config.format
    return said.schema if said.type == "json_schema" and isinstance(said.schema, dict) else None


def tool_choice_of(body: Settings) -> ToolChoice | None:
    choice = body.tool_choice
    match choice.type:
        case "auto":
            return "auto"
        case "none":
            return "none"
        case "any":
            return "required"
        case "tool" if choice.name:
            return (choice.name,)
        case _:
            return None


def _tool_of(tool: _Tool) -> list[Tool | CachePoint]:
    if tool.type is not None or not isinstance(tool.input_schema, Mapping):
        return []
    mark = cache_point(tool.cache_control)
    said = Tool(tool.name, tool.description, tool.input_schema)
    return [said] if mark is None else [said, mark]
