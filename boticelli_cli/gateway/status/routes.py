"""The routes of the status page: the page, its events, its script and style, and the way in and out."""

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from math import ceil
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from boticelli_cli.errors import ProviderError
from boticelli_cli.gateway.origin import is_for_loopback, is_from_elsewhere
from boticelli_cli.gateway.status.feed import EventStream, Feed, Watchers, changes
from boticelli_cli.gateway.status.page import Sections, refusal, sign_in_form, status_page
from boticelli_cli.gateway.status.sessions import SESSION_SECONDS, AdminDoor, Sessions
from boticelli_cli.gateway.status.source import DEFAULT_SPAN, SPANS, Span, StatusSource
from boticelli_cli.grants import Grant

__all__ = ["status_routes"]

_ASSETS = {"status.css": "text/css", "status.js": "text/javascript", "status.svg": "image/svg+xml"}

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",  # "no-referrer" would have browsers send "Origin: null" with our own forms
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_LONGEST_FORM = 4096
_FORM_SECONDS = 10.0
_WRONG_KEY = "This key does not open the status page."


def status_routes(
    source: StatusSource,
    door: AdminDoor,
    *,
    secret: bytes | None = None,
    is_open: Callable[[], bool] = lambda: False,
    is_draining: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.time,
    most_watchers: int = 32,
) -> list[BaseRoute]:
    """The routes `/`, `/sign-in`, `/sign-out`, `/status/events` and those of the page's files.

    Workers of one gateway share a `secret`, so that a session that one has begun is known to all; without one, it is
    this process's own. While it `is_open`, nobody has to sign in, but the page answers to this machine's own names
    only. Once it `is_draining`, the streams of events end within a second.
    """
    sessions = Sessions(door, secret or secrets.token_bytes(32), clock=clock)
    page = _Page(Feed(source, clock=clock), sessions, door, is_open, is_draining, Watchers(most_watchers))
    return [
        Route("/", page.show),
        Route("/sign-in", page.sign_in, methods=["GET", "POST"]),
        Route("/sign-out", page.sign_out, methods=["POST"]),
        Route("/status/events", page.events),
        *(_asset(name, media_type) for name, media_type in _ASSETS.items()),
    ]


class _Page:
    def __init__(
        self,
        feed: Feed,
        sessions: Sessions,
        door: AdminDoor,
        is_open: Callable[[], bool],
        is_draining: Callable[[], bool],
        watchers: Watchers,
    ) -> None:
        self._feed = feed
        self._sessions = sessions
        self._door = door
        self._is_open = is_open
        self._is_draining = is_draining
        self._watchers = watchers

    async def show(self, request: Request) -> Response:
        if self._is_open() and not is_for_loopback(request):
            return _only_this_machine()
        if not await self._may_see(request):
            return _html(sign_in_form())
        span = _span(request)
        sections = await self._feed.sections(span)
        return _html(status_page(sections, span, can_leave=not self._is_open()))

    async def events(self, request: Request) -> Response:
        async def may_watch() -> bool:
            return not self._is_draining() and await self._may_see(request)

        async def sections() -> Sections:
            return await self._feed.sections(span)

        if not await self._may_see(request):
            return _html(sign_in_form(), 401)
        span = _span(request)
        return EventStream(changes(sections, may_watch), self._watchers, _HEADERS)

    async def sign_in(self, request: Request) -> Response:
        if request.method != "POST":
            return _to_page()
        if is_from_elsewhere(request):
            return _html(refusal("Another site's page has sent this."), 403)
        key = await _key_of(request)
        try:
            grant = await self._grant(request, key) if key else None
        except ProviderError as error:
            if error.status == 429:
                return _too_often(error.retry_after)
            grant = None
        if grant is None or not self._sessions.is_admin(grant):
            return _html(sign_in_form(_WRONG_KEY), 401)
        response = _to_page()
        self._keep(request, response, self._sessions.begin(grant), SESSION_SECONDS)
        return response

    async def sign_out(self, request: Request) -> Response:
        if is_from_elsewhere(request):
            return _html(refusal("Another site's page has sent this."), 403)
        await self._sessions.end(request.cookies.get(_cookie(request), ""))
        response = _to_page()
        self._keep(request, response, "", 0)
        return response

    async def _may_see(self, request: Request) -> bool:
        if self._is_open():
            return is_for_loopback(request)
        return await self._sessions.is_good(request.cookies.get(_cookie(request), ""))

    async def _grant(self, request: Request, key: str) -> Grant:
        """What a key that was typed grants: the door is asked as by a request that brings the key in a header."""
        headers = [(b"x-api-key", key.encode("utf-8", "replace"))]
        return await self._door.grant({**request.scope, "headers": headers, "query_string": b""})

    def _keep(self, request: Request, response: Response, token: str, seconds: int) -> None:
        is_secure = request.url.scheme == "https"
        response.set_cookie(
            _cookie(request), token, max_age=seconds, path="/", secure=is_secure, httponly=True, samesite="strict"
        )


def _cookie(request: Request) -> str:
    """A name of its own for each port: browsers give the cookies of one port to all the others of a machine.

    Under TLS its prefix keeps sites of the same domain from setting it
    (https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes).
    """
    _, port = request.scope.get("server") or ("", None)
    prefix = "__Host-" if request.url.scheme == "https" else ""
    return f"{prefix}boticelli-{port or 'status'}"


def _span(request: Request) -> Span:
    return SPANS.get(request.query_params.get("span", ""), DEFAULT_SPAN)


async def _key_of(request: Request) -> str | None:
    """The key in a form, where there is one, and the form is none too long, nor too long on its way."""
    body = b""
    with suppress(ClientDisconnect, TimeoutError):
        async with asyncio.timeout(_FORM_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > _LONGEST_FORM:
                    return None
    fields = parse_qs(body.decode("utf-8", "replace"))
    return fields.get("key", [""])[0].strip() or None


def _html(text: str, status: int = 200, **headers: str) -> HTMLResponse:
    return HTMLResponse(text, status, {**_HEADERS, **headers})


def _to_page() -> Response:
    return RedirectResponse("./", 303, _HEADERS)


def _only_this_machine() -> Response:
    problem = "As long as it has no keys, this gateway shows its status as http://localhost or http://127.0.0.1 only."
    return _html(refusal(problem), 403)


def _too_often(seconds: float | None) -> Response:
    wait = ceil(seconds or 60)
    problem = f"Too many wrong keys have come from your address. Try again in {wait} s."
    return _html(sign_in_form(problem), 429, **{"retry-after": str(wait)})


def _asset(name: str, media_type: str) -> Route:
    content = files("boticelli_cli.gateway.status").joinpath(name).read_bytes()

    async def asset(request: Request) -> Response:
        return Response(content, media_type=media_type, headers=_HEADERS)

    return Route(f"/{name}", asset)
