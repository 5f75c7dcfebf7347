"""Options in other words: settings that a `Request` has no field for, and that several dialects know by other names.

Where no dialect but the one knows a setting, it is lost, and named by where it stood.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from boticelli_cli.messages import Beyond, Effort, Request, Text

__all__ = ["SETTINGS", "Phrase", "Translated", "effort_of", "translated", "without"]

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phrase:
    """How a dialect says a setting: where, in which words if they are not the same for all, and what it takes."""

    path: Path
    words: Mapping[Any, Any] | None = None
    takes: Callable[[Any], bool] = lambda value: True

    def meaning(self, word: Any) -> Any:
        """What a value means to all; None for one that they do not know."""
        if self.words is None:
            return word if self.takes(word) else None
        return next((value for value, each in self.words.items() if each == word and type(each) is type(word)), None)

    def said(self, value: Any) -> Any:
        """What means the same here; None for what cannot be said."""
        if self.words is not None:
            return self.words.get(value)
        return value if self.takes(value) else None


@dataclass(frozen=True, slots=True)
class Translated:
    """Options in another dialect's words, and the names of what could not be said in them."""

    said: Mapping[str, Any] = field(default_factory=dict)
    lost: tuple[str, ...] = ()


def _number(least: float, most: float, *, whole: bool = False, below: bool = False) -> Callable[[Any], bool]:
    """Whether something is a number in a range, the most itself among them unless all are `below` it."""
    kinds = (int,) if whole else (int, float)
    return lambda value: type(value) in kinds and least <= value <= most and not (below and value == most)


def _text(most: int, without: str = "") -> Callable[[Any], bool]:
    """Whether something is a text that is neither empty nor too long."""
    return lambda value: isinstance(value, str) and 0 < len(value) <= most and not (without and without in value)


def _penalty(snake: str, camel: str) -> Mapping[str, Phrase]:
    return {
        "openai": Phrase((snake,), takes=_number(-2, 2)),
        "gemini": Phrase(("generationConfig", camel), takes=_number(-2, 2, below=True)),
    }


SETTINGS: Final[Mapping[str, Mapping[str, Phrase]]] = {
    "seed": {
        "openai": Phrase(("seed",), takes=_number(-(2**63), 2**63 - 1, whole=True)),
        "gemini": Phrase(("generationConfig", "seed"), takes=_number(-(2**31), 2**31 - 1, whole=True)),
    },
    "frequency penalty": _penalty("frequency_penalty", "frequencyPenalty"),
    "presence penalty": _penalty("presence_penalty", "presencePenalty"),
    "top k": {
        "anthropic": Phrase(("top_k",), takes=_number(1, 2**31 - 1, whole=True)),
        "gemini": Phrase(("generationConfig", "topK"), takes=_number(1, 64, whole=True)),
    },
    "json": {
        "openai": Phrase(("response_format", "type"), {True: "json_object"}),
        "gemini": Phrase(("generationConfig", "responseMimeType"), {True: "application/json"}),
    },
    "one call": {
        "openai": Phrase(("parallel_tool_calls",), {True: False}),
        "anthropic": Phrase(("tool_choice", "disable_parallel_tool_use"), {True: True}),
    },
    "user": {
        "openai": Phrase(("user",), takes=_text(64)),
        "anthropic": Phrase(("metadata", "user_id"), takes=_text(256, without="@")),
    },
}
"""What is said in several dialects, in each one's words, and within its bounds.

platform.openai.com/docs/api-reference/chat/create, ai.google.dev/api/generate-content#generationconfig,
platform.claude.com/docs/en/api/messages/create. Anthropic refuses a `user_id` that is somebody's address.
"""

_SAME: Final[Mapping[str, Effort]] = {"low": "low", "medium": "medium", "high": "high"}
_EFFORTS: Final[Mapping[str, Effort]] = {**_SAME, "xhigh": "high", "max": "high"}
_EFFORT: Final[Path] = ("output_config", "effort")
_EFFORT_AS: Final[Mapping[str, Phrase]] = {
    "openai": Phrase(("reasoning_effort",), _SAME),
    "gemini": Phrase(("generationConfig", "thinkingConfig", "thinkingLevel"), {each: each.upper() for each in _SAME}),
}
"""Claude's effort without a word of thinking; the efforts of others are settings of thinking."""

_SAYS_NOTHING: Final[Mapping[Path, tuple[Any, ...] | None]] = {
    ("n",): (1,),
    ("frequency_penalty",): (0,),
    ("presence_penalty",): (0,),
    ("parallel_tool_calls",): (True,),
    ("logprobs",): (False,),
    ("response_format", "type"): ("text",),
    ("response_format", "json_schema", "name"): None,
    ("response_format", "json_schema", "strict"): None,
    ("generationConfig", "candidateCount"): (1,),
    ("generationConfig", "frequencyPenalty"): (0,),
    ("generationConfig", "presencePenalty"): (0,),
    ("generationConfig", "responseMimeType"): ("text/plain",),
    ("generationConfig", "responseLogprobs"): (False,),
    ("tool_choice", "disable_parallel_tool_use"): (False,),
}
"""Values that are as they are anyway. A schema has no name elsewhere, and all others hold an answer to it strictly."""

