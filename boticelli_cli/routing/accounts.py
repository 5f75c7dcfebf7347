"""Accounts: a driver that asks with whichever of several accounts is the best at the moment."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from boticelli_cli.drivers.base import Driver, Going, Retrying, Routed, notify
from boticelli_cli.errors import CredentialsError, ProviderError, QuotaError
from boticelli_cli.messages import Delta, Request, Response
from boticelli_cli.routing.choice import Choice, Member
from boticelli_cli.routing.cooldowns import is_of_account
from boticelli_cli.routing.retries import schedule_of
from boticelli_cli.routing.roster import Roster, Seat, offering
from boticelli_cli.routing.router import EXPLICIT, decision_at_hand
from boticelli_cli.routing.standings import Standings

__all__ = ["Member", "Pool"]

Result = TypeVar("Result")


class Pool:
    """Asks with one account, and with the next where that one fails before its first delta by its own fault.

    Those that nothing speaks against come first: of them the one with the lowest `priority`, then with the fewest
    requests under way, then the one that was used least recently; but a conversation keeps to its account for an hour,
    while that is free. An account that rests after an error is asked when there is no other, or when the others have
    failed in a way that no wait mends, at once and once: waiting is for whoever retries. Of several errors the one that
    a wait helps most is raised. A sole account never rests.

    When all are full, requests wait in the order of their coming for any account. When all would hold a request back,
    the one that does so for the shortest time gets it. Pools of one provider share a `roster`, and with it leases,
    conversations and rests; `standings` have to be those of that roster.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        provider: str,
        roster: Roster | None = None,
        standings: Standings | None = None,
    ) -> None:
        self._provider = provider
        self._roster = roster or Roster()
        self._standings = standings or Standings(self._roster)
        self._members = {
            self._roster.seat(each.counted_as, priority=each.priority, max_concurrent=each.max_concurrent): each
            for each in members
        }
        self._is_sole = len(self._members) == 1
        self._has_begun = self._is_sole

    def supports_streaming(self, model: str) -> bool:
        return next(iter(self._members.values())).driver.supports_streaming(model)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        async with AsyncExitStack() as stack:
            yield await self._ask(request, stack, lambda driver: stack.enter_async_context(driver.stream(request)))

    async def generate(self, request: Request) -> Response:
        async with AsyncExitStack() as stack:
            return await self._ask(request, stack, lambda driver: driver.generate(request))

    async def _ask(self, request: Request, stack: AsyncExitStack, ask: Callable[[Driver], Awaitable[Result]]) -> Result:
        """Ask with one account after the other. Leases are given back at the latest when the stack is closed."""
        self._begin()
        choice = Choice(request, self._members, self._roster)
        while (lease := await choice.lease()) is not None:
            stack.callback(lease.give_back)
            seat, member = lease.seat, self._members[lease.seat]
            try:
                with offering(lease):
                    await self._tell(request, member)
                    result = await ask(member.driver)
            except ProviderError as error:
                lease.give_back()
                self._note(seat, request.model, error)
                choice.tried[seat] = failure = error
                if not is_of_account(error):
                    raise
            else:
                self._well(seat, request.model)
                choice.keep(seat)
                return result
            if not choice.has_another():
                break
            await notify(Retrying(failure, 0.0))
            await notify(Going())
        raise _most_hopeful(choice.tried.values())

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            for seat in self._members:
                self._standings.recall(seat)

    async def _tell(self, request: Request, member: Member) -> None:
        decision = decision_at_hand()
        route, reason = (decision.route, decision.reason) if decision is not None else EXPLICIT
        await notify(Routed(request.model, self._provider, member.name, route, reason))

    def _note(self, seat: Seat, model: str, error: ProviderError) -> None:
        if not self._is_sole:
            self._standings.failed(seat, self._members[seat].name, model, error)

    def _well(self, seat: Seat, model: str) -> None:
        if not self._is_sole:
            self._standings.succeeded(seat, model)


def _most_hopeful(errors: Collection[ProviderError]) -> ProviderError:
    """Of the errors of several accounts the one after which a wait is of most use; of those alike, the first."""
    return min(errors, key=_hope)


def _hope(error: ProviderError) -> tuple[int, float]:
    if schedule_of(error) is not None:
        return 0, error.retry_after or 0.0
    if isinstance(error, QuotaError):
        return 1, error.resets_at.timestamp() if error.resets_at is not None else math.inf
    return (3, 0.0) if isinstance(error, CredentialsError) else (2, 0.0)
