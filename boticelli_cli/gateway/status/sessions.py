"""Who is signed in: tokens that every worker with the same secret can check, for as long as the key itself is good."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from starlette.types import Scope

from boticelli_cli.grants import Grant

__all__ = ["SESSION_SECONDS", "AdminDoor", "Sessions"]

SESSION_SECONDS = 12 * 3600
_ENDED_AT_MOST = 10_000
_LONGEST_TOKEN = 2_000


class AdminDoor(Protocol):
    """Knows the keys that have been issued."""

    async def grant(self, scope: Scope) -> Grant:
        """What the key in the `x-api-key` header of a request grants.

        Raises ProviderError: with status 429 for an address from which too many wrong keys have come, CredentialsError
        for a key that is not good.
        """
        ...

    async def named(self, name: str) -> Sequence[Grant]:
        """What the keys of a name grant at present; the name may be anything, and no key's."""
        ...


class Sessions:
    """Signs the tokens of those who have shown an admin key, and checks them.

    A token tells the name of the key, and is signed over the hash of it as well: where the key is revoked, replaced,
    expired or no longer an admin's, its sessions are over. Nothing is kept of a session but, of those that were ended
    before their time, the last ten thousand; other workers do not hear of these.
    """

    def __init__(self, door: AdminDoor, secret: bytes, *, clock: Callable[[], float]) -> None:
        self._door = door
        self._secret = secret
        self._clock = clock
        self._ended: OrderedDict[str, None] = OrderedDict()

    def begin(self, grant: Grant) -> str:
        """A token for the holder of a key, good for 12 hours, of characters that cookies take."""
        told = f"{_packed(grant.name)}.{int(self._clock())}.{secrets.token_hex(16)}"
        return f"{told}.{self._signature(told, grant)}"

    async def is_good(self, token: str) -> bool:
        """Whether a token, which may be anything, was signed here, and neither time nor anybody has ended it."""
        told, _, signature = token[:_LONGEST_TOKEN].rpartition(".")
        parts = told.split(".")
        if len(parts) != 3 or not token.isascii() or not (parts[1].isdigit() and len(parts[1]) < 15):
            return False
        is_young = 0 <= self._clock() - int(parts[1]) < SESSION_SECONDS
        name = _unpacked(parts[0])
        if name is None or not is_young or signature in self._ended:
            return False
        admins = [grant for grant in await self._door.named(name) if self.is_admin(grant)]
        return any(hmac.compare_digest(signature, self._signature(told, grant)) for grant in admins)

    def is_admin(self, grant: Grant) -> bool:
        """Whether a grant opens the status page at present."""
        is_over = grant.expires is not None and grant.expires.timestamp() <= self._clock()
        return grant.permits("admin") and not is_over

    async def end(self, token: str) -> None:
        """Have a token be good no longer."""
        if await self.is_good(token):
            self._ended[token.rpartition(".")[2]] = None
            while len(self._ended) > _ENDED_AT_MOST:
                self._ended.popitem(last=False)

    def _signature(self, told: str, grant: Grant) -> str:
        message = f"boticelli status page\n{told}\n{grant.sha256}"
        return hmac.new(self._secret, message.encode(), hashlib.sha256).hexdigest()


def _packed(name: str) -> str:
    return urlsafe_b64encode(name.encode()).decode().rstrip("=")


def _unpacked(packed: str) -> str | None:
    try:
        return urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
    except (Base64Error, UnicodeDecodeError):
        return None
