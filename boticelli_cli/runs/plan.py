"""The plan: which acts run, and what each waits for. Pure: the same narrative gives the same plan."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from boticelli_cli.errors import Problem, UsageError, did_you_mean
from boticelli_cli.events import PlannedAct, as_json
from boticelli_cli.narrative.model import Act, Narrative
from boticelli_cli.narrative.order import waits, with_what_they_wait_for
from boticelli_cli.narrative.template import Template

__all__ = ["Plan", "PlannedStep", "describe_plan", "make_plan", "plan_json", "planned_acts"]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """An act, the acts that must finish before it, and those whose turns it sees, all in order.

    An act in the conversation sees the turns of the first `sees_earlier` steps instead of a list of them.
    """

    act: Act
    waits_for: tuple[str, ...]
    sees: tuple[str, ...] = ()
    sees_earlier: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """`output_act` names the act whose text, as it stands, is the answer; None when a template makes the answer."""

    narrative: Narrative
    steps: tuple[PlannedStep, ...]
    output_act: str | None


def make_plan(narrative: Narrative, *, only: Sequence[str] = (), start: str | None = None) -> Plan:
    """Plan a narrative, or a part of it.

    `only` picks acts, `start` an act and all after it; in both cases the acts that those wait for run too, as
    no act is run with less than it is written to see. A part answers with its last act's text.

    Raises UsageError for names of acts that there are not.
    """
    graph = waits(narrative.acts)
    _refuse_unknown([*only, *([start] if start is not None else [])], list(graph))
    if only or start is not None:
        narrative = _part(narrative, graph, only, start)
    return Plan(narrative, _steps(narrative.acts, graph), _output_act(narrative))


def _part(
    narrative: Narrative, graph: Mapping[str, tuple[str, ...]], only: Sequence[str], start: str | None
) -> Narrative:
    names = list(graph)
    chosen = [name for name in names if not only or name in only]
    chosen = [name for name in chosen if start is None or names.index(name) >= names.index(start)]
    if not chosen:
        raise UsageError(f"of the acts asked for, none stands at or after '{start}'")
    kept = with_what_they_wait_for(chosen, graph)
    output = narrative.output
    if output is None or chosen[-1] != names[-1] or not output.acts <= kept:
        output = Template(f"{{{{ acts['{chosen[-1]}'] }}}}", acts=frozenset({chosen[-1]}))
    return replace(narrative, acts=tuple(act for act in narrative.acts if act.name in kept), output=output)


def describe_plan(plan: Plan) -> Iterator[str]:
    """A plan in words, a line an act."""
    for number, step in enumerate(plan.steps, 1):
        act = step.act
        facts = [act.name, act.settings.model or ""]
        facts.append(f"waits for {', '.join(step.waits_for)}" if step.waits_for else "starts at once")
        if step.sees_earlier or step.sees:
            facts.append("sees every earlier turn" if step.sees_earlier else f"sees {', '.join(step.sees)}")
        if act.save is not None:
            facts.append(f"saves to {act.save.source}")
        yield f"{number}. {' · '.join(facts)}"
    yield f"answer: {f'the text of {plan.output_act}' if plan.output_act else 'made of a template'}"


def plan_json(plan: Plan) -> dict[str, Any]:
    """A plan as plain JSON data, in the words of `RunStarted`."""
    return {
        "narrative": plan.narrative.name,
        "plan": as_json(planned_acts(plan)),
        "output_act": plan.output_act,
    }


def planned_acts(plan: Plan) -> tuple[PlannedAct, ...]:
    """The acts of a plan, as events tell them."""
    return tuple(
        PlannedAct(
            step.act.name,
            step.act.settings.model or "",
            step.waits_for,
            step.act.save.source if step.act.save is not None else None,
        )
        for step in plan.steps
    )


def _refuse_unknown(names: Sequence[str], known: Sequence[str]) -> None:
    problems = [
        Problem(f"there is no act '{name}' to run{did_you_mean(name, known) or '; there are ' + ', '.join(known)}")
        for name in names
        if name not in known
    ]
    if problems:
        raise UsageError(problems)


def _steps(acts: Sequence[Act], graph: Mapping[str, tuple[str, ...]]) -> tuple[PlannedStep, ...]:
    steps = []
    for index, act in enumerate(acts):
        match act.context:
            case "conversation":
                steps.append(PlannedStep(act, graph[act.name], sees_earlier=index))
            case "fresh":
                steps.append(PlannedStep(act, graph[act.name]))
            case names:
                steps.append(PlannedStep(act, graph[act.name], sees=names))
    return tuple(steps)


def _output_act(narrative: Narrative) -> str | None:
    if narrative.output is None:
        return narrative.acts[-1].name
    named = re.fullmatch(r"\s*\{\{-?\s*(?:acts\['([\w-]+)'\]|(\w+))(?:\.text)?\s*-?\}\}\s*", narrative.output.source)
    name = named and (named[1] or named[2])
    return name if narrative.output.acts == {name} else None
