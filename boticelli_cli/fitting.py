"""Requests made to fit a model: what it would refuse is translated or left out, and what it cannot read is told.

What a model takes is the catalogue's to say: of one of which nothing is known, all is asked.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from boticelli_cli.catalog_entries import Call, Model
from boticelli_cli.fitting_thinking import fit_thinking, nearest_effort, shown, within
from boticelli_cli.messages import Media, Message, Request, Text
from boticelli_cli.option_words import effort_of, without

__all__ = ["fit", "nearest_effort", "token_limit_name", "unreadable"]


def fit(request: Request, model: Model | None, call: Call = "sse") -> tuple[Request, tuple[str, ...]]:
    """The request as a model takes it that is called so, and a sentence for each setting that is not sent as it is.

    A model of which nothing is known is asked everything that can be said in such a call.
    """
    notices: list[str] = []
    name = request.model if model is None else model.id
    if model is not None:
        for step in _STEPS:
            request, said = step(request, model)
            notices += said
    if request.schema is not None and (call == "live" or (model is not None and model.structured_output is False)):
        request = replace(request, schema=None)
        notices.append(f"{name} cannot be held to a schema; 'schema' is left out")
    if request.stop and call == "live":
        request = replace(request, stop=())
        notices.append(f"{name} has no stop sequences in a Live session; 'stop' is left out")
    return request, tuple(notices)


def token_limit_name(model: Model | None, provider: str) -> Literal["max_tokens", "max_completion_tokens"]:
    """What the longest answer is called in a request in OpenAI's words.

    Of OpenAI's own models only old ones do not know the newer name; other servers know the older one, all of them.
    """
    if model is not None and model.token_limit is not None:
        return model.token_limit
    return "max_completion_tokens" if provider == "openai" else "max_tokens"


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


Fitted = tuple[Request, list[str]]


def _fit_tools(request: Request, model: Model) -> Fitted:
    if model.tools is False and request.tools:
        return replace(request, tools=(), tool_choice=None), [f"{model.id} takes no tools; they are left out"]
    if model.forced_tools is False and _forces(request):
        return replace(request, tool_choice=None), [f"{model.id} cannot be made to call a tool; it may choose"]
    return request, []


def _fit_effort(request: Request, model: Model) -> Fitted:
    """Others think by the effort that Claude was to make, though nobody asked to see what."""
    effort, rest = effort_of(request)
    if effort is None or model.provider == "anthropic" or "anthropic." in model.id:
        return request, []
    return replace(rest, thinking=effort, show_thoughts=False), []


def _fit_thinking(request: Request, model: Model) -> Fitted:
    if model.thinks_with_tools is False and request.declared_tools:
        asked = f"; {shown(request.thinking)} is left out" if request.thinking else ""
        said = f"{model.id} takes tools only when it does not think{asked}"
        return replace(request, thinking=False, show_thoughts=False), [said] if asked else []
    if request.thinking is None:
        return request, []
    thinking, notice = fit_thinking(request.thinking, model)
    # The least that a model can think is not nothing, but nobody who wants none wants to see it.
    shows = request.show_thoughts and bool(request.thinking)
    return replace(request, thinking=thinking, show_thoughts=shows), [notice] if notice else []


def _fit_length(request: Request, model: Model) -> Fitted:
    most, asked = model.max_output_tokens, request.max_tokens
    if asked is None and model.default_max_tokens is not None:
        length = model.default_max_tokens + (_budget(request) if model.budget_in_output else 0)
        return replace(request, max_tokens=length if most is None else min(length, most)), []
    if asked is None or most is None or asked <= most or not model.longer_refused:
        return request, []
    said = f"{model.id} answers with at most {most} tokens; 'max_tokens: {asked}' is sent as {most}"
    return replace(request, max_tokens=most), [said]


def _fit_budget(request: Request, model: Model) -> Fitted:
    budget = _budget(request)
    if not model.budget_in_output or not budget or request.max_tokens is None:
        return request, []
    smaller, notice = within(budget, request.max_tokens, model)
    return replace(request, thinking=smaller, show_thoughts=request.show_thoughts and smaller > 0), [
        notice
    ] if notice else []


def _fit_sampling(request: Request, model: Model) -> Fitted:
    given = [name for name in ("temperature", "top_p") if getattr(request, name) is not None]
    if model.sampling is False:
        return _without_sampling(request, given, f"{model.id} takes no sampling parameters")
    if model.thinks_alone and request.thinking:
        request, said = _without_sampling(request, given, f"{model.id} takes no sampling parameters while it thinks")
        if _forces(request):
            request = replace(request, tool_choice=None)
            said.append(f"{model.id} cannot be made to call a tool while it thinks; it may choose")
        return request, said
    if model.sampling == "one" and len(given) > 1:
        less = "temperature" if request.temperature == 1 else "top_p"
        request, said = _without_sampling(request, [less], f"{model.id} takes one of temperature and top_p")
    else:
        said = []
    asked, most = request.temperature, model.max_temperature
    if asked is not None and most is not None and asked > most:
        said.append(f"{model.id} takes a temperature of at most {most:g}; 'temperature: {asked:g}' is sent as {most:g}")
        request = replace(request, temperature=most)
    return request, said


def _fit_stop(request: Request, model: Model) -> Fitted:
    if model.stop is not False or not request.stop:
        return request, []
    return replace(request, stop=()), [f"{model.id} takes no stop sequences; 'stop' is left out"]


def _fit_system(request: Request, model: Model) -> Fitted:
    text = request.system_text
    if model.system is not False or request.system is None:
        return request, []
    request = replace(request, system=None)
    if not text:
        return request, []
    first, *others = request.messages
    if first.role == "user":
        messages = (Message("user", (Text(text), *first.parts)), *others)
    else:
        messages = (Message("user", (Text(text),)), *request.messages)
    return replace(request, messages=messages), [f"{model.id} takes no system prompt; 'system' is said to it first"]


def _fit_options(request: Request, model: Model) -> Fitted:
    names = (*model.refuses, *(("top_k",) if model.thinks_alone and request.thinking else ()))
    kept, refused = without(request.options, request.dialect, names)
    if not refused:
        return request, []
    return replace(request, options=kept), [f"{model.id} refuses {_listed(refused)}; it is left out of 'options'"]


_STEPS: tuple[Callable[[Request, Model], Fitted], ...] = (
    *(_fit_tools, _fit_effort, _fit_thinking, _fit_length, _fit_budget),
    *(_fit_sampling, _fit_stop, _fit_system, _fit_options),
)
"""In this order: a budget depends on the length, and sampling on whether the model thinks."""


def _forces(request: Request) -> bool:
    return request.tool_choice is not None and request.tool_choice not in ("auto", "none")


def _budget(request: Request) -> int:
    thinking = request.thinking
    return thinking if isinstance(thinking, int) and not isinstance(thinking, bool) else 0


def _without_sampling(request: Request, names: list[str], why: str) -> Fitted:
    """A request without some of its sampling parameters. One that is 1 changes nothing, so that nobody has to know."""
    told = [name for name in names if getattr(request, name) != 1]
    left = replace(request, **dict.fromkeys(names))  # type: ignore[arg-type]
    return left, [f"{why}; {_listed(told)} {'are' if len(told) > 1 else 'is'} left out"] if told else []


def _listed(names: list[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)
