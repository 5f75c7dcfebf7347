"""What was spent, summed up by key, by model and by step of time. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
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
    inside = [each for each in slices if 0 <= each.at - since < step * count]

    def by_step(some: Iterable[Slice], figure: Callable[[Slice], float]) -> tuple[float, ...]:
        steps = [0.0] * count
        for each in some:
            steps[int(each.at - since) // step] += figure(each)
        return tuple(steps)

    def tokens(some: Iterable[Slice], figure: Callable[[Slice], int]) -> tuple[int, ...]:
        return tuple(map(int, by_step(some, figure)))

    def sum_of(name: str | None, some: Sequence[Slice]) -> Sum:
        known = [each.cost_usd for each in some if each.cost_usd is not None]
        return Sum(
            name,
            requests=sum(each.requests for each in some),
            failed=sum(each.failed for each in some),
            input=sum(each.input for each in some),
            output=sum(each.output for each in some),
            cost_usd=sum(known) if known else None,
            tokens=tokens(some, lambda each: each.input + each.output),
            costs=by_step(some, lambda each: each.cost_usd or 0.0),
        )

    def grouped(name: Callable[[Slice], str | None]) -> tuple[Sum, ...]:
        groups: defaultdict[str | None, list[Slice]] = defaultdict(list)
        for each in inside:
            groups[name(each)].append(each)
        sums = (sum_of(name, some) for name, some in groups.items())
        return tuple(sorted(sums, key=_dearest_first))

    return Spending(
        since,
        step,
        total=sum_of(None, inside),
        inputs=tokens(inside, lambda each: each.input),
        outputs=tokens(inside, lambda each: each.output),
        keys=grouped(lambda each: each.key),
        models=grouped(lambda each: each.model),
    )


def _dearest_first(one: Sum) -> tuple[float, int, int, str]:
    return -(one.cost_usd or 0.0), -(one.input + one.output), -one.requests, one.name or ""
