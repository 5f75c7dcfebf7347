"""Errors of providers: what all dialects do alike in reading and writing them."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, NoReturn

from boticelli_cli.errors import (
    BoticelliError,
    CredentialsError,
    InputError,
    NoAnswerError,
    ProviderError,
    QuotaError,
    RefusedError,
    StreamError,
    UnknownModelError,
)

__all__ = [
    "FINAL",
    "LATER",
    "REFUSED_HINT",
    "break_off",
    "malformed",
    "phrase",
    "seconds",
    "status_of",
    "without_secrets",
]

FINAL: Final = (400, 405, 413, 414, 415, 422)
"""Statuses that stay the same however often it is asked."""

LATER: Final = "try again later, or ask another model"
REFUSED_HINT: Final = "change what is asked: its settings, its 'options' or its media"

_SECRETS = re.compile(
    r"AIza[\w-]{10,}|AQ\.[\w-]{10,}|(?<=api_key:)[^'\"\s]+|\bsk-[\w*-]{8,}|\b(?:AKIA|ASIA)[A-Z0-9]{12,}"
    r"|\bABSK[\w+/=]{8,}|\bbedrock-api-key-[\w+/=-]{8,}"
)
_QUOTED = re.compile(r"\"[^\"]{40,}(\"|$)")
_LONGEST = 400


def without_secrets(message: str) -> str:
    """An error's message, short, without keys and without long quotations of what was asked."""
    message = " ".join(_QUOTED.sub('"…"', _SECRETS.sub("…", message)).split())
    return message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"


def phrase(status: int) -> str:
    """An HTTP status in words, for want of better ones."""
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def seconds(header: str | None, now: datetime | None = None) -> float | None:
    """A `Retry-After` header in seconds: it holds them, or a date, which is measured against `now`."""
    if header is None:
        return None
    if re.fullmatch(r"\s*\d{1,9}(\.\d{1,9})?\s*", header):
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    if at.tzinfo is None:  # "-0000" means UTC, of unknown place
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


def status_of(error: BoticelliError) -> int:
    """The HTTP status that says an error to a client."""
    told = error.status if isinstance(error, ProviderError) else None
    match error:
        case CredentialsError():
            return 403 if told == 403 else 401
        case QuotaError():
            return 429
        case RefusedError():
            return told if told is not None and (told == 404 or told in FINAL) else 400
        case NoAnswerError():
            return 504
        case ProviderError():
            return told if told is not None and 400 <= told < 600 else 503
        case UnknownModelError():
            return 404
        case InputError():
            return 400
        case _:
            return 500


def break_off(error: ProviderError, *, given: bool) -> NoReturn:
    """Raise an error that came within a stream: as a StreamError, when any delta was given out before it."""
    if not given:
        raise error
    raise StreamError(
        error.message,
        provider=error.provider,
        status=error.status,
        retry_after=error.retry_after,
        hint=StreamError.HINT,
    ) from error


def malformed(data: bytes, exc: Exception, provider: str) -> ProviderError:
    """The error that bytes are which should have been an event or an answer."""
    message = f"what came cannot be read ({exc}); it begins {data[:60].decode('utf-8', 'replace')!r}"
    return ProviderError(message, provider=provider, hint="run it again; something in between may have changed it")
