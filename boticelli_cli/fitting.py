"""Requests made to fit a model: what it would refuse is translated or left out, and what it cannot read is told."""

from dataclasses import replace
from typing import assert_never, get_args

from boticelli_cli.catalog_entries import Call, Model
from boticelli_cli.messages import Effort, Media, Request, Text, Thinking

__all__ = ["fit", "unreadable"]

_EFFORTS: tuple[Effort, ...] = get_args(Effort)

_BUDGETS: dict[Effort, int] = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24_576}
"""Efforts in tokens: low, medium and high as in Google's table for its OpenAI-compatible endpoint
(ai.google.dev/gemini-api/docs/openai); minimal is half of low, the least that all models of the 2.5 series take."""


def fit(request: Request, model: Model | None, call: Call = "sse") -> tuple[Request, tuple[str, ...]]:
    """The request as a model takes it that is called so, and a sentence for each setting that is not sent as it is.

    A model of which nothing is known is asked everything that can be said in such a call.
    """
    notices: list[str] = []
    name = request.model if model is None else model.id
    if model is not None and request.thinking is not None:
        thinking, notice = _fit_thinking(request.thinking, model)
        # The least that a model can think is not nothing, but nobody who wants none wants to see it.
        request = replace(request, thinking=thinking, show_thoughts=bool(request.thinking))
        notices += [notice] if notice else []
    if request.schema is not None and (call == "live" or (model is not None and model.structured_output is False)):
        request = replace(request, schema=None)
        notices.append(f"{name} cannot be held to a schema; 'schema' is left out")
    if request.stop and call == "live":
        request = replace(request, stop=())
        notices.append(f"{name} has no stop sequences in a Live session; 'stop' is left out")
    return request, tuple(notices)


def unreadable(request: Request, model: Model | None) -> tuple[str, ...]:
    """A sentence for each kind of content in a request that a model does not take."""
    if model is None or not model.input:
        return ()
    parts = [part for message in request.messages for part in message.parts]
    kinds = [part.kind if isinstance(part, Media) else "text" for part in parts if isinstance(part, Media | Text)]
    return tuple(
        f"{model.id} takes no {kind}, only {', '.join(model.input)}"
        for kind in dict.fromkeys(kinds)
        if kind not in model.input
    )


def _fit_thinking(thinking: Thinking, model: Model) -> tuple[Thinking | None, str | None]:
    match model.thinking:
        case None:
            return thinking, None
        case "none":
            return None, f"{model.id} takes no thinking setting; {_shown(thinking)} is left out"
        case "level":
            return _as_level(thinking, model)
        case "budget":
            return _as_budget(thinking, model)
        case _:
            assert_never(model.thinking)


def _as_level(thinking: Thinking, model: Model) -> tuple[Thinking | None, str | None]:
    known = [effort for effort in _EFFORTS if effort in model.thinking_levels]
    if thinking is True:
        return True, None
    if thinking is False or thinking == 0:
        return (known[0] if known else "low"), None  # low is taken by every model of Gemini 3 and 4
    if isinstance(thinking, int):
        return None, f"{model.id} takes no thinking budget; {_shown(thinking)} is left out"
    if not known or thinking in known:
        return thinking, None
    harder = [effort for effort in known if _EFFORTS.index(effort) > _EFFORTS.index(thinking)]
    nearest = harder[0] if harder else known[-1]
    return nearest, f"{model.id} has no such effort; {_shown(thinking)} is sent as '{nearest}'"


def _as_budget(thinking: Thinking, model: Model) -> tuple[Thinking | None, str | None]:
    least, most = model.thinking_budget or (0, None)
    if thinking is True:
        return True, None
    if thinking is False:
        return (0 if model.thinking_off is not False else least), None
    asked = _BUDGETS[thinking] if isinstance(thinking, str) else thinking
    if asked < 0 or (asked == 0 and model.thinking_off is not False):  # below 0, the model itself decides
        return asked, None
    budget = max(asked, least) if most is None else min(max(asked, least), most)
    if budget == asked or isinstance(thinking, str):
        return budget, None
    bound = "least" if budget > asked else "most"
    return budget, f"{model.id} thinks with at {bound} {budget} tokens; {_shown(thinking)} is sent as {budget}"


def _shown(thinking: Thinking) -> str:
    value = str(thinking).lower() if isinstance(thinking, bool) else thinking
    return f"'thinking: {value}'"
