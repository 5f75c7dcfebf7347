"""A failure as people are told it: what failed and why, what was kept, and what to type next."""

from collections.abc import Callable, Iterator

from rich.panel import Panel
from rich.text import Text

from boticelli_cli.events import ErrorInfo
from boticelli_cli.views.record import Record
from boticelli_cli.views.report import error_lines

__all__ = ["failure_panel", "next_command"]


def failure_panel(
    error: ErrorInfo, record: Record | None = None, *, clean: Callable[[str], str] = str, again: str = ""
) -> Panel:
    """A panel that tells of a run that failed, or, without a `record`, of a command that did."""
    text = Text("\n").join(Text(clean(line.removeprefix("error: "))) for line in error_lines(error))
    kept = "; ".join(_kept(record)) if record is not None else ""
    for name, told in (("kept", kept), ("next", next_command(error, again))):
        if told:
            text.append(f"\n{name}: ", style="bold").append(clean(told))
    title = "the run failed" if record is not None else "error"
    return Panel(text, title=Text(title), title_align="left", border_style="red")


def next_command(error: ErrorInfo, again: str) -> str:
    """The one command to type next; nothing where there is none that helps."""
    match error.kind:
        case "quota":
            return "boticelli limits"
        case "internal" if again:
            return f"BOTICELLI_DEBUG=1 {again}"
        case "credentials" | "input" | "narrative" | "config" | "usage" | "template" | "refused":
            return ""  # nothing helps but what the hint says
        case _:
            return again


def _kept(record: Record) -> Iterator[str]:
    """What there is of a run that failed."""
    whole = [act.planned.act for act in record.in_order if act.status == "finished" and act.pieces]
    parts = [act.planned.act for act in record.in_order if act.status in ("failed", "interrupted") and act.pieces]
    if whole:
        yield f"all of {_and(whole)}, above"
    if parts:
        yield f"what had come of {_and(parts)}, above" if len(record.acts) > 1 else "what had come, above"
    yield from (
        f"{act.planned.save} is written" for act in record.in_order if act.status == "finished" and act.planned.save
    )


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
