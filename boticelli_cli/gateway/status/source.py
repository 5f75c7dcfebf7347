"""What the status page is told, and by whom; and the spans of time that it can look back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from boticelli_cli.gateway.base import AccountState, Entry, InFlight

__all__ = ["DEFAULT_SPAN", "SPANS", "Slice", "Span", "StatusSource"]


@dataclass(frozen=True, slots=True)
class Slice:
    """What was asked with one key of one model within one step of time.

    `at` is when the step began, in seconds of the epoch, a multiple of the step. `key` is the name of the key. `model`
    is the one served, or where nobody was asked, the one asked for. `failed` of the `requests` did not end well:
    failed, refused or cut. `cost_usd` is as much as is known of it, `None` where nothing is.
    """

    at: float
    key: str | None
    model: str
    requests: int
    failed: int
    input: int
    output: int
    cost_usd: float | None


class StatusSource(Protocol):
    """Tells the state of a gateway. Nothing in it blocks the event loop; whatever it raises breaks one update."""

    @property
    def version(self) -> str: ...

    @property
    def started(self) -> float:
        """When the gateway was started, in seconds of the epoch."""
        ...

    def redis(self) -> str | None:
        """A few words about Redis ("connected", "gone; going on alone"); `None` for a gateway that uses none."""
        ...

    def accounts(self) -> Sequence[AccountState]:
        """All accounts, in the order in which they are shown."""
        ...

    def in_flight(self) -> Sequence[InFlight]:
        """The requests under way, in any order."""
        ...

    async def series(self, since: float, step: float) -> Sequence[Slice]:
        """What came at `since` (seconds of the epoch, a multiple of `step` seconds) or later, in any order.

        A slice for each step, key and model that has something to tell. It is asked again no sooner than twenty times
        as long as it took.
        """
        ...

    async def recent_errors(self, limit: int) -> Sequence[Entry]:
        """The latest entries that failed, were refused or were cut, the newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """How far the page looks back: `count` steps of `step` seconds, the last of which is not over yet."""

    name: str
    title: str
    step: int
    count: int

    def since(self, now: float) -> int:
        """The beginning of the first step, a multiple of the step in seconds of the epoch."""
        return (int(now) // self.step - self.count + 1) * self.step


SPANS = {
    span.name: span
    for span in (
        Span("hour", "1 hour", 120, 30),
        Span("day", "24 hours", 1800, 48),
        Span("week", "7 days", 4 * 3600, 42),
        Span("month", "30 days", 86_400, 30),
    )
}
DEFAULT_SPAN = SPANS["day"]
