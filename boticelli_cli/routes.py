"""Routes: which models are asked for which requests, as the configuration says it.

A list of models is a chain: each is asked when the one before it does not answer. On their way to a provider requests
may pass through transformations, which are named here and made elsewhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "TRANSFORMER_NAMES",
    "Alias",
    "Chain",
    "LongContext",
    "Pattern",
    "Routes",
    "Transformation",
    "wanted_argument",
]

Chain = tuple[str, ...]

TRANSFORMER_NAMES = (
    *("openrouter", "deepseek", "ollama", "reasoning", "clean_cache", "max_tokens", "sampling", "tool_use"),
)
"""The transformers that there are."""


@dataclass(frozen=True, slots=True)
class Transformation:
    """A transformer that a provider's requests pass through, by its name, with the argument it is given if any."""

    name: str
    argument: Any = None


def wanted_argument(transformer: str, argument: Any) -> str | None:
    """What a transformer takes for an argument, as the end of a sentence, if it is not this one."""
    match transformer:
        case "max_tokens":
            fits = type(argument) is int and argument > 0
            return None if fits else "a whole number above 0, as in {max_tokens: 8192}"
        case "sampling":
            fits = argument is None or (isinstance(argument, Mapping) and all(map(_is_number, argument.values())))
            return None if fits else "the highest value of each parameter, as in {temperature: 1}"
    return None if argument is None else "no argument"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class LongContext:
    """Where requests go that have more than so many input tokens."""

    over_tokens: int
    to: Chain


@dataclass(frozen=True, slots=True)
class Pattern:
    """Where requests go whose last prompt this is found in."""

    match: re.Pattern[str]
    to: Chain


@dataclass(frozen=True, slots=True)
class Alias:
    """What is really asked for the models whose names a glob matches, in the words of `fnmatch`."""

    glob: str
    to: Chain


@dataclass(frozen=True, slots=True)
class Routes:
    """All routes. An empty chain, or `None`, is no route."""

    default: Chain = ()
    background: Chain = ()
    think: Chain = ()
    long_context: LongContext | None = None
    image: Chain = ()
    web_search: Chain = ()
    patterns: tuple[Pattern, ...] = ()
    aliases: tuple[Alias, ...] = ()

    @property
    def targets(self) -> Chain:
        """All models that are asked for requests whose own model leaves that open."""
        long = self.long_context.to if self.long_context is not None else ()
        patterns = (model for pattern in self.patterns for model in pattern.to)
        return (*self.default, *self.background, *self.think, *long, *self.image, *self.web_search, *patterns)
