"""Keys of the gateway: which there are, where a request has its own, and what it opens."""

import asyncio
import hmac
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import unquote

from boticelli_cli.errors import BoticelliError, CredentialsError, ProviderError
from boticelli_cli.gateway.base import FaceName, Keys
from boticelli_cli.gateway.guesses import Guesses
from boticelli_cli.gateway.origin import is_another_site, names_this_machine
from boticelli_cli.grants import ANYONE, Grant, Permission, hash_of

__all__ = ["Door", "Issued", "Keyring", "key_in"]

_LATER = 1.0
"""Seconds for which a key that is known is taken to be still issued."""

_SOON = 0.1
"""Seconds for which one that is not known is taken to be not issued: it may be from a moment ago."""

_LONGEST_TOLD = 100
"""Characters of a client's own words that an error repeats."""

_PERMISSIONS: Mapping[FaceName, Permission] = {"anthropic": "claude", "gemini": "gemini", "openai": "openai"}

_HEADERS = "x-api-key, or as Authorization: Bearer KEY, x-goog-api-key or ?key="


class Issued(Protocol):
    """Keys that are kept somewhere while the gateway runs, and may become more or fewer."""

    def stamp(self) -> object:
        """What changes when they do. It does not raise."""
        ...

    def grants(self) -> Sequence[Grant]:
        """What each of them grants. Raises BoticelliError."""
        ...


