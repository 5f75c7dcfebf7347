"""Panels: the acts that run beside the one that flows, each in a box with the end of its text."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.panel import Panel
from rich.segment import Segment
from rich.text import Text

from boticelli_cli.views.layout import Layout, end_of, fitting
from boticelli_cli.views.live_act import LiveAct
from boticelli_cli.views.record import Record
from boticelli_cli.views.report import dollars
from boticelli_cli.views.rows import Row, plain

__all__ = ["panels", "progress_line"]

_FRAME = 2
"""Rows of a box that are not text: its upper and its lower edge."""

_LARGE = 7
"""A box is no taller, unless the screen is: there has to be room for what can be read above it."""

_ROWS_TO_JOIN = 4
"""So many rows of text surely fill one, even where there are blank ones between them."""


def panels(acts: Sequence[LiveAct], layout: Layout, room: int) -> list[Row]:
    """The acts in at most so many rows: in boxes, or if there is no room for these, a line each."""
    if not acts or room < 1:
        return []
    height = min(room // len(acts), max(layout.lines // 5, _LARGE))
    if height > _FRAME:
        return [row for act in acts for row in _box(act, layout, height)]
    if len(acts) <= room:
        return [_line(act, layout) for act in acts]
    more = layout.row((f"… and {len(acts) - room + 1} more", "dim"))
    return [*(_line(act, layout) for act in acts[: room - 1]), more]


def progress_line(record: Record, running: Iterable[LiveAct], layout: Layout) -> Row:
    """How far the whole narrative has come, and about what it has cost."""
    acts = list(running)
    total = len(record.acts)
    facts = [f"{record.count('finished')} of {total} act{'s' if total != 1 else ''} done"]
    if acts:
        facts.append(f"{len(acts)} running")
    if failed := record.count("failed"):
        facts.append(f"{failed} failed")
    if waiting := record.count("planned"):
        facts.append(f"{waiting} waiting")
    guessed = sum(act.cost() for act in acts)
    if cost := dollars((record.cost_usd or 0.0) + guessed):
        facts.append(f"~{cost}" if guessed else cost)
    return layout.row((fitting(facts, layout.columns) or facts[0], "dim"))


def _box(act: LiveAct, layout: Layout, height: int) -> list[Row]:
    inner = replace(layout, columns=max(layout.columns - 4, 1))
    rows = _tail(act, inner, height - _FRAME)
    name = act.record.planned.act
    room = layout.columns - 6
    panel = Panel(
        _Rows(rows),
        title=Text(layout.clean(fitting([name, act.record.model], room) or name), style="default"),
        title_align="left",
        subtitle=Text(fitting([*act.facts(), *filter(None, [act.thought_length])], room)),
        subtitle_align="right",
        border_style="dim",
        width=layout.columns,
        height=height,
    )
    return layout.rows_of(panel)


def _tail(act: LiveAct, layout: Layout, height: int) -> list[Row]:
    """The end of an act's text; or what it thinks, or waits for."""
    if act.has_spoken and act.record.waiting is None:
        rows = act.text.rest(layout.columns, height)
        return rows[1:] if rows and not rows[0] else rows
    thought = act.thought_line(layout.columns)
    if thought and act.record.waiting is None:
        return [layout.row((thought, "dim italic"))]
    return layout.rows((act.remark(), "dim italic"))[:height]


def _line(act: LiveAct, layout: Layout) -> Row:
    """An act on one row: its name, its time, and the end of what it has said."""
    facts = act.facts()
    head = f"{act.record.planned.act} · {facts[0]}" if facts else act.record.planned.act
    room = max(layout.columns - cell_len(head) - 2, 1)
    tail = " ".join(filter(None, map(plain, _tail(act, replace(layout, columns=room), _ROWS_TO_JOIN))))
    return layout.row((head, "bold"), "  ", end_of(tail, room))


class _Rows:
    """Rows as something that can be put into a box."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for row in self._rows:
            yield from row
            yield Segment.line()
