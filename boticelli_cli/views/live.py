"""The `live` view: a panel for each running act, and above it the finished ones, each printed once.

Only what still changes is drawn again, and it is always shorter than the screen: finished acts stand in the
terminal's own scrollback, complete and in the narrative's order.
"""

import time
from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markdown import Markdown
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from boticelli_cli.events import (
    ActFailed,
    ActFinished,
    ActRetrying,
    ActSkipped,
    ActStarted,
    ActWaiting,
    Event,
    RunFailed,
    RunFinished,
    RunInterrupted,
    RunStarted,
)
from boticelli_cli.views.notes import Notes
from boticelli_cli.views.record import ActRecord, Record
from boticelli_cli.views.report import ending, error_lines, progress, seconds_in_words, unusual_end
from boticelli_cli.views.text import tell_end

__all__ = ["LiveView"]

FRAMES_A_SECOND = 12


class LiveView:
    """Owns the screen from the first event to `close`.

    Notes are shown on the screen too, except that errors also go to a stderr that leads somewhere else.
    """

    def __init__(
        self,
        console: Console,
        record: Record,
        notes: Notes,
        *,
        headings: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._record = record
        self._headings = headings
        self._notes = notes
        self._clean = notes.clean
        self._now = now
        self._begun: dict[str, float] = {}
        self._heard: dict[str, float] = {}
        self._printed = 0
        self._live = Live(
            console=console,
            get_renderable=self._frame,
            refresh_per_second=FRAMES_A_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )

    def show(self, event: Event) -> None:
        self._record.add(event)
        match event:
            case RunStarted():
                self._live.start()
            case ActStarted():
                self._begun[event.act] = self._now()
            case ActWaiting() | ActRetrying():
                self._heard[event.act] = self._now()
            case ActFinished() | ActFailed() | ActSkipped():
                self._print_ended()
            case RunFinished() | RunFailed() | RunInterrupted():
                self._end(event)

    def close(self) -> None:
        self._live.stop()

    # Above the live region: what is said once and stays

    def _print_ended(self) -> None:
        """Print the acts that have ended, as far as all before them have."""
        acts = self._record.in_order
        while self._printed < len(acts) and (acts[self._printed].has_ended or self._record.end is not None):
            self._print_act(acts[self._printed])
            self._printed += 1

    def _print_act(self, act: ActRecord) -> None:
        if not act.pieces and act.status in ("planned", "interrupted"):
            return
        if self._headings:
            self._console.print(Rule(Text(act.planned.act, style="bold"), align="left", style="dim"))
        if act.pieces:
            self._console.print(Markdown(self._clean(act.text)))
        if act.status == "skipped":
            self._console.print(Text(self._clean(f"not run: {act.reason}"), style="dim"))
        elif act.status in ("failed", "interrupted") and act.pieces:
            self._console.print(Text(f"({act.status} before its end)", style="dim"))
        if self._headings and act.finished and not self._notes.quiet:
            self._console.print(Text(self._clean(progress(act.finished, self._record) or ""), style="dim"))
        elif act.finished and not self._notes.quiet and (why := unusual_end(act.finished)):
            self._console.print(Text(self._clean(why), style="yellow"))
        if self._headings:
            self._console.print()

    def _end(self, event: RunFinished | RunFailed | RunInterrupted) -> None:
        self._live.stop()
        self._print_ended()
        if not self._notes.on_terminal:
            tell_end(event, self._record, self._notes)
        match event:
            case RunFinished():
                if self._record.output_act is None:
                    self._console.print(Rule(Text("output", style="bold"), align="left", style="dim"))
                    self._console.print(Markdown(self._clean(event.output)))
                    self._console.print()
                if not self._notes.quiet and self._headings:
                    self._console.print(Text(self._clean(ending(self._record, event.seconds) or ""), style="dim"))
            case RunFailed():
                lines = Text("\n").join(Text(self._clean(line)) for line in error_lines(event.error))
                self._console.print(Panel(lines, title="the run failed", title_align="left", border_style="red"))
            case RunInterrupted():
                self._console.print(Text(self._clean(f"interrupted: {ending(self._record, None)}"), style="yellow"))

    # The live region

    def _frame(self) -> RenderableType:
        """What is drawn now: a panel or a line for each running act, never taller than the screen."""
        running = [act for act in self._record.in_order if act.status == "running"]
        room = max(self._console.height - 2, 1)
        parts: list[RenderableType] = []
        if running:
            height = min(room // len(running), 12 if len(running) > 1 else room)
            if height >= 4:
                parts = [self._panel(act, height) for act in running]
            else:
                parts = [self._line(act) for act in running[:room]]
        if self._headings:
            parts.append(self._progress_line(len(running)))
        return Group(*parts)

    def _panel(self, act: ActRecord, height: int) -> Panel:
        title = f"{act.planned.act} · {act.planned.model}" if self._headings else act.planned.model
        lines = self._tail(act, self._console.width - 4, height - 2) if act.pieces else [self._before_text(act)]
        return Panel(
            Text("\n").join(lines),
            title=Text(self._clean(title)),
            title_align="left",
            subtitle=Text(seconds_in_words(self._elapsed(act))),
            subtitle_align="right",
            border_style="dim",
        )

    def _before_text(self, act: ActRecord) -> Text:
        """What there is to see of an act that has not begun to speak: what it waits for, or its last thought."""
        line = ""
        if act.waiting is not None:
            line = self._countdown(act.waiting)
        elif act.thoughts:
            line = "".join(act.thoughts[-40:]).strip().rpartition("\n")[2]
        return Text(self._clean(line), style="dim", no_wrap=True, overflow="ellipsis")

    def _countdown(self, waiting: ActWaiting | ActRetrying) -> str:
        left = max(waiting.seconds - (self._now() - self._heard.get(waiting.act, self._now())), 0.0)
        if isinstance(waiting, ActWaiting):
            long = f"{seconds_in_words(left)} " if waiting.seconds else ""  # 0: nobody can tell
            return f"waits {long}{waiting.reason}"
        return f"asks again in {seconds_in_words(left)}: {waiting.error.message}"

    def _line(self, act: ActRecord) -> Text:
        head = f"{act.planned.act} · {seconds_in_words(self._elapsed(act))} · "
        tail = self._clean("".join(act.pieces[-40:])).replace("\n", " ") or self._before_text(act).plain
        line = Text(head, style="bold", no_wrap=True, overflow="ellipsis")
        line.append(tail[-max(self._console.width - len(head) - 1, 0) :], style="not bold")
        return line

    def _tail(self, act: ActRecord, width: int, height: int) -> list[Text]:
        """The last lines of an act's text, as they wrap on this screen."""
        pieces: list[str] = []
        size = 0
        for piece in reversed(act.pieces):
            pieces.append(piece)
            size += len(piece)
            if size > width * height:
                break
        text = Text(self._clean("".join(reversed(pieces))).lstrip("\n"))
        lines = text.wrap(self._console, max(width, 1))
        return list(lines[-height:])

    def _progress_line(self, running: int) -> Text:
        total = len(self._record.acts)
        done = self._record.count("finished")
        waiting = self._record.count("planned")
        line = f"{done} of {total} acts done"
        if running:
            line += f", {running} running"
        if waiting:
            line += f", {waiting} waiting"
        return Text(line, style="dim", no_wrap=True, overflow="ellipsis")

    def _elapsed(self, act: ActRecord) -> float:
        return self._now() - self._begun.get(act.planned.act, self._now())
