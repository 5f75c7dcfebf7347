"""What fields of clients' requests say beyond the words of a `Request`, by names that people know."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from boticelli_cli.messages import Beyond, Request
from boticelli_cli.wire.body import is_said, unsaid

__all__ = ["Field", "with_options"]

Field = tuple[str, tuple[Literal["messages", "tools", "system"], ...], Any]
"""A field's name in a body, what of a request is made of it, and what a dialect would write of that there."""


def with_options(request: Request, body: Mapping[str, Any], said: Mapping[str, Any], *fields: Field) -> Request:
    """A request whose options are what its body says beyond it: of `fields` as `Beyond`, and else as it is.

    `said` is what is written of the request otherwise. What a dialect writes in another order, or not at all as it says
    nothing, is not beyond it.
    """
    named = {name for name, _, _ in fields}
    options = unsaid({name: value for name, value in body.items() if name not in named}, said)
    for name, made, again in fields:
        if name in body and (names := tuple(dict.fromkeys(_names(name, body[name], again)))):
            options[name] = Beyond(names, body[name], {each: getattr(request, each) for each in made})
    return replace(request, options=options)


def _names(key: str, value: Any, said: Any) -> Iterator[str]:
    """The names of what a value under a key says, and another does not."""
    if is_said(value, said):
        return
    if isinstance(value, dict) and isinstance(said, Mapping):
        for name, below in value.items():
            yield from _names(name, below, said.get(name))
    elif isinstance(value, list) and key in _CONTENTS:
        others = said if isinstance(said, list | tuple) else ()
        for item, other in _paired(value, others):
            yield from _kind_of(item) if other is None else _names(key, item, other)
    else:
        yield _NAMES.get(key) or _in_words(key)


_CONTENTS = ("messages", "contents", "content", "parts", "system", "tools", "tool_calls", "functionDeclarations")
"""Where lists hold things of several kinds, some of which no value says."""


def _paired(items: list[Any], others: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Each item with what was written of it, or with nothing: some are left out, but their order is kept."""
    left = list(others)
    if len(left) == len(items):
        yield from zip(items, left, strict=True)
        return
    for item in items:
        if left and _resembles(item, left[0]):
            yield item, left.pop(0)
        else:
            yield item, None


def _resembles(item: Any, other: Any) -> bool:
    if not isinstance(item, dict) or not isinstance(other, Mapping):
        return bool(item == other)
    return all(key in item and (isinstance(each, _NESTED) or item[key] == each) for key, each in other.items())


_NESTED = (Mapping, list, tuple)


def _kind_of(item: Any) -> Iterator[str]:
    """What an item is called that no value says. Texts that are left out are blank, and thoughts have no seal."""
    match item:
        case {"type": "text" | "thinking"} | {"text": str()}:
            return
        case {"type": "image" | "document", "source": {"type": "file"}} | {"type": "file"}:
            yield "files that the provider keeps"
        case {"type": str(kind)}:
            yield _in_words(re.sub(r"_\d{8}$", "", kind))
        case dict():
            yield from map(_in_words, item)
        case _:
            yield _in_words(type(item).__name__)


_NAMES = {
    "role": "system prompts in between",
    "thoughtSignature": "thought signatures",
    "data": "media",
    "detail": "detail of images",
}
"""What keys are called that do not tell it themselves."""


def _in_words(key: str) -> str:
    """A key in small letters, its words apart: of those that a client makes up, no more than a line."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^a-zA-Z0-9]+", " ", key).strip().lower()[:60] or "an unknown word"
