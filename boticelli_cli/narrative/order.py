"""What each act waits for: the rule that turns a narrative's acts into a graph."""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from boticelli_cli.narrative.model import Act

__all__ = ["find_cycle", "named_acts", "waits"]


def named_acts(act: Act) -> dict[str, str]:
    """The acts that this one names, each with why, in words: those of its context, its needs and its templates."""
    named = dict.fromkeys(sorted(act.template_acts), "names it in a template")
    named |= dict.fromkeys(act.needs, "needs it")
    if not isinstance(act.context, str):
        named |= dict.fromkeys(act.context, "has it in its context")
    return named


def waits(acts: Sequence[Act]) -> dict[str, tuple[str, ...]]:
    """For each act the acts that must finish before it starts, in the narrative's order.

    An act in the conversation sees every earlier turn, so it waits for all acts before it. Those before the
    last such act are waited for by that one already and are not listed again: the graph grows with the
    number of acts, not with its square.
    """
    positions = {act.name: index for index, act in enumerate(acts)}
    result: dict[str, tuple[str, ...]] = {}
    first_unseen = 0
    for index, act in enumerate(acts):
        named = {name for name in named_acts(act) if name in positions}
        if act.context == "conversation":
            named = {name for name in named if positions[name] > index}
            named.update(earlier.name for earlier in acts[first_unseen:index])
            first_unseen = index
        result[act.name] = tuple(sorted(named, key=positions.__getitem__))
    return result


def find_cycle(acts: Sequence[Act]) -> list[str] | None:
    """Acts that wait for one another in a ring, each waiting for the next and the last for the first; or None."""
    try:
        TopologicalSorter(waits(acts)).prepare()
    except CycleError as error:
        ring: list[str] = error.args[1]
        return ring[:0:-1]
    return None


def with_what_they_wait_for(chosen: Iterable[str], graph: Mapping[str, Sequence[str]]) -> set[str]:
    """The chosen acts and, through any number of steps, all that they wait for."""
    found: set[str] = set()
    open_acts = list(chosen)
    while open_acts:
        name = open_acts.pop()
        if name not in found:
            found.add(name)
            open_acts.extend(graph[name])
    return found