class Keyring:
    """The keys of the configuration, and those that were issued; of two alike the configuration's counts.

    Those issued are read at once, which raises what `Issued` does, and again, in a thread, when they have changed: at
    most once a second is looked whether they have, or ten times for keys that are not known. If they cannot be read
    then, those known before stay, and `warn` is told.
    """

    def __init__(
        self,
        configured: Sequence[Grant] = (),
        issued: Issued | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._configured = tuple(configured)
        self._issued = issued
        self._clock = clock
        self._warn = warn or logging.getLogger(__name__).warning
        self._stamp = issued.stamp() if issued is not None else None
        self._by_hash = self._known(issued.grants() if issued is not None else ())
        self._looked = clock()
        self._looking = asyncio.Lock()
        self._trouble: str | None = None
        self._when_changed: Callable[[Collection[Grant]], object] = lambda grants: None

    def tell(self, hearer: Callable[[Collection[Grant]], object]) -> None:
        """Tell somebody what all keys grant: now, and whenever there are others."""
        self._when_changed = hearer
        hearer(self._by_hash.values())

    @property
    def has_any(self) -> bool:
        return bool(self._by_hash)

    async def find(self, key: str) -> Grant | None:
        digest = hash_of(key)
        if digest not in self._by_hash:
            await self._look(_SOON)
        elif not self._looking.locked():
            await self._look(_LATER)
        grant = self._by_hash.get(digest)
        return grant if grant is not None and hmac.compare_digest(grant.sha256, digest) else None

    async def named(self, name: str) -> tuple[Grant, ...]:
        await self._look(_LATER)
        return tuple(grant for grant in self._by_hash.values() if grant.name == name)

    async def _look(self, age: float) -> None:
        """Look whether other keys have been issued, if the last look is older than `age` in seconds."""
        if self._issued is None or self._clock() - self._looked < age:
            return
        async with self._looking:
            if self._clock() - self._looked < age:  # somebody else has just done it
                return
            try:
                stamp, grants = await asyncio.to_thread(_read, self._issued, self._stamp)
            except BoticelliError as error:
                self._tell(f"the issued keys cannot be read again, those known before stay: {error}")
                return
            finally:
                self._looked = self._clock()
            self._stamp, self._trouble = stamp, None
            if grants is not None:
                self._by_hash = self._known(grants)
                self._when_changed(self._by_hash.values())

    def _known(self, issued: Sequence[Grant]) -> dict[str, Grant]:
        return {grant.sha256: grant for grant in (*issued, *self._configured)}

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._warn(trouble)


class Door:
    """Lets in those who have a key, and tells the others why not.

    With `is_open` it lets in anybody as `ANYONE` for as long as there is no key; once there has been one, never again.
    That is for the loopback address only. Whoever sends many wrong keys from one address within a minute is told to
    wait; a valid key is let in from there all the same. The address is that of the connection: behind a proxy that is
    the proxy's, as a header that says otherwise may be anybody's word. `clock` is in seconds of the epoch.
    """

    def __init__(
        self,
        keys: Keys,
        is_open: bool = False,
        *,
        clock: Callable[[], float] = time.time,
        guesses: Guesses | None = None,
    ) -> None:
        self._keys = keys
        self._is_open = is_open
        self._clock = clock
        self._guesses = guesses or Guesses()

    @property
    def is_open(self) -> bool:
        """Whether no key is needed."""
        if self._keys.has_any:
            self._is_open = False
        return self._is_open

    async def grant(self, scope: Mapping[str, Any]) -> Grant:
        """What the key of a request grants.

        While it is open, only those are let in who call this machine by one of its own names, and are no other site's
        page: web pages could come by another name (DNS rebinding), or send what they never see the answer to.
        Raises CredentialsError with status 401 for a key that is missing, not known or expired, and ProviderError with
        status 429 and `retry_after` where too many wrong ones came from.
        """
        key = key_in(scope)
        found = await self._keys.find(key or "")  # without one too: whether there are any may have changed
        if self.is_open:
            _refuse_other_names(scope)
            _refuse_other_sites(scope)
            return ANYONE
        now = self._clock()
        if key is None or found is None:
            self._refuse(key, str((scope.get("client") or ("",))[0]), now)
            raise _missing() if key is None else _unknown()
        if found.expires is not None and found.expires <= datetime.fromtimestamp(now, UTC):
            raise _expired(found.name, found.expires)
        return found

    async def named(self, name: str) -> Sequence[Grant]:
        """What the keys of a name grant at present, for those who have shown one before."""
        return await self._keys.named(name)

    def check(self, grant: Grant, face: FaceName, model: str | None = None) -> None:
        """Raises CredentialsError with status 403 for a face, or a model, that is not granted."""
        if not grant.permits(_PERMISSIONS[face]):
            faces = ", ".join(grant.permissions)
            message = f"key '{grant.name}' is not for the {_PERMISSIONS[face]} interface; it is for {faces}"
            raise CredentialsError(message, status=403, hint="use a key that has this permission")
        if model is not None and not grant.permits_model(model):
            models = ", ".join(grant.models or ())
            message = f"key '{grant.name}' is not for model '{_told(model)}'; it is for {_told(models)}"
            raise CredentialsError(message, status=403, hint="ask for another model, or use another key")

    def _refuse(self, key: str | None, address: str, now: float) -> None:
        """Count a wrong key. Raises ProviderError where there were too many before it."""
        wait = self._guesses.wait(address, now)
        if wait > 0:
            message = f"too many wrong keys came from this address; without a valid one, wait {wait:.0f} s"
            raise ProviderError(message, status=429, retry_after=round(wait, 1))
        if key is not None:
            self._guesses.add(address, now)


def key_in(scope: Mapping[str, Any]) -> str | None:
    """The key that a request brings, by its ASGI scope; None if it brings none.

    Of several it is the first one of `x-api-key`, `Authorization: Bearer`, `x-goog-api-key` and `?key=`.
    """
    headers: dict[bytes, bytes] = {}
    for name, value in scope.get("headers", ()):
        headers.setdefault(name.lower(), value)
    scheme, _, bearer = _text(headers.get(b"authorization", b"")).partition(" ")
    candidates = (
        _text(headers.get(b"x-api-key", b"")),
        bearer.strip() if scheme.lower() == "bearer" else "",
        _text(headers.get(b"x-goog-api-key", b"")),
        _key_in_query(scope.get("query_string", b"")),
    )
    return next((key for key in candidates if key), None)


def _key_in_query(query: bytes) -> str:
    pairs = (pair.partition("=") for pair in query.decode("latin-1").split("&"))
    return next((unquote(value).strip() for name, _, value in pairs if name == "key" and value), "")


def _text(header: bytes) -> str:
    return header.decode("latin-1").strip()


def _read(issued: Issued, known: object) -> tuple[object, Sequence[Grant] | None]:
    """The stamp of what is issued, and what it is if that is another than `known`."""
    stamp = issued.stamp()  # first: what changes while it is read is seen by the next look
    return stamp, None if stamp == known else issued.grants()


def _refuse_other_names(scope: Mapping[str, Any]) -> None:
    host = _header(scope, b"host")
    if host and not names_this_machine(host):
        message = f"without keys this answers to localhost and 127.0.0.1 only, not to '{_told(host)}'"
        raise CredentialsError(message, status=403, hint="boticelli serve keys new NAME issues a key")


def _refuse_other_sites(scope: Mapping[str, Any]) -> None:
    origin = _header(scope, b"origin")
    if origin and is_another_site(origin):
        message = f"without keys this does not answer to web pages of other sites, as '{_told(origin)}' is one"
        raise CredentialsError(message, status=403, hint="boticelli serve keys new NAME issues a key")


def _header(scope: Mapping[str, Any], wanted: bytes) -> str:
    return next((_text(value) for name, value in scope.get("headers", ()) if name.lower() == wanted), "")


def _missing() -> CredentialsError:
    message = f"no key was given; send one as {_HEADERS} (boticelli serve keys new NAME issues one)"
    return CredentialsError(message, status=401, hint="boticelli serve keys new NAME issues one")


def _unknown() -> CredentialsError:
    message = (
        "this key is not known here: it was never issued, or has been revoked; "
        f"send another as {_HEADERS} (boticelli serve keys new NAME issues one)"
    )
    return CredentialsError(message, status=401, hint="boticelli serve keys list shows which there are")


def _expired(name: str, expires: datetime) -> CredentialsError:
    message = f"key '{name}' expired on {expires:%Y-%m-%d at %H:%M} UTC; a new one is needed"
    return CredentialsError(message, status=401, hint="boticelli serve keys new NAME issues one")


def _told(text: str) -> str:
    return text if len(text) <= _LONGEST_TOLD else text[: _LONGEST_TOLD - 1] + "…"
