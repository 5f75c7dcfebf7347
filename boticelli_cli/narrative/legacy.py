"""The original project's TOML, told in the words of today's narrative files.

What only served to store answers is named in a warning and left out: the acts run without it. What an act
would need from a database or a bot to mean anything is one error that names it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from boticelli_cli.errors import Problem
from boticelli_cli.narrative.source import DocumentPath, Place, Source

__all__ = ["translate"]

_STORAGE_KEYS = ("template", "skip_content_generation", "target")
_FOREIGN_TABLES = ("bots", "tables", "discord", "database", "carousel", "config", "media")
_FOREIGN_INPUTS = ("bot_command", "table", "narrative")


def translate(source: Source) -> Source:
    """A TOML source with `[narration]`, `[toc] order` and database keys put into today's form."""
    if not isinstance(source.data, dict):
        return source
    data = dict(source.data)
    problems: list[Problem] = []
    moved: list[tuple[DocumentPath, DocumentPath]] = []
    if "narration" in data and "narrative" not in data:
        data["narrative"] = data.pop("narration")
        moved.append((("narration",), ("narrative",)))
    toc = data.get("toc")
    if isinstance(toc, dict) and set(toc) == {"order"}:
        data["toc"] = toc["order"]
        moved.append((("toc", "order"), ("toc",)))
    source = replace(source, data=data, keys=_rekeyed(source.keys, moved), values=_rekeyed(source.values, moved))
    data["narrative"] = _without_storage(source, problems)
    if data["narrative"] is None:
        del data["narrative"]
    _refuse_foreign(source, problems)
    return replace(source, problems=(*source.problems, *problems))


def _rekeyed(
    places: Mapping[DocumentPath, Place], moved: list[tuple[DocumentPath, DocumentPath]]
) -> dict[DocumentPath, Place]:
    result = dict(places)
    for old, new in moved:
        result.update({new + path[len(old) :]: place for path, place in places.items() if path[: len(old)] == old})
    return result


def _without_storage(source: Source, problems: list[Problem]) -> Any:
    head = source.data.get("narrative")
    if not isinstance(head, dict):
        return head
    for key in _STORAGE_KEYS:
        if key in head:
            message = f"'{key}' stored answers in the original project's database; it is not supported and is left out"
            problems.append(source.problem(("narrative", key), message, severity="warning"))
    return {key: value for key, value in head.items() if key not in _STORAGE_KEYS}


def _refuse_foreign(source: Source, problems: list[Problem]) -> None:
    """One error for everything that the original project's databases and bots would have to do."""
    data = source.data
    found: list[DocumentPath] = [(key,) for key in _FOREIGN_TABLES if key in data]
    acts = data.get("acts")
    for name, act in acts.items() if isinstance(acts, dict) else ():
        parts = act.get("input", []) if isinstance(act, dict) else []
        for index, part in enumerate(parts if isinstance(parts, list) else []):
            if isinstance(part, dict) and part.get("type") in _FOREIGN_INPUTS:
                found.append(("acts", name, "input", index))
    if not found:
        return
    names = ", ".join(dict.fromkeys(_name(source, path) for path in found))
    message = f"not supported here, as they need the original project's databases and bots: {names}"
    problems.append(source.problem(found[0], message))
    for path in found:  # told once is enough
        if len(path) == 1:
            data.pop(path[0])
        else:
            acts[path[1]]["input"][path[3]] = {"type": "text", "content": "?"}


def _name(source: Source, path: DocumentPath) -> str:
    if len(path) == 1:
        return f"[{path[0]}]"
    part = source.data["acts"][path[1]]["input"][path[3]]
    return f"type = \"{part['type']}\" in act '{path[1]}'"
