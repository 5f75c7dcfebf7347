"""Routes, as the configuration files say them: the project's over the user's, each route for itself."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from boticelli_cli.catalog import EMBEDDED, place
from boticelli_cli.config_file import ConfigFile
from boticelli_cli.config_providers import Provider
from boticelli_cli.errors import Problem, UsageError
from boticelli_cli.routes import Alias, Chain, LongContext, Pattern, Routes

if TYPE_CHECKING:
    from boticelli_cli.config_document import RoutesDocument
    from boticelli_cli.narrative.source import DocumentPath

__all__ = ["read_routes"]

Value = TypeVar("Value")

_PLAIN = ("default", "background", "think", "image", "web_search")
"""The routes that are nothing but a chain."""


def read_routes(files: Sequence[ConfigFile], providers: Mapping[str, Provider]) -> tuple[Routes, list[Problem]]:
    """The routes, and what is wrong with them: expressions that are none, models that are nobody's."""
    problems = [problem for file in files for problem in _problems(file, (*providers, EMBEDDED))]
    written = [file.document.routes for file in files if file.document.routes is not None]
    over = _first([each.long_context.over_tokens for each in written if each.long_context])
    to = _first([each.long_context.to for each in written if each.long_context])
    if (over is None) != (to is None):
        file = next(file for file in files if file.document.routes and file.document.routes.long_context)
        missing = "over_tokens" if over is None else "to"
        problems.append(file.problem(("routes", "long_context"), f"'long_context': '{missing}' is missing"))
    patterns = _first([each.patterns for each in written]) or []
    aliases = {glob: to for each in reversed(written) for glob, to in each.aliases.items()}
    mine = [glob for each in written for glob in each.aliases]
    chains: dict[str, Chain] = {name: tuple(_first([getattr(each, name) for each in written]) or ()) for name in _PLAIN}
    routes = Routes(
        **chains,
        long_context=LongContext(over, tuple(to)) if over is not None and to is not None else None,
        patterns=tuple(
            Pattern(found, tuple(each.to))
            for each in patterns
            if isinstance(found := _compiled(each.match), re.Pattern)
        ),
        aliases=tuple(Alias(glob, tuple(aliases[glob])) for glob in dict.fromkeys(mine)),
    )
    return routes, problems


def _first(values: Sequence[Value | None]) -> Value | None:
    return next((value for value in values if value is not None), None)


def _compiled(expression: str) -> re.Pattern[str] | str:
    """A regular expression, or why it is none."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of what may mean something else one day
            return re.compile(expression)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)


def _problems(file: ConfigFile, providers: Sequence[str]) -> Iterator[Problem]:
    routes = file.document.routes
    if routes is None:
        return
    for index, pattern in enumerate(routes.patterns or []):
        if isinstance(why := _compiled(pattern.match), str):
            message = f"'match' is no regular expression: {why}"
            yield file.problem(("routes", "patterns", index, "match"), message)
    for path, targets in _chains(routes):
        for index, target in enumerate(targets):
            try:
                place(target, providers)
            except UsageError as error:
                item = (*path, index)
                where = item if item in file.source.values else path
                yield file.problem(where, error.problems[0].message)


def _chains(routes: "RoutesDocument") -> "Iterator[tuple[DocumentPath, list[str]]]":
    """Every chain, and where it stands."""
    for name in _PLAIN:
        if (chain := getattr(routes, name)) is not None:
            yield ("routes", name), chain
    if routes.long_context is not None and routes.long_context.to is not None:
        yield ("routes", "long_context", "to"), routes.long_context.to
    for index, pattern in enumerate(routes.patterns or []):
        yield ("routes", "patterns", index, "to"), pattern.to
    for glob, chain in routes.aliases.items():
        yield ("routes", "aliases", glob), chain
