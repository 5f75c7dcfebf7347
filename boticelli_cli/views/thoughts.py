"""Thoughts: what models think aloud, murmured beside the answer."""

from boticelli_cli.events import ActDelta, ActFailed, ActFinished, Event, RunFailed, RunInterrupted
from boticelli_cli.views.notes import Notes
from boticelli_cli.views.record import Record

__all__ = ["Thoughts"]


class Thoughts:
    """Shows thoughts as they come. Of several acts, whole lines at a time, each under its act's name."""

    def __init__(self, notes: Notes, record: Record) -> None:
        self._notes = notes
        self._record = record
        self._lines: dict[str, str] = {}

    def show(self, event: Event) -> None:
        match event:
            case ActDelta(act=act, thinking=thinking) if thinking is not None:
                self._add(act, thinking)
            case ActDelta() | ActFinished() | ActFailed():
                self._end(event.act)
            case RunFailed() | RunInterrupted():
                for act in list(self._lines):
                    self._end(act)

    def _add(self, act: str, text: str) -> None:
        if len(self._record.acts) == 1:
            self._notes.murmur(text)
            self._lines[act] = text[-1:]
            return
        *lines, rest = (self._lines.get(act, "") + text).split("\n")
        for line in lines:
            self._murmur_line(act, line)
        self._lines[act] = rest

    def _end(self, act: str) -> None:
        """End the line that a thought has left open."""
        rest = self._lines.pop(act, None)
        if rest and len(self._record.acts) > 1:
            self._murmur_line(act, rest)
        elif rest and rest != "\n":
            self._notes.murmur("\n")

    def _murmur_line(self, act: str, line: str) -> None:
        if line.strip():
            self._notes.murmur(f"{act} · {line}\n")
