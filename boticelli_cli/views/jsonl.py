"""The views for programs: `jsonl`, a line for every event as it happens, and `json`, one object at the end."""

import json
from typing import Any, TextIO, TypeVar

from boticelli_cli.events import (
    ActFallback,
    ActRouted,
    ErrorInfo,
    Event,
    RunFailed,
    RunFinished,
    RunInterrupted,
    as_json,
)
from boticelli_cli.views.base import Still
from boticelli_cli.views.notes import Notes
from boticelli_cli.views.record import ActRecord, KeptMedia, Record
from boticelli_cli.views.text import tell_end, tell_media

__all__ = ["JsonLinesView", "JsonView", "failure_json"]

Notice = TypeVar("Notice")


class JsonLinesView(Still):
    """Prints every event as one line of JSON."""

    def __init__(self, answer: TextIO, notes: Notes, record: Record) -> None:
        self._answer = answer
        self._notes = notes
        self._record = record

    def show(self, event: Event) -> None:
        self._record.add(event)
        self._answer.write(json.dumps(as_json(event), ensure_ascii=False) + "\n")
        self._answer.flush()
        if kept := self._record.kept(event):
            tell_media(kept, self._notes)
        if isinstance(event, (RunFailed, RunInterrupted)):
            tell_end(event, self._record, self._notes)


class JsonView(Still):
    """Prints one object when the run is over, however it ended."""

    def __init__(self, answer: TextIO, notes: Notes, record: Record) -> None:
        self._answer = answer
        self._notes = notes
        self._record = record

    def show(self, event: Event) -> None:
        self._record.add(event)
        if (kept := self._record.kept(event)) and kept.problem:
            tell_media(kept, self._notes)
        if isinstance(event, (RunFinished, RunFailed, RunInterrupted)):
            self._answer.write(json.dumps(_run_json(self._record), ensure_ascii=False, indent=2) + "\n")
            self._answer.flush()
            if not isinstance(event, RunFinished):
                tell_end(event, self._record, self._notes)


def failure_json(error: ErrorInfo) -> dict[str, Any]:
    """What `--format json` prints for a run that could not start."""
    return {"status": "failed", "error": as_json(error)}


def _run_json(record: Record) -> dict[str, Any]:
    started, end = record.started, record.end
    assert started is not None
    assert end is not None
    data: dict[str, Any] = {"run": started.run, "narrative": started.narrative}
    match end:
        case RunFinished():
            data |= {"status": "finished", "output": end.output}
        case RunFailed():
            data |= {"status": "failed", "error": as_json(end.error)}
        case RunInterrupted():
            data |= {"status": "interrupted"}
    data["acts"] = {name: _act_json(act) for name, act in record.acts.items()}
    data["usage"] = as_json(record.usage)
    if record.cost_usd is not None:
        data["cost_usd"] = record.cost_usd
    if record.unpriced:
        data["unpriced"] = record.unpriced
    data["seconds"] = round((end.at - started.at).total_seconds(), 6)
    return data


def _act_json(act: ActRecord) -> dict[str, Any]:
    data: dict[str, Any] = {"status": act.status, "model": act.planned.model}
    if act.thoughts:
        data["thinking"] = "".join(act.thoughts)
    if act.media:
        data["media"] = [_media_json(each) for each in act.media]
    if (routed := _last(act, ActRouted)) is not None:
        data |= {"provider": routed.provider, "account": routed.account}
    if fallbacks := [each for each in act.notices if isinstance(each, ActFallback)]:
        data["fallbacks"] = [{"from": each.from_, "to": each.to, "error": as_json(each.error)} for each in fallbacks]
    if act.finished is not None:
        finished = as_json(act.finished)
        names = (
            "text",
            "served_model",
            "usage",
            "cost_usd",
            "finish_reason",
            "provider_reason",
            "seconds",
            "first_token_seconds",
        )
        return data | {name: finished[name] for name in names if name in finished}
    if act.pieces:
        data["text"] = act.text
    if act.error is not None:
        data["error"] = as_json(act.error)
    if act.reason is not None:
        data["reason"] = act.reason
    return data


def _last(act: ActRecord, kind: type[Notice]) -> Notice | None:
    return next((each for each in reversed(act.notices) if isinstance(each, kind)), None)


def _media_json(kept: KeptMedia) -> dict[str, Any]:
    """Where a piece of media is. One that is nowhere else is told with all its bytes."""
    media = kept.media
    data: dict[str, Any] = {"mime": media.mime}
    if kept.path is not None:
        data["path"] = str(kept.path)
    elif media.url is not None:
        data["url"] = media.url
    if media.data is not None:
        data["bytes"] = len(media.data)
    if kept.path is None and media.data is not None:
        data["data"] = as_json(media.data)
    if kept.problem is not None:
        data["problem"] = kept.problem
    return data
