"""Calls of tools and their results, brought to where strict dialects want them, by ids that they take.

Anthropic, OpenAI and Converse tell a result by its call's id, and want each call answered once, in the turn right
behind it and before all else there, and nothing but calls answered.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from boticelli_cli.messages import CachePoint, Message, Part, ToolCall, ToolResult
from boticelli_cli.wire.body import Losses

__all__ = ["IdRule", "with_tool_turns"]


@dataclass(frozen=True, slots=True)
class IdRule:
    """Which ids a dialect takes: without `refused` characters, which become underscores, and at most so long.

    Where they are not `required`, calls that have none are given none.
    """

    refused: re.Pattern[str]
    longest: int
    required: bool = True


def with_tool_turns(messages: tuple[Message, ...], losses: Losses, rule: IdRule) -> tuple[Message, ...]:
    """Messages in which every call has an id of its own, and the turn behind it begins with its one result.

    Calls without an id are given "call_1" and so on. A result without one, as google-genai sends them, is that of the
    first call of its name that has none yet and is not named by another, or else of any such call.

    Turns of a model that follow a call of its own are one with that. Left out are results of no call, calls after which
    the conversation went on without a result, and what stands in the other side's turns. Calls of the last message may
    still be answered.
    """
    sides = {ToolCall: "assistant", ToolResult: "user"}
    if not any(type(part) in sides for message in messages for part in message.parts):
        return messages
    messages = _joined(messages)
    turns = _paired(messages, losses, rule)
    told: list[Message] = []
    results: list[_Result] = []
    for at, (message, parts) in enumerate(zip(messages, turns, strict=True)):
        if message.role == "assistant":
            told += _answers(results)
            asked = [part for part in parts if isinstance(part, _Call)]
            results = [call.result for call in asked if call.result is not None]
            if at < len(messages) - 1 and len(results) < len(asked):
                losses.add("calls without results")
                parts = [part for part in parts if not isinstance(part, _Call) or part.result is not None]
            rest = tuple(part.call if isinstance(part, _Call) else part for part in parts)
        else:
            rest = (*_parts(results), *(part for part in parts if not isinstance(part, _Call)))
            results = []
        if rest or not message.parts:
            told.append(Message(message.role, rest))
    return (*told, *_answers(results))


def _joined(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Messages in which turns of a model that follow each other are one where it calls tools.

    What it said after a call would stand between the call and its result else.
    """
    told: list[Message] = []
    for message in messages:
        if told and message.role == told[-1].role == "assistant" and _calls(told[-1]):
            told[-1] = Message("assistant", (*told[-1].parts, *message.parts))
        else:
            told.append(message)
    return tuple(told)


def _calls(message: Message) -> bool:
    return any(isinstance(part, ToolCall) for part in message.parts)


class _Call:
    """A call as it is to be told, and its result, once that has come."""

    __slots__ = ("call", "is_named", "result")

    def __init__(self, call: ToolCall, *, is_named: bool) -> None:
        self.call = call
        self.is_named = is_named
        self.result: _Result | None = None


@dataclass(slots=True)
class _Result:
    """A result, the mark behind it, and which of all results it is."""

    at: int
    parts: list[Part]


def _answers(results: list[_Result]) -> list[Message]:
    """A turn of nothing but results, where there was none to put them in."""
    return [Message("user", _parts(results))] if results else []


def _parts(results: list[_Result]) -> tuple[Part, ...]:
    return tuple(part for result in sorted(results, key=lambda result: result.at) for part in result.parts)


def _paired(messages: tuple[Message, ...], losses: Losses, rule: IdRule) -> list[list[Part | _Call]]:
    """What each message holds but for results, which their calls have."""
    ids = _Ids(messages, rule)
    calls: list[_Call] = []
    named = {part.id for message in messages for part in message.parts if isinstance(part, ToolResult)} - {None, ""}
    count = 0
    turns: list[list[Part | _Call]] = []
    for message in messages:
        kept: list[Part | _Call] = []
        turns.append(kept)
        before: _Result | None = None
        for part in message.parts:
            marked, before = before, None
            match part:
                case ToolCall() if message.role == "assistant":
                    told = ids.of(part.id)
                    said = part if told == part.id else replace(part, id=told)
                    calls.append(_Call(said, is_named=part.id in named))
                    ids.calls[part.id or None] = calls[-1]
                    kept.append(calls[-1])
                case ToolResult() if message.role == "user":
                    call = ids.calls.get(part.id) if part.id else _unanswered(calls, part.name)
                    if call is None or call.result is not None:
                        losses.add("results of no call")
                        continue
                    count += 1
                    name = part.name or call.call.name
                    if (part.id, part.name) != (call.call.id, name):
                        part = replace(part, id=call.call.id, name=name)
                    call.result = before = _Result(count, [part])
                case ToolCall() | ToolResult():
                    losses.add("tools out of their turn")
                case CachePoint() if marked is not None:
                    marked.parts.append(part)
                case _:
                    kept.append(part)
    return turns


def _unanswered(calls: Iterable[_Call], name: str) -> _Call | None:
    waiting = [call for call in calls if not call.is_named and call.result is None]
    return next((call for call in waiting if call.call.name == name), waiting[0] if waiting else None)


class _Ids:
    """The ids of one conversation's calls: `calls` knows the last one of each that was said."""

    def __init__(self, messages: Iterable[Message], rule: IdRule) -> None:
        self.calls: dict[str | None, _Call] = {}
        self._rule = rule
        self._said = {part.id for message in messages for part in message.parts if isinstance(part, ToolCall)}
        self._taken: set[str] = set()
        self._made = 0

    def of(self, said: str | None) -> str | None:
        if not said and not self._rule.required:
            return None
        told = self._rule.refused.sub("_", said or "")
        if not told or told in self._taken or len(told) > self._rule.longest:
            told = self._new()
        self._taken.add(told)
        return told

    def _new(self) -> str:
        while True:
            self._made += 1
            if (made := f"call_{self._made}") not in self._said and made not in self._taken:
                return made
