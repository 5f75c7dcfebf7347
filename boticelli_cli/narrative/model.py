"""The narrative as the rest of the program sees it: checked, short forms spelled out, defaults applied."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from boticelli_cli.messages import MediaKind, Thinking
from boticelli_cli.narrative.template import Template

__all__ = [
    "Act",
    "Base64Content",
    "BytesContent",
    "Content",
    "Context",
    "FileContent",
    "InputPart",
    "Narrative",
    "Settings",
    "TextContent",
    "UrlContent",
    "Variable",
    "merge",
]

Context = Literal["conversation", "fresh"] | tuple[str, ...]
"""What an act sees: every earlier turn, none, or those of the named acts."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How an act is put to its model. `None`: not said here."""

    model: str | None = None
    fallback: tuple[str, ...] | None = None
    system: Template | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None
    thinking: Thinking | None = None
    timeout: float | None = None
    retries: int | None = None
    options: Mapping[str, Any] | None = None
    context: Context | None = None

    def over(self, other: "Settings") -> "Settings":
        """These settings, and where they say nothing, the other's. Options are merged, key by key."""
        mine = {each.name: getattr(self, each.name) for each in fields(self)}
        merged = {name: getattr(other, name) if value is None else value for name, value in mine.items()}
        if self.options is not None and other.options is not None:
            merged["options"] = merge(other.options, self.options)
        return Settings(**merged)


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two mappings as one: where both hold a mapping, that is merged too; else what lies over wins."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


@dataclass(frozen=True, slots=True)
class TextContent:
    text: Template


@dataclass(frozen=True, slots=True)
class FileContent:
    path: Template


@dataclass(frozen=True, slots=True)
class UrlContent:
    url: Template


@dataclass(frozen=True, slots=True)
class Base64Content:
    data: str


@dataclass(frozen=True, slots=True)
class BytesContent:
    data: bytes = field(repr=False)


Content = TextContent | FileContent | UrlContent | Base64Content | BytesContent


@dataclass(frozen=True, slots=True)
class InputPart:
    """One part of a turn: the prompt, or the part of its `input` that `number` counts from 1.

    Where nobody gave a `mime`, it is inferred from the content's name or first bytes.
    """

    kind: Literal["text"] | MediaKind
    content: Content
    mime: str | None = None
    filename: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """One act. `previous` names the act before it, if there is one."""

    name: str
    input: tuple[InputPart, ...]
    settings: Settings = Settings()
    needs: tuple[str, ...] = ()
    save: Template | None = None
    previous: str | None = None

    @property
    def context(self) -> Context:
        return "conversation" if self.settings.context is None else self.settings.context

    @property
    def templates(self) -> list[Template]:
        """All its templates: its instruction, where it saves to, what it is given."""
        found = [each for each in (self.settings.system, self.save) if each is not None]
        for part in self.input:
            match part.content:
                case TextContent(template) | FileContent(template) | UrlContent(template):
                    found.append(template)
        return found

    @property
    def template_acts(self) -> frozenset[str]:
        """The acts that this one's templates name."""
        return frozenset(name for template in self.templates for name in template.acts)


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that is given when the narrative is run. Without a default, one must be given."""

    name: str
    type: Literal["string", "integer", "number", "boolean", "array", "object"] = "string"
    default: Any = None
    description: str | None = None
    env: str | None = None
    stdin: bool = False


@dataclass(frozen=True, slots=True)
class Narrative:
    """A checked narrative: the acts that `toc` puts on the stage, in their order.

    `folder` is what its paths are relative to, `file` where it stands itself. Without an `output`, the last
    act's text is the answer.
    """

    name: str
    acts: tuple[Act, ...]
    description: str | None = None
    model: str | None = None
    variables: Mapping[str, Variable] = field(default_factory=dict)
    output: Template | None = None
    folder: Path = Path()
    file: Path | None = None
