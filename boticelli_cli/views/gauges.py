"""Gauges: how an answer is measured while it grows, before its provider has counted."""

from collections.abc import Callable
from dataclasses import dataclass

from boticelli_cli.messages import Usage

__all__ = ["Gauges"]


@dataclass(frozen=True, slots=True)
class Gauges:
    """`tokens` guesses how many a text is, `cost_usd` says what so much use of a model costs, where that is known."""

    tokens: Callable[[str], float] = lambda text: len(text) / 4
    cost_usd: Callable[[str, Usage], float | None] = lambda model, usage: None
