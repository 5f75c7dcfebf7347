"""What was spent, summed up by key, by model and by step of time. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from boticelli_cli.gateway.status.source import Slice

__all__ = ["Spending", "Sum", "spending"]


@dataclass(frozen=True, slots=True)
class Sum:
    """What was spent under one name; `tokens` and `costs` (USD, 0 where not known) are by step, the oldest first."""

    name: str | None
    requests: int
    failed: int
    input: int
    output: int
    cost_usd: float | None
    tokens: tuple[int, ...]
    costs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Spending:
    """All that was spent, and by whom and on what, the dearest first; `since` is where the first step begins."""

    since: int
    step: int
    total: Sum
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    keys: tuple[Sum, ...]
    models: tuple[Sum, ...]


def spending(slices: Sequence[Slice], since: int, step: int, count: int) -> Spending:
    """The sums of slices. What lies outside of the `count` steps is left out."""
    total = _Counting(count)
    inputs, outputs = [0] * count, [0] * count
    keys: defaultdict[str | None, _Counting] = defaultdict(lambda: _Counting(count))
    models: defaultdict[str | None, _Counting] = defaultdict(lambda: _Counting(count))
    for each in slices:
        place = int(each.at - since) // step
        if 0 <= place < count:
            inputs[place] += each.input
            outputs[place] += each.output
            for counting in (total, keys[each.key], models[each.model]):
                counting.add(each, place)
    return Spending(
        since,
        step,
        total.sum(None),
        tuple(inputs),
        tuple(outputs),
        keys=_dearest_first(keys),
        models=_dearest_first(models),
    )


class _Counting:
    """A sum that grows."""

    __slots__ = ("cost", "costs", "failed", "input", "is_priced", "output", "requests", "tokens")

    def __init__(self, count: int) -> None:
        self.requests = self.failed = self.input = self.output = 0
        self.cost = 0.0
        self.is_priced = False
        self.tokens = [0] * count
        self.costs = [0.0] * count

    def add(self, one: Slice, place: int) -> None:
        self.requests += one.requests
        self.failed += one.failed
        self.input += one.input
        self.output += one.output
        self.tokens[place] += one.input + one.output
        if one.cost_usd is not None:
            self.is_priced = True
            self.cost += one.cost_usd
            self.costs[place] += one.cost_usd

    def sum(self, name: str | None) -> Sum:
        cost = self.cost if self.is_priced else None
        tokens, costs = tuple(self.tokens), tuple(self.costs)
        return Sum(name, self.requests, self.failed, self.input, self.output, cost, tokens, costs)


def _dearest_first(counted: Mapping[str | None, _Counting]) -> tuple[Sum, ...]:
    sums = (counting.sum(name) for name, counting in counted.items())
    return tuple(
        sorted(sums, key=lambda one: (-(one.cost_usd or 0.0), -(one.input + one.output), -one.requests, one.name or ""))
    )