_NESTED: Final = frozenset(
    {"generationConfig", "thinkingConfig", "toolConfig", "functionCallingConfig", "response_format", "json_schema"}
    | {"output_config", "format", "thinking", "tool_choice"}
)
"""Fields of which each part is a setting of its own."""


def translated(request: Request, dialect: str) -> Translated:
    """A request's options in another dialect's words, and by their names those that are lost."""
    said: dict[str, Any] = {}
    lost: dict[str, None] = {}
    for path, value in _leaves(request.options, request.dialect):
        if isinstance(value, Beyond):
            lost |= dict.fromkeys(value.names)
        elif not _is_nothing(path, value, request) and not _say(path, value, request, dialect, said):
            lost["option " + ".".join(path)] = None
    return Translated(said, tuple(lost))


def without(
    options: Mapping[str, Any], dialect: str | None, names: Collection[str]
) -> tuple[dict[str, Any], list[str]]:
    """Options without those that are called so in any dialect's words, and the names of what was there of them.

    Without a dialect, they may be in any.
    """
    refused: set[Path] = {(name,) for name in names}
    for phrases in SETTINGS.values():
        if any(phrase.path[-1] in names for phrase in phrases.values()):
            refused |= {phrase.path for of, phrase in phrases.items() if dialect in (None, of)}
    return _without(options, refused), [".".join(path) for path, _ in _leaves(options, dialect) if path in refused]


def effort_of(request: Request) -> tuple[Effort | None, Request]:
    """How hard Claude is to work by a request that says nothing of thinking, and the request without that.

    An effort that only Claude knows is taken as the nearest, and stays to be named as lost.
    """
    config = request.options.get(_EFFORT[0])
    word = config.get(_EFFORT[1]) if isinstance(config, Mapping) else None
    effort = _EFFORTS.get(word) if isinstance(word, str) else None
    if effort is None or request.thinking is not None or request.dialect != "anthropic":
        return None, request
    return effort, replace(request, options=_without(request.options, {_EFFORT} if word == effort else ()))


def _say(path: Path, value: Any, request: Request, dialect: str, said: dict[str, Any]) -> bool:
    """Add to what is said what a value means; whether there are words for it."""
    if request.dialect == "openai" and path == ("safety_identifier",):  # OpenAI's newer word for the user
        path = ("user",)
    elif path == ("user",) and "safety_identifier" in request.options:
        return bool(request.options["safety_identifier"] == value)
    for name, phrase, target in _phrases(request, dialect):
        if phrase.path == path and (meaning := phrase.meaning(value)) is not None:
            word = target.said(meaning)
            if word is None or (name == "json" and dialect == "openai" and not _speaks_of_json(request)):
                return False
            _put(said, target.path, word)
            if name == "one call" and dialect == "anthropic" and request.tool_choice is None:
                _put(said, ("tool_choice", "type"), "auto")
            return True
    return False


def _phrases(request: Request, dialect: str) -> Iterator[tuple[str, Phrase, Phrase]]:
    for name, phrases in SETTINGS.items():
        if (own := phrases.get(request.dialect or "")) is not None and dialect in phrases:
            yield name, own, phrases[dialect]
    if dialect in _EFFORT_AS and effort_of(request)[0] is not None:
        yield "effort", Phrase(_EFFORT, _SAME), _EFFORT_AS[dialect]


def _is_nothing(path: Path, value: Any, request: Request) -> bool:
    if path in (("parallel_tool_calls",), ("tool_choice", "disable_parallel_tool_use")) and (
        not request.declared_tools or request.tool_choice == "none"
    ):
        return True  # of calls that there will not be
    if path not in _SAYS_NOTHING:
        return False
    values = _SAYS_NOTHING[path]
    return values is None or value in values


def _speaks_of_json(request: Request) -> bool:
    """OpenAI promises JSON only where the conversation has the word: "'messages' must contain the word 'json'"."""
    texts = (part.text for message in request.messages for part in message.parts if isinstance(part, Text))
    return any("json" in text.lower() for text in (request.system_text or "", *texts))


def _leaves(options: Mapping[str, Any], dialect: str | None, above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each setting, and where it stands. OpenAI's `metadata`, unlike Anthropic's, holds names that users made up."""
    for name, value in options.items():
        is_nested = name in _NESTED or (name == "metadata" and dialect == "anthropic")
        if is_nested and isinstance(value, Mapping) and value:
            yield from _leaves(value, dialect, (*above, name))
        else:
            yield (*above, name), value


def _put(said: dict[str, Any], path: Path, word: Any) -> None:
    for name in path[:-1]:
        said = said.setdefault(name, {})
    said[path[-1]] = word


def _without(options: Mapping[str, Any], gone: Collection[Path], above: Path = ()) -> dict[str, Any]:
    left: dict[str, Any] = {}
    for name, value in options.items():
        path = (*above, name)
        if path in gone:
            continue
        if isinstance(value, Mapping) and any(each[: len(path)] == path for each in gone):
            value = _without(value, gone, path)
            if not value:
                continue
        left[name] = value
    return left
