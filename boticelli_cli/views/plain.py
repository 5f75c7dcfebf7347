"""The `plain` view: every act's text under its heading, in the order of the narrative, with nothing that moves."""

from typing import TextIO

from boticelli_cli.events import ActDelta, Event, RunFailed, RunFinished, RunInterrupted
from boticelli_cli.views.base import Still
from boticelli_cli.views.notes import Notes
from boticelli_cli.views.record import KeptMedia, Record
from boticelli_cli.views.report import progress
from boticelli_cli.views.text import is_told, tell_end, tell_media
from boticelli_cli.views.thoughts import Thoughts

__all__ = ["PlainView"]


class PlainView(Still):
    """Shows one act at a time: text of acts that run beside it waits until it is their turn."""

    def __init__(self, answer: TextIO, notes: Notes, record: Record, *, headings: bool = True) -> None:
        self._answer = answer
        self._notes = notes
        self._record = record
        self._headings = headings
        self._turn = 0
        self._written = 0
        self._last = "\n"
        self._unsaid: list[str | KeptMedia] = []
        self._thoughts = Thoughts(notes, record)

    def show(self, event: Event) -> None:
        self._record.add(event)
        self._catch_up()
        line = self._record.kept(event) if isinstance(event, ActDelta) else progress(event, self._record)
        if line and is_told(event, self._notes):
            self._unsaid.append(line)
        self._say_between_lines()
        if self._last == "\n":  # a thought in the middle of a line would be taken for the answer
            self._thoughts.show(event)
        if isinstance(event, (RunFinished, RunFailed, RunInterrupted)):
            self._end(event)

    def _catch_up(self) -> None:
        """Write what the act whose turn it is has said since, and go on to the next when it has ended."""
        acts = self._record.in_order
        while self._turn < len(acts):
            act = acts[self._turn]
            if self._written == 0 and act.pieces and self._headings:
                self._write(f"## {act.planned.act}\n\n")
            self._write("".join(act.pieces[self._written :]))
            self._written = len(act.pieces)
            if not act.has_ended and self._record.end is None:
                return
            if self._written:
                self._write("\n" if self._last == "\n" else "\n\n" if self._headings else "\n")
            self._turn, self._written = self._turn + 1, 0

    def _say_between_lines(self) -> None:
        """Tell the notes, but never in the middle of a line of the answer: the two may share a screen."""
        if self._last == "\n":
            for line in self._unsaid:
                if isinstance(line, str):
                    self._notes.say(line)
                else:
                    tell_media(line, self._notes)
            self._unsaid.clear()

    def _end(self, event: RunFinished | RunFailed | RunInterrupted) -> None:
        if isinstance(event, RunFinished) and self._record.output_act is None:
            self._write(f"## output\n\n{event.output}\n" if self._headings else f"{event.output}\n")
        tell_end(event, self._record, self._notes)

    def _write(self, text: str) -> None:
        if text:
            self._answer.write(text)
            self._answer.flush()
            self._last = text[-1]
