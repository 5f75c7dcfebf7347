"""What is known elsewhere: by other machines, of the same accounts. Protocols only; without anybody behind them, a
gateway knows what its own machine does.

Nothing of this waits for more than a moment, nor raises: where others cannot be asked, there is nothing to know.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from boticelli_cli.catalog import Limits
from boticelli_cli.routing.cooldowns import Rest
from boticelli_cli.routing.window import Lack

if TYPE_CHECKING:
    from boticelli_cli.routing.day import Reset
    from boticelli_cli.routing.ledger import Spent  # opens a database: slow to load

__all__ = ["Claim", "Counts", "Elsewhere", "Hearer", "Known", "Place", "Sharing"]


class Place(Protocol):
    """A place among the requests under way on an account, over all machines."""

    def give_back(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Known:
    """Why an account rests, as others know it: `until` in seconds since 1970."""

    account: str
    rest: Rest
    refusals: int = 0


class Hearer(Protocol):
    """Is told what others have come to know of accounts."""

    def hear_of_rest(self, known: Known) -> None: ...

    def hear_of_success(self, account: str, model: str) -> None: ...

    def hear_of_room(self, account: str) -> None:
        """A request has ended that another machine had under way."""
        ...


class Elsewhere(Protocol):
    """The accounts of one provider, on all machines. Accounts are named as they are counted."""

    async def take(self, account: str, most: int) -> Place | None:
        """A place among those under way, unless there are as many as there may be."""
        ...

    async def account_of(self, conversation: str) -> str | None:
        """Which account a conversation was answered by last."""
        ...

    def keep(self, conversation: str, account: str) -> None:
        """Know that an account has answered a conversation."""
        ...

    def rests(self) -> Iterable[Known]:
        """All that is known to speak against accounts."""
        ...

    def tell_of_rest(self, known: Known) -> None: ...

    def tell_of_success(self, account: str, model: str) -> None: ...

    def listen(self, hearer: Hearer) -> None:
        """Have somebody told what others say from now on, in place of whom it was told so far."""
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """A request's place in the minute of all machines. With `seconds` left it is reserved; with none it has to go."""

    id: str
    account: str
    model: str
    tokens: int
    seconds: float
    lacks: Lack


class Counts(Protocol):
    """How much accounts have asked of models, on all machines: as the ledger knows it of one."""

    async def claim(
        self, account: str, model: str, limits: Limits, tokens: int, reset: "Reset", *, held: Claim | None = None
    ) -> "Claim | Spent":
        """Let a request go, and count it; or reserve the place where it may. Where nobody can be asked, it may go."""
        ...

    async def look(self, account: str, model: str, limits: Limits, tokens: int, reset: "Reset") -> None:
        """Find out for how long a request would have to wait, for `delay` to say, without counting it."""
        ...

    def delay(self, account: str, model: str) -> float:
        """For how many seconds a request would have to wait, as far as was found out just now."""
        ...

    def take_back(self, claim: Claim) -> None:
        """Give up a reservation."""
        ...

    def correct(self, claim: Claim, tokens: int) -> None:
        """Put what a request really used in the place of its estimate."""
        ...

    def mark_spent(self, account: str, model: str, until: float) -> None:
        """Know that a provider says there is nothing left of a day."""
        ...


class Sharing(Protocol):
    """What several machines share of all accounts."""

    @property
    def counts(self) -> Counts: ...

    def accounts(self, provider: str) -> Elsewhere:
        """The accounts of a provider, the same object whenever it is asked for."""
        ...
