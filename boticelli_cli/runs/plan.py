"""The plan: which acts run, and what each waits for. Pure: the same narrative gives the same plan."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from boticelli_cli.errors import Problem, UsageError, did_you_mean
from boticelli_cli.events import PlannedAct, as_json
from boticelli_cli.narrative.model import Act, Narrative
from boticelli_cli.narrative.order import waits, with_what_they_wait_for
from boticelli_cli.narrative.template import Template

__all__ = ["Plan", "PlannedStep", "describe_plan", "make_plan", "pick", "plan_json", "planned_acts"]


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


def make_plan(narrative: Narrative) -> Plan:
    """Plan all acts of a narrative."""
    output = narrative.output
    output_act = narrative.acts[-1].name if output is None else output.only_act
    return Plan(narrative, _steps(narrative.acts, waits(narrative.acts)), output_act)


def pick(narrative: Narrative, *, only: Sequence[str] = (), start: str | None = None) -> Narrative:
    """A part of a narrative, or all of it.

    `only` picks acts, `start` an act and all after it; in both cases the acts that those wait for come along,
    as no act is run with less than it is written to see. A part answers with its last act's text, unless the
    narrative's last act is in it and its output can be made.

    Raises UsageError for names of acts that there are not.
    """
    if not only and start is None:
        return narrative
    graph = waits(narrative.acts)
    names = list(graph)
    _refuse_unknown([*only, *([start] if start is not None else [])], names)
    later = names[names.index(start) :] if start is not None else names
    wanted = set(only)
    chosen = [name for name in later if name in wanted] if only else later
    if not chosen:
        raise UsageError(f"of the acts asked for, none stands at or after '{start}'")
    kept = with_what_they_wait_for(chosen, graph)
    output = narrative.output
    if output is None or chosen[-1] != names[-1] or not output.acts <= kept:
        output = Template("", acts=frozenset({chosen[-1]}), only_act=chosen[-1])
    return replace(narrative, acts=tuple(act for act in narrative.acts if act.name in kept), output=output)


def describe_plan(plan: Plan) -> Iterator[str]:
    """A plan in words, a line an act."""
    for number, step in enumerate(plan.steps, 1):
        act = step.act
        facts = [act.name, ", else ".join(dict.fromkeys((act.settings.model or "", *(act.settings.fallback or ()))))]
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
            str(plan.narrative.folder / step.act.save.source) if step.act.save is not None else None,
            step.act.settings.fallback or None,
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
