"""One exchange with a client: who it is, what it asks, who answers, and what is written down of it."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import parse_qsl

from boticelli_cli.drivers.base import (
    Driver,
    Dropped,
    Fitted,
    Going,
    Notice,
    Retrying,
    Routed,
    Waiting,
    listening,
    metering,
)
from boticelli_cli.errors import BoticelliError, CredentialsError, ProviderError, StreamError
from boticelli_cli.gateway.answer import Answer, Send
from boticelli_cli.gateway.base import FaceName, Gatekeeper, InFlight, Observer, Seals
from boticelli_cli.gateway.bounds import BodyBounds, read_body
from boticelli_cli.gateway.faces.base import Asked, Call, Face
from boticelli_cli.gateway.flow import KEEP_ALIVE, PATIENCE, ClientLeft, Flow, Receive, own_fault, taken
from boticelli_cli.gateway.paths import Target
from boticelli_cli.gateway.record import Cost, Record
from boticelli_cli.gateway.seals import with_seals
from boticelli_cli.grants import Grant
from boticelli_cli.messages import Request

__all__ = ["Door", "Exchanges", "read_call", "unhurried"]

LONGEST_WAIT: Final = 30.0
"""Seconds that a request may wait for a free account, or for its turn, before the client is told to come back."""

_LARGE: Final = 1_000_000
"""Bytes of a body that takes some hundredths of a second to read."""

_OTHER_MODELS: Final = ("models", "route", "fallbacks", "plugins", "preset")
"""Options by which servers of OpenAI's dialect ask models that `model` does not name."""

Result = TypeVar("Result")

Scope = MutableMapping[str, Any]

_log = logging.getLogger(__name__)


class Door(Protocol):
    """Who lets clients in."""

    async def grant(self, scope: Scope) -> Grant:
        """What a request's key grants. Raises CredentialsError with status 401, ProviderError with 429 for guessers."""
        ...

    def check(self, grant: Grant, face: FaceName, model: str | None = None) -> None:
        """Raises CredentialsError, with status 403, for a face or a model that is not granted."""
        ...


