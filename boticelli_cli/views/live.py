"""The `live` view: the act whose turn it is flows down the screen, the others run in panels below it.

Only what still changes is drawn again, and it is always shorter than the screen. What is done stands in the terminal's
own scrollback, once, complete and in the narrative's order.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Self, TextIO

from rich.console import Console

from boticelli_cli.events import Event, RunFailed, RunFinished, RunInterrupted, RunStarted
from boticelli_cli.views.failure import failure_panel
from boticelli_cli.views.flow import Flow
from boticelli_cli.views.gauges import Gauges
from boticelli_cli.views.images import Picture
from boticelli_cli.views.layout import Layout
from boticelli_cli.views.live_act import LiveAct
from boticelli_cli.views.manner import Manner
from boticelli_cli.views.markdown.stream import MarkdownStream
from boticelli_cli.views.notes import Notes
from boticelli_cli.views.panels import panels, progress_line
from boticelli_cli.views.record import Record
from boticelli_cli.views.report import ending, kept_texts
from boticelli_cli.views.rows import Row
from boticelli_cli.views.screen import Screen
from boticelli_cli.views.summary import summary
from boticelli_cli.views.terminal import Modes
from boticelli_cli.views.text import tell_end

__all__ = ["FRAMES_A_SECOND", "LiveView"]

FRAMES_A_SECOND = 12
"""At most. More cannot be read, and has to be sent to the other end of the line all the same."""

_SHARE = 4
"""A frame is followed by the next after so many times as long as it took, so that drawing never fills all the time."""

_ROOM_FOR_MORE = 16
"""On a screen with fewer lines, only what is needed most is shown."""


class LiveView:
    """Owns the screen from the first event to `close`; `size` tells its columns and lines.

    Errors are also told to a stderr that leads somewhere else.
    """

    def __init__(
        self,
        file: TextIO,
        console: Console,
        record: Record,
        notes: Notes,
        gauges: Gauges,
        manner: Manner = Manner(),  # noqa: B008  (a value)
        *,
        size: Callable[[], tuple[int, int]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._record = record
        self._notes = notes
        self._gauges = gauges
        self._manner = manner
        self._size = size
        self._now = now
        self._file = file
        self._screen = Screen(file, console)
        self._modes = Modes(file, on_stop=self._clear, on_return=self._screen.forget, on_loss=self._screen.abandon)
        self._flows: list[Flow] = []
        self._acts: dict[str, LiveAct] = {}
        self._turn = 0
        self._due = float("-inf")
        self._is_over = self._is_broken = False

    @property
    def moving(self) -> Self:
        return self

    def show(self, event: Event) -> None:
        self._record.add(event)
        match event:
            case RunStarted():
                self._modes.take()
                for record in self._record.in_order:
                    text = MarkdownStream(self._console)
                    act = LiveAct(record, text, self._gauges, clean=self._notes.clean, now=self._now)
                    self._acts[record.planned.act] = act
                    self._flows.append(self._flow_of(act))
            case RunFinished() | RunFailed() | RunInterrupted():
                self._end(event)
            case _:
                self._acts[event.act].hear(event)
        self.tick()

    def tick(self) -> None:
        """Draw what has changed, unless that was done a moment ago."""
        if self._now() >= self._due:
            self._draw()

    def redraw(self) -> None:
        """Draw everything anew: the screen may not be what it was."""
        self._screen.forget()
        self.tick()

    def _draw(self) -> None:
        if not self._is_over and self._modes.may_draw():
            start, size = self._now(), self._size()
            layout = self._layout(size)
            with self._drawing():
                done = self._ended(layout)
                more, live = self._region(layout)
                self._screen.draw([*done, *more], live, size)
            self._due = start + max(1 / FRAMES_A_SECOND, _SHARE * (self._now() - start))

    def close(self) -> None:
        """Leave all that has come on the screen, and nothing that would still move."""
        try:
            if not self._is_over:
                self._is_over = True
                size = self._size()
                self._screen.draw(self._all(self._layout(size)), [], size)
        finally:
            self._modes.give_back()
        if self._is_broken:
            for text in kept_texts(self._record, shown=frozenset(self._shown())):
                self._notes.must_say(text)

    def _clear(self) -> None:
        """Take the live region away: somebody else has the screen for a while."""
        self._screen.draw([], [], self._size())

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Draw no more after a mistake in drawing: what failed once would fail again."""
        try:
            yield
        except Exception:
            self._is_over = self._is_broken = True
            raise

    def _shown(self) -> Iterator[str]:
        """The acts that have been printed to their end."""
        yield from (flow.act.record.planned.act for flow in self._flows[: self._turn])

    def _flow_of(self, act: LiveAct) -> Flow:
        return Flow(act, self._record, self._manner, quiet=self._notes.quiet)

    # What is done: printed once

    def _ended(self, layout: Layout) -> list[Row | Picture]:
        """What is left of the acts that have ended, as far as all before them have."""
        done: list[Row | Picture] = []
        while (flow := self._flow) is not None and flow.act.record.has_ended:
            done += flow.end(layout)
            self._turn += 1
        return done

    def _all(self, layout: Layout) -> list[Row | Picture]:
        """What is left of all acts: nothing more will come."""
        rows = [row for flow in self._flows[self._turn :] for row in flow.end(layout)]
        self._turn = len(self._flows)
        return rows

    def _end(self, event: RunFinished | RunFailed | RunInterrupted) -> None:
        size = self._size()
        layout = self._layout(size)
        self._is_over = True
        with self._drawing():
            self._screen.draw([*self._all(layout), *self._last_words(event, layout)], [], size)
        if not self._notes.are_seen_on(self._file):
            tell_end(event, self._record, self._notes)

    def _last_words(self, event: RunFinished | RunFailed | RunInterrupted, layout: Layout) -> list[Row]:
        """What is said once a run is over."""
        rows: list[Row] = []
        if isinstance(event, RunFinished) and self._record.output_act is None and event.output.strip():
            rows += self._output(event.output, layout)
        if not self._notes.quiet and (self._manner.headings or self._manner.verbose):
            again = "" if isinstance(event, RunFailed) else self._manner.again  # its panel says what to type next
            rows += [()] if not self._manner.headings else []
            rows += summary(self._record, layout, verbose=self._manner.verbose, again=again)
        if isinstance(event, RunFailed):
            error = event.error
            if not self._manner.headings:  # of an act nobody has spoken
                error = replace(error, message=error.message.removeprefix(f"act '{self._record.output_act}': "))
            panel = failure_panel(error, self._record, clean=self._notes.clean, again=self._manner.again)
            rows += layout.rows_of(panel)
        elif isinstance(event, RunInterrupted):
            rows += layout.rows((f"interrupted: {ending(self._record, None)}", "yellow"))
        return rows

    def _output(self, output: str, layout: Layout) -> list[Row]:
        """An answer that is no act's own text."""
        text = MarkdownStream(self._console)
        text.add(self._notes.clean(output))
        text.end()
        heading = [layout.row(("── ", "dim"), ("output", "bold"), (" ──", "dim"))] if self._manner.headings else []
        return [*heading, *text.take(layout.columns), *([()] if self._manner.headings else [])]

    # The live region

    @property
    def _flow(self) -> Flow | None:
        """The act whose turn it is: the first that has not been printed to its end."""
        return self._flows[self._turn] if self._turn < len(self._flows) else None

    def _layout(self, size: tuple[int, int]) -> Layout:
        return Layout.of(self._console, size, self._notes.clean)

    def _region(self, layout: Layout) -> tuple[list[Row | Picture], list[Row]]:
        """What of the act whose turn it is has come to be for good; and all that may still change."""
        later = [flow.act for flow in self._flows[self._turn :]]
        running = [act for act in later if act.record.status == "running"]
        flow = self._flow if self._flow is not None and self._flow.act in running else None
        beside = [act for act in running if flow is None or act is not flow.act]
        below = self._below(later, running, layout) if self._manner.headings and self._flows else []
        room = max(layout.lines - 1 - len(below), 1)
        boxes = panels(beside, layout, room - max(room // 3, 3) if flow is not None else room)
        if flow is None:
            return [], [*boxes, *below]
        space = room - len(boxes)
        if not beside:
            space = min(space, max(layout.lines * 2 // 3, 3))
        return flow.done(layout, space), [*flow.live(layout, space), *boxes, *below]

    def _below(self, later: Sequence[LiveAct], running: Sequence[LiveAct], layout: Layout) -> list[Row]:
        """What is said below all acts."""
        progress = progress_line(self._record, running, layout)
        held = [act.record.planned.act for act in later[1:] if act.record.status == "finished"]
        if not held or layout.lines < _ROOM_FOR_MORE:
            return [progress]
        return [layout.row((f"✓ {', '.join(held)}: to be read after {later[0].record.planned.act}", "dim")), progress]
