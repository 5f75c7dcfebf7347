"""Rate limits, kept on our side: requests and tokens a minute, requests a day, requests at once."""

import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from boticelli_cli.catalog import Limits
from boticelli_cli.drivers.base import Driver, Going, notify
from boticelli_cli.errors import QuotaError
from boticelli_cli.messages import Delta, Finish, Request, Response
from boticelli_cli.routing.day import Reset, in_words
from boticelli_cli.routing.elsewhere import Claim, Counts
from boticelli_cli.routing.estimate import estimate_tokens
from boticelli_cli.routing.ledger import Ledger, Slot, Spent
from boticelli_cli.routing.line import Line, Ticket, Wait, one_of
from boticelli_cli.routing.resets import HINT, until
from boticelli_cli.routing.roster import Lease, offered
from boticelli_cli.routing.window import SPAN, Lack, Room, Sent, earliest

__all__ = ["Limited"]

_UNLIMITED = Limits()

_SOME_TIME = 1.0
"""Seconds that a wait is taken to last of which nobody can tell how long it does."""

_LOOK_AGAIN = 5.0
"""Seconds after which a wait is looked at again: other processes may have used less than they had reserved."""


class Limited:
    """A driver that asks another one no more often than an account may.

    Requests to a model go in the order of their coming. In any 60 seconds, no more than `rpm` of them and no
    more than `tpm` estimated input tokens go out, over all processes with the same ledger. A request larger than
    `tpm` goes alone. How many requests to a model may be under way is counted in this object, so there is to be one
    for each account and model. The account's own lease, where one is offered, is held by requests that are let through
    only, and not by those that wait.

    Raises QuotaError, at once, when the account has nothing of a model, or nothing left of the day. When the
    provider says so first, that is remembered until it comes back, and the error says when that is: when the provider
    says, else at the day's `reset`, unless what is spent may be something else (`spends_days` is false), as credit.
    A model of which no limit is known is asked directly, and nothing is remembered of it. `account` is what messages
    call it, `counted_as` what the ledger does, if that is something else. `zone` is for times in messages: the
    machine's own, if `None`. With `counts`, all of this is of all machines: a request goes once both they and the
    ledger let it.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        account: str,
        counted_as: str | None = None,
        limits_of: Callable[[str], Limits],
        ledger: Ledger,
        reset: Reset,
        spends_days: bool = True,
        zone: tzinfo | None = None,
        counts: Counts | None = None,
    ) -> None:
        self._driver = driver
        self._account = account
        self._counted_as = counted_as or account
        self._limits_of = limits_of
        self._ledger = ledger
        self._reset = reset
        self._spends_days = spends_days
        self._zone = zone
        self._counts = counts
        self._lines: dict[str, Line] = {}

    def supports_streaming(self, model: str) -> bool:
        return self._driver.supports_streaming(model)

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        limits = self._limits_of(request.model)
        return self._driver.stream(request) if limits == _UNLIMITED else self._stream(request, limits)

    async def generate(self, request: Request) -> Response:
        limits = self._limits_of(request.model)
        if limits == _UNLIMITED:
            return await self._driver.generate(request)
        async with self._admitted(request, limits) as admission:
            with self._remembering(admission):
                response = await self._driver.generate(request)
            self._correct(admission, response.finish)
            return response

    def delay(self, request: Request, tokens: int) -> float:
        """About how many seconds a request of so many tokens would wait now; infinite where there is nothing left."""
        model, limits = request.model, self._limits_of(request.model)
        if limits == _UNLIMITED:
            return 0.0
        if _has_none(limits) or self._ledger.spent(self._counted_as, model, limits.rpd, self._reset) is not None:
            return math.inf
        line = self._lines.get(model)
        seconds = 0.0
        if limits.rpm is not None or limits.tpm is not None:
            room = earliest(
                self._plan(line, model, limits), tokens, rpm=limits.rpm, tpm=limits.tpm, now=self._ledger.now()
            )
            seconds = max(room.at - self._ledger.now(), 0.0)
        if self._counts is not None:
            seconds = max(seconds, self._counts.delay(self._counted_as, model))
        if line is not None and limits.max_concurrent is not None and line.is_full(limits.max_concurrent):
            turns = 1 + line.length // limits.max_concurrent
            seconds = max(seconds, turns * (line.until_one_ends() or _SOME_TIME))
        return seconds

    async def look(self, request: Request, tokens: int) -> None:
        """Find out what other machines have asked, for `delay` to know."""
        limits = self._limits_of(request.model)
        if self._counts is not None and limits != _UNLIMITED and not _has_none(limits):
            await self._counts.look(self._counted_as, request.model, limits, tokens, self._reset)

    def under_way(self, model: str) -> int:
        """How many requests to a model have been let through, and have not ended."""
        return self._lines[model].running if model in self._lines else 0

    @asynccontextmanager
    async def _stream(self, request: Request, limits: Limits) -> AsyncIterator[AsyncIterator[Delta]]:
        async with self._admitted(request, limits) as admission, AsyncExitStack() as stack:
            with self._remembering(admission):
                deltas = await stack.enter_async_context(self._driver.stream(request))
            yield _Watched(
                deltas,
                finished=lambda finish: self._correct(admission, finish),
                remembering=lambda: self._remembering(admission),
            )

    @asynccontextmanager
    async def _admitted(self, request: Request, limits: Limits) -> AsyncIterator["_Admission"]:
        """Wait for a place, and be under way."""
        model = request.model
        if _has_none(limits):
            raise QuotaError(
                f"account '{self._account}' has none of {model}: its limit is 0",
                hint="ask another model (--model), or use another account",
            )
        line = self._lines.setdefault(model, Line())
        ticket = Ticket(estimate_tokens(request))
        line.join(ticket)
        try:
            slot = await self._wait(line, ticket, model, limits)
            line.start(ticket)
        finally:
            line.leave(ticket)
            self._forget_idle(model, line)
        try:
            if ticket.was_told:
                await notify(Going())
            yield _Admission(line, model, slot, ticket.tokens, ticket.claim)
        finally:
            line.end(ticket)
            self._forget_idle(model, line)

    async def _wait(self, line: Line, ticket: Ticket, model: str, limits: Limits) -> Slot:
        lease = offered()
        try:
            while True:
                ticket.woken.clear()
                if not line.lets(ticket, limits.max_concurrent):
                    await self._rest(ticket, lease, self._wait_in_line(line, ticket, model, limits))
                    continue
                if lease is not None and not lease.is_held:
                    self._refuse_a_spent_day(model, limits)
                    await lease.take()
                slot = await self._claim(ticket, model, limits)
                if isinstance(slot, Slot) and slot.seconds <= 0:
                    return slot
                # Not less than a millisecond: two clocks may differ by less than either can show.
                look_again = min(max(slot.seconds, 0.001), _LOOK_AGAIN)
                await self._rest(ticket, lease, Wait(_minute(slot.lacks, model, limits), slot.seconds, look_again))
        except BaseException:
            if ticket.reserved is not None:
                self._ledger.release(ticket.reserved)
            if ticket.claim is not None and self._counts is not None:
                self._counts.take_back(ticket.claim)
            raise

    async def _rest(self, ticket: Ticket, lease: Lease | None, wait: Wait) -> None:
        """Wait without the account's lease: requests to other models may need it."""
        if lease is not None:
            lease.give_back()
        await ticket.wait(wait)

    async def _claim(self, ticket: Ticket, model: str, limits: Limits) -> Slot | Claim:
        slot = self._claim_here(ticket, model, limits)
        if slot.seconds > 0 or self._counts is None:
            return slot
        try:
            claim = await self._counts.claim(
                self._counted_as, model, limits, ticket.tokens, self._reset, held=ticket.claim
            )
            if isinstance(claim, Spent):
                raise self._day_is_spent(claim, model, limits)
        except BaseException:
            self._take_back(ticket, slot, model)
            raise
        ticket.claim = claim
        if claim.seconds <= 0:
            return slot
        self._take_back(ticket, slot, model)
        return claim

    def _take_back(self, ticket: Ticket, slot: Slot, model: str) -> None:
        self._ledger.take_back(self._counted_as, model, slot, self._reset)
        ticket.reserved = None

    def _claim_here(self, ticket: Ticket, model: str, limits: Limits) -> Slot:
        claimed = self._ledger.claim(self._counted_as, model, limits, ticket.tokens, self._reset, held=ticket.reserved)
        if isinstance(claimed, Spent):
            raise self._day_is_spent(claimed, model, limits)
        ticket.reserved = claimed.id
        return claimed

    def _wait_in_line(self, line: Line, ticket: Ticket, model: str, limits: Limits) -> Wait:
        """What a request waits for behind others. A spent day is not waited for."""
        self._refuse_a_spent_day(model, limits)
        if not line.is_first(ticket) and (limits.rpm is not None or limits.tpm is not None):
            room = self._forecast(line, ticket, model, limits)
            elsewhere = self._counts.delay(self._counted_as, model) if self._counts is not None else 0.0
            return Wait(_minute(room.lacks, model, limits), max(room.at - self._ledger.now(), elsewhere, 0.0))
        return Wait(one_of(line.running), line.until_one_ends())

    def _refuse_a_spent_day(self, model: str, limits: Limits) -> None:
        spent = self._ledger.spent(self._counted_as, model, limits.rpd, self._reset)
        if spent is not None:
            raise self._day_is_spent(spent, model, limits)

    def _forecast(self, line: Line, ticket: Ticket, model: str, limits: Limits) -> Room:
        """When a request is likely to go, if those before it go as they are expected to."""
        if line.plan is None:
            line.plan = self._planned(line.ahead(ticket), model, limits)
        return self._add(line.plan, ticket, limits)

    def _plan(self, line: Line | None, model: str, limits: Limits) -> list[Sent]:
        """When all those who wait are likely to go, after those who went."""
        if line is None:
            return self._ledger.recent(self._counted_as, model)
        if line.plan is None:
            line.plan = self._planned(line.waiting, model, limits)
        return line.plan

    def _planned(self, tickets: list[Ticket], model: str, limits: Limits) -> list[Sent]:
        plan = self._ledger.recent(self._counted_as, model)
        for ticket in tickets:
            if ticket.reserved is None:
                self._add(plan, ticket, limits)
        return plan

    def _add(self, plan: list[Sent], ticket: Ticket, limits: Limits) -> Room:
        room = earliest(plan, ticket.tokens, rpm=limits.rpm, tpm=limits.tpm, now=self._ledger.now())
        plan.append(Sent(room.at, ticket.tokens))
        return room

    def _correct(self, admission: "_Admission", finish: Finish) -> None:
        """Count what a request really used. What has left the window by now makes no difference."""
        real = finish.usage.input
        if real is None or real == admission.tokens or admission.slot.at + SPAN < self._ledger.now():
            return
        self._ledger.correct(admission.slot.id, real)
        if admission.claim is not None and self._counts is not None:
            self._counts.correct(admission.claim, real)
        admission.line.wake()

    @contextmanager
    def _remembering(self, admission: "_Admission") -> Iterator[None]:
        """Remember that the day is spent, and say when it is over: the day in which the request went out."""
        try:
            yield
        except QuotaError as error:
            if error.resets_at is None and not self._spends_days:
                raise
            day = self._reset(admission.slot.at)
            back = error.resets_at.timestamp() if error.resets_at is not None else day.end
            self._ledger.mark_spent(self._counted_as, admission.model, day, back)
            if self._counts is not None:
                self._counts.mark_spent(self._counted_as, admission.model, back)
            admission.line.wake()
            raise until(error, back, self._ledger.now(), self._zone) from error

    def _day_is_spent(self, spent: Spent, model: str, limits: Limits) -> QuotaError:
        counted = limits.rpd is not None and spent.requests >= limits.rpd
        what = (
            f"the day's {_counted(limits.rpd, 'request')}" if counted else "the provider says that the day's requests"
        )
        when = in_words(spent.until, self._ledger.now(), self._zone)
        return QuotaError(
            f"{what} to {model} on account '{self._account}' are spent; they come back {when}",
            resets_at=datetime.fromtimestamp(spent.until, UTC),
            retry_after=round(spent.until - self._ledger.now(), 1),
            hint=HINT,
        )

    def _forget_idle(self, model: str, line: Line) -> None:
        if line.idle and self._lines.get(model) is line:
            del self._lines[model]


