"""The router: a driver that asks the models which a request is for, one after the other, until one answers."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from copy import copy
from dataclasses import replace
from typing import TypeVar

from boticelli_cli.catalog import EMBEDDED, Catalog, PlacedModel
from boticelli_cli.drivers.base import Driver, FallingBack, Going, notify
from boticelli_cli.errors import CredentialsError, KeptElsewhereError, ProviderError, UsageError
from boticelli_cli.messages import Delta, Request, Response, Thought, ToolCall, deltas_of
from boticelli_cli.routes import Chain, Routes
from boticelli_cli.routing.budget import budget_of
from boticelli_cli.routing.circuit import Circuits
from boticelli_cli.routing.estimate import estimate_tokens
from boticelli_cli.routing.router import Decision, decide, deciding

__all__ = ["Router"]

_LONGEST = 160
"""Characters of an error's message that are told of it beside another."""

_KEPT = frozenset({"thread", "cachedContent"})
"""Options that stand for contents which a provider keeps: Anthropic's threads of messages (a beta of 2026-08-12), and
Gemini's caches."""

Result = TypeVar("Result")


class Router:
    """Decides by the `routes` which models a request is for, and asks them in their order.

    Any ProviderError before the first delta moves on to the next, until the request's time budget is over; after it,
    none does. All but the last are asked a second time at most, unless the request says how often. When all have
    failed, the first error that is not for want of credentials is raised, and the others are named in it. A target that
    keeps failing is asked after all others for a minute. `dialect_of` gives the dialect of a provider: a request's
    options are in that of the model that it names, else of the first that it is for, and others are told so. Raises
    UsageError where there is no model to ask.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        routes: Routes,
        catalog: Catalog,
        dialect_of: Callable[[str], str],
        tokens: Callable[[Request], int] = estimate_tokens,
    ) -> None:
        self._driver = driver
        self._routes = routes
        self._catalog = catalog
        self._dialect_of = dialect_of
        self._tokens = tokens
        self._circuits = Circuits()

    def decide(self, request: Request) -> Decision:
        """The models that a request is for, and why."""
        return decide(request, self._routes, self._catalog, tokens=self._tokens)

    def supports_streaming(self, model: str) -> bool:
        """Whether the first of the models does that are asked for this name; a name that leaves it open may."""
        try:
            decision = self.decide(Request(model, ()))
            return not decision.is_by_name or self._driver.supports_streaming(decision.chain[0])
        except (UsageError, ProviderError):  # told when it is asked; others may be asked in its place
            return True

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        async with AsyncExitStack() as stack:
            yield await self._ask(request, lambda each: stack.enter_async_context(self._streamed(each)))

    async def generate(self, request: Request) -> Response:
        return await self._ask(request, self._driver.generate)

    def _streamed(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        if self._driver.supports_streaming(request.model):
            return self._driver.stream(request)
        return self._whole(request)

    @asynccontextmanager
    async def _whole(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        """The answer of a model that does not stream, as deltas."""
        async with aclosing(_streamed(await self._driver.generate(request))) as deltas:
            yield deltas

    async def _ask(self, request: Request, ask: Callable[[Request], Awaitable[Result]]) -> Result:
        decision = self.decide(request)
        failed: dict[str, ProviderError] = {}
        with budget_of(request) as budget:
            last = decision.chain[0]
            error = self._circuits.why_not(self._full_name(last))
            order = self._in_order(decision.chain)
            for target in order:
                if error is not None and target != last:
                    await notify(FallingBack(self._full_name(last), self._full_name(target), error))
                    await notify(Going())
                try:
                    with deciding(_for_target(decision, target)):
                        told = self._told(request, target, decision.chain[0])
                        return await self._attempt(told if target == order[-1] else _hasty(told), ask)
                except ProviderError as failure:
                    budget.failed()
                    last, error = target, failure
                    failed[self._full_name(target)] = failure
                if budget.left <= 0:
                    break
        raise _most_telling(failed)

    def _in_order(self, chain: Chain) -> Chain:
        """A chain, in which those that are better left alone come last."""
        return tuple(sorted(chain, key=lambda target: self._circuits.why_not(self._full_name(target)) is not None))

    async def _attempt(self, request: Request, ask: Callable[[Request], Awaitable[Result]]) -> Result:
        target = self._full_name(request.model)
        self._circuits.begin(target)
        try:
            result = await ask(request)
        except ProviderError as error:
            self._circuits.failed(target, error)
            raise
        except BaseException:
            self._circuits.gave_up(target)
            raise
        self._circuits.succeeded(target)
        return result

    def _told(self, request: Request, target: str, first: str) -> Request:
        """A request as a target is told it, with the dialect of its options and seals where that is another's.

        Raises KeptElsewhereError for one that it would not understand.
        """
        dialect = request.dialect or (None if request.original is None else request.original.dialect)
        if dialect is not None and dialect != self._dialect_of(self._catalog.place(target).provider):
            for option in _KEPT.intersection(request.options):
                raise KeptElsewhereError(option)
        if dialect is None and (request.options or _is_sealed(request)):
            words = self._dialect_of((self._placed(request.model) or self._catalog.place(first)).provider)
            dialect = words if words != self._dialect_of(self._catalog.place(target).provider) else None
        return replace(request, model=target, fallback=(), dialect=dialect)

    def _placed(self, model: str) -> PlacedModel | None:
        try:
            return self._catalog.place(model)
        except UsageError:
            return None

    def _full_name(self, model: str) -> str:
        placed = self._catalog.place(model)
        return model if placed.provider == EMBEDDED else f"{placed.provider}/{placed.name}"


def _hasty(request: Request) -> Request:
    """A request as one is told it behind whom there is another: nobody waits for a minute where another may answer."""
    return replace(request, retries=1) if request.retries is None else request


def _for_target(decision: Decision, target: str) -> Decision:
    """A decision as it holds for one target: the others are asked for want of the first."""
    first = decision.chain[0]
    return decision if target == first else replace(decision, reason=f"{first} does not answer")


def _is_sealed(request: Request) -> bool:
    """Whether there are thoughts or calls with a seal, which only the provider takes that has given it."""
    parts = (part for message in request.messages for part in message.parts)
    return any(isinstance(part, Thought | ToolCall) and part.signature is not None for part in parts)


def _most_telling(failed: Mapping[str, ProviderError]) -> ProviderError:
    """The first of the errors that tells more than that a key is wanting, and what became of the others."""
    [*errors] = failed.values()
    error = next((each for each in errors if not isinstance(each, CredentialsError)), errors[0])
    whose = next(target for target, each in failed.items() if each is error)
    others = [f"{target} ({_shortened(each.message)})" for target, each in failed.items() if each is not error]
    if not others:
        return error
    telling = copy(error)
    telling.message = f"{whose}: {error.message.removesuffix('.')}; others failed too: {', '.join(others)}"
    telling.args = (telling.message,)
    telling.__cause__ = error
    return telling


def _shortened(message: str) -> str:
    return message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"


async def _streamed(response: Response) -> AsyncGenerator[Delta, None]:
    for delta in deltas_of(response):
        yield delta
