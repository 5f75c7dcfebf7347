"""Fitting a document into the shape that it is to have: what fits, and a sentence for everything that does not."""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from boticelli_cli.errors import Problem, did_you_mean
from boticelli_cli.narrative.source import DocumentPath, Source

__all__ = ["Shape", "validate"]


class Shape(BaseModel):
    """A mapping of fixed keys: one too many, or a value of another type, is a mistake."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


Fitted = TypeVar("Fitted", bound=BaseModel)


def validate(shape: type[Fitted], source: Source) -> tuple[Fitted, list[Problem]]:
    """Fit a document into its shape: what fits, and a problem for everything that does not.

    What is wrong is left out, so that the rest can still be judged.
    """
    problems: list[Problem] = []
    data = source.data
    if not isinstance(data, dict):
        message = f"a document here is a mapping of keys to values, not {_kind(data)}"
        return shape.model_validate({}), [source.problem((), message)]
    data = deepcopy(data)
    for path in list(_blanks(data, ())):
        problems.append(
            source.problem(path, f"{_where(path)}{_label(path)} has no value; give it one, or leave it out")
        )
        _take_out(data, path)
    wrong: set[DocumentPath] = set()
    for _ in range(_MOST_ROUNDS):
        try:
            return shape.model_validate(data), problems
        except ValidationError as error:
            details = error.errors(include_url=False)
        told, before, left_out = len(problems), frozenset(wrong), False
        for detail in details:
            path = detail["loc"]
            if detail["type"] == "missing" and path in wrong:  # it is there, and was told to be wrong
                continue
            if path in before and isinstance(path[-1], int):  # the stand-in for what was told to be wrong is no better
                _take_out(data, path[:-1])
                left_out = True
                continue
            wrong.add(path)
            problem = source.problem(path, f"{_where(path)}{_sentence(shape, path, detail)}")
            problems += [problem] if problem not in problems[:told] else []
            _take_out(data, path, whole_part=detail["type"] != "extra_forbidden")
        if len(problems) == told and not left_out:  # what lacks something cannot be mended by taking out
            break
    return shape.model_validate({}), problems


_MOST_ROUNDS = 20
"""Taking out what is wrong can only bring to light what it hid; a few rounds are enough for any document."""


def _blanks(value: Any, path: DocumentPath) -> Iterator[DocumentPath]:
    """The paths of all nulls, but for those among the variables and options, whose values are their own affair."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if (path, key) == ((), "variables") or (key == "options" and path in ((), ("narrative",))):
            continue
        if key == "options" and len(path) == 2 and path[0] == "acts" and item is not None:
            continue
        if item is None:
            yield (*path, key)
        else:
            yield from _blanks(item, (*path, key))


def _take_out(data: Any, path: DocumentPath, *, whole_part: bool = False) -> None:
    """Take out the value at `path`, or the nearest thing around it that is there.

    An item of a list gives way to a stand-in, so that those after it keep their numbers; of an input part with
    something wrong in it, the whole part does, unless it is only a key too many.
    """
    if whole_part and "input" in path:
        path = path[: path.index("input") + 2]
    for index, part in enumerate(path[:-1]):
        inner = data[part] if _has(data, part) else None
        if not isinstance(inner, (dict, list)):
            path = path[: index + 1]
            break
        data = inner
    if isinstance(data, dict):
        data.pop(path[-1], None)
    elif _has(data, path[-1]):
        data[path[-1]] = "?"


