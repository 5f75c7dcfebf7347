"""The `text` view: the answer alone on stdout, as it grows; everything else on stderr."""

from typing import TextIO

from boticelli_cli.events import ActDelta, ActFinished, ActRouted, Event, RunFailed, RunFinished, RunInterrupted
from boticelli_cli.views.base import Still
from boticelli_cli.views.notes import Notes
from boticelli_cli.views.record import KeptMedia, Record
from boticelli_cli.views.report import ending, error_lines, kept_texts, media_line, progress
from boticelli_cli.views.thoughts import Thoughts

__all__ = ["TextView", "is_told", "tell_end", "tell_media"]


class TextView(Still):
    """Writes the answer raw and at once, and ends it with a newline if it has none.

    Without an `answer` stream, for an answer that goes into a file, only the notes are written.
    """

    def __init__(self, answer: TextIO | None, notes: Notes, record: Record) -> None:
        self._answer = answer
        self._notes = notes
        self._record = record
        self._record.keeps_output = answer is None
        self._thoughts = Thoughts(notes, record)
        self._last = ""

    def show(self, event: Event) -> None:
        self._record.add(event)
        self._thoughts.show(event)
        match event:
            case ActDelta():
                if event.text is not None and event.act == self._record.output_act:
                    self._write(event.text)
                if kept := self._record.kept(event):
                    tell_media(kept, self._notes)
            case RunFinished():
                if self._record.output_act is None:
                    self._write(event.output)
                self._end_line()
                tell_end(event, self._record, self._notes)
            case RunFailed() | RunInterrupted():
                self._end_line()
                shown = {self._record.output_act or ""} if self._answer else set[str]()
                tell_end(event, self._record, self._notes, shown=frozenset(shown))
            case _:
                if isinstance(event, ActFinished) and event.act == self._record.output_act:
                    self._end_line()
                if is_told(event, self._notes) and (line := progress(event, self._record)):
                    self._notes.say(line)

    def _write(self, text: str) -> None:
        if text and self._answer is not None:
            self._answer.write(text)
            self._answer.flush()
            self._last = text[-1]

    def _end_line(self) -> None:
        if self._last not in ("", "\n"):
            self._write("\n")


def is_told(event: Event, notes: Notes) -> bool:
    """Whether an event is worth a line: routes are for the curious."""
    return notes.verbose or not isinstance(event, ActRouted)


def tell_media(kept: KeptMedia, notes: Notes) -> None:
    """Tell where a piece of media is. That it is not where it should be must be said."""
    (notes.must_say if kept.problem else notes.say)(media_line(kept))


def tell_end(
    event: RunFinished | RunFailed | RunInterrupted,
    record: Record,
    notes: Notes,
    *,
    shown: frozenset[str] | None = None,
) -> None:
    """Tell how a run ended; if it did not finish, with all that has arrived and is not `shown` (None: all is)."""
    if shown is not None:
        for text in kept_texts(record, shown=shown):
            notes.must_say(text)
    match event:
        case RunFinished():
            if line := ending(record, event.seconds):
                notes.say(line)
        case RunFailed():
            for line in error_lines(event.error):
                notes.must_say(line)
        case RunInterrupted():
            notes.must_say(f"interrupted: {ending(record, None)}")
