"""What can be wrong with a narrative once its variables have values."""

from collections.abc import Iterator, Mapping
from typing import Any

from boticelli_cli.errors import Problem, TemplateError, UsageError
from boticelli_cli.narrative.media import part_problem
from boticelli_cli.narrative.model import InputPart, Narrative
from boticelli_cli.narrative.saves import save_problems
from boticelli_cli.narrative.template import Template

__all__ = ["check_bound"]


def check_bound(narrative: Narrative, scope: Mapping[str, Any]) -> None:
    """Check what only the values of variables decide: templates, files that are read, files that are written.

    Raises UsageError with all that is wrong.
    """
    problems: list[Problem] = []
    for act in narrative.acts:
        for template in act.templates:
            problems += _unrenderable(template, scope, f"act '{act.name}': ")
        for part in act.input:
            if problem := _bound_part_problem(part, narrative, scope):
                problems.append(Problem(f"act '{act.name}': input part {part.number}: {problem}"))
    for name, message in save_problems(narrative.acts, narrative, scope):
        problems.append(Problem(f"act '{name}': {message}"))
    if narrative.output is not None:
        problems += _unrenderable(narrative.output, scope, "output: ")
    if problems:
        raise UsageError(problems)


def _bound_part_problem(part: InputPart, narrative: Narrative, scope: Mapping[str, Any]) -> str | None:
    try:
        return part_problem(part, narrative.folder, scope)
    except TemplateError:  # told already
        return None


def _unrenderable(template: Template, scope: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """What goes wrong when a template that waits for no act is filled in."""
    if not template.acts:
        try:
            template.render(scope)
        except TemplateError as error:
            yield Problem(f"{where}{error.message}")
