"""The words spoken with models: what a request holds, and what comes back of it.

Values only, frozen and without I/O. They say what every provider can say in some form; nothing here knows
of any provider's wire format.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, assert_never

__all__ = [
    "Beyond",
    "CachePoint",
    "Delta",
    "Effort",
    "Finish",
    "FinishReason",
    "Forwarded",
    "Media",
    "MediaDelta",
    "MediaKind",
    "Message",
    "Original",
    "Part",
    "Request",
    "Response",
    "Text",
    "TextDelta",
    "Thinking",
    "ThinkingDelta",
    "Thought",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolChoice",
    "ToolResult",
    "Usage",
    "deltas_of",
    "kind_of",
    "parts_of",
]

MediaKind = Literal["image", "audio", "video", "document"]

FinishReason = Literal["stop", "length", "content_filter", "tool_call", "other"]
"""Why an answer ended, in the words of OpenTelemetry's conventions for generative AI."""

Effort = Literal["minimal", "low", "medium", "high"]
"""How hard a model is to think."""

Thinking = bool | int | Effort
"""What is asked of a model's thinking: to show it or to do as little as it can, a budget in tokens, or an effort."""

ToolChoice = Literal["auto", "none", "required"] | tuple[str, ...]
"""Whether a model may call tools, must not, must call one, or must call one of those named."""


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


@dataclass(frozen=True, slots=True)
class Thought:
    """What a model thought before it spoke. `signature` is the provider's seal on it, to be sent back unchanged.

    Of a `redacted` one there is nothing but the seal: its text is empty.
    """

    text: str
    signature: str | None = None
    redacted: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model asks for a tool to be run. `signature`, where there is one, has to come back with the call.

    Gemini may give no `id`; its calls are then told apart by their order.
    """

    name: str
    arguments: Mapping[str, Any]
    id: str | None = None
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What became of a tool call: `output` is plain JSON data, or with `is_error` what went wrong.

    A tuple is an output of several pieces, of `Text` and `Media`. Dialects that know texts only carry other data as
    JSON, and give it back as that text. `name` is empty where a dialect tells a result by its call's `id` alone.
    """

    name: str
    output: Any
    id: str | None = None
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class CachePoint:
    """A mark: the provider may keep what stands before it, for about so long, and read it cheaply next time."""

    ttl: Literal["5m", "1h"] | None = None


Part = Text | Media | Thought | ToolCall | ToolResult | CachePoint


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a model may call; `parameters` is the JSON Schema of its arguments."""

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Beyond:
    """A field of a request in its maker's words, of which a `Request` says a part only: a value of `options`.

    `names` say what it holds beyond that: "citations", "web search". `whole` is the field as it came, to be sent in the
    same words as long as what was made of it, the fields of the request that `said` holds, is the same.
    """

    names: tuple[str, ...]
    whole: Any
    said: Mapping[str, Any]

    def is_of(self, request: "Request") -> bool:
        """Whether a request still says what was made of the field."""
        return all(getattr(request, name) == value for name, value in self.said.items())


@dataclass(frozen=True, slots=True)
class Original:
    """A request in the words of whoever made it: its body as it came, in a dialect, and the headers that go along.

    A driver of that dialect passes the answer on as `Forwarded`, and sends the body as it is, but for the model. `body`
    is `None` once something else of the request has been changed: then it is written anew. `include_usage` is whether
    a stream in OpenAI's words was to end with the counts of tokens.
    """

    dialect: str
    body: bytes | None
    headers: tuple[tuple[str, str], ...] = ()
    include_usage: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """All that a model is asked: the last message is the one to be answered.

    `None` means that nobody set it: the provider's own default holds. `show_thoughts` is whether a model that
    thinks is to tell what. `schema` is the JSON Schema that the
    answer has to satisfy; `options` go to the provider as they are, in its own words, over everything else.
    `timeout` is in seconds, for one attempt from its start to its last delta; `retries` is how many more
    attempts there may be.

    `fallback` are the models to ask when this one does not answer. `session` names the conversation that this belongs
    to, and `route` the kind of request that it is, where somebody said so ("background"). `dialect` is whose words
    `options` are, where they are not those of whoever is asked; some may be `Beyond`. `original` is the request in its
    maker's own words, who wants its answer in the same.
    """

    model: str
    messages: tuple[Message, ...]
    system: str | tuple[Text | CachePoint, ...] | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    thinking: Thinking | None = None
    show_thoughts: bool = True
    schema: Mapping[str, Any] | None = None
    tools: tuple[Tool | CachePoint, ...] = ()
    tool_choice: ToolChoice | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    retries: int | None = None
    fallback: tuple[str, ...] = ()
    session: str | None = None
    route: str | None = None
    dialect: str | None = None
    original: Original | None = None

    @property
    def system_text(self) -> str | None:
        """The system prompt as one text: its blocks, where it has several, joined by line breaks."""
        if self.system is None or isinstance(self.system, str):
            return self.system
        return "\n".join(block.text for block in self.system if isinstance(block, Text))

    @property
    def declared_tools(self) -> tuple[Tool, ...]:
        """The tools, without the cache marks between them."""
        return tuple(tool for tool in self.tools if isinstance(tool, Tool))


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts of tokens. What a provider did not say is `None`, never 0.

    `input` includes cached and cache-written tokens, `output` includes thinking. `input_audio` and
    `output_audio` are the parts of them that were sound, which has a price of its own.
    """

    input: int | None = None
    output: int | None = None
    thinking: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    total: int | None = None
    input_audio: int | None = None
    output_audio: int | None = None

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(_sum(getattr(self, each.name), getattr(other, each.name)) for each in fields(self)))


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """More of what the model thinks aloud before it answers.

    With a `signature`, which seals what was told since the last one, `text` may be empty; a `redacted` thought is
    nothing else.
    """

    text: str
    signature: str | None = None
    redacted: bool = False