def _has(data: Any, part: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(part, int) and part < len(data)
    return isinstance(data, dict) and part in data


def _where(path: DocumentPath) -> str:
    """The act, variable or account that a path leads into, as the start of a sentence."""
    match path:
        case ("acts", name, _, *_):
            return f"act '{name}': "
        case ("variables", name, _, *_):
            return f"variable '{name}': "
        case ("accounts", int(number), _, *_):
            return f"account {number + 1}: "
        case ("gateway", "keys", int(number), _, *_):
            return f"gateway key {number + 1}: "
        case ("providers", str(name), _, *_):
            return f"provider '{_without_key(path, name)}': "
    return ""


def _sentence(shape: type[BaseModel], path: DocumentPath, detail: ErrorDetails) -> str:
    key = _label(path)
    value = detail["input"]
    context = detail.get("ctx", {})
    if path[0] in _SECRETIVE and detail["type"] in ("string_type", "dict_type", "model_type", "list_type"):
        kind = {"string_type": "text; put it in quotes", "list_type": "a list"}
        return f"{key} must be {kind.get(detail['type'], 'a mapping of keys to values')}"
    match detail["type"]:
        case "extra_forbidden":
            name = str(path[-1])
            if name in _known_keys(shape, (*path[:-1], "models", name, name)):
                return f"'{name}' is said of a model; write models: {{MODEL: {{{name}: …}}}}"
            return f"unknown key '{_without_key(path, name)}'{did_you_mean(name, _known_keys(shape, path))}"
        case "missing":
            return f"'{path[-1]}' is missing"
        case "string_type":
            remedy = "; put it in quotes" if isinstance(value, (bool, int, float)) else ""
            return f"{key} must be text, not {_kind(value)}{remedy}"
        case "int_type" | "int_from_float":
            return f"{key} must be a whole number, not {_kind(value)}"
        case "float_type" | "finite_number":
            return f"{key} must be a number, not {_kind(value)}"
        case "bool_type":
            return f"{key} must be true or false, not {_kind(value)}"
        case "list_type":
            return f"{key} must be a list, not {_kind(value)}"
        case "model_type" if path[:1] == ("acts",) and len(path) == 2:
            return f"{key} must be a prompt, or a mapping of keys to values, not {_kind(value)}"
        case "dict_type" | "model_type":
            return f"{key} must be a mapping of keys to values, not {_kind(value)}"
        case "literal_error":
            expected = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
            hint = did_you_mean(value, expected) if isinstance(value, str) else ""
            shown = _shown(_without_key(path, value) if isinstance(value, str) else value)
            return f"{key} is {shown}; it must be one of {', '.join(expected)}{hint}"
        case "string_too_short" | "too_short":
            return f"{key} must not be empty"
        case "greater_than_equal" | "less_than_equal" | "greater_than":
            return f"{key} is {_shown(value)}; it must be {_range(shape, path, context)}"
    return detail["msg"]


_SECRETIVE = ("accounts", "providers", "gateway")
"""Where keys stand: what is there instead of something else may be one, and is not shown."""


def _label(path: DocumentPath) -> str:
    path = tuple(part for part in path if part != "[key]")  # Pydantic's word for a key that is wrong itself
    names = [part for part in path if isinstance(part, str)]
    if len(path) == 2 and path[0] in ("acts", "variables"):
        return f"{path[0][:-1]} '{path[1]}'"
    if isinstance(path[-1], int):
        return f"'{_without_key(path, names[-1])}' item {path[-1] + 1}"
    return f"'{_without_key(path, path[-1])}'"


def _without_key(path: DocumentPath, name: str) -> str:
    """A name that stands in a document, unless it may well be a key that has slipped into its place."""
    return "…" if path[0] in _SECRETIVE and re.search(r"(?=\S*\d)\S{16,}", name) else name


def _kind(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}" if len(str(value)) < 40 else "one so large"
        case str():
            return f"the text {_shown(value)}"
        case dict():
            return "a mapping"
        case list():
            return "a list"
    return type(value).__name__


def _shown(value: Any) -> str:
    if isinstance(value, str):
        line = " ".join(value.split())
        return f"'{line if len(line) <= 40 else line[:39] + '…'}'"
    return str(value) if len(str(value)) <= 40 else "too large"


def _shape_at(shape: type[BaseModel], path: DocumentPath) -> type[BaseModel] | None:
    """The shape of the mapping at `path`; None where what stands there has no fixed keys."""
    kinds: list[Any] = [shape]
    for part in path:
        kinds = [inner for kind in kinds for inner in _kinds_in(kind, part)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _kinds_in(kind: Any, part: str | int) -> list[Any]:
    """What may stand under a key of a mapping, or in a list."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(part))
        return _alternatives(field.annotation) if field else []
    return _alternatives(get_args(kind)[-1]) if get_origin(kind) in (dict, list) else []


def _alternatives(kind: Any) -> list[Any]:
    if get_origin(kind) is Annotated:
        return _alternatives(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return [each for one in get_args(kind) for each in _alternatives(one)]
    return [kind]


def _known_keys(shape: type[BaseModel], path: DocumentPath) -> list[str]:
    found = _shape_at(shape, path[:-1])
    return list(found.model_fields) if found else []


def _range(shape: type[BaseModel], path: DocumentPath, context: Mapping[str, Any]) -> str:
    """What a number may be: all its limits where they stand at its key, else the one that it passed."""
    found = _shape_at(shape, path[:-1])
    limits: dict[str, Any] = {}
    if found is not None:
        for limit in found.model_fields[str(path[-1])].metadata:
            limits |= {name: getattr(limit, name) for name in ("ge", "le", "gt") if hasattr(limit, name)}
    limits = limits or dict(context)
    if "gt" in limits:
        return f"more than {limits['gt']} and at most {limits['le']}"
    if len(limits) == 2:
        return f"between {limits['ge']} and {limits['le']}"
    return f"at least {limits['ge']}" if "ge" in limits else f"at most {limits.get('le')}"
