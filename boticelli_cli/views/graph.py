"""The acts of a plan as a graph: in an order to be drawn in, and with no more edges than it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from boticelli_cli.events import PlannedAct

__all__ = ["Graph", "Node", "layers", "make_graph"]


@dataclass(frozen=True, slots=True)
class Node:
    """An act, with the numbers of the acts right before it, in order.

    An act that is waited for by way of another is not listed. All texts are one line, and nothing in them commands
    a terminal or is forbidden in XML.
    """

    name: str
    model: str
    after: tuple[int, ...] = ()
    save: str | None = None
    answers: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """A narrative's acts, numbered from 0: in the narrative's order, but none before an act that it waits for."""

    title: str
    nodes: tuple[Node, ...]


def make_graph(title: str, acts: Sequence[PlannedAct], output_act: str | None = None) -> Graph:
    """The graph of planned acts, which have names of their own, wait for one another and not in a ring.

    `output_act` names the act whose text is the answer, if it is one act's.
    """
    ordered = _in_order(acts)
    numbers = {act.act: number for number, act in enumerate(ordered)}
    after = _reduced([sorted({numbers[name] for name in act.waits_for}) for act in ordered])
    nodes = (
        Node(
            _one_line(act.act),
            _one_line(act.model),
            before,
            _one_line(act.save) if act.save is not None else None,
            act.act == output_act,
        )
        for act, before in zip(ordered, after, strict=True)
    )
    return Graph(_one_line(title), tuple(nodes))


def layers(graph: Graph) -> list[int]:
    """For each act the length of the longest way to it, in acts."""
    found: list[int] = []
    for node in graph.nodes:
        found.append(1 + max((found[number] for number in node.after), default=-1))
    return found


def _in_order(acts: Sequence[PlannedAct]) -> list[PlannedAct]:
    """The acts as they are written, but each after those that it waits for."""
    numbers = {act.act: number for number, act in enumerate(acts)}
    waiting = _waiting(acts, numbers)
    missing = [len(set(act.waits_for)) for act in acts]
    ready = [number for number, count in enumerate(missing) if not count]
    heapify(ready)
    ordered = []
    while ready:
        number = heappop(ready)
        ordered.append(acts[number])
        for later in waiting[number]:
            missing[later] -= 1
            if not missing[later]:
                heappush(ready, later)
    return ordered


def _waiting(acts: Sequence[PlannedAct], numbers: Mapping[str, int]) -> list[list[int]]:
    """For each act those that wait for it."""
    waiting: list[list[int]] = [[] for _ in acts]
    for number, act in enumerate(acts):
        for name in set(act.waits_for):
            waiting[numbers[name]].append(number)
    return waiting


def _reduced(after: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """The edges that do not follow from others.

    Sets of acts are the bits of whole numbers: that is what lets ten thousand acts pass in an instant. A set is let
    go once nobody asks for it any more.
    """
    asked = [0] * len(after)
    for before in after:
        for number in before:
            asked[number] += 1
    ancestors: dict[int, int] = {}
    reduced = []
    for number, before in enumerate(after):
        covered, kept = 0, []
        for earlier in reversed(before):
            if not covered >> earlier & 1:
                kept.append(earlier)
                covered |= ancestors[earlier]
        for earlier in before:
            asked[earlier] -= 1
            if not asked[earlier]:
                del ancestors[earlier]
        if asked[number]:
            ancestors[number] = covered | sum(1 << earlier for earlier in kept) if kept else 0
        reduced.append(tuple(reversed(kept)))
    return reduced


def _one_line(text: str) -> str:
    return " ".join(text.split()).translate(_SHOWN).encode("utf-8", "replace").decode("utf-8")


_SHOWN = dict.fromkeys((*range(32), *range(127, 160), 0xFFFE, 0xFFFF), "\ufffd")
"""What moves a cursor or is not allowed in XML. Half characters become `?` when the text is encoded."""