@dataclass(frozen=True, slots=True)
class MediaDelta:
    """A piece of media that the model made."""

    media: Media


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A tool that the model asks for, whole."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A piece of an answer as its provider has sent it, in the dialect of the request's `original`: whole events.

    A stream that is forwarded holds nothing else, but for its `Finish`, which tells what the pieces have told already.
    """

    data: bytes


@dataclass(frozen=True, slots=True)
class Finish:
    """The last delta of every stream: why it ended, what it used, and which model really served it.

    `provider_reason` is why in the provider's own word.
    """

    reason: FinishReason
    usage: Usage = Usage()
    served_model: str | None = None
    provider_reason: str | None = None


Delta = TextDelta | ThinkingDelta | MediaDelta | ToolCallDelta | Forwarded | Finish


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer, its parts in their order: what a stream comes to when it is folded.

    `forwarded` is its body as the provider has sent it, for a request whose `original` is in the provider's dialect.
    """

    parts: tuple[Part, ...]
    finish: Finish
    forwarded: bytes | None = None

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def thinking(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Thought))

    @property
    def media(self) -> tuple[Media, ...]:
        return tuple(part for part in self.parts if isinstance(part, Media))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


def kind_of(mime: str) -> MediaKind:
    """What a media type is to a model: anything that is no image, sound or film is a document."""
    match mime.partition("/")[0].lower():
        case "image" | "audio" | "video" as kind:
            return kind
        case _:
            return "document"


def parts_of(deltas: Iterable[Delta]) -> tuple[Part, ...]:
    """What deltas come to: pieces of one text, or of one thought up to its seal, become one part."""
    parts: list[Part] = []
    pieces: list[str] = []
    thinks = False

    def close(signature: str | None = None) -> None:
        if pieces or signature is not None:
            text = "".join(pieces)
            parts.append(Thought(text, signature) if thinks else Text(text))
            pieces.clear()

    for delta in deltas:
        match delta:
            case TextDelta(text):
                if thinks:
                    close()
                thinks = False
                pieces.append(text)
            case ThinkingDelta(text, signature, redacted):
                if not thinks or redacted:
                    close()
                thinks = True
                if redacted:
                    parts.append(Thought("", signature, redacted=True))
                    continue
                if text:
                    pieces.append(text)
                if signature is not None:
                    close(signature)
            case MediaDelta(media):
                close()
                parts.append(media)
            case ToolCallDelta(call):
                close()
                parts.append(call)
            case Forwarded() | Finish():
                pass
    close()
    return tuple(parts)


def deltas_of(response: Response) -> Iterator[Delta]:
    """A whole answer as the deltas of a stream, its end among them."""
    for part in response.parts:
        match part:
            case Text(text):
                yield TextDelta(text)
            case Thought(text, signature, redacted):
                yield ThinkingDelta(text, signature, redacted)
            case Media():
                yield MediaDelta(part)
            case ToolCall():
                yield ToolCallDelta(part)
            case ToolResult() | CachePoint():
                pass  # nothing that a model answers
            case _:
                assert_never(part)
    yield response.finish


def _sum(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other
