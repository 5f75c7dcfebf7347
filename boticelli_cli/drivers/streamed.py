"""An answer as it streams in: pieces of bytes, read into deltas, from the first one on."""

from collections.abc import AsyncGenerator, Iterator

from boticelli_cli.drivers.http import Chunks
from boticelli_cli.drivers.patience import Patience
from boticelli_cli.errors import ProviderError, StreamError
from boticelli_cli.messages import Delta
from boticelli_cli.wire.stream import BodyReader

__all__ = ["Streamed"]


class Streamed:
    """One answer. `read_first` is called once, then `deltas` gives all of them, the first one too."""

    def __init__(self, chunks: Chunks, body: BodyReader, patience: Patience) -> None:
        self._chunks = chunks
        self._body = body
        self._patience = patience
        self._begun: Iterator[Delta] = iter(())
        self._first: Delta | None = None
        self._ended = False

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
        read = self._body.read
        async for piece in self._chunks:
            for delta in read(piece):
                yield delta
        for delta in self._body.end():
            yield delta

    async def _read_first(self) -> None:
        async for piece in self._chunks:
            self._begun = self._body.read(piece)
            self._first = next(self._begun, None)
            if self._first is not None:
                break
        else:
            self._ended = True
            self._begun = self._body.end()
            self._first = next(self._begun)
        self._patience.answered = True
