"""Gemini's Live models: asked over a WebSocket session that stays open from one act to the next."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from boticelli_cli.catalog import Catalog
from boticelli_cli.drivers.base import fold
from boticelli_cli.drivers.gemini_access import PROVIDER, GeminiAccess
from boticelli_cli.drivers.live_errors import translating
from boticelli_cli.drivers.live_session import LiveSession, Setup, words_of
from boticelli_cli.drivers.patience import CONNECT, Patience
from boticelli_cli.errors import CredentialsError, ProviderError, QuotaError, RefusedError
from boticelli_cli.messages import Delta, Request, Response, Text

if TYPE_CHECKING:
    from google.genai import Client

__all__ = ["GeminiLive"]

MOST_IDLE = 8
"""Sessions that are kept open without being asked anything."""

_CONNECTION = {
    "max_size": 64_000_000,  # bytes of one message; the library's own limit, 1 MiB, is less than some answers' sound
    "open_timeout": CONNECT,
    "close_timeout": 2.0,  # seconds that the server has to answer a goodbye
    "ping_timeout": None,  # a reader that pauses holds up the pongs too, and would lose its answer after 40 seconds
}
"""How websockets is to keep a connection. Silence is `Patience`'s to judge."""

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
        self._making = asyncio.Lock()
        self._idle: list[LiveSession] = []

    def supports_streaming(self, model: str) -> bool:
        return True

    async def aclose(self) -> None:
        idle, self._idle = self._idle, []
        client, self._client = self._client, None
        await asyncio.gather(*(session.close() for session in idle))
        if client is not None:
            await client.aio.aclose()
            client.close()

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Delta], None]:
        patience = Patience(PROVIDER, request.timeout)
        with self._access.hinting():
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
        """How a session for a request is set up. Raises RefusedError for what no session can be asked."""
        model = self._catalog.find(f"{PROVIDER}/{request.model}")
        options = _options(request)
        chosen = str(options.get("response_modalities") or "").upper()
        realtime = model is None or model.live_turns != "content"
        if realtime and not words_of(request.messages[-1]):
            message = "a live model answers words, and this turn has none"
            raise RefusedError(message, provider=PROVIDER, hint="say in the prompt what is wanted")
        return Setup(
            model=request.model,
            spoken="TEXT" not in chosen if chosen else model is None or model.live_text is not True,
            realtime=realtime,
            system=request.system_text,
            temperature=request.temperature,
            top_p=request.top_p,
            max_tokens=request.max_tokens,
            thinking=request.thinking,
            show_thoughts=request.show_thoughts,
            tools=() if request.tool_choice == "none" else request.declared_tools,
            options=options,
        )

    async def _ask(self, setup: Setup, request: Request, patience: Patience) -> "_Begun":
        """Ask the session that knows the history, or that one taken up again, or at last a new one.

        The next way is tried when one fails before anything was said; what fails afterwards has been a request,
        and is for others to ask again. Raises ProviderError.
        """
        kept = self._take(setup, request)
        session = await self._go_on(kept, request, patience) if kept is not None else None
        if session is None:
            session = await self._open(setup, patience, seeded=_has_seed(request))
            await self._say(session, request, patience, known=0)
        return await self._begin(session, request, patience)

    async def _go_on(self, kept: LiveSession, request: Request, patience: Patience) -> LiveSession | None:
        """A session that has been told the last turn, knowing all before it: the kept one, or that taken up again.

        None where neither could be told.
        """
        known = len(request.messages) - 1
        try:
            await kept.catch_up()
        except BaseException:
            await kept.close()
            raise
        if not kept.is_leaving:
            with _passing_over():
                await self._say(kept, request, patience, known=known)
                return kept
        await kept.close()
        if kept.handle is not None:
            with _passing_over():
                session = await self._open(kept.setup, patience, handle=kept.handle)
                await self._say(session, request, patience, known=known)
                return session
        return None

    async def _open(
        self, setup: Setup, patience: Patience, *, handle: str | None = None, seeded: bool = False
    ) -> LiveSession:
        if urlsplit(self._access.url).scheme != "https":
            message = "a Live session goes over TLS only: the account's address has to begin with https://"
            hint = "GOOGLE_GEMINI_BASE_URL or the account's base_url says where; SSL_CERT_FILE names what is trusted"
            raise RefusedError(message, provider=PROVIDER, hint=hint)
        session = LiveSession(setup)
        with translating(patience):
            await self._make_client()
        assert self._client is not None
        await session.open(self._client, patience, handle=handle, seeded=seeded)
        return session

    async def _make_client(self) -> None:
        """Make the client, in a thread: Google's library takes half a second to load."""
        async with self._making:
            if self._client is None:
                self._client = await asyncio.to_thread(lambda: self._access.client(**_CONNECTION))

    async def _say(self, session: LiveSession, request: Request, patience: Patience, *, known: int) -> None:
        """Tell an open session the turns that it does not know; it is closed if that fails."""
        try:
            await session.say(request, patience, known=known)
        except BaseException:
            await session.close()
            raise

    async def _begin(self, session: LiveSession, request: Request, patience: Patience) -> "_Begun":
        """The answer of a session, up to its first delta; it is closed if there is none."""
        deltas = session.answer(request, patience)
        try:
            return _Begun(session, await anext(deltas), deltas)
        except BaseException:
            await deltas.aclose()
            await session.close()
            raise

    def _take(self, setup: Setup, request: Request) -> LiveSession | None:
        """A kept session that was set up so and stands just there; it is kept no longer.

        Media are told as history, which most models take at a session's beginning only.
        """
        history = request.messages[:-1]
        if not history or (setup.realtime and _has_media(request)):
            return None
        for session in self._idle:
            if session.setup == setup and session.turns == history:
                self._idle.remove(session)
                return session
        return None

    async def _keep(self, session: LiveSession) -> None:
        """Keep a session whose answer is complete, or its handle if the server is about to close it."""
        lasts = session.is_settled and self._client is not None
        if lasts and (session.handle is not None or not session.is_leaving):
            self._idle.append(session)
        if session.is_leaving or not lasts:
            await session.close()
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


def _options(request: Request) -> dict[str, Any]:
    """A request's options by google-genai's names for them. Raises RefusedError for one that leads elsewhere."""
    options = {re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower(): value for name, value in request.options.items()}
    if "http_options" in options:  # the key goes where the configuration says, and nowhere else
        message = "'options' may not hold 'http_options': where a model is asked is said by the configuration"
        raise RefusedError(message, provider=PROVIDER)
    return options


def _has_seed(request: Request) -> bool:
    """Whether anything comes before the words that are to be answered."""
    return len(request.messages) > 1 or _has_media(request)


def _has_media(request: Request) -> bool:
    return any(not isinstance(part, Text) for part in request.messages[-1].parts)
