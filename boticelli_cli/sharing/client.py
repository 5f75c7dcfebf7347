"""Redis' own client, as the link wants it: without retries of its own, and without a loss of cancellations."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from boticelli_cli.errors import UsageError

__all__ = ["address_of", "client_of", "heeding"]

_CONNECTIONS = 16
"""At most; one of them hears news, and another one does nearly all the rest."""

Result = TypeVar("Result")


def client_of(url: str, timeout: float) -> "Redis":
    """A client that waits for nothing longer than `timeout` seconds. Raises UsageError for a `url` that is none."""
    try:
        # Without hidden retries: what fails is known to be away at once. RESP2 says all that is needed here.
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=timeout,
            socket_connect_timeout=timeout,
            socket_timeout=timeout,
            decode_responses=True,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        raise UsageError("the address of Redis is none: write redis://[:password@]host[:port][/number]") from None
    return Redis.from_pool(pool)


def address_of(url: str) -> str:
    """Where it is, without the name and the password that open it."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return "an unknown address"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


async def heeding(work: Awaitable[Result]) -> Result:
    """Await something, and end when cancelled: Redis' client may lose a cancellation that comes just as an answer does.

    A task may have been cancelled before, and not have ended: groups leave it so, in Python 3.11 and 3.12.
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    result = await work
    if task.cancelling() > before:
        raise asyncio.CancelledError
    return result
