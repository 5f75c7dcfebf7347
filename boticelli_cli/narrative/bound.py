"""What can be wrong with a narrative once its variables have values."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from boticelli_cli.errors import Problem, TemplateError, UsageError
from boticelli_cli.narrative.media import part_problem
from boticelli_cli.narrative.model import Act, FileContent, InputPart, Narrative, TextContent, UrlContent
from boticelli_cli.narrative.source import why_not_writable
from boticelli_cli.narrative.template import Template

__all__ = ["check_bound"]


def check_bound(narrative: Narrative, scope: Mapping[str, Any]) -> None:
    """Check what only the values of variables decide: templates, files that are read, files that are written.

    Raises UsageError with all that is wrong.
    """
    problems: list[Problem] = []
    targets: dict[str, str] = {}
    for act in narrative.acts:
        for template in _templates_of(act):
            problems += _unrenderable(template, scope, f"act '{act.name}': ")
        for part in act.input:
            if problem := _bound_part_problem(part, narrative, scope):
                problems.append(Problem(f"act '{act.name}': input part {part.number}: {problem}"))
        target = _target(act, scope)
        if target is not None:
            if why := why_not_writable(narrative.folder / target):
                problems.append(Problem(f"act '{act.name}': 'save' cannot write '{target}': {why}"))
            first = targets.setdefault(os.path.normpath(target), act.name)
            if first != act.name:
                problems.append(Problem(f"act '{act.name}': act '{first}' saves to '{target}' already"))
    if narrative.output is not None:
        problems += _unrenderable(narrative.output, scope, "output: ")
    if problems:
        raise UsageError(problems)


def _target(act: Act, scope: Mapping[str, Any]) -> str | None:
    try:
        return act.save.render(scope) if act.save is not None else None
    except TemplateError:  # told already
        return None


def _bound_part_problem(part: InputPart, narrative: Narrative, scope: Mapping[str, Any]) -> str | None:
    try:
        return part_problem(part, narrative.folder, scope)
    except TemplateError:  # told already
        return None


def _templates_of(act: Act) -> Iterator[Template]:
    """The templates of an act, each once."""
    if act.settings.system is not None:
        yield act.settings.system
    if act.save is not None:
        yield act.save
    for part in act.input:
        match part.content:
            case TextContent(template) | FileContent(template) | UrlContent(template):
                yield template


def _unrenderable(template: Template, scope: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """What goes wrong when a template that waits for no act is filled in."""
    if not template.acts:
        try:
            template.render(scope)
        except TemplateError as error:
            yield Problem(f"{where}{error.message}")
