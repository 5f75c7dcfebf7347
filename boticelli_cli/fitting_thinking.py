"""What is asked of a model's thinking, made to fit the model: as a level, an effort or a budget, or not at all."""

from collections.abc import Iterable
from math import log
from typing import assert_never, get_args

from boticelli_cli.catalog_entries import Model
from boticelli_cli.messages import Effort, Thinking

__all__ = ["fit_thinking", "nearest_effort", "shown", "within"]

_EFFORTS: tuple[Effort, ...] = get_args(Effort)

_BUDGETS: dict[Effort, int] = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24_576}
"""Efforts in tokens: low, medium and high as in Google's table for its OpenAI-compatible endpoint
(ai.google.dev/gemini-api/docs/openai); minimal is half of low, the least that all models of the 2.5 series take."""


def fit_thinking(thinking: Thinking, model: Model) -> tuple[Thinking | None, str | None]:
    """A setting as a model takes it, and a sentence where that is not what was asked for."""
    match model.thinking:
        case None:
            return thinking, None
        case "none":
            return None, f"{model.id} takes no thinking setting; {shown(thinking)} is left out"
        case "level":
            return _as_level(thinking, model)
        case "effort" | "adaptive":
            return _as_effort(thinking, model)
        case "budget":
            return _as_budget(thinking, model)
        case _:
            assert_never(model.thinking)


def nearest_effort(budget: int, efforts: Iterable[Effort] = _EFFORTS) -> Effort:
    """The effort that comes nearest to a budget of at least one token, by how many times more or less it is."""
    return min(efforts, key=lambda effort: abs(log(_BUDGETS[effort] / budget)))


def within(budget: int, max_tokens: int, model: Model) -> tuple[int, str | None]:
    """A budget that leaves room for an answer of those so many tokens; 0 where there is none for both."""
    if budget < max_tokens:
        return budget, None
    least, _ = model.thinking_budget or (1, None)
    smaller = max(max_tokens // 2, least)
    if smaller < max_tokens:
        return smaller, f"{model.id} thinks within 'max_tokens: {max_tokens}'; it may take {smaller} tokens for it"
    return (
        0,
        f"{model.id} thinks with at least {least} tokens, but has only 'max_tokens: {max_tokens}'; it does not think",
    )


def shown(thinking: Thinking) -> str:
    """A setting as people write it, in quotes."""
    value = str(thinking).lower() if isinstance(thinking, bool) else thinking
    return f"'thinking: {value}'"


def _as_level(thinking: Thinking, model: Model) -> tuple[Thinking | None, str | None]:
    if thinking is True:
        return True, None
    if thinking is False or thinking == 0:
        return _least(model), None
    return _as_word(thinking, model)


def _as_effort(thinking: Thinking, model: Model) -> tuple[Thinking | None, str | None]:
    if thinking is False or thinking == 0:
        return (False if model.thinking_off else _least(model)), None
    if thinking is True:
        return True, None
    return _as_word(thinking, model)


def _as_word(thinking: int | Effort, model: Model) -> tuple[Thinking | None, str | None]:
    """A level or an effort of those that a model knows: for a budget, the nearest."""
    if isinstance(thinking, str):
        return _known_effort(thinking, model)
    if thinking < 0:  # the model itself decides
        return True, None
    nearest = nearest_effort(thinking, _known(model) or _EFFORTS)
    return nearest, f"{model.id} takes no thinking budget; {shown(thinking)} is sent as '{nearest}'"


def _as_budget(thinking: Thinking, model: Model) -> tuple[Thinking | None, str | None]:
    least, most = model.thinking_budget or (0, None)
    if thinking is False:
        return (0 if model.thinking_off is not False else least), None
    if model.thinking_auto is False and (thinking is True or (isinstance(thinking, int) and thinking < 0)):
        return _BUDGETS["medium"], None
    if thinking is True:
        return True, None
    asked = _BUDGETS[thinking] if isinstance(thinking, str) else thinking
    if asked < 0 or (asked == 0 and model.thinking_off is not False):  # below 0, the model itself decides
        return asked, None
    budget = max(asked, least) if most is None else min(max(asked, least), most)
    if budget == asked or isinstance(thinking, str):
        return budget, None
    bound = "least" if budget > asked else "most"
    return budget, f"{model.id} thinks with at {bound} {budget} tokens; {shown(thinking)} is sent as {budget}"


def _known_effort(effort: Effort, model: Model) -> tuple[Effort, str | None]:
    known = _known(model)
    if not known or effort in known:
        return effort, None
    harder = [each for each in known if _EFFORTS.index(each) > _EFFORTS.index(effort)]
    nearest = harder[0] if harder else known[-1]
    return nearest, f"{model.id} has no such effort; {shown(effort)} is sent as '{nearest}'"


def _least(model: Model) -> Effort:
    known = _known(model)
    return known[0] if known else "low"  # low is taken by every model of Gemini 3 and 4, of Claude and of OpenAI


def _known(model: Model) -> list[Effort]:
    return [effort for effort in _EFFORTS if effort in model.thinking_levels]