@dataclass(frozen=True, slots=True)
class _Admission:
    """A request that was let go: its line, its place in the ledger, and the tokens it was estimated to have.

    `claim` is its place in the minute of all machines, where there are others.
    """

    line: Line
    model: str
    slot: Slot
    tokens: int
    claim: Claim | None


class _Watched:
    """The deltas of a stream, as they come; what they say about quotas is passed on.

    No generator, so that there is nothing to close that the driver's own context would not.
    """

    def __init__(
        self,
        deltas: AsyncIterator[Delta],
        *,
        finished: Callable[[Finish], None],
        remembering: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._deltas = deltas
        self._finished = finished
        self._remembering = remembering

    def __aiter__(self) -> "_Watched":
        return self

    async def __anext__(self) -> Delta:
        try:
            delta = await anext(self._deltas)
        except QuotaError:
            with self._remembering():
                raise
        if isinstance(delta, Finish):
            self._finished(delta)
        return delta


def _has_none(limits: Limits) -> bool:
    """Whether there is nothing of a model to begin with."""
    return 0 in (limits.rpm, limits.tpm, limits.rpd, limits.max_concurrent)


def _minute(lacks: Lack, model: str, limits: Limits) -> str:
    """As in "for the minute's 5 requests to gemini-3.8-flash"."""
    if lacks == "tokens":
        return f"for the minute's {_counted(limits.tpm, 'input token')} to {model}"
    return f"for the minute's {_counted(limits.rpm, 'request')} to {model}"


def _counted(number: int | None, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
