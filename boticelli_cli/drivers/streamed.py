"""An answer as it streams in: pieces of bytes, read into deltas, from the first one on."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress

from boticelli_cli.drivers.base import meter_at_hand
from boticelli_cli.drivers.http import Chunks
from boticelli_cli.drivers.patience import Patience
from boticelli_cli.errors import ProviderError, StreamError
from boticelli_cli.messages import Delta
from boticelli_cli.wire.stream import BodyReader

__all__ = ["Streamed"]

_GRACE = 1.0
"""Seconds that a server has to end its body once the answer in it is over, so that its connection serves again."""


class Streamed:
    """One answer. `read_first` is called once, then `deltas` gives all of them, the first one too.

    An answer that says itself that it is over is, whatever becomes of the connection afterwards.
    """

    def __init__(self, chunks: Chunks, body: BodyReader, patience: Patience) -> None:
        self._chunks = chunks
        self._body = body
        self._patience = patience
        self._begun: Iterator[Delta] = iter(())
        self._first: Delta | None = None
        self._ended = False

    @contextmanager
    def metered(self) -> Iterator[None]:
        """Tell the meter that is on the request what was counted, however the answer is left."""
        meter = meter_at_hand()
        try:
            yield
        finally:
            if meter is not None:
                meter.count(self._body.usage)

    async def read_first(self) -> None:
        """Read until there is a delta, if only the last of an empty answer. Raises ProviderError."""
        try:
            await self._read_first()
        except StreamError as error:  # it broke off, but nothing of it has been passed on
            raise ProviderError(
                error.message, provider=error.provider, status=error.status, hint="run it again"
            ) from error

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        """All deltas, from the one that has been read already."""
        assert self._first is not None
        yield self._first
        for delta in self._begun:
            yield delta
        if self._ended:
            return
        while (piece := await self._next()) is not None:
            for delta in self._body.read(piece):
                yield delta
        for delta in self._body.end():
            yield delta

    async def _read_first(self) -> None:
        while (piece := await self._next()) is not None:
            self._begun = self._body.read(piece)
            self._first = next(self._begun, None)
            if self._first is not None:
                break
        else:
            self._ended = True
            self._begun = self._body.end()
            self._first = next(self._begun)
        self._patience.answered = True

    async def _next(self) -> bytes | None:
        """The next piece of the body; none once that ends, or the answer in it."""
        if not self._body.is_over:
            return await anext(self._chunks, None)
        await self._drain()
        return None

    async def _drain(self) -> None:
        """Wait for the body to end, but not for long, and whatever else comes."""
        with suppress(ProviderError, TimeoutError):
            async with asyncio.timeout(_GRACE):
                async for _ in self._chunks:
                    pass
