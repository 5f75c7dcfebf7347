"""Everything that can be wrong with a narrative beyond its shape: names, templates, files, rings of waiting acts."""

import re
import unicodedata
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from boticelli_cli.errors import Problem, TemplateError, did_you_mean
from boticelli_cli.narrative.document import Document, InputDocument
from boticelli_cli.narrative.media import part_problem
from boticelli_cli.narrative.model import (
    Act,
    Base64Content,
    BytesContent,
    Content,
    FileContent,
    Narrative,
    TextContent,
    UrlContent,
)
from boticelli_cli.narrative.order import find_cycle, named_acts
from boticelli_cli.narrative.saves import save_problems
from boticelli_cli.narrative.source import DocumentPath, Source
from boticelli_cli.narrative.template import RESERVED, Mistake, Names, Template, look_through
from boticelli_cli.narrative.variables import check_type, default_scope

__all__ = ["MAX_PROBLEMS", "check"]

Problems = Iterator[Problem]


MAX_PROBLEMS = 100
"""How many mistakes are told at once: more than anybody mends in one go."""


def check(narrative: Narrative, document: Document, source: Source) -> tuple[Narrative, list[Problem]]:
    """The narrative with its templates looked through and its toc applied, and a problem for all that is wrong.

    `narrative` holds every act, `document` what fits of the file, `source` the file itself: names in it count
    as known even where what they name is wrong, so that one mistake is not told twice.
    """
    known = _Known(narrative, document, source)
    problems = [*_head(source), *_names(known, source), *_variables(narrative, source)]
    problems.extend(islice(_toc(known, source), MAX_PROBLEMS))
    problems.extend(islice(_shared_context(known, source), MAX_PROBLEMS))
    acts = []
    for act in narrative.acts:
        looked = yield_into(problems, _look_through_act(act, known, source))
        if len(problems) <= MAX_PROBLEMS:
            problems.extend(islice(_named_acts(looked, known, source), MAX_PROBLEMS))
            problems.extend(_prompt(looked, source))
            problems.extend(_parts(looked, known, source))
        acts.append(looked)
    staged = tuple(act for act in acts if act.name in known.staged)
    output = narrative.output
    if output is not None:
        output = yield_into(problems, _look_through(output, ("output",), known, source))
        problems.extend(_left_out("output", dict.fromkeys(output.acts, "names it"), ("output",), known, source))
    problems.extend(_ring(staged, source))
    for name, message in save_problems(staged, narrative, known.scope):
        problems.append(source.problem(("acts", name, "save"), f"act '{name}': {message}"))
    return replace(narrative, acts=staged, output=output), problems


class _Known:
    """The names that a file gives, right or wrong, and what is known before anything is given for variables."""

    def __init__(self, narrative: Narrative, document: Document, source: Source) -> None:
        self.acts = _keys(source.data, "acts")
        self.variables = _keys(source.data, "variables")
        self.env = [each.env for each in narrative.variables.values() if each.env]
        self.toc = document.toc
        self.staged = set(self.acts if document.toc is None else document.toc)
        self.scope = default_scope(narrative)
        self.folder = narrative.folder
        self.inputs = {name: act.input for name, act in document.acts.items()}
        self.looked: dict[tuple[str, str | None, bool], tuple[Template, list[Mistake]]] = {}

    def look_through(self, source: str, previous: str | None, only_variables: bool) -> tuple[Template, list[Mistake]]:
        """A template, looked through; one that many acts share is looked through once."""
        key = (source, previous if "previous" in source else None, only_variables)
        if key not in self.looked:
            acts = () if only_variables else self.acts
            names = Names(self.variables, acts, self.env, None if only_variables else previous)
            self.looked[key] = look_through(source, names)
        return self.looked[key]

    def failure(self, template: Template) -> str | None:
        """Why a template cannot be filled in, where it needs no more than what is known already.

        One with loops is not tried: nobody knows how long it takes.
        """
        if template.is_constant or template.acts or template.repeats or not template.variables <= self.scope.keys():
            return None
        try:
            template.render(self.scope)
        except TemplateError as error:
            return error.message
        return None


def _head(source: Source) -> Problems:
    data = source.data
    if not isinstance(data, dict):
        return  # told already
    if "narrative" not in data:
        yield source.problem((), "'narrative' is missing; begin with: narrative: {name: …}")
    elif isinstance(data["narrative"], dict) and "name" not in data["narrative"]:
        yield source.problem(("narrative",), "the narrative has no name; give it one: name: …")
    if "acts" not in data or data["acts"] == {}:
        yield source.problem(("acts",), "there are no acts; write at least one: acts: {greeting: Say hello.}")


