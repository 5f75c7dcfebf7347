"""Answers that are passed on as they come, in whichever dialect of server-sent events: what is told of them is read on
the side.

So are requests: a body goes up as its maker wrote it, but for the few words of which others have decided.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal, Protocol

import msgspec

from boticelli_cli.errors import ProviderError, StreamError
from boticelli_cli.messages import Delta, Finish, Forwarded, Usage
from boticelli_cli.wire.failure import break_off
from boticelli_cli.wire.sse import LIMIT, data_of

__all__ = ["ForwardBody", "Forwarding", "Said", "SideReader", "is_ambiguous", "is_something", "with_replaced"]

Said = Literal["more", "frame", "count"]
"""What an event says: more of the answer; nothing of it; or only what it used, which not every client wants to know."""


class SideReader(Protocol):
    """Reads the data of an answer's events, one after the other, for what is to be known of them besides."""

    @property
    def is_over(self) -> bool:
        """Whether the answer itself has said that nothing follows; not all dialects say it."""
        ...

    @property
    def usage(self) -> Usage:
        """What has been counted so far."""
        ...

    def read(self, data: bytes) -> Said:
        """Raises the error that an event holds, and ProviderError for what is not an event."""
        ...

    def finish(self, *, given: bool) -> Finish | None:
        """Why it ended, and what it used; `None` for an answer that was cut. Raises RefusedError where no answer was
        `given`, since it was refused."""
        ...


@dataclass(frozen=True, slots=True)
class Forwarding:
    """How requests and answers in a dialect are passed on.

    `body` makes of a body as it came, a model and whether its answer is to be streamed what is sent; nothing where that
    takes more than other words in the same places.
    """

    dialect: str
    body: Callable[[bytes, str, bool], bytes | None]
    reader: Callable[[], SideReader]


class ForwardBody:
    """A streamed answer whose bytes are passed on in pieces of whole events, and a `Finish` after them.

    What comes before the first event that says something is kept until then, so that what goes wrong before it can be
    asked again. An event that is an error is raised, and not passed on; those before it are. Without `counts`, events
    that hold nothing but what was used are left out. `provider` is whom its own errors name.
    """

    def __init__(self, reader: SideReader, *, counts: bool = True, provider: str | None = None) -> None:
        self._reader = reader
        self._provider = provider
        self._counts = counts
        self._pending = bytearray()  # of an event that is not whole yet
        self._held = bytearray()  # whole events, before the first that says something
        self._at_start = True
        self._begun = False
        self._given = False

    @property
    def is_over(self) -> bool:
        return self._reader.is_over

    @property
    def usage(self) -> Usage:
        return self._reader.usage

    def read(self, piece: bytes) -> Iterator[Delta]:
        """Its events, as far as they are whole. Raises ProviderError, as StreamError once any have been given out."""
        if whole := self._whole(piece):
            yield from self._passed(whole)
        if len(self._pending) + len(self._held) > LIMIT:
            self._pending.clear()
            self._held.clear()
            raise StreamError(f"the stream holds an event of more than {LIMIT:,} bytes", provider=self._provider)

    def end(self) -> Iterator[Delta]:
        """What is left when all bytes have come, and the `Finish`. Raises StreamError for a stream that was cut."""
        rest = bytes(self._pending)
        self._pending.clear()
        if rest and (rest.endswith((b"\n", b"\r")) or data_of(_with_line_feeds(rest)) is not None):
            yield from self._passed(_ended(rest))
        finish = self._reader.finish(given=self._given)
        if finish is None:
            hint = StreamError.HINT if self._given else "run it again"
            message = "the stream broke off before the answer was finished"
            raise StreamError(message, provider=self._provider, hint=hint)
        self._begun = True
        yield from self._told(b"")
        yield finish

    def _whole(self, piece: bytes) -> bytes:
        """The whole events that a piece completes."""
        pending = self._pending
        if not pending:
            end = _last_end(piece, 0)
            pending += piece[end:]
            return piece[:end]
        start = max(0, len(pending) - 3)  # the longest end of an event has four bytes
        pending += piece
        end = _last_end(pending, start)
        whole = bytes(pending[:end])
        del pending[:end]
        return whole

    def _passed(self, whole: bytes) -> Iterator[Delta]:
        """Whole events, without those that are not for the client, up to one that is an error, which is raised."""
        read, cuts = self._reader.read, not self._counts
        failed: ProviderError | None = None
        at = number = 0
        for number, block in enumerate(self._blocks(whole)):
            if (data := data_of(block)) is None:
                continue
            try:
                said = read(data)
            except ProviderError as error:
                failed = error
                break
            if said == "more":
                self._begun = True
            elif said == "count" and cuts:
                yield from self._told(whole[at : _end_of(whole, number)])
                at = _end_of(whole, number + 1)
        yield from self._told(whole[at:] if failed is None else whole[at : _end_of(whole, number)])
        if failed is not None:
            break_off(failed, given=self._given)

    def _blocks(self, whole: bytes) -> list[bytes]:
        """What stands between blank lines, with line feeds for all line endings."""
        if self._at_start:
            self._at_start = False
            whole = whole.removeprefix(b"\xef\xbb\xbf")
        return _with_line_feeds(whole).split(b"\n\n")

    def _told(self, data: bytes) -> Iterator[Delta]:
        """Bytes that may go, once the answer has begun, with those that were held before."""
        if not self._begun:
            self._held += data
            return
        if self._held:
            data = bytes(self._held) + data
            self._held.clear()
        if data:
            self._given = True
            yield Forwarded(data)


