"""The record of one request while it goes on: what drivers tell of it, and in the end its entry."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import perf_counter, time
from typing import Final

from boticelli_cli.drivers.base import Dropped, Fitted, Meter, Routed
from boticelli_cli.errors import BoticelliError
from boticelli_cli.gateway.base import Ending, Entry, FaceName, InFlight
from boticelli_cli.gateway.flow import Flow
from boticelli_cli.messages import Request, Usage

__all__ = ["Cost", "Record", "Spent"]

Cost = Callable[[str, str, Usage], float | None]
"""What so much use of a model costs in USD, by its provider and its name there; `None` where that is not known."""

_LONGEST: Final = 200
"""Characters of what a client wrote that are kept."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a request has used and cost; `is_estimated` where that is in part a guess."""

    usage: Usage
    is_estimated: bool
    cost_usd: float | None

    @property
    def tokens(self) -> int:
        return (self.usage.input or 0) + (self.usage.output or 0)


@dataclass(slots=True)
class Record:
    """What is known of a request so far. It begins with its head; `perf_counter` measures its times.

    `idle` are the seconds for which it waited, and neither for us nor for a provider's answer: for its body, for its
    turn, for another attempt.
    """

    id: str
    face: FaceName
    at: float = field(default_factory=time)
    began: float = field(default_factory=perf_counter)
    client: str | None = None
    key: str | None = None
    model: str = ""
    streamed: bool = False
    expected: int = 0
    routed: Routed | None = None
    dropped: dict[str, None] = field(default_factory=dict)
    fitted: dict[str, None] = field(default_factory=dict)
    flow: Flow | None = None
    meter: Meter = field(default_factory=Meter)
    idle: float = 0.0
    first_byte: float | None = None
    text: int = 0
    status: int = 0
    ending: Ending = "refused"
    error: BoticelliError | None = None
    spent: Spent | None = None

    def asks(self, request: Request, expected: int, *, streamed: bool) -> None:
        self.model, self.expected, self.streamed = request.model[:_LONGEST], expected, streamed

    def drop(self, notice: Dropped) -> None:
        self.dropped.update(dict.fromkeys(notice.what))

    def fit(self, notice: Fitted) -> None:
        self.fitted.update(dict.fromkeys(notice.what))

    @property
    def elapsed(self) -> float:
        return perf_counter() - self.began

    def in_flight(self) -> InFlight:
        routed = self.routed
        return InFlight(
            self.id,
            self.at,
            self.face,
            self.model,
            self.key,
            routed.model if routed is not None else None,
            routed.provider if routed is not None else None,
            routed.account if routed is not None else None,
            self.flow.queued if self.flow is not None else 0,
        )

    def settle(self, cost_of: Cost) -> Spent:
        """What it has used; reckoned once, when it is over."""
        if self.spent is None:
            (usage, is_estimated), routed = self._used(), self.routed
            cost = cost_of(routed.provider, routed.model, usage) if routed is not None else None
            self.spent = Spent(usage, is_estimated, cost)
        return self.spent

    def entry(self, cost_of: Cost) -> Entry:
        """What is written down of it."""
        seconds, routed, flow, waited = self.elapsed, self.routed, self.flow, self.meter.waited
        spent = self.settle(cost_of)
        elsewhere = self.idle + (waited or 0.0) + (flow.blocked + flow.sending if flow is not None else 0.0)
        return Entry(
            self.id,
            self.at,
            self.face,
            self.model,
            self.streamed,
            self.ending,
            self.status,
            seconds,
            key=self.key,
            served=routed.model if routed is not None else None,
            provider=routed.provider if routed is not None else None,
            account=routed.account if routed is not None else None,
            route=routed.route if routed is not None else None,
            reason=routed.reason if routed is not None else None,
            client=self.client,
            usage=spent.usage,
            is_estimated=spent.is_estimated,
            cost_usd=spent.cost_usd,
            first_byte=self.first_byte,
            upstream=waited,
            overhead=None if waited is None else max(seconds - elsewhere, 0.0),
            chunks=flow.chunks if flow is not None else 0,
            error=self.error.kind if self.error is not None else None,
            message=self.error.message if self.error is not None else None,
        )

    def _used(self) -> tuple[Usage, bool]:
        """What was used, and whether that is in part a guess: where a provider was left before it had said."""
        finish = self.flow.finish if self.flow is not None else None
        usage = finish.usage if finish is not None else self.meter.usage or Usage()
        if self.routed is None or (self.ending == "failed" and self.first_byte is None):
            return usage, False
        if usage.input is not None and usage.output is not None:
            asked, answered = max(usage.input, 0), max(usage.output, 0)  # whatever a server says, nothing is given back
            total = asked + answered if usage.total is None else max(usage.total, 0)
            return replace(usage, input=asked, output=answered, total=total), False
        asked = self.expected if usage.input is None else usage.input
        answered = math.ceil(self.text / 4) if usage.output is None else usage.output
        return Usage(asked, answered, usage.thinking, usage.cached_input, usage.cache_write, asked + answered), True
