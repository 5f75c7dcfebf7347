"""The record: what is known of a run so far, gathered from its events. Every view that looks back looks here."""

from dataclasses import dataclass, field
from typing import Literal

from boticelli_cli.events import (
    ActDelta,
    ActFailed,
    ActFinished,
    ActSkipped,
    ActStarted,
    ErrorInfo,
    Event,
    PlannedAct,
    RunFailed,
    RunFinished,
    RunInterrupted,
    RunStarted,
)
from boticelli_cli.messages import Usage

__all__ = ["ActRecord", "Record", "Status"]

Status = Literal["planned", "running", "finished", "failed", "skipped", "interrupted"]


@dataclass(slots=True)
class ActRecord:
    """An act: where it stands, and its text as far as it has come."""

    planned: PlannedAct
    status: Status = "planned"
    pieces: list[str] = field(default_factory=list)
    started: ActStarted | None = None
    finished: ActFinished | None = None
    error: ErrorInfo | None = None
    reason: str | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def has_ended(self) -> bool:
        return self.status not in ("planned", "running")


class Record:
    """A run as its events tell it. `acts` by their names, `in_order` in that of the narrative."""

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.acts: dict[str, ActRecord] = {}
        self.in_order: list[ActRecord] = []
        self.end: RunFinished | RunFailed | RunInterrupted | None = None

    @property
    def output_act(self) -> str | None:
        return self.started.output_act if self.started else None

    def add(self, event: Event) -> None:
        match event:
            case RunStarted():
                self.started = event
                self.in_order = [ActRecord(planned) for planned in event.plan]
                self.acts = {act.planned.act: act for act in self.in_order}
            case ActStarted():
                act = self.acts[event.act]
                act.started, act.status = event, "running"
            case ActDelta():
                if event.text is not None:
                    self.acts[event.act].pieces.append(event.text)
            case ActFinished():
                act = self.acts[event.act]
                act.finished, act.status = event, "finished"
            case ActFailed():
                act = self.acts[event.act]
                act.error, act.status = event.error, "failed"
            case ActSkipped():
                act = self.acts[event.act]
                act.reason, act.status = event.reason, "skipped"
            case RunInterrupted():
                self.end = event
                for act in self.acts.values():
                    if act.status == "running":
                        act.status = "interrupted"
            case RunFinished() | RunFailed():
                self.end = event

    @property
    def usage(self) -> Usage:
        """What the finished acts have used."""
        return sum((act.finished.usage for act in self.in_order if act.finished), Usage())

    def count(self, status: Status) -> int:
        return sum(act.status == status for act in self.acts.values())
