"""What the parts of the gateway have in common: a request as it is told to others, and who lets it in."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from boticelli_cli.grants import Grant
from boticelli_cli.messages import Usage

__all__ = [
    "AccountState",
    "Admission",
    "Ending",
    "Entry",
    "FaceName",
    "Gatekeeper",
    "InFlight",
    "Keys",
    "Observer",
    "Seals",
]

FaceName = Literal["anthropic", "gemini", "openai"]

Ending = Literal["done", "failed", "left", "refused", "cut"]
"""How a request ended: answered; failed at the provider; its client went away; refused by the gateway itself, before
any provider was asked; cut when the gateway was shut down."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request, once it is over: what is written down, counted and shown of it.

    `at` is when it came, in seconds of the epoch; other times are in seconds since then. `key` is the name of the key,
    `client` the address that it came from, `model` what was asked for; `served`, `provider`, `account`, `route` and
    `reason` tell who answered and why, where anybody was asked. `usage` was told by the provider, or `is_estimated`.
    `status` is the HTTP status that the client got, or would have; `error` a word for programs and `message` a sentence
    about what went wrong. `upstream` are seconds for which the provider was waited for, `overhead` those for which
    nobody was: neither the provider, nor the client, nor a turn.
    `chunks` are the deltas, or forwarded pieces, that went through.
    """

    id: str
    at: float
    face: FaceName
    model: str
    streamed: bool
    ending: Ending
    status: int
    seconds: float
    key: str | None = None
    served: str | None = None
    provider: str | None = None
    account: str | None = None
    route: str | None = None
    reason: str | None = None
    client: str | None = None
    usage: Usage = field(default_factory=Usage)
    is_estimated: bool = False
    cost_usd: float | None = None
    first_byte: float | None = None
    upstream: float | None = None
    overhead: float | None = None
    chunks: int = 0
    error: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class InFlight:
    """A request that is under way. `queued` is how many pieces of its answer wait for the client."""

    id: str
    at: float
    face: FaceName
    model: str
    key: str | None
    served: str | None
    provider: str | None
    account: str | None
    queued: int


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account of a provider: how many requests it has under way, and why it rests, if it does."""

    provider: str
    name: str
    in_flight: int
    most: int | None
    state: Literal["ready", "resting", "disabled"]
    until: datetime | None = None
    reason: str | None = None


class Observer(Protocol):
    """Is told of every request that is over. It neither waits nor raises."""

    def ended(self, entry: Entry) -> None: ...


class Keys(Protocol):
    """The keys that have been issued."""

    async def find(self, key: str) -> Grant | None:
        """What a key grants, expired or not; nothing where it was never issued, or has been revoked."""
        ...

    async def named(self, name: str) -> Sequence[Grant]:
        """What the keys of a name grant at present, expired or not; the name may be anything, and no key's."""
        ...

    @property
    def has_any(self) -> bool:
        """Whether any key is known."""
        ...


class Seals(Protocol):
    """The seals on tool calls (`ToolCall.signature`), by the ids of the calls, for an hour: clients of other dialects
    have no words for them, and models want them back."""

    def put(self, call_id: str, signature: str) -> None:
        """Remember a seal. It neither waits nor raises."""
        ...

    async def get(self, call_ids: Collection[str]) -> Mapping[str, str]:
        """Those seals that are remembered, of many ids those of the last. It waits for a moment at most, and does not
        raise."""
        ...


class Admission(Protocol):
    """A request that has been let in."""

    def spend(self, tokens: int, cost_usd: float | None) -> None:
        """Count what it has really used, in place of what was expected. It neither waits nor raises."""
        ...


class Gatekeeper(Protocol):
    """Lets in as many requests as the holder of a key may make."""

    def admitted(self, grant: Grant, request_id: str, tokens: int) -> AbstractAsyncContextManager[Admission]:
        """A place among those under way, held until the context is left, whatever happens.

        `tokens` are how many it is expected to use. Entering raises, at once, when a limit of the grant is spent:
        ProviderError, with status 429 and `retry_after`, for what a minute or less brings back, and QuotaError, with
        status 429 and `resets_at` where time helps, for costs. Neither has a provider.
        """
        ...