def is_ambiguous(body: bytes) -> bool:
    """Whether a body may say more than once for whom it is, or whether it is to be streamed; now and then it does not.

    Of keys that are alike we take the last. Others take the first, or take `Model` for the same (Go's encoding/json),
    and would serve what nobody has permitted. A key may be escaped, too.
    """
    lower = body.lower()
    if any(lower.count(name) > 1 for name in _RULED):
        return True
    return b"\\u00" in body and any(escape in body for escape in _ESCAPES)


def with_replaced(body: bytes, words: Mapping[str, Any]) -> bytes:
    """A JSON object with other values for some of its keys, in their places; those of new keys come last.

    A value of `None` takes a key away. All other values stay byte for byte. Of keys that are alike the last stays, and
    none of those that differ from one in `words` by their case. Raises ValueError for what is no object.
    """
    said = {key: value for key, value in _read_object(body).items() if key in words or key.lower() not in words}
    for key, value in words.items():
        if value is None:
            said.pop(key, None)
        else:
            said[key] = msgspec.Raw(msgspec.json.encode(value))
    return msgspec.json.encode(said)


def is_something(value: msgspec.Raw | msgspec.UnsetType) -> bool:
    """Whether a value in an event is there, and neither null nor empty."""
    return value is not msgspec.UNSET and bytes(value) not in _NOTHING


_NOTHING: Final = (b"null", b'""', b"[]", b"{}")
_RULED: Final = (b'"model"', b'"stream"')
"""The keys of a body of which others decide."""

_ESCAPES: Final = (b"\\u004", b"\\u005", b"\\u006", b"\\u007")
"""How the escapes of letters begin that need none."""

_read_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_END: Final = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r(?!\Z))")
"""A blank line. A carriage return that is the last byte may be half of a line ending."""


def _last_end(data: bytes | bytearray, start: int) -> int:
    """Where the last blank line ends that is found from there on; 0 without one.

    Of endings that are mixed it may not be the very last: the next one brings it.
    """
    feeds, returns = data.rfind(b"\n\n", start), data.rfind(b"\r\n\r\n", start)
    if feeds >= 0 or returns >= 0:
        return max(feeds + 2 if feeds >= 0 else 0, returns + 4 if returns >= 0 else 0)
    if data.find(b"\r", start) < 0:
        return 0
    return max((found.end() for found in _END.finditer(data, start)), default=0)


def _end_of(whole: bytes, count: int) -> int:
    """Where so many blocks end, with their blank lines."""
    if not count:
        return 0
    found = next(islice(_END.finditer(whole), count - 1, None), None)
    return len(whole) if found is None else found.end()


def _ended(event: bytes) -> bytes:
    """The last event of a stream, with the blank line that it lacks: without one clients leave it out."""
    if event.endswith(b"\r\n\r"):
        return event + b"\n"
    newline = next((each for each in (b"\r\n", b"\n", b"\r") if each in event), b"\n")
    plain = _with_line_feeds(event)
    return event + newline * (2 - plain.endswith(b"\n") - plain.endswith(b"\n\n"))


def _with_line_feeds(data: bytes) -> bytes:
    if b"\r" not in data:
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
