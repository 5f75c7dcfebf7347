"""Routes: which models are asked for which requests, as the configuration says it.

A list of models is a chain: each is asked when the one before it does not answer.
"""

import re
from dataclasses import dataclass

__all__ = ["Alias", "Chain", "LongContext", "Pattern", "Routes"]

Chain = tuple[str, ...]


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
