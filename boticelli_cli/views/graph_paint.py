"""The tree on a terminal: in colours, and wrapped beside its guides."""

from rich.console import Console
from rich.text import Text

from boticelli_cli.views.graph import Graph
from boticelli_cli.views.graph_tree import Line, Role, tree_lines

__all__ = ["paint_tree"]

NARROWEST = 20
"""How many cells there have to be beside the guides for lines to be wrapped by words."""

STYLES: dict[Role, str] = {"title": "bold", "name": "bold cyan", "detail": "dim", "answer": "green"}


def paint_tree(graph: Graph, console: Console, *, wrap: bool) -> None:
    """Print the tree. Nothing is cut: what is too long is wrapped here, or else by the terminal."""
    for line in tree_lines(graph):
        for row in _rows(line, console, wrap):
            console.print(row, soft_wrap=True)


def _rows(line: Line, console: Console, wrap: bool) -> list[Text]:
    said = Text.assemble(*((text, STYLES[role]) for text, role in line.spans))
    room = console.width - len(line.guide)
    if not wrap or said.cell_len <= room or room < NARROWEST:
        return [Text.assemble((line.guide, "dim"), said)]
    hanging = line.hanging + "  "
    first, *others = said.wrap(console, console.width - len(hanging), no_wrap=False, overflow="fold")
    for row in (first, *others):
        row.rstrip()
    return [Text.assemble((line.guide, "dim"), first), *(Text.assemble((hanging, "dim"), other) for other in others)]