def _names(known: _Known, source: Source) -> Problems:
    for name in known.acts:
        if not re.fullmatch(r"\w[\w-]*", name) or unicodedata.normalize("NFKC", name) != name:
            yield source.problem(("acts", name), f"'{name}' cannot name an act; use letters, digits, '_' and '-'")
    for name in known.variables:
        path = ("variables", name)
        if not re.fullmatch(r"[^\W\d]\w*", name) or unicodedata.normalize("NFKC", name) != name:
            yield source.problem(path, f"'{name}' cannot name a variable; use letters, digits and '_'")
        if name in known.acts:
            yield source.problem(path, f"'{name}' names an act already; a template could not tell them apart")
    for section, names in (("acts", known.acts), ("variables", known.variables)):
        for name in RESERVED.intersection(names):
            message = f"'{name}' has a meaning of its own in templates; choose another name"
            yield source.problem((section, name), message)


def _variables(narrative: Narrative, source: Source) -> Problems:
    piped = [each.name for each in narrative.variables.values() if each.stdin]
    for name in piped[1:]:
        message = f"variable '{name}': '{piped[0]}' takes what is piped in already; only one can"
        yield source.problem(("variables", name, "stdin"), message)
    for variable in narrative.variables.values():
        if variable.default is not None:
            try:
                check_type(variable, variable.default)
            except ValueError as error:
                path = ("variables", variable.name, "default")
                yield source.problem(path, f"variable '{variable.name}': 'default' {error}")


def _toc(known: _Known, source: Source) -> Problems:
    if _at(source.data, ("toc",)) == []:
        yield source.problem(("toc",), "'toc' names no acts; name at least one, or leave it out")
    seen: set[str] = set()
    for index, name in enumerate(_items(source.data, ("toc",))):
        if not isinstance(name, str):
            continue
        if name not in known.acts:
            message = f"toc names unknown act '{name}'{did_you_mean(name, known.acts)}"
            yield source.problem(("toc", index), message)
        elif name in seen:
            yield source.problem(("toc", index), f"toc names act '{name}' twice")
        seen.add(name)


def _prompt(act: Act, source: Source) -> Problems:
    path = _prompt_path(act, source)
    raw = _at(source.data, path)
    if isinstance(raw, str) and not raw.strip():
        yield source.problem(path, f"act '{act.name}': the prompt is empty; say what to ask")
    elif raw is None and not any(_means_prompt(key) for key in _at(source.data, ("acts", act.name)) or ()):
        yield source.problem(("acts", act.name), f"act '{act.name}' has no 'prompt'; say what to ask")


def _means_prompt(key: str) -> bool:
    """Whether a key gives an act something to ask, or is misspelt and told as that already."""
    return key in ("prompt", "input") or did_you_mean(key, ("prompt", "input")) != ""


def _parts(act: Act, known: _Known, source: Source) -> Problems:
    """What is wrong with the contents of input parts: each must have one, and it must be there."""
    given = known.inputs[act.name]
    parts = act.input[len(act.input) - len(given) :]
    for index, (part, document) in enumerate(zip(parts, given, strict=True)):
        problem = _content_problem(document)
        if problem is None and not isinstance(part.content, TextContent):
            try:
                problem = part_problem(part, known.folder, known.scope)
            except TemplateError:  # a variable without a default: known when the narrative is run
                problem = None
        if problem is not None:
            path = ("acts", act.name, "input", index)
            yield source.problem(path, f"act '{act.name}': input part {index + 1}: {problem}")


def _content_problem(part: InputDocument) -> str | None:
    given = [key for key in ("content", "file", "url", "base64") if getattr(part, key) is not None]
    wanted = {"text": ["content", "file", "base64"], "document": ["content", "file", "url", "base64"]}
    takes = wanted.get(part.type, ["file", "url", "base64"])
    if not given:
        return f"it has no content; give one of {', '.join(takes)}"
    if len(given) > 1:
        return f"its content is given {len(given)} times, as {' and '.join(given)}; give one"
    if given[0] == "content" and "content" not in takes:
        return f"'content' is for text; give one of {', '.join(takes)}"
    return None


def _named_acts(act: Act, known: _Known, source: Source) -> Problems:
    for key in ("context", "needs"):
        for index, name in enumerate(_items(source.data, ("acts", act.name, key))):
            path = ("acts", act.name, key, index)
            if name == act.name:
                yield source.problem(path, f"act '{name}' names itself under '{key}'")
            elif isinstance(name, str) and name not in known.acts:
                message = f"act '{act.name}' names unknown act '{name}'{did_you_mean(name, known.acts)}"
                yield source.problem(path, message)
    if act.name in known.staged:
        yield from _left_out(f"act '{act.name}'", named_acts(act), ("acts", act.name), known, source)


