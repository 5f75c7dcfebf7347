"""Tables: columns as wide as their cells, as far as the screen allows."""

from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from boticelli_cli.views.markdown.inline import inline
from boticelli_cli.views.markdown.leaf import TABLE, Table
from boticelli_cli.views.markdown.wrapping import wrap

__all__ = ["table_rows"]

Body = list[Segment]

LEAST = 3
"""With fewer columns of the screen for a column of the table, its cells stand one below another."""

_DIM = Style(dim=True)
_BOLD = Style(bold=True)


def table_rows(table: Table, width: int, *, ascii_only: bool) -> list[Body]:
    """The rows of a table at so many columns."""
    line, cross, bar = ("-", "-+-", " | ") if ascii_only else ("─", "─┼─", " │ ")
    widths = _widths(table.basis, width - len(bar) * (len(table.aligns) - 1))
    rule = [Segment(cross.join(line * n for n in widths) if widths else line * min(width, 40), _DIM)]
    rows: list[Body] = []
    if table.headed:
        rows += (
            _row(table.basis[0], widths, table.aligns, bar, _BOLD) if widths else _below(table.basis[0], width, _BOLD)
        )
        rows.append(rule)
    for n, cells in enumerate(table.rows):
        if widths:
            rows += _row(cells, widths, table.aligns, bar, None)
        else:
            rows += [rule] if n or not table.headed else []
            rows += _below(cells, width, None)
    return rows


@lru_cache(maxsize=64)
def _widths(basis: tuple[tuple[str, ...], ...], width: int) -> tuple[int, ...]:
    """The columns' widths, which come to `width` at most. None at all if they would be too narrow.

    First each gets room for its longest word; what is left goes to those that need more, the same to each.
    A table that goes on after these rows gets some more, for numbers that grow.
    """
    columns = [[_measure(cell, n == 0) for n, cell in enumerate(column)] for column in zip(*basis, strict=True)]
    most = [max(1, *(size for _, size in column)) for column in columns]
    if len(basis) > TABLE:
        most = [size + size // 4 + 2 for size in most]
    if width < LEAST * len(columns) and sum(most) > width:
        return ()
    least = [max(1, *(size for size, _ in column)) for column in columns]
    if sum(least) > width:
        return _shared(least, [0] * len(least), width)
    return _shared(most, least, width)


def _shared(wanted: list[int], least: list[int], width: int) -> tuple[int, ...]:
    """What is wanted, but capped so that it comes to `width` at most; and never less than the least."""
    low, high = 0, max(wanted)
    while low < high:
        cap = (low + high + 1) // 2
        if sum(max(a, min(b, cap)) for a, b in zip(least, wanted, strict=True)) <= width:
            low = cap
        else:
            high = cap - 1
    return tuple(max(a, min(b, low)) for a, b in zip(least, wanted, strict=True))


@lru_cache(maxsize=4096)
def _measure(cell: str, header: bool) -> tuple[int, int]:
    """The columns that the longest word and the longest line of a cell need."""
    lines = inline(cell, _BOLD if header else None).plain.split("\n")
    return max((cell_len(word) for line in lines for word in line.split(" ")), default=0), max(map(cell_len, lines))


@lru_cache(maxsize=1024)
def _row(
    cells: tuple[str, ...], widths: tuple[int, ...], aligns: tuple[str, ...], bar: str, style: Style | None
) -> list[Body]:
    columns = [_cell(*cell, style) for cell in zip(cells, widths, aligns, strict=True)]
    rows = []
    for n in range(max(len(column) for column in columns)):
        row: Body = []
        for column, width in zip(columns, widths, strict=True):
            row += [Segment(bar, _DIM)] if row else []
            row += column[n] if n < len(column) else [Segment(" " * width)]
        rows.append(row)
    return rows


def _cell(source: str, width: int, align: str, style: Style | None) -> list[Body]:
    """The rows of a cell, padded to its width on the sides on which it is not aligned."""
    text = inline(source, style)
    rows = []
    for a, b in wrap(text.plain, width):
        free = max(width - cell_len(text.plain[a:b]), 0)
        left = {"left": 0, "center": free // 2, "right": free}[align]
        rows.append([Segment(" " * left), *text.part(a, b), Segment(" " * (free - left))])
    return rows


def _below(cells: tuple[str, ...], width: int, style: Style | None) -> list[Body]:
    texts = [inline(cell, style) for cell in cells]
    return [text.part(a, b) for text in texts for a, b in wrap(text.plain, width)]