@dataclass(slots=True)
class Exchanges:
    """All exchanges of a gateway, and what they need.

    `expect` guesses how many tokens a request has, `cost_of` what an answer cost; `on_asked` is told what was asked.
    Those who would have to wait for an account for longer than `longest_wait` are sent away; who hears nothing for
    `keep_alive` is told that the connection lives; who takes nothing for `patience` has left. All are in seconds.
    """

    driver: Driver
    door: Door
    gatekeeper: Gatekeeper
    seals: Seals
    observers: tuple[Observer, ...]
    expect: Callable[[Request], int]
    cost_of: Cost
    bounds: BodyBounds = field(default_factory=BodyBounds)
    on_asked: Callable[[str, Request], None] | None = None
    longest_wait: float = LONGEST_WAIT
    keep_alive: float = KEEP_ALIVE
    patience: float = PATIENCE
    _records: dict[str, Record] = field(default_factory=dict)
    _is_cut: bool = False

    def in_flight(self) -> list[InFlight]:
        """The requests that are under way, the oldest first."""
        return [record.in_flight() for record in self._records.values()]

    @property
    def queued(self) -> int:
        """How many pieces of answers wait for their clients."""
        return sum(record.flow.queued for record in self._records.values() if record.flow is not None)

    def cut(self) -> None:
        """End all answers now, with an error, and those that are still to begin."""
        self._is_cut = True
        for record in [*self._records.values()]:
            if record.flow is not None:
                record.flow.cut(_shutting_down())

    async def exchange(self, face: Face, target: Target, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and have it written down, however it ends."""
        address = scope.get("client")
        record = Record(f"req_{secrets.token_hex(12)}", face.name, client=str(address[0]) if address else None)
        self._records[record.id] = record
        answer = Answer(face, Asked(Request("", ())), record, self.seals, send)
        try:
            grant = await self.door.grant(scope)
            record.key = grant.name if grant.sha256 else None
            began = record.elapsed
            call = await read_call(target, scope, receive, self.bounds)
            record.idle = record.elapsed - began
            asked, expected = await unhurried(call, lambda: self._understand(face, call))
            record.asks(asked.request, expected, streamed=asked.streamed)
            self.door.check(grant, face.name, asked.request.model)
            asked = replace(asked, request=_within(grant, _routed(asked.request, scope)))
            if self.on_asked is not None:
                self.on_asked(record.id, asked.request)
            answer = Answer(face, asked, record, self.seals, send)
            async with self._let_in(grant, record):
                await self._answer(answer, asked, record, receive)
        except ClientLeft:
            record.ending, record.status = "left", record.status or 499
        except BoticelliError as error:
            await self._fail(answer, record, error, error)
        except asyncio.CancelledError:
            record.ending, record.status = "cut", record.status or 499
            raise
        except Exception as error:
            fault = own_fault(error)
            await self._fail(answer, record, fault, fault)
        finally:
            del self._records[record.id]
            self._book(record)

    def _understand(self, face: Face, call: Call) -> tuple[Asked, int]:
        """What a client asks, and about how many tokens that has."""
        asked = face.read(call)
        return asked, self.expect(asked.request)

    async def _answer(self, answer: Answer, asked: Asked, record: Record, receive: Receive) -> None:
        request = await with_seals(asked.request, self.seals)
        record.flow = flow = Flow(
            self.driver, request, streamed=asked.streamed, keep_alive=self.keep_alive, patience=self.patience
        )
        record.ending = "failed"
        if self._is_cut:
            flow.cut(_shutting_down())
        ear = _Ear(record, flow, self.longest_wait)
        try:
            with listening(ear.hear), metering() as record.meter:
                await flow.run(answer, receive)
        except (ClientLeft, asyncio.CancelledError) as why:
            record.ending = "left" if isinstance(why, ClientLeft) else "cut"
            raise
        except BoticelliError as error:
            if flow.was_cut and not ear.gave_up:
                record.ending = "cut"
            elif record.routed is None:  # nobody was asked
                record.ending = "refused"
            await self._fail(answer, record, error, _as_told(error))
        else:
            record.ending = "done"
            await taken(answer.end(), self.patience)
        finally:
            ear.close()

    @asynccontextmanager
    async def _let_in(self, grant: Grant, record: Record) -> AsyncIterator[None]:
        async with self.gatekeeper.admitted(grant, record.id, record.expected) as admission:
            try:
                yield
            finally:
                spent = record.settle(self.cost_of)
                admission.spend(spent.tokens, spent.cost_usd)

    async def _fail(self, answer: Answer, record: Record, error: BoticelliError, told: BoticelliError) -> None:
        record.error = error
        with suppress(ClientLeft):  # it ended before
            await taken(answer.fail(told), self.patience)

    def _book(self, record: Record) -> None:
        entry = record.entry(self.cost_of)
        for observer in self.observers:
            try:
                observer.ended(entry)
            except Exception:
                _log.exception("a request could not be written down")


class _Ear:
    """Hears what drivers tell before the first delta, and ends what waits for too long."""

    def __init__(self, record: Record, flow: Flow, longest: float) -> None:
        self._record = record
        self._flow = flow
        self._longest = longest
        self._timer: asyncio.TimerHandle | None = None
        self._idle_since: float | None = None
        self.gave_up = False

    async def hear(self, notice: Notice) -> None:
        match notice:
            case Routed():
                self._record.routed = notice
            case Dropped():
                self._record.drop(notice)
            case Fitted():
                self._record.fit(notice)
            case Waiting(reason, seconds):
                self._rest()
                if seconds > self._longest:
                    self._give_up(reason, seconds)
                elif self._timer is None:
                    loop = asyncio.get_running_loop()
                    self._timer = loop.call_later(self._longest, self._give_up, reason, seconds)
            case Retrying(error, seconds) if seconds > self._longest:
                raise error
            case Retrying():
                self._rest()
            case Going():
                self.close()

    def close(self) -> None:
        if self._idle_since is not None:
            self._record.idle += self._record.elapsed - self._idle_since
            self._idle_since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rest(self) -> None:
        if self._idle_since is None:
            self._idle_since = self._record.elapsed

    def _give_up(self, reason: str, seconds: float) -> None:
        self.gave_up = True
        message = f"there is no room for this request: it would wait {reason}"
        self._flow.cut(ProviderError(message, status=429, retry_after=max(seconds, 1.0)))


async def read_call(target: Target, scope: Scope, receive: Receive, bounds: BodyBounds) -> Call:
    """A request, once all of its body is there. Raises ClientLeft, and what `read_body` does."""
    body = await read_body(scope, receive, bounds)
    if body is None:
        raise ClientLeft
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    return Call(target, headers, query, body)


async def unhurried(call: Call, read: Callable[[], Result]) -> Result:
    """What is read of a call: of a large one in a thread, as others would have to wait for seconds."""
    return await asyncio.to_thread(read) if len(call.body) > _LARGE else read()


def _within(grant: Grant, request: Request) -> Request:
    """A request without words that name other models than the one asked for, where a key is for some only.

    OpenRouter takes fallbacks and routes in the body (https://openrouter.ai/docs/features/model-routing).
    """
    if grant.models is None or not any(name in request.options for name in _OTHER_MODELS):
        return request
    options = {name: value for name, value in request.options.items() if name not in _OTHER_MODELS}
    original = replace(request.original, body=None) if request.original is not None else None
    return replace(request, options=options, original=original)


def _routed(request: Request, scope: Scope) -> Request:
    """A request with the kind of it that its headers say, where they do."""
    for name, value in scope["headers"]:
        if name == b"x-boticelli-route":
            return replace(request, route=value.decode("latin-1"))
    return request


def _as_told(error: BoticelliError) -> BoticelliError:
    """An error as the client is told it: that our own key was refused is not for it to mend."""
    if not isinstance(error, CredentialsError):
        return error
    message = f"the gateway's own key was refused by {error.provider}: {error.message}"
    return ProviderError(message if error.status else error.message, provider=error.provider, status=502)


def _shutting_down() -> ProviderError:
    return StreamError("the gateway is shutting down", status=503, retry_after=5.0)
