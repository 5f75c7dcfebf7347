"""Routes: which models are asked for which requests, as the configuration says it.

A list of models is a chain: each is asked when the one before it does not answer. On their way to a provider requests
may pass through transformations, which are named here and made elsewhere.
"""

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["TRANSFORMER_NAMES", "Alias", "Chain", "LongContext", "Pattern", "Routes", "Transformation"]

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