def _shared_context(known: _Known, source: Source) -> Problems:
    for index, name in enumerate(_items(source.data, ("narrative", "context"))):
        if isinstance(name, str) and name not in known.acts:
            message = f"'context' names unknown act '{name}'{did_you_mean(name, known.acts)}"
            yield source.problem(("narrative", "context", index), message)


def _left_out(who: str, named: Mapping[str, str], path: DocumentPath, known: _Known, source: Source) -> Problems:
    for name, why in named.items():
        if name in known.acts and name not in known.staged:
            yield source.problem(path, f"{who} {why}, but toc leaves act '{name}' out")


def _look_through_act(act: Act, known: _Known, source: Source) -> Generator[Problem, None, Act]:
    """The act with its templates looked through."""
    path: DocumentPath = ("acts", act.name)
    if act.settings.system is not None:
        system_path = (*path, "system")
        own = system_path in source.values
        system = yield from _look_through(
            act.settings.system,
            system_path if own else ("narrative", "system"),
            known,
            source,
            act=act,
            told=own,
        )
        act = replace(act, settings=replace(act.settings, system=system))
    if act.save is not None:
        save = yield from _look_through(act.save, (*path, "save"), known, source, act=act, only_variables=True)
        act = replace(act, save=save)
    parts = []
    before = len(act.input) - len(known.inputs[act.name])
    for index, part in enumerate(act.input):
        part_path = _prompt_path(act, source) if index < before else (*path, "input", index - before)
        content = yield from _look_through_content(part.content, part_path, act, known, source)
        parts.append(replace(part, content=content))
    return replace(act, input=tuple(parts))


def _look_through_content(
    content: Content, path: DocumentPath, act: Act, known: _Known, source: Source
) -> Generator[Problem, None, Content]:
    match content:
        case TextContent(text):
            inner = (*path, "content") if (*path, "content") in source.values else path
            return TextContent((yield from _look_through(text, inner, known, source, act=act)))
        case FileContent(name):
            inner = (*path, "file")
            return FileContent((yield from _look_through(name, inner, known, source, act=act, only_variables=True)))
        case UrlContent(url):
            inner = (*path, "url")
            return UrlContent((yield from _look_through(url, inner, known, source, act=act, only_variables=True)))
        case Base64Content() | BytesContent():
            return content


def _look_through(
    template: Template,
    path: DocumentPath,
    known: _Known,
    source: Source,
    *,
    act: Act | None = None,
    told: bool = True,
    only_variables: bool = False,
) -> Generator[Problem, None, Template]:
    """A template, looked through. A path is made of variables only: what a model says never names a file."""
    if template.literal:
        return template
    where = f"act '{act.name}': " if act and told else ""
    looked, mistakes = known.look_through(template.source, act.previous if act else None, only_variables)
    for mistake in mistakes[:MAX_PROBLEMS]:
        message = f"{where}{mistake.message}"
        if mistake.word is not None:
            yield source.problem(path, message, word=mistake.word)
        else:
            yield source.line_problem(path, message, mistake.line or 1)
    if not mistakes and (failure := known.failure(looked)):
        yield source.problem(path, f"{where}{failure}")
    if act is not None and act.name in looked.acts:
        yield source.problem(path, f"act '{act.name}' names itself in a template", word=act.name)
        looked = replace(looked, acts=looked.acts - {act.name})
    return looked


def _ring(acts: Sequence[Act], source: Source) -> Problems:
    ring = find_cycle(acts)
    if ring is None:
        return
    by_name = {act.name: act for act in acts}
    steps = []
    for name, waited in zip(ring, [*ring[1:], ring[0]], strict=True):
        why = named_acts(by_name[name]).get(waited, "sees every earlier turn")
        steps.append(f"'{name}' waits for '{waited}' ({why})")
    yield source.problem(("acts", ring[0]), f"acts wait for one another: {', '.join(steps)}")


def yield_into(problems: list[Problem], generator: Generator[Problem, None, Any]) -> Any:
    """Collect what a generator yields, and return what it returns."""
    while True:
        try:
            problems.append(next(generator))
        except StopIteration as stop:
            return stop.value


def _prompt_path(act: Act, source: Source) -> DocumentPath:
    path = ("acts", act.name)
    return path if isinstance(_at(source.data, path), str) else (*path, "prompt")


def _keys(data: Any, section: str) -> Mapping[str, Any]:
    """The names in a section, as something that is quick to ask and keeps their order."""
    inner = data.get(section) if isinstance(data, dict) else None
    return inner if isinstance(inner, dict) else {}


def _items(data: Any, path: DocumentPath) -> list[Any]:
    found = _at(data, path)
    return found if isinstance(found, list) else []


def _at(data: Any, path: DocumentPath) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data
