"""What the holder of a key is told who may not go on: which limit it is, and when to come again.

What a minute or less brings back is a ProviderError, for which clients wait and try again; costs are a QuotaError.
Both have status 429 and no provider, by which every dialect tells them with that status.
"""

import math
from datetime import UTC, datetime

from boticelli_cli.errors import ProviderError, QuotaError
from boticelli_cli.grants import Grant

__all__ = ["day_is_spent", "too_many_at_once", "too_many_requests", "too_many_tokens", "total_is_spent"]

_SOME_TIME = 1.0
"""Seconds to wait for a place of which nobody can tell when it is free."""


def too_many_requests(grant: Grant, wait: float) -> ProviderError:
    """The error that the minute's requests have been made; the next may be in `wait` seconds."""
    return _for_now(grant, f"make {_counted(grant.rpm, 'request')} a minute; the next in {_whole(wait)} s", wait)


def too_many_tokens(grant: Grant, wait: float) -> ProviderError:
    """The error that the minute's tokens have been used; there is room for as many as are wanted in `wait` seconds."""
    return _for_now(
        grant, f"use {_counted(grant.tpm, 'token')} a minute; there is room for this in {_whole(wait)} s", wait
    )


def too_many_at_once(grant: Grant) -> ProviderError:
    """The error that as many requests are under way as may be."""
    most = _counted(grant.max_concurrent, "request")
    return _for_now(grant, f"have {most} under way at once, and has; try again when one has ended", _SOME_TIME)


def day_is_spent(grant: Grant, resets_at: float, now: float) -> QuotaError:
    """The error that the day's requests have cost what they may. Times are in seconds of the epoch."""
    hours, minutes = divmod(max(1, math.ceil((resets_at - now) / 60)), 60)
    when = f"at 00:00 UTC (in {f'{hours} h ' if hours else ''}{minutes} min)"
    return QuotaError(
        f"key '{grant.name}' may spend {_dollars(grant.usd_per_day)} a day, and has; it may again {when}",
        status=429,
        retry_after=round(resets_at - now, 1),
        resets_at=datetime.fromtimestamp(resets_at, UTC),
    )


def total_is_spent(grant: Grant) -> QuotaError:
    """The error that all requests together have cost what they may, which no time brings back."""
    message = f"key '{grant.name}' may spend {_dollars(grant.usd_total)} in all, and has; it needs a higher limit"
    return QuotaError(message, status=429)


def _for_now(grant: Grant, what: str, wait: float) -> ProviderError:
    return ProviderError(f"key '{grant.name}' may {what}", status=429, retry_after=round(max(wait, 0.1), 1))


def _whole(wait: float) -> int:
    """Seconds, rounded up, so that nobody comes back too early."""
    return max(1, math.ceil(wait))


def _dollars(amount: float | None) -> str:
    """A sum of money, without an exponent however small it is."""
    return f"{amount or 0:.10f}".rstrip("0").rstrip(".") + " USD"


def _counted(number: int | None, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
