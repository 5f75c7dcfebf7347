"""Narrative files, from bytes to a checked `Narrative`, or to all their mistakes at once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from boticelli_cli.errors import NarrativeError, Problem
from boticelli_cli.narrative.check import MAX_PROBLEMS, check
from boticelli_cli.narrative.document import (
    ActDocument,
    Document,
    InputDocument,
    SettingsDocument,
    VariableDocument,
)
from boticelli_cli.narrative.legacy import translate
from boticelli_cli.narrative.model import (
    Act,
    Base64Content,
    Content,
    Context,
    FileContent,
    InputPart,
    Narrative,
    Settings,
    TextContent,
    UrlContent,
    Variable,
)
from boticelli_cli.narrative.shape import validate
from boticelli_cli.narrative.source import Source, UnreadableError, decode, read_text
from boticelli_cli.narrative.template import Template

__all__ = ["Loaded", "load", "parse", "settings_of"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a file: the narrative, unless something in it is wrong, and all that is to be said about it."""

    narrative: Narrative | None
    problems: tuple[Problem, ...]

    def or_raise(self) -> Narrative:
        """The narrative. Raises NarrativeError with every mistake."""
        if self.narrative is None:
            raise NarrativeError([problem for problem in self.problems if problem.severity == "error"])
        return self.narrative


def load(path: Path, *, defaults: Settings = Settings(), name: str | None = None) -> Loaded:
    """Read and check a narrative file, YAML or (by its ending) TOML.

    `defaults` hold where neither an act nor the narrative says otherwise; `name` is what messages call the
    file. Never raises for what is wrong with the file: that is what `Loaded.problems` is for.
    """
    name = name or str(path)
    try:
        source = _read(read_text(path, name), name)
    except UnreadableError as error:
        return Loaded(None, (error.problem,))
    return _load(source, path.parent, defaults, path)


def parse(data: bytes, name: str, folder: Path, *, defaults: Settings = Settings()) -> Loaded:
    """As `load`, for a narrative that is in memory. Its paths are relative to `folder`."""
    try:
        source = _read(decode(data, name), name)
    except UnreadableError as error:
        return Loaded(None, (error.problem,))
    return _load(source, folder, defaults, None)


def _read(text: str, name: str) -> Source:
    if name.lower().endswith(".toml"):
        from boticelli_cli.narrative.toml import read_toml

        return translate(read_toml(text, name))
    from boticelli_cli.narrative.yaml import read_yaml

    return read_yaml(text, name)


def _load(source: Source, folder: Path, defaults: Settings, file: Path | None) -> Loaded:
    document, shape_problems = validate(Document, source)
    everything = replace(_narrative(document, folder, defaults), file=file)
    narrative, semantic_problems = check(everything, document, source)
    problems = (*source.problems, *shape_problems, *semantic_problems)
    problems = tuple(sorted(dict.fromkeys(problems), key=lambda each: (each.line or 0, each.column or 0)))
    if len(problems) > MAX_PROBLEMS:
        more = Problem("there are more mistakes; mend these first", source.name)
        problems = (*problems[:MAX_PROBLEMS], more)
    sound = all(problem.severity == "warning" for problem in problems)
    return Loaded(narrative if sound else None, problems)


def _narrative(document: Document, folder: Path, defaults: Settings) -> Narrative:
    """A document as a narrative, its templates not yet looked through, and acts that toc leaves out last."""
    head = document.narrative
    shared = settings_of(head).over(defaults) if head else defaults
    order = [name for name in document.toc or () if name in document.acts]
    order = list(dict.fromkeys([*order, *document.acts]))
    return Narrative(
        name=(head.name if head else None) or "",
        description=head.description if head else None,
        model=shared.model,
        acts=tuple(
            _act(name, document.acts[name], shared, previous)
            for name, previous in zip(order, [None, *order], strict=False)
        ),
        variables={name: _variable(name, each) for name, each in document.variables.items()},
        output=Template(document.output.rstrip("\n")) if document.output is not None else None,
        folder=folder,
    )


def settings_of(document: SettingsDocument, *, literal: bool = False) -> Settings:
    """The settings that a document gives; with `literal`, its texts are no templates."""
    context: Context | None = None
    if isinstance(document.context, list):
        context = tuple(document.context)
    elif document.context is not None:
        context = document.context
    return Settings(
        model=document.model,
        fallback=tuple(document.fallback) if document.fallback is not None else None,
        system=Template(document.system, literal=literal) if document.system is not None else None,
        temperature=document.temperature,
        top_p=document.top_p,
        max_tokens=document.max_tokens,
        stop=tuple(document.stop) if document.stop is not None else None,
        thinking=document.thinking,
        timeout=document.timeout,
        retries=document.retries,
        options=document.options,
        context=context,
    )


def _act(name: str, document: ActDocument, shared: Settings, previous: str | None) -> Act:
    parts = [_part(number, each) for number, each in enumerate(document.input, 1)]
    if document.prompt is not None:
        parts.insert(0, InputPart("text", TextContent(Template(document.prompt))))
    settings = settings_of(document).over(shared)
    if isinstance(shared.context, tuple) and document.context is None and name in shared.context:
        # A list of acts that stands as a default is for the acts that are not themselves in it.
        settings = replace(settings, context="conversation")
    return Act(
        name=name,
        input=tuple(parts),
        settings=settings,
        needs=tuple(document.needs),
        save=Template(document.save) if document.save is not None else None,
        previous=previous,
    )


def _part(number: int, document: InputDocument) -> InputPart:
    content: Content = TextContent(Template(document.content or ""))
    if document.file is not None:
        content = FileContent(Template(document.file))
    elif document.url is not None:
        content = UrlContent(Template(document.url))
    elif document.base64 is not None:
        content = Base64Content(document.base64)
    return InputPart(document.type, content, document.mime, document.filename, number)


def _variable(name: str, document: VariableDocument) -> Variable:
    return Variable(
        name=name,
        type=document.type or _type_of(document.default),
        default=document.default,
        description=document.description,
        env=document.env,
        stdin=document.stdin,
    )


def _type_of(default: Any) -> Any:
    names: Mapping[type, str] = {
        bool: "boolean",
        int: "integer",
        float: "number",
        list: "array",
        dict: "object",
    }
    return names.get(type(default), "string")
