"""Standings: what errors and successes do to an account's place on the roster, and what is written down of it."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from boticelli_cli.errors import CredentialsError, ProviderError
from boticelli_cli.routing.cooldowns import REFUSALS, Rest
from boticelli_cli.routing.elsewhere import Elsewhere, Known
from boticelli_cli.routing.roster import Roster, Seat

if TYPE_CHECKING:
    from boticelli_cli.routing.account_book import AccountBook  # opens a database: slow to load

__all__ = ["Standings"]


class Standings:
    """Has accounts rest after errors, as long as each kind wants, and be well again after a success.

    With a `book`, what earlier processes have written holds from the first request on; with `elsewhere`, what other
    machines know, from when they know it. `warn` is told of accounts whose credentials are refused. `clock` is the
    wall clock.
    """

    def __init__(
        self,
        roster: Roster,
        *,
        book: "AccountBook | None" = None,
        elsewhere: Elsewhere | None = None,
        warn: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._roster = roster
        self._book = book
        self._elsewhere = elsewhere
        if elsewhere is not None:
            elsewhere.listen(self)
        self._warn = warn or logging.getLogger(__name__).warning
        self._clock = clock
        self._read: dict[str, list[Known]] | None = None
        self._warned: set[tuple[str, str]] = set()

    def recall(self, seat: Seat) -> None:
        """Know of an account what earlier processes knew. The first call reads the book."""
        if self._read is None:
            self._read = {}
            for state in self._book.read() if self._book is not None else ():
                rest = Rest(state.until, state.kind, state.reason, state.model)
                self._read.setdefault(state.account, []).append(Known(state.account, rest, state.refusals))
        for known in self._read.pop(seat.counted_as, ()):
            self._know(seat, known)
        for known in self._elsewhere.rests() if self._elsewhere is not None else ():
            if known.account == seat.counted_as:
                self._know(seat, known)

    def failed(self, seat: Seat, name: str, model: str, error: ProviderError) -> None:
        """Take an error into account; `name` is what people call the account."""
        rest = seat.standing.note(error, model, now=_now(), wall=self._clock())
        if rest is None:
            return
        self._roster.rest(seat, rest)
        if isinstance(error, CredentialsError) and (name, rest.kind) not in self._warned:
            self._warned.add((name, rest.kind))
            self._warn(_warning(seat, name, rest))
        dated = replace(rest, until=self._clock() + rest.until - _now())
        refusals = 0 if rest.model else seat.standing.refusals
        if self._book is not None:
            self._book.write(seat.counted_as, dated, refusals)
        if self._elsewhere is not None:
            self._elsewhere.tell_of_rest(Known(seat.counted_as, dated, refusals))

    def succeeded(self, seat: Seat, model: str) -> None:
        """Take a success into account."""
        if not self._roster.clear(seat, model):
            return
        if self._book is not None:
            self._book.clear(seat.counted_as, model)
        if self._elsewhere is not None:
            self._elsewhere.tell_of_success(seat.counted_as, model)

    # From elsewhere

    def hear_of_rest(self, known: Known) -> None:
        if (seat := self._roster.seat_of(known.account)) is not None:
            self._know(seat, known)

    def hear_of_success(self, account: str, model: str) -> None:
        if (seat := self._roster.seat_of(account)) is not None:
            self._roster.clear(seat, model)

    def hear_of_room(self, account: str) -> None:
        if (seat := self._roster.seat_of(account)) is not None:
            self._roster.make_room(seat)

    def _know(self, seat: Seat, known: Known) -> None:
        seat.standing.refusals = max(seat.standing.refusals, known.refusals)
        until = _now() + known.rest.until - self._clock()
        there = seat.standing.models.get(known.rest.model) if known.rest.model else seat.standing.whole
        if there is None or there.until < until:
            self._roster.rest(seat, replace(known.rest, until=until))


def _warning(seat: Seat, name: str, rest: Rest) -> str:
    if rest.kind == "disabled":
        return (
            f"account '{name}' was refused {REFUSALS} times in a row; "
            f"while there is another, it is not asked any more: {rest.reason}"
        )
    return f"account '{name}' was refused; while there is another, it is not asked for 30 minutes: {rest.reason}"


def _now() -> float:
    return asyncio.get_running_loop().time()
