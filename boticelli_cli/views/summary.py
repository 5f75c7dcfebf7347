"""The summary at the end of a run: a row an act, what it all came to, and where it was kept."""

from collections.abc import Callable, Iterator, Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from boticelli_cli.messages import Usage
from boticelli_cli.views.layout import Layout
from boticelli_cli.views.record import ActRecord, Record
from boticelli_cli.views.report import attempts, dollars, seconds_in_words
from boticelli_cli.views.rows import Row

__all__ = ["summary"]

_MARKS = {"finished": "✓", "failed": "✗", "interrupted": "✗", "skipped": "-", "planned": "-", "running": "▸"}

_LEAVE_OUT_FIRST = ("cached", "first", "model", "in", "out", "time", "cost")
"""The columns that a narrow screen does without, in this order."""


def summary(record: Record, layout: Layout, *, verbose: bool = False, again: str = "") -> list[Row]:
    """The rows of a run's summary. With `verbose`, also who was asked and why, waits and retries."""
    if not record.in_order:
        return []
    rows = layout.rows_of(_table(record, layout.columns, layout.clean))
    for line in (*_lines(record), *attempts(record, verbose=verbose), *([f"again: {again}"] if again else ())):
        rows += layout.rows((line, "dim"))
    return rows


def _table(record: Record, width: int, clean: Callable[[str], str]) -> Table:
    acts = [_cells(act) for act in record.in_order]
    total = _total(record) if len(acts) > 1 else None
    lines = [*acts, *([total] if total else [])]
    names = [name for name in lines[0] if name == "act" or any(line[name] for line in lines)]
    for name in _LEAVE_OUT_FIRST:
        if _width(names, lines) <= width:
            break
        names = [each for each in names if each != name]
    table = Table(box=None, padding=(0, 2, 0, 0), style="dim", header_style="dim", show_edge=False, pad_edge=False)
    for name in names:
        right = name not in ("act", "model")
        table.add_column(name, justify="right" if right else "left", style="dim", overflow="fold", no_wrap=right)
    for line in lines:
        table.add_row(*(Text(clean(line[name])) for name in names))
    return table


def _cells(act: ActRecord) -> dict[str, str]:
    done = act.finished
    usage = done.usage if done else Usage()
    first = done.first_token_seconds if done else None
    return {
        "act": f"{_MARKS[act.status]} {act.planned.act}",
        "model": done.served_model if done else act.planned.model,
        "in": _count(usage.input),
        "out": _count(usage.output),
        "cached": _count(usage.cached_input),
        "time": seconds_in_words(act.seconds) if act.seconds is not None else "",
        "first": seconds_in_words(first) if first is not None else "",
        "cost": ("?" if done.cost_usd is None else dollars(done.cost_usd)) if done else "",
    }


def _total(record: Record) -> dict[str, str]:
    usage = record.usage
    return {
        "act": f"  {record.count('finished')} of {len(record.acts)}",
        "model": "",
        "in": _count(usage.input),
        "out": _count(usage.output),
        "cached": _count(usage.cached_input),
        "time": seconds_in_words(record.seconds) if record.seconds is not None else "",
        "first": "",
        "cost": dollars(record.cost_usd),
    }


def _lines(record: Record) -> Iterator[str]:
    """What there is to say beside numbers."""
    if record.unpriced:
        yield f"price not known: {', '.join(record.unpriced)}"
    for act in record.in_order:
        if act.planned.save and act.status == "finished":
            yield f"saved: {act.planned.act} → {act.planned.save}"


def _count(tokens: int | None) -> str:
    return f"{tokens:,}" if tokens is not None else ""


def _width(names: Sequence[str], lines: Sequence[dict[str, str]]) -> int:
    widest = (max(cell_len(name), *(cell_len(line[name]) for line in lines)) for name in names)
    return sum(width + 2 for width in widest) - 2
