"""Which models a request is for: three pure phases, each with a reason that people are shown."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from boticelli_cli.catalog import Catalog, PlacedModel
from boticelli_cli.errors import UnknownModelError, UsageError
from boticelli_cli.messages import Beyond, Media, Message, Part, Request, Text, ToolResult
from boticelli_cli.routes import Alias, Chain, Routes

__all__ = ["AUTO", "BACKGROUND", "EXPLICIT", "Decision", "decide", "deciding", "decision_at_hand", "within_reach"]

AUTO = "auto"
"""The model of a request that leaves the choice to the routes, as one without any does."""

BACKGROUND = "background"
"""The model, or the route, of a request whose answer nobody is waiting for."""

EXPLICIT = ("explicit", "asked for by name")
"""The route, and the reason, of a model that is asked because the request names it."""

_SEARCHES = ("web_search", "googleSearch", "google_search")
"""How the names of tools begin with which providers search the web themselves: Anthropic's `web_search_20250305`,
OpenAI's `web_search_preview` and `web_search_options`, Gemini's `googleSearch` and `google_search_retrieval`."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The models to ask, each when the one before it does not answer; the way there in one word, and why."""

    chain: Chain
    route: str
    reason: str

    @property
    def is_by_name(self) -> bool:
        """Whether it depends on nothing of a request but the name of its model."""
        return self.route in ("explicit", "alias")


_at_hand: ContextVar[Decision | None] = ContextVar("decision", default=None)


def decision_at_hand() -> Decision | None:
    """What was decided for the request that is being made, where anything was."""
    return _at_hand.get()


@contextmanager
def deciding(decision: Decision) -> Iterator[None]:
    """Have the drivers inside know what was decided."""
    token = _at_hand.set(decision)
    try:
        yield
    finally:
        _at_hand.reset(token)


def decide(request: Request, routes: Routes, catalog: Catalog, *, tokens: Callable[[Request], int]) -> Decision:
    """Whom to ask: the model that is named; else one for the kind of request; else by its prompt, else the default.

    `tokens` estimates a request's input, and is only called where a route depends on it. The request's own `fallback`
    comes after the chain. In either, a name that is an alias is replaced, once. Raises UsageError for a model that is
    nobody's and that no route serves, and for a chain in which there is such a model.
    """
    decision = _explicit(request, routes, catalog)
    if isinstance(decision, UsageError):
        decision = _of_its_kind(request, routes, tokens) or _of_its_prompt(request, routes) or decision
    if isinstance(decision, UsageError):
        raise decision
    own = _alias_of(request.model, routes) if decision.route == "alias" else None
    chain: dict[PlacedModel, str] = {}
    for model in _expanded((*decision.chain, *request.fallback), routes, own):
        chain.setdefault(catalog.place(model), model)
    return Decision(tuple(chain.values()), decision.route, decision.reason)


def within_reach(request: Request, routes: Routes) -> tuple[str, ...]:
    """All models that a request may be put to whose own model leaves that open, whatever else it turns out to hold."""
    return tuple(dict.fromkeys(_expanded((*routes.targets, *request.fallback), routes, None)))


def _explicit(request: Request, routes: Routes, catalog: Catalog) -> Decision | UsageError:
    """The first phase: an alias, or a model that is somebody's; or the mistake that it is, unless a route serves it."""
    model = request.model
    if _is_left_open(model):
        return UnknownModelError("no model is named, and there is no 'default' among the routes")
    if (alias := _alias_of(model, routes)) is not None:
        by = f", by '{alias.glob}'" if alias.glob != model else ""
        return Decision(alias.to, "alias", f"'{model}' is an alias{by}")
    try:
        catalog.place(model)
    except UsageError as error:
        return error
    return Decision((model,), *EXPLICIT)


def _of_its_kind(request: Request, routes: Routes, tokens: Callable[[Request], int]) -> Decision | None:
    """The second phase: what a request holds, and what it asks for."""
    if routes.image and _shows_an_image(request.messages):
        return Decision(routes.image, "image", "its last message holds an image")
    if routes.web_search and _searches_the_web(request):
        return Decision(routes.web_search, "web_search", "it asks for a search of the web")
    if (long := routes.long_context) is not None and (count := tokens(request)) > long.over_tokens:
        return Decision(long.to, "long_context", f"about {count:,} input tokens, more than {long.over_tokens:,}")
    if routes.think and request.thinking:
        return Decision(routes.think, "think", "it asks for thinking")
    if routes.background and BACKGROUND in (request.model, request.route):
        return Decision(routes.background, "background", "asked in the background")
    return None


def _of_its_prompt(request: Request, routes: Routes) -> Decision | None:
    """The third phase: what its last prompt says, and where everything else goes."""
    prompt = _last_prompt(request.messages) if routes.patterns else ""
    for pattern in routes.patterns:
        if pattern.match.search(prompt):
            return Decision(pattern.to, "pattern", f"its prompt matches '{pattern.match.pattern}'")
    if not routes.default:
        return None
    reason = "no model is named" if _is_left_open(request.model) else f"no model is known as '{request.model}'"
    return Decision(routes.default, "default", reason)


def _is_left_open(model: str) -> bool:
    return model in ("", AUTO)


def _alias_of(model: str, routes: Routes) -> Alias | None:
    """The first alias whose glob matches a model as it is written, or without its provider."""
    bare = model.partition("/")[2] or model
    for alias in routes.aliases:
        if fnmatchcase(model, alias.glob) or fnmatchcase(bare, alias.glob):
            return alias
    return None


def _expanded(chain: Chain, routes: Routes, own: Alias | None) -> Iterator[str]:
    """A chain with those for whom others answer replaced; an alias's own chain may name what it stands for."""
    for model in chain:
        alias = _alias_of(model, routes)
        if alias is None or alias is own:
            yield model
        else:
            yield from alias.to


def _shows_an_image(messages: tuple[Message, ...]) -> bool:
    """Whether the last message is a user's with an image, be it a tool's output.

    Earlier ones do not count: a conversation goes back to its usual model after a picture. So does claude-code-router
    (https://github.com/musistudio/claude-code-router, `src/agents/image.agent.ts`).
    """
    return bool(messages) and messages[-1].role == "user" and any(map(_is_image, messages[-1].parts))


def _is_image(part: Part) -> bool:
    if isinstance(part, ToolResult):
        return isinstance(part.output, tuple) and any(map(_is_image, part.output))
    return isinstance(part, Media) and part.kind == "image"


def _searches_the_web(request: Request) -> bool:
    """Whether there is a tool for it, or an option in the words of one of the providers."""
    if any(tool.name.startswith(_SEARCHES) for tool in request.declared_tools):
        return True
    named: Any = request.options.get("tools")
    named = named.whole if isinstance(named, Beyond) else named
    tools = [tool for tool in named if isinstance(tool, Mapping)] if isinstance(named, list | tuple) else []
    words = [word for tool in tools for word in (*tool, tool.get("type"), tool.get("name"))]
    return any(isinstance(word, str) and word.startswith(_SEARCHES) for word in (*request.options, *words))


def _last_prompt(messages: tuple[Message, ...]) -> str:
    """The text of the user's last message."""
    asked = next((message for message in reversed(messages) if message.role == "user"), None)
    return "\n".join(part.text for part in asked.parts if isinstance(part, Text)) if asked is not None else ""
