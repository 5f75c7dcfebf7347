"""The graph as an SVG picture that reads well on light and on dark pages."""

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from rich.cells import cell_len

from boticelli_cli.views.graph import Graph, Node
from boticelli_cli.views.graph_layout import Layout, lay_out

__all__ = ["svg"]

MARGIN = 16.0
PADDING = 14.0
LINE = 18.0
"""Pixels from one line of text to the next, in a box."""

GAP = 44.0
"""Pixels between two layers."""

CELL_OF_NAME, CELL_OF_DETAIL = 8.6, 7.4
"""Pixels for a cell of text at 14 and 12 pixels, in the widest of the usual monospaced fonts."""

STYLE = """
  text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #57606a;
    text-anchor: middle; white-space: pre }
  .name { font-size: 14px; font-weight: 600; fill: #1f2328 }
  rect { fill: #f6f8fa; stroke: #8c959f; stroke-width: 1 }
  .answer rect { stroke: #1a7f37; stroke-width: 2.5 }
  .edge { fill: none; stroke: #8c959f; stroke-width: 1.5 }
  .tip { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 }
    .name { fill: #f0f6fc }
    rect { fill: #151b23; stroke: #656c76 }
    .answer rect { stroke: #3fb950 }
  }
"""


def svg(graph: Graph) -> str:
    """An SVG document: a rounded box for each act, in layers from top to bottom, and a curve for each edge."""
    layout = lay_out(graph, [_width(node) for node in graph.nodes])
    tops = _tops(graph, layout)
    width, height = layout.width + 2 * MARGIN, tops[-1] - GAP + MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(graph.title)}</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"'
        ' markerUnits="userSpaceOnUse" orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>',
    ]
    for number, node in enumerate(graph.nodes):
        lines += [_edge(graph, layout, tops, before, number) for before in node.after]
    for number, node in enumerate(graph.nodes):
        lines += _box(number, node, MARGIN + layout.middles[number], tops[layout.layers[number]])
    return "\n".join([*lines, "</svg>"])


def _details(node: Node) -> list[str]:
    return [text for text in (node.model, f"→ {node.save}" if node.save is not None else "") if text]


def _width(node: Node) -> float:
    widths = [cell_len(node.name) * CELL_OF_NAME, *(cell_len(text) * CELL_OF_DETAIL for text in _details(node))]
    return max(widths) + 2 * PADDING


def _height(node: Node) -> float:
    return (1 + len(_details(node))) * LINE + PADDING


def _tops(graph: Graph, layout: Layout) -> list[float]:
    """Where each layer begins, and where one more would."""
    heights = [0.0] * (max(layout.layers, default=-1) + 1)
    for node, layer in zip(graph.nodes, layout.layers, strict=True):
        heights[layer] = max(heights[layer], _height(node))
    tops = [MARGIN]
    for height in heights:
        tops.append(tops[-1] + height + GAP)
    return tops


def _box(number: int, node: Node, middle: float, top: float) -> Iterator[str]:
    width, height = _width(node), _height(node)
    yield f'<g id="a{number}" class="act{" answer" if node.answers else ""}">'
    yield f'<rect x="{middle - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="8"/>'
    baseline = top + PADDING / 2 + LINE * 0.72
    for index, text in enumerate((node.name, *_details(node))):
        which = ' class="name"' if not index else ""
        yield f'<text{which} x="{middle:.1f}" y="{baseline + index * LINE:.1f}">{escape(text)}</text>'
    yield "</g>"


def _edge(graph: Graph, layout: Layout, tops: Sequence[float], start: int, end: int) -> str:
    """A curve from the bottom of one box to the top of another, upright wherever it passes a layer."""
    first, last = layout.layers[start], layout.layers[end]
    x, y = MARGIN + layout.middles[start], tops[first] + _height(graph.nodes[start])
    path = f"M{x:.1f} {y:.1f}"
    for layer, middle in enumerate(layout.ways[start, end], first + 1):
        path += _curve(x, y, MARGIN + middle, tops[layer])
        x, y = MARGIN + middle, tops[layer + 1] - GAP
        path += f"V{y:.1f}"
    path += _curve(x, y, MARGIN + layout.middles[end], tops[last] - 1)
    return f'<path class="edge" data-from="a{start}" data-to="a{end}" marker-end="url(#tip)" d="{path}"/>'


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    bend = (to_y - y) / 2
    return f"C{x:.1f} {y + bend:.1f} {to_x:.1f} {to_y - bend:.1f} {to_x:.1f} {to_y:.1f}"
