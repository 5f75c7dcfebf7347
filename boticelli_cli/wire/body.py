"""Bodies of requests: what becomes of one when it is written, and what all dialects do alike in writing it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from boticelli_cli.errors import UsageError
from boticelli_cli.messages import Beyond, Media, Message, Part, Request, Thought
from boticelli_cli.option_words import translated

__all__ = [
    "Encoded",
    "Losses",
    "check_media",
    "decode_base64",
    "decode_object",
    "encode_json",
    "is_said",
    "laid_over",
    "own_options",
    "unsaid",
    "with_own_seals",
    "written",
]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body, and the names of what a request holds that the dialect has no words for: "video", "cache marks"."""

    body: bytes
    losses: tuple[str, ...] = ()


class Losses:
    """Collects, each once and in the order of their coming, the names of what is left out of a body."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, *names: str) -> None:
        self._names |= dict.fromkeys(names)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names)


def written(body: Mapping[str, Any], request: Request, dialect: str, losses: Losses) -> Encoded:
    """A body with the request's `options` laid over it, as far as they can be said in this dialect's words."""
    options = own_options(request, dialect, losses)
    return Encoded(encode_json(laid_over(body, options) if options else body), losses.names)


def own_options(request: Request, dialect: str, losses: Losses) -> dict[str, Any]:
    """The options as they are to be sent, in this dialect's words. What is lost of them is named."""
    if request.dialect not in (None, dialect):
        other = translated(request, dialect)
        losses.add(*other.lost)
        return dict(other.said)
    own: dict[str, Any] = {}
    for name, value in request.options.items():
        if not isinstance(value, Beyond) or value.is_of(request):
            own[name] = value
        else:
            losses.add(*value.names)
    return own


def with_own_seals(request: Request, losses: Losses, *dialects: str) -> tuple[Message, ...]:
    """The messages, without the seals of thoughts where they are another's, as those of requests in other words are.

    The seals of calls stay: whoever translates has put them back.
    """
    if request.dialect in (None, *dialects):
        return request.messages
    return tuple(
        Message(message.role, tuple(_unsealed(part, losses) for part in message.parts)) for message in request.messages
    )


def _unsealed(part: Part, losses: Losses) -> Part:
    if not isinstance(part, Thought) or not part.signature:
        return part
    losses.add("thought signatures")
    return replace(part, signature=None)


def check_media(request: Request) -> None:
    """Raises UsageError for media that have neither bytes nor an address."""
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, Media) and part.data is None and part.url is None:
                raise UsageError(f"the {part.kind} '{part.name or part.mime}' has neither data nor a url")


def laid_over(body: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged key by key; everything else is replaced, a field that came whole too."""
    merged = dict(body)
    for key, value in options.items():
        below = merged.get(key)
        if isinstance(value, Beyond):
            merged[key] = value.whole
            continue
        merged[key] = laid_over(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return merged


def unsaid(body: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """What a body says beyond another that was made of its request: laid over that one, it makes it whole."""
    beyond: dict[str, Any] = {}
    for key, value in body.items():
        other = said.get(key)
        if isinstance(value, dict) and isinstance(other, Mapping):
            if more := unsaid(value, other):
                beyond[key] = more
        elif not is_said(value, other):
            beyond[key] = value
    return beyond


def is_said(value: Any, other: Any) -> bool:
    """Whether another value says all that a value does."""
    if value == other or isinstance(other, bytes):  # bytes are media, which were decoded from this very value
        return True
    if isinstance(value, list) and isinstance(other, list | tuple):
        return len(value) == len(other) and all(map(is_said, value, other))
    if isinstance(value, dict) and isinstance(other, Mapping):
        return not unsaid(value, other)
    return False


def decode_object(body: bytes) -> dict[str, Any]:
    """A body that is a JSON object. Raises UsageError for what is none."""
    try:
        raw = msgspec.json.decode(body)
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"the request's body is not JSON: {exc}") from exc
    if not isinstance(raw, dict):
        raise UsageError("the request's body is not a JSON object")
    return raw


def decode_base64(text: str) -> bytes:
    """Bytes from base64 in either alphabet, padded or not: google-genai sends the one that is safe in addresses.

    Raises ValueError.
    """
    if "-" in text or "_" in text:
        text = text.replace("-", "+").replace("_", "/")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def encode_json(value: Any) -> bytes:
    """JSON of plain data and mappings; bytes become standard base64.

    Half a surrogate pair, which no UTF-8 can hold, becomes U+FFFD.
    """
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_mended(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON data")


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, Mapping):
        return {_mended(key): _mended(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(each) for each in value]
    return value
