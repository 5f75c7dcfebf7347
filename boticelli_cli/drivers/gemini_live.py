"""Gemini's Live models: asked over a WebSocket session that stays open from one act to the next."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boticelli_cli.catalog import Catalog
from boticelli_cli.drivers.base import fold
from boticelli_cli.drivers.gemini_access import PROVIDER, GeminiAccess
from boticelli_cli.drivers.live_session import LiveSession, Setup
from boticelli_cli.drivers.patience import CONNECT, Patience
from boticelli_cli.errors import CredentialsError, ProviderError, QuotaError
from boticelli_cli.messages import Delta, Message, Request, Response, Text

if TYPE_CHECKING:
    from google.genai import Client

__all__ = ["GeminiLive"]

MOST_IDLE = 8
"""Sessions that are kept open without being asked anything."""

_LARGEST_FRAME = 64_000_000
"""Bytes of one message. The library's own limit, 1 MiB, is less than some answers' sound."""

_GOODBYE = 2.0
"""Seconds that the server has to answer a goodbye."""

_log = logging.getLogger(__name__)


class GeminiLive:
    """The `Driver` of Gemini's Live models, with one account's access.

    A session is kept after its answer: a request that goes on where it stands, with the same settings, is asked
    of it and sends nothing twice. One that the server is about to close is taken up again by its handle, and
    where there is none, a new one is told the history. `aclose` closes them all.
    """

    def __init__(self, access: GeminiAccess, catalog: Catalog) -> None:
        self._access = access
        self._catalog = catalog
        self._client: Client | None = None
        self._idle: list[LiveSession] = []

    def supports_streaming(self, model: str) -> bool:
        return True

    async def aclose(self) -> None:
        idle, self._idle = self._idle, []
        await asyncio.gather(*(session.close() for session in idle))
        client, self._client = self._client, None
        if client is not None:
            await client.aio.aclose()

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta], None]:
        patience = Patience(PROVIDER, request.timeout)
        begun = await self._ask(self._setup(request), request, patience)
        patience.answered = True
        try:
            async with aclosing(begun.rest), aclosing(begun.deltas()) as deltas:
                yield deltas
        finally:
            await self._keep(begun.session)

    async def generate(self, request: Request) -> Response:
        async with self.stream(request) as deltas:
            return await fold(deltas)

    def _setup(self, request: Request) -> Setup:
        model = self._catalog.find(request.model)
        return Setup(
            model=request.model,
            spoken=model is None or model.live_text is not True,
            realtime=model is None or model.live_turns != "content",
            system=request.system,
            temperature=request.temperature,
            top_p=request.top_p,
            max_tokens=request.max_tokens,
            thinking=request.thinking,
            options=request.options,
        )

    async def _ask(self, setup: Setup, request: Request, patience: Patience) -> "_Begun":
        """Ask the session that knows the history, or that one taken up again, or at last a new one.

        What fails before the first delta has said nothing, so the next way is tried. Raises ProviderError.
        """
        kept = self._take(setup, request.messages[:-1])
        if kept is not None:
            known = len(request.messages) - 1
            if not kept.is_leaving:
                with _passing_over():
                    return await self._begin(kept, request, patience, known=known)
            await kept.close()
            if kept.handle is not None:
                with _passing_over():
                    session = await self._open(setup, patience, handle=kept.handle)
                    return await self._begin(session, request, patience, known=known)
        session = await self._open(setup, patience, seeded=_has_seed(request))
        return await self._begin(session, request, patience, known=0)

    async def _open(
        self, setup: Setup, patience: Patience, *, handle: str | None = None, seeded: bool = False
    ) -> LiveSession:
        if self._client is None:
            arguments = {"max_size": _LARGEST_FRAME, "open_timeout": CONNECT, "close_timeout": _GOODBYE}
            self._client = self._access.client(**arguments)
        session = LiveSession(setup)
        await session.open(self._client, patience, handle=handle, seeded=seeded)
        return session

    async def _begin(self, session: LiveSession, request: Request, patience: Patience, *, known: int) -> "_Begun":
        """Ask an open session, up to its first delta; it is closed if there is none."""
        deltas = session.answer(request, patience)
        try:
            await session.say(request, patience, known=known)
            return _Begun(session, await anext(deltas), deltas)
        except BaseException:
            await deltas.aclose()
            await session.close()
            raise

    def _take(self, setup: Setup, history: tuple[Message, ...]) -> LiveSession | None:
        """A kept session that was set up so and stands just there; it is kept no longer."""
        for session in self._idle:
            if history and session.setup == setup and session.turns == history:
                self._idle.remove(session)
                return session
        return None

    async def _keep(self, session: LiveSession) -> None:
        """Keep a session whose answer is complete, or its handle if the server is about to close it."""
        if session.is_leaving or not session.is_settled:
            await session.close()
        if session.is_settled and (session.handle is not None or not session.is_leaving):
            self._idle.append(session)
        if len(self._idle) > MOST_IDLE:
            await self._idle.pop(0).close()


@dataclass(frozen=True, slots=True)
class _Begun:
    """An answer that has begun."""

    session: LiveSession
    first: Delta
    rest: AsyncGenerator[Delta, None]

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        yield self.first
        async for delta in self.rest:
            yield delta


@contextmanager
def _passing_over() -> Iterator[None]:
    """Go on to the next way when this one fails, unless that would fail for the same reason."""
    try:
        yield
    except (CredentialsError, QuotaError):
        raise
    except ProviderError as error:
        _log.debug("a kept session did not answer: %s", error)


def _has_seed(request: Request) -> bool:
    """Whether anything comes before the words that are to be answered."""
    return len(request.messages) > 1 or any(not isinstance(part, Text) for part in request.messages[-1].parts)
