"""Standings: what errors and successes do to an account's place on the roster, and what is written down of it."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from boticelli_cli.errors import CredentialsError, ProviderError
from boticelli_cli.routing.cooldowns import REFUSALS, Rest
from boticelli_cli.routing.roster import Roster, Seat

if TYPE_CHECKING:
    from boticelli_cli.routing.account_book import AccountBook, AccountState  # opens a database: slow to load

__all__ = ["Standings"]


class Standings:
    """Has accounts rest after errors, as long as each kind wants, and be well again after a success.

    With a `book`, what earlier processes have written holds from the first request on. `warn` is told of accounts
    whose credentials are refused. `clock` is the wall clock.
    """

    def __init__(
        self,
        roster: Roster,
        *,
        book: "AccountBook | None" = None,
        warn: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._roster = roster
        self._book = book
        self._warn = warn or logging.getLogger(__name__).warning
        self._clock = clock
        self._read: dict[str, list[AccountState]] | None = None
        self._warned: set[tuple[str, str]] = set()

    def recall(self, seat: Seat) -> None:
        """Know of an account what earlier processes knew. The first call reads the book."""
        if self._read is None:
            self._read = {}
            for state in self._book.read() if self._book is not None else ():
                self._read.setdefault(state.account, []).append(state)
        for state in self._read.pop(seat.counted_as, ()):
            seat.standing.refusals = max(seat.standing.refusals, state.refusals)
            until = _now() + state.until - self._clock()
            self._roster.rest(seat, Rest(until, state.kind, state.reason, state.model))

    def failed(self, seat: Seat, name: str, model: str, error: ProviderError) -> None:
        """Take an error into account; `name` is what people call the account."""
        rest = seat.standing.note(error, model, now=_now(), wall=self._clock())
        if rest is None:
            return
        self._roster.rest(seat, rest)
        if isinstance(error, CredentialsError) and (name, rest.kind) not in self._warned:
            self._warned.add((name, rest.kind))
            self._warn(_warning(seat, name, rest))
        if self._book is not None:
            dated = replace(rest, until=self._clock() + rest.until - _now())
            self._book.write(seat.counted_as, dated, 0 if rest.model else seat.standing.refusals)

    def succeeded(self, seat: Seat, model: str) -> None:
        """Take a success into account."""
        if self._roster.clear(seat, model) and self._book is not None:
            self._book.clear(seat.counted_as, model)


def _warning(seat: Seat, name: str, rest: Rest) -> str:
    if rest.kind == "disabled":
        return (
            f"account '{name}' was refused {REFUSALS} times in a row; "
            f"while there is another, it is not asked any more: {rest.reason}"
        )
    return f"account '{name}' was refused; while there is another, it is not asked for 30 minutes: {rest.reason}"


def _now() -> float:
    return asyncio.get_running_loop().time()
