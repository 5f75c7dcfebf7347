"""The status page as HTML: whole, for a browser that asks, and by its sections, for one that is told of changes.

Everything is escaped where it is put in. Names and messages are other people's words: they may be markup, run from
right to left, or be no text at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.environment import TemplateModule
from markupsafe import Markup

from boticelli_cli.gateway.base import AccountState, Entry, InFlight
from boticelli_cli.gateway.status import figures
from boticelli_cli.gateway.status.source import SPANS, Span
from boticelli_cli.gateway.status.spending import Spending, Sum

__all__ = ["Sections", "State", "refusal", "sign_in_form", "spent_sections", "state_sections", "status_page"]

Sections = Mapping[str, str]
"""The HTML inside of the elements of the page that change, by their ids."""


@dataclass(frozen=True, slots=True)
class State:
    """What the gateway does at present; requests and errors in the order in which they are shown. Times: epoch."""

    now: float
    started: float
    version: str
    redis: str | None
    accounts: Sequence[AccountState]
    in_flight: Sequence[InFlight]
    errors: Sequence[Entry]


def status_page(sections: Sections, span: Span, *, can_leave: bool) -> str:
    """The whole page, with a way to sign out where `can_leave`."""
    page = _templates().get_template("status.html")
    made = {name: Markup(html) for name, html in sections.items()}
    return page.render(sections=made, span=span, spans=SPANS.values(), can_leave=can_leave)


def sign_in_form(problem: str | None = None) -> str:
    """The page that asks for a key; `problem` is a sentence about the last one."""
    return _templates().get_template("sign_in.html").render(problem=problem)


def refusal(problem: str) -> str:
    """A page that says why there is nothing to see."""
    return _templates().get_template("refused.html").render(problem=problem)


def state_sections(state: State, total: Sum) -> Sections:
    """The sections that tell of the present, and what it sums up to."""
    names = ("about", "flight", "accounts", "errors")
    return {"figures": _section("figures", state, total), **{name: _section(name, state) for name in names}}


def spent_sections(spent: Spending) -> Sections:
    """The sections that look back."""
    labels = [figures.beginning(spent.since + index * spent.step, spent.step) for index in range(len(spent.inputs))]
    drawn = {"tokens": _tokens(spent, labels), "costs": _costs(spent.total, labels)}
    return {name: _section(name, spent, drawn) for name in ("charts", "by_key", "by_model")}


@dataclass(frozen=True, slots=True)
class _Chart:
    """Bars, and what the highest of them says; `None` where all are empty."""

    bars: Sequence[figures.Bar]
    peak: str | None


def _tokens(spent: Spending, labels: Sequence[str]) -> _Chart:
    told = [
        f"{label}: {figures.count(given)} in, {figures.count(got)} out"
        for label, given, got in zip(labels, spent.inputs, spent.outputs, strict=True)
    ]
    peak = max(spent.total.tokens)
    return _Chart(figures.bars((spent.inputs, spent.outputs), told), figures.compact(peak) if peak else None)


def _costs(total: Sum, labels: Sequence[str]) -> _Chart:
    told = [f"{label}: {figures.money(cost)}" for label, cost in zip(labels, total.costs, strict=True)]
    peak = max(total.costs)
    return _Chart(figures.bars((total.costs,), told), figures.money(peak) if peak else None)


def _section(name: str, *given: object) -> str:
    return _text(str(getattr(_macros(), name)(*given)).strip())


def _text(html: str) -> str:
    """Without halves of characters, which JSON can say and UTF-8 cannot."""
    return html.encode("utf-8", "replace").decode()


@cache
def _macros() -> TemplateModule:
    return _templates().get_template("sections.html").module


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("boticelli_cli.gateway.status", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters["short"] = _short
    for name in ("beginning", "compact", "count", "lasting", "moment", "money", "outline", "stamp"):
        templates.filters[name] = getattr(figures, name)
    return templates


def _short(text: str, longest: int = 80) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
