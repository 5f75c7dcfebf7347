"""Where acts save their answers, and what is wrong with it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from os.path import normpath
from pathlib import Path
from typing import Any

from boticelli_cli.errors import TemplateError
from boticelli_cli.narrative.files import why_not_writable
from boticelli_cli.narrative.model import Act, Narrative
from boticelli_cli.narrative.template import Template

__all__ = ["save_path", "save_problems", "with_save_paths"]


def save_problems(acts: Iterable[Act], narrative: Narrative, scope: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with the places that acts save to: the act, and a sentence about it.

    A path that cannot be filled in with what is in `scope` is passed over.
    """
    taken: dict[str, str] = {}
    for act in acts:
        target = _target(act, scope)
        if target is None:
            continue
        path = narrative.folder / target
        if why := why_not_writable(path):
            yield act.name, f"'save' cannot write '{target}': {why}"
        if narrative.file is not None and normpath(path.absolute()) == normpath(narrative.file.absolute()):
            yield act.name, "'save' would write over the narrative itself"
        first = taken.setdefault(normpath(path.absolute()), act.name)
        if first != act.name:
            yield act.name, f"act '{first}' saves to '{target}' already"


def with_save_paths(narrative: Narrative, scope: Mapping[str, Any]) -> Narrative:
    """The narrative with the paths that its acts save to filled in."""
    acts = tuple(
        replace(act, save=Template(act.save.render(scope), literal=True)) if act.save is not None else act
        for act in narrative.acts
    )
    return replace(narrative, acts=acts)


def _target(act: Act, scope: Mapping[str, Any]) -> str | None:
    try:
        return act.save.render(scope) if act.save is not None else None
    except TemplateError:  # told already, or known only when the narrative is run
        return None


def save_path(narrative: Narrative, act: Act) -> Path | None:
    """The file that an act saves to, once its path has been filled in."""
    return None if act.save is None else narrative.folder / act.save.source
