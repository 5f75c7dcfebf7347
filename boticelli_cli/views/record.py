"""The record: what is known of a run so far, gathered from its events. Every view that looks back looks here."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from boticelli_cli.events import (
    ActDelta,
    ActFailed,
    ActFallback,
    ActFinished,
    ActNotice,
    ActRetrying,
    ActRouted,
    ActSkipped,
    ActStarted,
    ActWaiting,
    ErrorInfo,
    Event,
    PlannedAct,
    RunFailed,
    RunFinished,
    RunInterrupted,
    RunStarted,
)
from boticelli_cli.messages import Media, Usage

__all__ = ["ActRecord", "KeptMedia", "Record", "Status"]

Status = Literal["planned", "running", "finished", "failed", "skipped", "interrupted"]


@dataclass(frozen=True, slots=True)
class KeptMedia:
    """A piece of media that an act has made, and where it is: `path` is absolute, `place` the same as people write it.

    One without a path is in no file. `problem` is why it is not where it should be.
    """

    act: str
    media: Media
    path: Path | None = None
    place: str | None = None
    problem: str | None = None


@dataclass(slots=True)
class ActRecord:
    """An act: where it stands, and its text as far as it has come.

    `waiting` is what it waits for now, `notices` what became of it before it was answered; `sound` the last thing that
    it said aloud; `media` what it has made, as far as somebody has kept it.
    """

    planned: PlannedAct
    status: Status = "planned"
    pieces: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    sound: Media | None = None
    media: list[KeptMedia] = field(default_factory=list)
    waiting: ActWaiting | ActRetrying | ActFallback | None = None
    notices: list[ActWaiting | ActRetrying | ActFallback | ActRouted | ActNotice] = field(default_factory=list)
    started: ActStarted | None = None
    finished: ActFinished | None = None
    error: ErrorInfo | None = None
    ended: datetime | None = None
    reason: str | None = None

    @property
    def model(self) -> str:
        """Who answers, as far as it is known: the model of the plan, or the one that is asked in its place."""
        instead = next((each.to for each in reversed(self.notices) if isinstance(each, ActFallback)), None)
        return instead or (self.started.model if self.started is not None else self.planned.model)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def seconds(self) -> float | None:
        """How long it ran, however it ended."""
        if self.finished is not None:
            return self.finished.seconds
        if self.started is None or self.ended is None:
            return None
        return (self.ended - self.started.at).total_seconds()

    @property
    def has_ended(self) -> bool:
        return self.status not in ("planned", "running")


class Record:
    """A run as its events tell it. `acts` by their names, `in_order` in that of the narrative.

    A view that has no need to look back at the answer, as it shows every piece of it for good, sets
    `keeps_output` to False: the pieces of a long answer are much larger than its text.
    """

    def __init__(self) -> None:
        self.keeps_output = True
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
                act = self.acts[event.act]
                act.waiting = None
                if event.text is not None:
                    if self.keeps_output or event.act != self.output_act:
                        act.pieces.append(event.text)
                elif event.thinking is not None:
                    act.thoughts.append(event.thinking)
                elif event.media is not None and event.media.kind == "audio" and event.media.data is not None:
                    act.sound = event.media
            case ActWaiting() | ActRetrying() | ActFallback():
                act = self.acts[event.act]
                act.waiting = event
                act.notices.append(event)
            case ActRouted() | ActNotice():
                self.acts[event.act].notices.append(event)
            case ActFinished():
                act = self.acts[event.act]
                act.finished, act.status = event, "finished"
            case ActFailed():
                act = self.acts[event.act]
                act.error, act.status, act.ended = event.error, "failed", event.at
            case ActSkipped():
                act = self.acts[event.act]
                act.reason, act.status = event.reason, "skipped"
            case RunInterrupted():
                self.end = event
                for act in self.acts.values():
                    if act.status == "running":
                        act.status, act.ended = "interrupted", event.at
            case RunFinished() | RunFailed():
                self.end = event

    def keep(self, kept: KeptMedia) -> None:
        """Note where a piece of media is, before the event that brings it is added."""
        self.acts[kept.act].media.append(kept)

    def kept(self, event: Event) -> KeptMedia | None:
        """The piece of media that an event has brought, if it has brought one and somebody has kept it."""
        if not isinstance(event, ActDelta) or event.media is None:
            return None
        return next((each for each in self.acts[event.act].media[-1:] if each.media is event.media), None)

    @property
    def seconds(self) -> float | None:
        """How long the run took, once it is over."""
        if self.started is None or self.end is None:
            return None
        return (
            self.end.seconds if isinstance(self.end, RunFinished) else (self.end.at - self.started.at).total_seconds()
        )

    @property
    def usage(self) -> Usage:
        """What the finished acts have used."""
        return sum((act.finished.usage for act in self.in_order if act.finished), Usage())

    @property
    def cost_usd(self) -> float | None:
        """What the finished acts have cost, as far as that is known."""
        costs = [act.finished.cost_usd for act in self.in_order if act.finished]
        known = [cost for cost in costs if cost is not None]
        return round(sum(known), 10) if known else None

    @property
    def unpriced(self) -> list[str]:
        """The models of finished acts of which it is not known what they cost."""
        finished = [act.finished for act in self.in_order if act.finished]
        return list(dict.fromkeys(each.served_model for each in finished if each.cost_usd is None))

    def count(self, status: Status) -> int:
        return sum(act.status == status for act in self.acts.values())
