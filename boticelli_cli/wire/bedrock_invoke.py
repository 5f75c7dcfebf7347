"""Claude on Bedrock, by InvokeModel: Anthropic's bodies, and its events in frames.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html. The model is not
in the body but in the address, which also says whether to stream.
"""

import re
from dataclasses import replace
from typing import Final

import msgspec

from boticelli_cli.errors import ProviderError
from boticelli_cli.messages import Delta, Finish, Request, Response, Usage
from boticelli_cli.wire import anthropic
from boticelli_cli.wire.bedrock_errors import PROVIDER, encode_exception
from boticelli_cli.wire.bedrock_frames import Frame, encode_event_frame, encode_exception_frame
from boticelli_cli.wire.bedrock_stream import FrameBody
from boticelli_cli.wire.body import Encoded, Losses
from boticelli_cli.wire.failure import malformed
from boticelli_cli.wire.sse import EventReader

__all__ = [
    "InvokeBody",
    "StreamReader",
    "StreamWriter",
    "decode_request",
    "decode_response",
    "encode_request",
    "encode_response",
    "is_claude",
]


def is_claude(model: str) -> bool:
    """Whether a model is one of Anthropic's, by its id, that of a region's profile of it (`us.anthropic.…`), or an ARN.

    The ARN of a profile that somebody made says nothing of the model; Converse, which takes all of them, asks it.
    """
    return _CLAUDE.search(model) is not None


def encode_request(request: Request, *, streamed: bool = False) -> Encoded:
    """The body that asks for an answer; whether it is `streamed`, the address says.

    Of the betas that a client's header asks for, those that Bedrock knows go along in the body; the others are lost.
    """
    betas = _betas_of(request)
    known = [beta for beta in betas if beta in _BETAS]
    if known:
        request = replace(request, options={"anthropic_beta": known, **request.options})
    encoded = anthropic.encode_request(request, streamed=streamed, bedrock=True)
    lost = (f"anthropic-beta {beta}" for beta in betas if beta not in _BETAS)
    return Encoded(encoded.body, tuple(dict.fromkeys((*encoded.losses, *lost)))) if betas else encoded


def decode_request(body: bytes, model: str) -> Request:
    """What a client asks. Raises UsageError for a body that is not of this dialect."""
    return anthropic.decode_request(body, model)


def decode_response(body: bytes) -> Response:
    """A whole answer. Raises ProviderError for what is none."""
    return anthropic.decode_response(body)


encode_response: Final = anthropic.encode_response
"""A whole answer."""


class StreamReader:
    """One streamed answer: each frame holds one of Anthropic's events."""

    __slots__ = ("_events",)

    def __init__(self) -> None:
        self._events = anthropic.StreamReader()

    @property
    def usage(self) -> Usage:
        """What has been counted so far."""
        return self._events.usage

    def read(self, frame: Frame) -> list[Delta]:
        """The deltas of one event. Raises ProviderError for one that cannot be read."""
        if frame.name != "chunk":
            return []
        try:
            data = _read_chunk(frame.payload).bytes
        except (ValueError, RecursionError) as exc:
            raise malformed(frame.payload, exc, PROVIDER) from exc
        return self._events.read(data)

    def finish(self) -> Finish:
        """The last delta, once the stream is over. Raises StreamError for one that was cut."""
        return self._events.finish()


class InvokeBody(FrameBody):
    """A streamed answer's body: its frames, its exceptions, and the end that it has to have."""

    def __init__(self) -> None:
        super().__init__(StreamReader())


class StreamWriter:
    """A server's side of one streamed answer; what its arguments are, Anthropic's writer says."""

    __slots__ = ("_events",)

    def __init__(
        self,
        model: str | None = None,
        *,
        id: str | None = None,  # noqa: A002
        usage: Usage | None = None,
        losses: Losses | None = None,
    ) -> None:
        self._events = anthropic.StreamWriter(model, id=id, usage=usage, losses=losses)

    def begin(self) -> bytes:
        """The frame that opens the answer; the first `write` does it where nobody has."""
        return _framed(self._events.begin())

    def keep_alive(self) -> bytes:
        """A frame that says nothing."""
        return _framed(self._events.keep_alive())

    def write(self, delta: Delta) -> bytes:
        """The frames of a delta, or nothing. A `Finish` becomes the closing ones, which have to be the last."""
        return _framed(self._events.write(delta))

    def error(self, error: ProviderError) -> bytes:
        """The exception that ends a stream which failed."""
        return encode_exception_frame(*encode_exception(error, timeouts=True))


def _betas_of(request: Request) -> tuple[str, ...]:
    """What the header asks for, each once. What is no name of a beta is no word of ours either."""
    original = request.original
    if original is None or original.dialect != anthropic.PROVIDER or request.dialect != anthropic.PROVIDER:
        return ()
    said = (value for name, value in original.headers if name.lower() == "anthropic-beta")
    names = (name.strip() for value in said for name in value.split(","))
    return tuple(dict.fromkeys(name for name in names if re.fullmatch(r"[\w.-]{1,80}", name, re.ASCII)))


_BETAS: Final = frozenset(
    {"computer-use-2024-10-22", "computer-use-2025-01-24", "computer-use-2025-11-24"}
    | {"interleaved-thinking-2025-05-14", "output-128k-2025-02-19", "dev-full-thinking-2025-05-14"}
    | {"context-1m-2025-08-07", "context-management-2025-06-27", "compact-2026-01-12"}
    | {"tool-search-tool-2025-10-19", "tool-examples-2025-10-29", "token-efficient-tools-2025-02-19"}
)
"""Those that Bedrock is known to take; any other it answers with "invalid beta flag".

BerriAI/litellm pull requests 19875 (which tells those of AWS's page on Claude's requests) and 41203 (the later ones).
That for efforts is left out: some models there are reported to refuse it (anthropics/claude-code issue 49370).
"""

_CLAUDE = re.compile(r"^(?:[a-z]{2,8}(?:-[a-z]{2,8})?\.)?anthropic\.|^arn:.*[/.]anthropic\.")


class _Chunk(msgspec.Struct, gc=False):
    bytes: bytes


_read_chunk: Final = msgspec.json.Decoder(_Chunk).decode


def _framed(events: bytes) -> bytes:
    """Server-sent events, of which each one's data become a frame."""
    reader = EventReader()
    told = [*reader.feed(events), *reader.at_end()]
    return b"".join(encode_event_frame("chunk", msgspec.json.encode({"bytes": event.data})) for event in told)
