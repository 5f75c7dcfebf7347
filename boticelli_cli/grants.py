"""Grants: what the holder of a gateway's key may do, as it was written down."""

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Final, Literal, get_args

__all__ = ["ANYONE", "PERMISSIONS", "Grant", "Permission", "hash_of"]

Permission = Literal["claude", "gemini", "openai", "all", "admin"]
"""A face of the gateway: Anthropic's, Gemini's, OpenAI's; all three of them; or its status page, and them too."""

PERMISSIONS: tuple[Permission, ...] = get_args(Permission)


@dataclass(frozen=True, slots=True)
class Grant:
    """A key that the gateway has issued, known by the SHA-256 of it (hexadecimal), and what its holder may do.

    `models` are globs that match the model asked for; `None` are all. `expires` is in UTC. `rpm` and `tpm` count
    requests and tokens, input and output, in any minute; `max_concurrent` requests under way. Costs are in USD, by the
    day (UTC) and in total. What is `None` is not limited.
    """

    name: str
    sha256: str
    permissions: tuple[Permission, ...] = ("all",)
    models: tuple[str, ...] | None = None
    expires: datetime | None = None
    rpm: int | None = None
    tpm: int | None = None
    max_concurrent: int | None = None
    usd_per_day: float | None = None
    usd_total: float | None = None

    def permits(self, permission: Permission) -> bool:
        """Whether it lets its holder use a face, or the status page."""
        if "admin" in self.permissions:
            return True
        return permission in self.permissions or (permission != "admin" and "all" in self.permissions)

    def permits_model(self, model: str) -> bool:
        """Whether its holder may ask for a model, by the name that is asked for."""
        return self.models is None or any(fnmatchcase(model, glob) for glob in self.models)


ANYONE: Final = Grant("anyone", "")
"""What whoever comes may do where no key is needed: ask for any model, through any face. No key has this name."""


def hash_of(key: str) -> str:
    """What is known of a key: its SHA-256, in hexadecimal."""
    return sha256(key.encode(errors="surrogatepass")).hexdigest()
