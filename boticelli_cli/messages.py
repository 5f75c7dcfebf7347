"""The words spoken with models: what a request holds, and what comes back of it.

Values only, frozen and without I/O. They say what every provider can say in some form; nothing here knows
of any provider's wire format.
"""

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Delta",
    "Finish",
    "FinishReason",
    "Media",
    "MediaDelta",
    "MediaKind",
    "Message",
    "Part",
    "Request",
    "Response",
    "Text",
    "TextDelta",
    "ThinkingDelta",
    "Usage",
]

MediaKind = Literal["image", "audio", "video", "document"]

FinishReason = Literal["stop", "length", "content_filter", "tool_call", "other"]
"""Why an answer ended, in the words of OpenTelemetry's conventions for generative AI."""


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, sound, film or document: either its bytes (`data`) or where the provider finds them (`url`)."""

    kind: MediaKind
    mime: str
    data: bytes | None = None
    url: str | None = None
    name: str | None = None


Part = Text | Media


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """All that a model is asked: the last message is the one to be answered.

    `None` means that nobody set it: the provider's own default holds.
    """

    model: str
    messages: tuple[Message, ...]
    system: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts of tokens. What a provider did not say is `None`, never 0.

    `input` includes cached and cache-written tokens, `output` includes thinking.
    """

    input: int | None = None
    output: int | None = None
    thinking: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    total: int | None = None

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input=_sum(self.input, other.input),
            output=_sum(self.output, other.output),
            thinking=_sum(self.thinking, other.thinking),
            cached_input=_sum(self.cached_input, other.cached_input),
            cache_write=_sum(self.cache_write, other.cache_write),
            total=_sum(self.total, other.total),
        )


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """More of what the model thinks aloud before it answers; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class MediaDelta:
    """A piece of media that the model made."""

    media: Media


@dataclass(frozen=True, slots=True)
class Finish:
    """The last delta of every stream: why it ended, what it used, and which model really served it."""

    reason: FinishReason
    usage: Usage = Usage()
    served_model: str | None = None


Delta = TextDelta | ThinkingDelta | MediaDelta | Finish


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer: what a stream comes to when it is folded."""

    text: str
    finish: Finish
    thinking: str = ""
    media: tuple[Media, ...] = ()


def _sum(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other
