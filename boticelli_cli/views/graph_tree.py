"""The graph as a tree of lines: every act once, under the last of the acts that it waits for.

    critics · 4 acts
    ├── language · rehearsal
    ├── structure · rehearsal
    └── truth · rehearsal
        └── verdict · rehearsal ★ answers  also waits for language, structure

Acts that follow one another in a row stay below one another, led by an arrow: a long conversation is a list, not a
staircase.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from boticelli_cli.views.graph import Graph, Node

__all__ = ["MAX_DEPTH", "Line", "Role", "Span", "plain_tree", "tree_lines"]

MAX_DEPTH = 10
"""How far lines are indented, in steps. What lies deeper begins anew at the margin and names all that it waits for."""

Role = Literal["title", "name", "detail", "answer"]
Span = tuple[str, Role]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the tree: its guide, the guide of what is wrapped of it, and what it says."""

    guide: str
    hanging: str
    spans: tuple[Span, ...]


def tree_lines(graph: Graph) -> Iterator[Line]:
    """The tree, a line an act, under a line with the title."""
    yield Line("", "  ", ((graph.title, "title"), (_count(graph), "detail")))
    children, roots = _grown(graph)
    open_acts = [_Open(number, "", number == roots[-1]) for number in reversed(roots)]
    while open_acts:
        act = open_acts.pop()
        below = children[act.number]
        goes_on = bool(below) and _goes_straight_on(graph, children, below[0])
        inner = act.before + ("    " if act.is_last else "│   ")
        yield Line(act.guide, inner + ("│   " if below and not goes_on else ""), _said(graph, act.number, act.is_root))
        if goes_on:
            open_acts.append(_Open(below[0], act.before, act.is_last, in_row=True))
        else:
            open_acts += [_Open(each, inner, each == below[-1]) for each in reversed(below)]


def plain_tree(graph: Graph) -> str:
    """The tree as plain text, never cut and never padded."""
    return "\n".join(line.guide + "".join(text for text, _ in line.spans) for line in tree_lines(graph))


@dataclass(frozen=True, slots=True)
class _Open:
    """An act that is still to be shown, after the guide of the acts around it."""

    number: int
    before: str
    is_last: bool
    in_row: bool = False

    @property
    def is_root(self) -> bool:
        return not self.before and not self.in_row

    @property
    def guide(self) -> str:
        if self.in_row:
            return self.before + ("  ↓ " if self.is_last else "│ ↓ ")
        return self.before + ("└── " if self.is_last else "├── ")


def _grown(graph: Graph) -> tuple[list[list[int]], list[int]]:
    """For each act those that are shown under it, and the acts that stand at the margin."""
    children: list[list[int]] = [[] for _ in graph.nodes]
    for number, node in enumerate(graph.nodes):
        if node.after:
            children[node.after[-1]].append(number)
    roots = []
    depths: list[int] = []
    for number, node in enumerate(graph.nodes):
        depth = depths[node.after[-1]] + (not _goes_straight_on(graph, children, number)) if node.after else 0
        if not node.after or depth > MAX_DEPTH:
            depth = 0
            roots.append(number)
        depths.append(depth)
    for number in roots:  # all that is shown under an act is equally deep, so they have come to the margin together
        if after := graph.nodes[number].after:
            children[after[-1]] = []
    return children, roots


def _goes_straight_on(graph: Graph, children: Sequence[Sequence[int]], number: int) -> bool:
    """Whether an act waits for one act only, and is alone in being shown under it."""
    after = graph.nodes[number].after
    return len(after) == 1 and len(children[after[0]]) == 1


def _count(graph: Graph) -> str:
    count = len(graph.nodes)
    made = "" if any(node.answers for node in graph.nodes) else " · the answer is made of a template"
    return f" · {count} act{'' if count == 1 else 's'}{made}"


def _said(graph: Graph, number: int, is_root: bool) -> tuple[Span, ...]:
    node = graph.nodes[number]
    spans: list[Span] = [(node.name, "name")]
    if node.model:
        spans.append((f" · {node.model}", "detail"))
    if node.save is not None:
        spans.append((f" → {node.save}", "detail"))
    if node.answers:
        spans.append((" ★ answers", "answer"))
    if told := _waits(graph, node, is_root):
        spans.append((f"  {told}", "detail"))
    return tuple(spans)


def _waits(graph: Graph, node: Node, is_root: bool) -> str:
    """What the place of a line does not say of the acts that its act waits for."""
    told = node.after if is_root else node.after[:-1]
    names = ", ".join(graph.nodes[each].name for each in told)
    return f"{'' if is_root else 'also '}waits for {names}" if names else ""
