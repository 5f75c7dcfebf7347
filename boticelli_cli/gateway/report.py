"""What requests come to: their sums by time, key and model, as values."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from boticelli_cli.messages import Usage

__all__ = ["DAY", "HOUR", "Cell", "Report", "Totals", "report_of"]

HOUR = 3600
DAY = 86_400

Group = TypeVar("Group", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Totals:
    """Requests together: how many, how many of them failed, what they used, and what that cost in USD.

    What no provider has said of any of them is `None`, as in a `Usage`.
    """

    requests: int = 0
    failed: int = 0
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None

    def __add__(self, other: "Totals") -> "Totals":
        costs = [each for each in (self.cost_usd, other.cost_usd) if each is not None]
        return Totals(
            self.requests + other.requests,
            self.failed + other.failed,
            self.usage + other.usage,
            sum(costs) if costs else None,
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """What one key's holder asked of one model in one span of time, which begins at `at` (seconds of the epoch).

    `provider` and `model` are who answered, `None` where nobody was asked; `key` is `None` where none was given.
    """

    at: float
    key: str | None
    provider: str | None
    model: str | None
    totals: Totals


@dataclass(frozen=True, slots=True)
class Report:
    """What came from `since` up to `until` (seconds of the epoch), of one key or, where that is `None`, of all.

    `by_model` is told apart by provider and model, the dearest first; `by_time` by the starts of spans of `step`
    seconds, in their order. Spans in which nothing came are left out.
    """

    key: str | None
    since: float
    until: float
    step: int
    totals: Totals
    by_model: tuple[tuple[tuple[str | None, str | None], Totals], ...]
    by_key: tuple[tuple[str | None, Totals], ...]
    by_time: tuple[tuple[float, Totals], ...]


def report_of(cells: Iterable[Cell], *, key: str | None, since: float, until: float, step: int) -> Report:
    """The sums of cells."""
    cells = tuple(cells)
    return Report(
        key,
        since,
        until,
        step,
        sum((cell.totals for cell in cells), Totals()),
        _dearest_first(_sums(cells, lambda cell: (cell.provider, cell.model))),
        _dearest_first(_sums(cells, lambda cell: cell.key)),
        tuple(sorted(_sums(cells, lambda cell: cell.at).items())),
    )


def _sums(cells: Iterable[Cell], group_of: Callable[[Cell], Group]) -> dict[Group, Totals]:
    sums: defaultdict[Group, Totals] = defaultdict(Totals)
    for cell in cells:
        sums[group_of(cell)] += cell.totals
    return sums


def _dearest_first(sums: dict[Group, Totals]) -> tuple[tuple[Group, Totals], ...]:
    def rank(item: tuple[Group, Totals]) -> tuple[float, int, str]:
        group, totals = item
        return -(totals.cost_usd or 0.0), -totals.requests, str(group)

    return tuple(sorted(sums.items(), key=rank))
