"""Streams of frames: what Bedrock's two ways of streaming have in common."""

from collections.abc import Iterator
from typing import Protocol

from boticelli_cli.errors import ProviderError, StreamError
from boticelli_cli.messages import Delta, Finish, Usage
from boticelli_cli.wire.bedrock_errors import PROVIDER, decode_exception
from boticelli_cli.wire.bedrock_frames import Frame, FrameReader
from boticelli_cli.wire.failure import break_off

__all__ = ["FrameBody", "FrameStreamReader", "broke_off"]


class FrameStreamReader(Protocol):
    """Reads the events of one answer, one after the other."""

    @property
    def usage(self) -> Usage: ...

    def read(self, frame: Frame) -> list[Delta]:
        """The deltas of one event. Raises ProviderError for one that cannot be read."""
        ...

    def finish(self) -> Finish:
        """The last delta, once the stream is over. Raises StreamError for one that was cut."""
        ...


class FrameBody:
    """A body of frames, whose exceptions are raised as the errors that they are."""

    is_over = False

    def __init__(self, reader: FrameStreamReader) -> None:
        self._frames = FrameReader()
        self._reader = reader
        self._given = False

    @property
    def usage(self) -> Usage:
        return self._reader.usage

    def read(self, piece: bytes) -> Iterator[Delta]:
        read = self._reader.read
        try:
            for frame in self._frames.feed(piece):
                if frame.failed:
                    raise decode_exception(frame.name, frame.payload)
                for delta in read(frame):
                    self._given = True
                    yield delta
        except ProviderError as error:
            error.provider = PROVIDER  # those of Anthropic's events say another
            if isinstance(error, StreamError):
                raise
            break_off(error, given=self._given)

    def end(self) -> Iterator[Delta]:
        if not self._frames.is_empty:
            raise broke_off(given=self._given)
        try:
            finish = self._reader.finish()
        except ProviderError as error:
            error.provider = PROVIDER
            raise
        yield finish


def broke_off(*, given: bool) -> StreamError:
    """The error of a stream whose end did not come."""
    hint = StreamError.HINT if given else "run it again"
    return StreamError("the stream broke off before the answer was finished", provider=PROVIDER, hint=hint)
