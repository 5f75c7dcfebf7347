"""A behaviour as steps: what a fake over HTTP sends, when it waits, and where it breaks off, in whatever dialect."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, assert_never

from tests.fakes.behaviours import (
    Answer,
    Behaviour,
    Blocked,
    Close,
    Drop,
    Empty,
    Events,
    Fail,
    GoAway,
    Huge,
    InStreamError,
    Interrupted,
    Long,
    Malformed,
    NotJSON,
    OneByteAtATime,
    Silence,
    TruncatedClean,
    UnknownFields,
)
from tests.fakes.material import long_blocks, long_piece, words_of


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class Cut:
    """The connection closes; in the middle of this event, if there is one."""

    event: Any = None


@dataclass(frozen=True)
class Hold:
    """Nothing more, for ever."""


@dataclass(frozen=True)
class Garbled:
    """An event that is no JSON."""


@dataclass(frozen=True)
class Broken:
    """The answer ends as an error."""

    status: int


Step = Any
"""One of the above, or an event of the dialect."""


class Saying(ABC):
    """One answer in a dialect: makes its events, counts what they hold, and makes bytes of them.

    `called` is how an answer ends that calls tools, `half` the text of one that is no JSON when it is asked for whole.
    """

    content_type = "text/event-stream; charset=utf-8"
    called = "tool_use"
    half: str

    def __init__(self, asked: Any, limit: int | None) -> None:
        self.asked = asked
        self._limit = limit
        self._spoken = 0
        self._thought = 0

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": self.content_type}

    @property
    def spent_all(self) -> bool:
        return self._limit is not None and self._spoken + self._thought >= self._limit

    def text(self, text: str) -> Step:
        """More of the text, as far as the limit of tokens lets it."""
        words = words_of(text)
        if self._limit is not None and len(words) > (left := max(0, self._limit - self._spoken - self._thought)):
            words, text = words[:left], "".join(words[:left])
        self._spoken += len(words)
        return self.piece(text)

    def begin(self) -> Iterator[Step]:
        """What comes before all else."""
        yield from ()

    def begin_text(self) -> Iterator[Step]:
        """What comes before a text."""
        yield from ()

    @abstractmethod
    def piece(self, text: str) -> Step:
        """A piece of text, which is not counted."""

    def paced(self, answer: Answer) -> Iterator[Step]:
        """What an answer says, and its pauses."""
        for event in self.parts(answer):
            yield event
            yield Pause(answer.delay)

    def parts(self, answer: Answer) -> Iterator[Step]:
        raise NotImplementedError

    @abstractmethod
    def end(self, reason: str = "STOP", usage: Any = None) -> Iterator[Step]: ...

    def empty(self, reason: str) -> Iterator[Step]:
        yield from self.end(reason)

    @abstractmethod
    def blocked(self, reason: str) -> Iterator[Step]: ...

    def verbatim(self, event: Any) -> Step:
        """An event of the test's own."""
        return event

    @abstractmethod
    def encode(self, step: Step) -> bytes: ...

    def encode_piece(self, text: str) -> bytes:
        return self.encode(self.piece(text))

    def encode_long(self, chunks: int) -> Iterator[bytes]:
        """A Long answer in blocks. An empty piece goes first: what only the first one brings is not repeated."""
        self._spoken = chunks
        yield self._encode_all(self.begin(), self.begin_text(), [self.piece("")])
        yield from long_blocks(chunks, self.encode_piece)
        yield self._encode_all(self.end()) + self.encode_end()

    def encode_end(self) -> bytes:
        """What closes a stream that was not broken off."""
        return b""

    @abstractmethod
    def whole(self, events: list[Any]) -> Any:
        """The JSON that events amount to; None if they never end, and the service has nothing to answer with."""

    def _encode_all(self, *steps: Iterable[Step]) -> bytes:
        return b"".join(self.encode(step) for each in steps for step in each)


def steps(behaviour: Behaviour, say: Saying) -> Iterator[Step]:
    """What happens in the body of a response, in order."""
    if isinstance(behaviour, Events):
        yield from (say.verbatim(dict(event)) for event in behaviour.events)
        return
    yield from say.begin()
    match behaviour:
        case Answer():
            yield from _answer(behaviour, say)
        case Long(chunks):
            yield from _answer(Answer(chunks=tuple(long_piece(number) for number in range(chunks))), say)
        case Huge(size):
            yield from _answer(Answer(chunks=("x" * size,)), say)
        case OneByteAtATime(text):
            yield from _answer(Answer(text, chunks=3), say)
        case Empty(finish_reason):
            yield from say.empty(finish_reason)
        case Blocked(reason):
            yield from say.blocked(reason)
        case InStreamError() | Drop() | TruncatedClean() | Silence() | Malformed():
            yield from _broken_off(behaviour, say)
        case GoAway() | Close() | Interrupted() | UnknownFields():
            yield from _answer(Answer(), say)
        case Fail() | NotJSON():
            raise AssertionError(f"{behaviour} has no body to stream")
        case _:
            assert_never(behaviour)


def _answer(answer: Answer, say: Saying) -> Iterator[Step]:
    yield Pause(answer.first_delay)
    yield from say.paced(answer)
    reason = say.called if answer.tool_calls and answer.finish_reason == "STOP" else answer.finish_reason
    yield from say.end("MAX_TOKENS" if say.spent_all else reason, answer.usage)


def _broken_off(behaviour: InStreamError | Drop | TruncatedClean | Silence | Malformed, say: Saying) -> Iterator[Step]:
    """Some chunks of an answer that is longer, and a moment between them, so that each arrives by itself."""
    yield from say.begin_text()
    for number in range(behaviour.after):
        yield say.text(f"piece {number + 1} ")
        yield Pause(0)
    match behaviour:
        case InStreamError(code):
            yield Broken(code)
        case Drop(inside=inside):
            yield Cut(say.text("never seen whole") if inside else None)
        case Silence():
            yield Hold()
        case Malformed():
            yield Garbled()
