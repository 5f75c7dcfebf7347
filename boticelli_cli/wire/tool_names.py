"""Names of tools, made to fit where a dialect refuses them, and put back in what is answered.

Nothing is kept between requests: what a name becomes depends on the names in the request alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from boticelli_cli.messages import Delta, Message, Part, Request, Response, Tool, ToolCall, ToolCallDelta, ToolResult

__all__ = ["RULES", "NameRule", "ToolNames"]


@dataclass(frozen=True, slots=True)
class NameRule:
    """Which names a dialect takes: without `refused` characters, at most so long, and with such a `first` one."""

    refused: re.Pattern[str]
    longest: int
    first: re.Pattern[str]

    def takes(self, name: str) -> bool:
        return len(name) <= self.longest and self.first.match(name) is not None and not self.refused.search(name)

    def fitted(self, name: str, ending: str = "") -> str:
        """A name that is taken, as like this one as can be, with an ending that sets it apart."""
        told = self.refused.sub("_", name)
        told = told if self.first.match(told) else f"_{told}"
        return told[: self.longest - len(ending)] + ending


_PLAIN: Final = re.compile(r"[^a-zA-Z0-9_-]")
_ANY: Final = re.compile(r".", re.DOTALL)

RULES: Final[Mapping[str, NameRule]] = MappingProxyType(
    {
        "anthropic": NameRule(_PLAIN, 128, _ANY),
        "bedrock": NameRule(_PLAIN, 64, _ANY),
        "openai": NameRule(_PLAIN, 64, _ANY),
        "gemini": NameRule(re.compile(r"[^a-zA-Z0-9_.:-]"), 64, re.compile(r"[a-zA-Z_]")),
    }
)
"""The rules of all dialects.

https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use, whose errors name the pattern
`^[a-zA-Z0-9_-]{1,128}$`; https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolSpecification.html;
https://platform.openai.com/docs/api-reference/chat/create#chat-create-tools;
https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/FunctionDeclaration (of Google's pages, some say
128 characters, and those that say 64 are on the safe side).
"""


class ToolNames:
    """The names of a request's tools, and what they are called in a dialect."""

    __slots__ = ("_back", "_told")

    def __init__(self, names: Iterable[str], rule: NameRule) -> None:
        said = [name for name in dict.fromkeys(names) if name]
        taken = {name for name in said if rule.takes(name)}
        self._told: dict[str, str] = {}
        for name in said:
            if not rule.takes(name):
                told = next(each for each in _candidates(name, rule) if each not in taken)
                taken.add(told)
                self._told[name] = told
        self._back = {told: name for name, told in self._told.items()}

    @classmethod
    def of(cls, request: Request, rule: NameRule) -> "ToolNames":
        """Of all tools that a request names: those that it declares come first."""
        parts = (part for message in request.messages for part in message.parts)
        told = (part.name for part in parts if isinstance(part, ToolCall | ToolResult))
        return cls([*(tool.name for tool in request.declared_tools), *_chosen(request), *told], rule)

    @property
    def are_fitted(self) -> bool:
        """Whether any name is another."""
        return bool(self._told)

    def fit(self, request: Request) -> Request:
        """The request with names that are taken."""
        if not self._told:
            return request
        chosen = tuple(map(self._name, _chosen(request)))
        return replace(
            request,
            messages=tuple(self._message(message) for message in request.messages),
            tools=tuple(
                replace(tool, name=self._name(tool.name)) if isinstance(tool, Tool) else tool for tool in request.tools
            ),
            tool_choice=chosen or request.tool_choice,
        )

    def restore(self, delta: Delta) -> Delta:
        """A delta with the name that the request has for a tool."""
        return ToolCallDelta(self._own(delta.call)) if isinstance(delta, ToolCallDelta) else delta

    def restore_all(self, response: Response) -> Response:
        """A whole answer with the names that the request has for its tools."""
        parts = (self._own(part) if isinstance(part, ToolCall) else part for part in response.parts)
        return replace(response, parts=tuple(parts))

    def _name(self, name: str) -> str:
        return self._told.get(name, name)

    def _own(self, call: ToolCall) -> ToolCall:
        return replace(call, name=self._back[call.name]) if call.name in self._back else call

    def _message(self, message: Message) -> Message:
        return replace(message, parts=tuple(map(self._part, message.parts)))

    def _part(self, part: Part) -> Part:
        return replace(part, name=self._name(part.name)) if isinstance(part, ToolCall | ToolResult) else part


def _chosen(request: Request) -> tuple[str, ...]:
    return request.tool_choice if isinstance(request.tool_choice, tuple) else ()


def _candidates(name: str, rule: NameRule) -> Iterator[str]:
    yield rule.fitted(name)
    number = 1
    while True:
        number += 1
        yield rule.fitted(name, f"_{number}")
