"""What a fake service can do with a request: the repertoire, and the script that chooses from it.

A behaviour is chosen, in this order, by the test's script, by a keyword in the prompt (`[[429 retry=2 times=1]]`), by the
model's name (`fake-429_retry=2`: underscores separate what blanks do in a prompt), and else is an `Answer`.
"""

import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A whole answer. Without a text it repeats the prompt; with `chunks=N` and no text it counts from 1 to N.

    `chunks`: how many pieces the text comes in, or the pieces. `delay`, `first_delay`: seconds between and before them.
    `usage` replaces what is counted. `media` are (MIME type, bytes), `tool_calls` (name, arguments).
    """

    text: str | None = None
    chunks: int | tuple[str, ...] | None = None
    delay: float = 0.0
    first_delay: float = 0.0
    usage: Mapping[str, Any] | None = None
    thoughts: str | None = None
    media: tuple[tuple[str, bytes], ...] = ()
    tool_calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    finish_reason: str = "STOP"


@dataclass(frozen=True)
class Events:
    """Exactly these JSON values, one event each; in Live, one message each."""

    events: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Long:
    """As many chunks as asked for, from prepared bytes, as fast as the socket takes them: "w0000 w0001 … w0999 w0000 …"."""

    chunks: int = 100_000


@dataclass(frozen=True)
class Huge:
    """One chunk of so many characters."""

    size: int = 2_000_000


@dataclass(frozen=True)
class OneByteAtATime:
    """Each byte is its own write; the text has characters of one, two, three and four bytes."""

    text: str = "a é 中 🎨 z"


@dataclass(frozen=True)
class Empty:
    """A candidate without parts."""

    finish_reason: str = "STOP"


@dataclass(frozen=True)
class Blocked:
    """The prompt is refused: no candidates at all."""

    reason: str = "PROHIBITED_CONTENT"


@dataclass(frozen=True)
class Fail:
    """An error, `times` times; then whatever comes next.

    `retry`: seconds of a RetryInfo. `retry_after`: the header, seconds or a date; `retry_after_ms`: its namesake, which
    Anthropic and OpenAI send. `quota`: PerDay or PerMinute.
    """

    status: int
    message: str = ""
    retry: float | None = None
    retry_after: float | str | None = None
    retry_after_ms: str | None = None
    quota: str | None = None
    times: int = 1


@dataclass(frozen=True)
class InStreamError:
    """After some chunks, an error as an event; then the answer ends."""

    code: int = 503
    after: int = 2


@dataclass(frozen=True)
class Drop:
    """The connection closes after some chunks; with `inside`, in the middle of the next; without `headers`, before any."""

    after: int = 2
    inside: bool = False
    headers: bool = True


@dataclass(frozen=True)
class TruncatedClean:
    """The response ends as HTTP wants it after some chunks, but nothing said that the answer was over."""

    after: int = 2


@dataclass(frozen=True)
class Silence:
    """Nothing more after some chunks, for ever; without `headers`, nothing at all."""

    after: int = 0
    headers: bool = True


@dataclass(frozen=True)
class Malformed:
    """After some chunks, an event that is no JSON."""

    after: int = 1


@dataclass(frozen=True)
class NotJSON:
    """The page of some proxy in between."""

    status: int = 502
    text: str = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass(frozen=True)
class GoAway:
    """Live: says after some pieces that it will close, sends `more` (None: to the end of the turn), and closes.

    With code 1006 the connection breaks instead of closing.
    """

    after: int = 0
    time_left: str = "5s"
    more: int | None = None
    code: int = 1001


@dataclass(frozen=True)
class Close:
    """Live: closes after some pieces; with code 1006 the connection breaks."""

    code: int = 1011
    reason: str = "Internal error encountered."
    after: int = 1


@dataclass(frozen=True)
class Interrupted:
    """Live: the answer is cut short as if the user had spoken."""

    after: int = 1


@dataclass(frozen=True)
class UnknownFields:
    """Live: the answer, with fields that no client knows yet, and after a message of an unknown kind.

    google-genai 3.4.0 breaks with a TypeError on such a message: `messages=False` leaves it out.
    """

    messages: bool = True


Behaviour = (
    Answer
    | Events
    | Long
    | Huge
    | OneByteAtATime
    | Empty
    | Blocked
    | Fail
    | InStreamError
    | Drop
    | TruncatedClean
    | Silence
    | Malformed
    | NotJSON
    | GoAway
    | Close
    | Interrupted
    | UnknownFields
)


@dataclass
class _Rule:
    behaviour: Behaviour
    model: str | None
    key: str | None
    prompt: Callable[[str], bool]
    left: int | None

    def fits(self, model: str, prompt: str, key: str | None) -> bool:
        return self.left != 0 and self.model in (None, model) and self.key in (None, key) and self.prompt(prompt)


@dataclass
class Script:
    """What the next answers are: rules in the order they were given, the first that fits and is not used up."""

    _rules: list[_Rule] = field(default_factory=list)
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def append(
        self,
        behaviour: Behaviour | str,
        *,
        model: str | None = None,
        key: str | None = None,
        prompt: str | Callable[[str], bool] = "",
        times: int | None = 1,
    ) -> None:
        """Do this for the next request, or the next `times` (None: all), of this model, this key and this prompt.

        A prompt is a text that it holds, or says of a prompt whether it is meant.
        """
        behaviour = Answer(behaviour) if isinstance(behaviour, str) else behaviour
        if isinstance(behaviour, Fail) and times == 1:
            times = behaviour.times
        holds = prompt if callable(prompt) else lambda text: prompt in text
        self._rules.append(_Rule(behaviour, model, key, holds, times))

    def extend(self, behaviours: Iterable[Behaviour | str]) -> None:
        for behaviour in behaviours:
            self.append(behaviour)

    def choose(self, model: str, prompt: str, key: str | None = None) -> Behaviour:
        """What to do with a request, which is then done."""
        for rule in self._rules:
            if rule.fits(model, prompt, key):
                rule.left = None if rule.left is None else rule.left - 1
                return rule.behaviour
        named = keyword(prompt) or keyword(f"[[{model.removeprefix('fake-').replace('_', ' ')}]]")
        if isinstance(named, Fail):
            self._seen[model, prompt] += 1
            return named if self._seen[model, prompt] <= named.times else Answer()
        return named or Answer()


_KEYWORD = re.compile(r"\[\[(.+?)\]\]", re.DOTALL)


def keyword(prompt: str) -> Behaviour | None:
    """The behaviour that a prompt asks for, if it asks for any."""
    for found in _KEYWORD.finditer(prompt):
        word, options = _split(found[1])
        if word.isdigit() and int(word) >= 1000:
            return Close(code=int(word), **options)
        if word.isdigit():
            return Fail(int(word), **options)
        if word == "call":
            return Answer(tool_calls=((options.pop("name"), options),), text="")
        if word in KEYWORDS:
            return KEYWORDS[word](**options)
    return None


KEYWORDS: dict[str, Callable[..., Behaviour]] = {
    "answer": Answer,
    "paced": Answer,
    "max_tokens": lambda **options: Answer(finish_reason="MAX_TOKENS", **options),
    "finish": lambda reason, **options: Answer(finish_reason=reason, **options),
    "long": Long,
    "huge": Huge,
    "bytes": OneByteAtATime,
    "empty": Empty,
    "blocked": Blocked,
    "error": InStreamError,
    "drop": Drop,
    "truncated": TruncatedClean,
    "silence": Silence,
    "malformed": Malformed,
    "html": NotJSON,
    "goaway": GoAway,
    "interrupted": Interrupted,
    "unknown": UnknownFields,
}
"""What may stand in `[[…]]`, besides a status (`[[429]]`), a close code (`[[1011]]`) and `[[call name=f city=Paris]]`."""


def without_keywords(prompt: str) -> str:
    return _KEYWORD.sub("", prompt).strip()


def _split(inside: str) -> tuple[str, dict[str, Any]]:
    try:
        word, *pairs = shlex.split(inside)
    except ValueError:
        return "", {}
    return word, {name: _value(value) for name, _, value in (pair.partition("=") for pair in pairs)}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
