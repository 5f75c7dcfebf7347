"""Where the boxes of a graph stand: in layers from top to bottom, with few edges crossing and most of them short."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from boticelli_cli.views.graph import Graph, layers

__all__ = ["GAP", "Layout", "lay_out"]

GAP = 28.0
"""Pixels between two boxes of a layer."""

SWEEPS = 8
"""How often the layers are gone through, down and up in turn."""

STIFFNESS = 8.0
"""How much more an edge that passes a layer keeps its place than a box does: long edges should be straight."""

MAX_BENDS = 20_000
"""How many places edges may be led through on their way past layers. Where they need more, they go straight."""


@dataclass(frozen=True, slots=True)
class Layout:
    """For each act its layer and the middle of its box; for each edge the middles that it passes on the way.

    `ways` maps an edge, from an act to one that waits for it, to a place in each layer between them. Places are in
    pixels, counted from the left edge of a picture that is `width` wide.
    """

    layers: tuple[int, ...]
    middles: tuple[float, ...]
    ways: dict[tuple[int, int], tuple[float, ...]]
    width: float


def lay_out(graph: Graph, widths: Sequence[float]) -> Layout:
    """Lay out a graph whose boxes are so wide."""
    levels = layers(graph)
    sketch = _Sketch(graph, levels, widths)
    sketch.order()
    middles = sketch.place()
    left = min((middle - width / 2 for middle, width in zip(middles, sketch.widths, strict=True)), default=0.0)
    right = max((middle + width / 2 for middle, width in zip(middles, sketch.widths, strict=True)), default=0.0)
    middles = [middle - left for middle in middles]
    ways = {edge: tuple(middles[bend] for bend in bends) for edge, bends in sketch.bends.items()}
    return Layout(tuple(levels), tuple(middles[: len(levels)]), ways, right - left)


class _Sketch:
    """The graph while it is laid out: acts, and after them the bends of long edges, each in its layer."""

    def __init__(self, graph: Graph, levels: Sequence[int], widths: Sequence[float]) -> None:
        self.widths = list(widths)
        self.rows: list[list[int]] = [[] for _ in range(max(levels, default=-1) + 1)]
        self.above: list[list[int]] = [[] for _ in levels]
        self.below: list[list[int]] = [[] for _ in levels]
        self.bends: dict[tuple[int, int], list[int]] = {}
        for number, level in enumerate(levels):
            self.rows[level].append(number)
        edges = [(before, number) for number, node in enumerate(graph.nodes) for before in node.after]
        bending = sum(levels[end] - levels[start] - 1 for start, end in edges) <= MAX_BENDS
        for start, end in edges:
            self._lead(start, end, range(levels[start] + 1, levels[end]) if bending else range(0))

    def _lead(self, start: int, end: int, through: range) -> None:
        way = [start]
        for level in through:
            bend = len(self.widths)
            self.widths.append(0.0)
            self.above.append([])
            self.below.append([])
            self.rows[level].append(bend)
            way.append(bend)
        way.append(end)
        for upper, lower in pairwise(way):
            self.above[lower].append(upper)
            self.below[upper].append(lower)
        self.bends[start, end] = way[1:-1]

    def order(self) -> None:
        """Order each layer by where its neighbours stand in the next: the barycentre heuristic."""
        places = [0.0] * len(self.widths)
        for row in self.rows:
            _number(row, places)
        best, fewest = [list(row) for row in self.rows], self._crossings(places)
        for sweep in range(SWEEPS):
            for row, neighbours in self._swept(sweep):
                means = {each: _mean(places, neighbours[each], places[each]) for each in row}
                row.sort(key=means.__getitem__)
                _number(row, places)
            if (crossings := self._crossings(places)) < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
        self.rows = best

    def place(self) -> list[float]:
        """Move each layer to where its neighbours stand, as far as the order and the widths let it."""
        middles = [0.0] * len(self.widths)
        for sweep in range(SWEEPS):
            for row, neighbours in self._swept(sweep):
                wanted = [_mean(middles, neighbours[each], middles[each]) for each in row]
                for each, middle in zip(row, self._apart(row, wanted), strict=True):
                    middles[each] = middle
        return middles

    def _swept(self, sweep: int) -> Iterator[tuple[list[int], list[list[int]]]]:
        """The layers, down and up in turn, each with the neighbours in the layer before."""
        down = sweep % 2 == 0
        for row in self.rows if down else reversed(self.rows):
            yield row, self.above if down else self.below

    def _crossings(self, places: Sequence[float]) -> int:
        """How many pairs of edges cross."""
        return sum(
            _inversions([place for upper in row for place in sorted(places[lower] for lower in self.below[upper])])
            for row in self.rows
        )

    def _apart(self, row: Sequence[int], wanted: Sequence[float]) -> list[float]:
        """The places nearest to the wanted ones, by their weighted squares, at which no two boxes touch.

        With the room that each needs taken off, that is isotonic regression: neighbours that want to pass one
        another are pooled at their mean (pool adjacent violators).
        """
        offsets = [0.0]
        for left, right in pairwise(row):
            offsets.append(offsets[-1] + (self.widths[left] + self.widths[right]) / 2 + GAP)
        pools: list[tuple[float, float, int]] = []
        for each, want, offset in zip(row, wanted, offsets, strict=True):
            weight, count = 1.0 if self.widths[each] else STIFFNESS, 1
            total = (want - offset) * weight
            while pools and pools[-1][0] / pools[-1][1] >= total / weight:
                more, heavier, many = pools.pop()
                total, weight, count = total + more, weight + heavier, count + many
            pools.append((total, weight, count))
        found = [total / weight for total, weight, count in pools for _ in range(count)]
        return [place + offset for place, offset in zip(found, offsets, strict=True)]


def _number(row: Sequence[int], places: list[float]) -> None:
    """Set down where the boxes of a row stand, in parts of its length."""
    for index, each in enumerate(row):
        places[each] = (index + 0.5) / len(row)


def _mean(places: Sequence[float], of: Sequence[int], otherwise: float) -> float:
    return sum(places[each] for each in of) / len(of) if of else otherwise


def _inversions(numbers: Sequence[float]) -> int:
    """How many pairs stand in the wrong order, counted in a Fenwick tree of those seen so far."""
    ranks = {number: rank for rank, number in enumerate(sorted(set(numbers)), 1)}
    seen = [0] * (len(ranks) + 1)
    count = 0
    for before, number in enumerate(numbers):
        rank = ranks[number]
        while rank:
            before -= seen[rank]
            rank &= rank - 1
        count += before
        rank = ranks[number]
        while rank < len(seen):
            seen[rank] += 1
            rank += rank & -rank
    return count
