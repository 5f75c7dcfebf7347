"""Events to show to views, without a run."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

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
    PlannedAct,
    RunFailed,
    RunFinished,
    RunInterrupted,
    RunStarted,
)
from boticelli_cli.messages import Media, Usage


class Teller:
    """Makes events of one run, numbered and a second apart."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def _facts(self) -> dict[str, Any]:
        number = next(self._numbers)
        return {"run": "r", "seq": number, "at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)}

    def run(self, *acts: str, output_act: str | None = None) -> RunStarted:
        plan = tuple(PlannedAct(act, "m", ()) for act in acts)
        return RunStarted(**self._facts(), narrative="n", plan=plan, model_default="m", output_act=output_act)

    def started(self, act: str) -> ActStarted:
        return ActStarted(**self._facts(), act=act, model="m", provider="p", attempt=1)

    def said(self, act: str, text: str) -> ActDelta:
        return ActDelta(**self._facts(), act=act, text=text)

    def thought(self, act: str, text: str) -> ActDelta:
        return ActDelta(**self._facts(), act=act, thinking=text)

    def spoke(self, act: str, data: bytes) -> ActDelta:
        return ActDelta(**self._facts(), act=act, media=Media("audio", "audio/wav", data=data))

    def made(self, act: str, data: bytes) -> ActDelta:
        return ActDelta(**self._facts(), act=act, media=Media("image", "image/png", data=data))

    def waits(self, act: str, seconds: float) -> ActWaiting:
        return ActWaiting(**self._facts(), act=act, reason="for the minute's 5 requests to m", seconds=seconds)

    def retries(self, act: str) -> ActRetrying:
        return ActRetrying(**self._facts(), act=act, error=ErrorInfo("provider", "busy"), attempt=2, seconds=4.0)

    def falls_back(self, act: str) -> ActFallback:
        return ActFallback(**self._facts(), act=act, from_="p/m", to="q/n", error=ErrorInfo("provider", "busy"))

    def routed(self, act: str) -> ActRouted:
        why = {"route": "explicit", "reason": "asked for by name"}
        return ActRouted(**self._facts(), act=act, model="m", provider="p", account="main", **why)

    def noticed(self, act: str) -> ActNotice:
        return ActNotice(**self._facts(), act=act, message="p has no words for video; left out")

    def finished(self, act: str, text: str = "") -> ActFinished:
        usage = Usage(input=1, output=2)
        return ActFinished(
            **self._facts(),
            act=act,
            text=text,
            model="m",
            served_model="m",
            usage=usage,
            cost_usd=0.5,
            finish_reason="stop",
            seconds=1.5,
        )

    def failed(self, act: str) -> ActFailed:
        return ActFailed(**self._facts(), act=act, error=ErrorInfo("provider", "no"))

    def skipped(self, act: str, reason: str) -> ActSkipped:
        return ActSkipped(**self._facts(), act=act, reason=reason)

    def over(self, output: str) -> RunFinished:
        return RunFinished(**self._facts(), output=output, usage=Usage(), seconds=3.0)

    def broke(self) -> RunFailed:
        return RunFailed(**self._facts(), error=ErrorInfo("provider", "no", hint="try this"))

    def interrupted(self) -> RunInterrupted:
        return RunInterrupted(**self._facts())
