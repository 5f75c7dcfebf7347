"""Patience: how long a request may take to its first word, between words, and to its end."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from boticelli_cli.drivers.base import meter_at_hand
from boticelli_cli.errors import NoAnswerError, ProviderError, SilenceError, StreamError

__all__ = ["CONNECT", "FIRST", "SILENCE", "TOTAL", "Patience"]

CONNECT = 10.0
"""Seconds to reach a provider."""

FIRST = 300.0
"""Seconds from asking to the first sign of an answer: models that think are silent for minutes.

More, when a request has a longer `timeout`.
"""

SILENCE = 120.0
"""Seconds between two signs of an answer."""

TOTAL = 600.0
"""Seconds for everything, unless a request says otherwise."""

Result = TypeVar("Result")


class Patience:
    """The time that one attempt has. Every wait for the provider goes through `wait_for`.

    Until `answered` is set it is the first word that is waited for; a wait that takes too long is then a
    `NoAnswerError`, and a `SilenceError`, or at the end of all time a `StreamError`, afterwards. What is waited is told
    to the meter that is on the request.
    """

    def __init__(self, provider: str, timeout: float | None) -> None:
        self._provider = provider
        self._total = TOTAL if timeout is None else timeout
        self._first = max(FIRST, self._total) if timeout is not None else FIRST
        self._end = asyncio.get_running_loop().time() + self._total
        self._meter = meter_at_hand()
        self.answered = False

    async def wait_for(self, awaitable: Awaitable[Result]) -> Result:
        """What `awaitable` comes to. Raises NoAnswerError, SilenceError or StreamError when it takes too long."""
        now, meter = asyncio.get_running_loop().time(), self._meter
        began = 0.0 if meter is None else meter.clock()
        longest = SILENCE if self.answered else self._first
        try:
            async with asyncio.timeout_at(min(now + longest, self._end)) as limit:
                return await awaitable
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise self._too_long(longest, ended=now + longest >= self._end) from error
        finally:
            if meter is not None:
                meter.wait(meter.clock() - began)

    def _too_long(self, longest: float, *, ended: bool) -> ProviderError:
        if ended and self.answered:
            return StreamError(
                f"the answer was not complete after {self._total:g} seconds",
                provider=self._provider,
                hint="what had come is kept; 'timeout' gives an act more time",
            )
        if self.answered:
            return SilenceError(
                f"the stream fell silent for {longest:g} seconds",
                provider=self._provider,
                hint=SilenceError.HINT,
            )
        return NoAnswerError(
            f"no answer came within {self._total if ended else longest:g} seconds",
            provider=self._provider,
            hint="'timeout' gives an act more time" if ended else "try again later, or another model",
        )
