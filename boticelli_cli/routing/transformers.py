"""Transformers: small changes to requests, and to what comes back, that a provider's own ways make necessary.

A provider's configuration names them, and they are applied in that order; what comes back passes them the other way.
They are named after those of claude-code-router (github.com/musistudio/claude-code-router).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

from boticelli_cli.drivers.base import Driver, Dropped, notify
from boticelli_cli.errors import ProviderError, UsageError, did_you_mean
from boticelli_cli.messages import (
    Beyond,
    CachePoint,
    Delta,
    Finish,
    Media,
    Request,
    Response,
    ToolResult,
    deltas_of,
    parts_of,
)
from boticelli_cli.option_words import translated
from boticelli_cli.routes import wanted_argument
from boticelli_cli.routing import quirks
from boticelli_cli.routing.exit_tool import ExitToolReader, with_exit_tool
from boticelli_cli.routing.think_tags import ThinkTags

__all__ = ["TRANSFORMERS", "DeltaReader", "Transformed", "Transformer"]


class DeltaReader(Protocol):
    """Reads the deltas of one answer, and gives others in their place."""

    def feed(self, delta: Delta) -> list[Delta]:
        """What comes of the next delta; with a `Finish`, of all that was held back before it."""
        ...

    def rest(self) -> list[Delta]:
        """What is held back, of an answer that breaks off."""
        ...


@dataclass(frozen=True, slots=True)
class Transformer:
    """`change` makes of a request, and of the argument that a configuration gives, another request.

    `reader` reads the answer to such a request, where that is to be changed too.
    """

    change: Callable[[Request, Any], Request]
    reader: Callable[[Request], DeltaReader] | None = None


TRANSFORMERS: Mapping[str, Transformer] = MappingProxyType(
    {
        "openrouter": Transformer(lambda request, _: quirks.openrouter(request)),
        "deepseek": Transformer(lambda request, _: quirks.deepseek(request)),
        "ollama": Transformer(lambda request, _: quirks.ollama(request), lambda _: ThinkTags()),
        "reasoning": Transformer(lambda request, _: quirks.without_thinking(request), lambda _: ThinkTags()),
        "clean_cache": Transformer(lambda request, _: quirks.without_cache_marks(request)),
        "max_tokens": Transformer(quirks.with_length),
        "sampling": Transformer(quirks.with_sampling),
        "tool_use": Transformer(lambda request, _: with_exit_tool(request), ExitToolReader),
    }
)
"""All transformers, by the names that configurations call them."""


class Transformed:
    """Asks `driver` what a provider's transformers make of each request. What they leave out is told.

    `transformers` are names with their arguments, or None. `dialect` is the provider's: options in another one's words
    are first said in its own, or left out, as they would be in the end, so that what transformers add to them is not.
    What is changed, or whose answer may be, is not passed on in its maker's own words. Raises UsageError for a name
    that there is not, and for an argument that does not fit.
    """

    def __init__(
        self, driver: Driver, provider: str, transformers: Sequence[tuple[str, Any]], *, dialect: str = "openai"
    ) -> None:
        self._driver = driver
        self._provider = provider
        self._dialect = dialect
        self._transformers = [(_transformer(name, argument), argument) for name, argument in transformers]

    def supports_streaming(self, model: str) -> bool:
        return self._driver.supports_streaming(model)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        changed = await self._changed(request)
        readers = self._readers(changed)
        async with self._driver.stream(changed) as deltas:
            if not readers:
                yield deltas
                return
            async with aclosing(_read(deltas, readers)) as read:
                yield read

    async def generate(self, request: Request) -> Response:
        changed = await self._changed(request)
        response = await self._driver.generate(changed)
        readers = self._readers(changed)
        if not readers:
            return response
        deltas = [read for delta in deltas_of(response) for read in _fed(delta, readers)]
        finish = deltas[-1]
        return Response(parts_of(deltas), finish if isinstance(finish, Finish) else response.finish)

    async def _changed(self, request: Request) -> Request:
        told, lost = request, tuple[str, ...]()
        if request.dialect not in (None, self._dialect):
            other = translated(request, self._dialect)
            told, lost = replace(request, options=other.said, dialect=self._dialect), other.lost
        changed = told
        for transformer, argument in self._transformers:
            changed = transformer.change(changed, argument)
        if lost := (*_lost(told, changed), *lost):
            await notify(Dropped(self._provider, tuple(dict.fromkeys(lost))))
        if changed.original is not None and (changed != request or self._readers(changed)):
            changed = replace(changed, original=None)
        return changed

    def _readers(self, request: Request) -> list[DeltaReader]:
        """Those of the last transformers first: they are next to the provider."""
        return [each.reader(request) for each, _ in reversed(self._transformers) if each.reader is not None]


def _transformer(name: str, argument: Any) -> Transformer:
    transformer = TRANSFORMERS.get(name)
    if transformer is None:
        hint = did_you_mean(name, TRANSFORMERS) or f"; there are {', '.join(TRANSFORMERS)}"
        raise UsageError(f"unknown transformer '{name}'{hint}")
    if wanted := wanted_argument(name, argument):
        raise UsageError(f"transformer '{name}' takes {wanted}")
    return transformer


async def _read(deltas: AsyncIterator[Delta], readers: Sequence[DeltaReader]) -> AsyncGenerator[Delta, None]:
    try:
        async for delta in deltas:
            for read in _fed(delta, readers):
                yield read
    except ProviderError:
        for read in _rest(readers):
            yield read
        raise


def _fed(delta: Delta, readers: Sequence[DeltaReader]) -> list[Delta]:
    deltas = [delta]
    for reader in readers:
        deltas = [read for each in deltas for read in reader.feed(each)]
    return deltas


def _rest(readers: Sequence[DeltaReader]) -> list[Delta]:
    """What all readers hold back: what one gives up passes those after it."""
    deltas: list[Delta] = []
    for reader in readers:
        deltas = [*(read for each in deltas for read in reader.feed(each)), *reader.rest()]
    return deltas


def _lost(before: Request, after: Request) -> tuple[str, ...]:
    """The names of what a request held and another, made of it, does not say any more."""
    lost = []
    for name in ("temperature", "top_p", "max_tokens"):
        value, left = getattr(before, name), getattr(after, name)
        if value is not None and value != left:
            lost.append(name if left is None else f"{name} {value:g}")
    translated = any(name in after.options for name in ("reasoning", "thinking"))
    if before.thinking is not None and after.thinking is None and not translated:
        lost.append("thinking setting")
    if before.schema is not None and after.schema is None:
        lost.append("schema")
    if before.declared_tools and not after.tools:
        lost.append("tools")
    elif before.tool_choice is not None and after.tool_choice is None:
        lost.append("tool choice")
    held, kept = _contents(before), _contents(after)
    lost += [name for name in dict.fromkeys(held) if held.count(name) > kept.count(name)]
    for name, value in before.options.items():
        if after.options.get(name) != value:
            lost += value.names if isinstance(value, Beyond) else (f"option {name}",)
    return tuple(lost)


def _contents(request: Request) -> list[str]:
    """A name for each thing in a request that is more than text."""
    parts = [part for message in request.messages for part in message.parts]
    results = [each for part in parts if isinstance(part, ToolResult) for each in _pieces(part)]
    marked = [*parts, *(request.system if isinstance(request.system, tuple) else ()), *request.tools]
    names = [part.kind for part in parts if isinstance(part, Media)]
    names_of_results = ["tool result media" for each in results if isinstance(each, Media)]
    return [*names, *names_of_results, *("cache marks" for each in marked if isinstance(each, CachePoint))]


def _pieces(result: ToolResult) -> tuple[Any, ...]:
    return result.output if isinstance(result.output, tuple) else ()
