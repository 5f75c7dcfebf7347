"""Tables: aligned for people, separated by tabs in a pipe."""

from collections.abc import Iterator, Sequence

__all__ = ["GAP", "aligned"]

GAP = "  "
"""What stands between two columns."""


def aligned(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of columns that stand under their headings."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    for row in (heading, *rows):
        yield GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
