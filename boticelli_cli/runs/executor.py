"""The executor: runs a plan against a driver, and tells what happens as a stream of events."""

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from boticelli_cli.drivers.base import (
    Driver,
    Dropped,
    FallingBack,
    Fitted,
    Going,
    Notice,
    Retrying,
    Routed,
    Waiting,
    listening,
)
from boticelli_cli.errors import BoticelliError, SaveError, TemplateError
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
    RunFailed,
    RunFinished,
    RunInterrupted,
    RunStarted,
    describe_error,
)
from boticelli_cli.messages import (
    Finish,
    MediaDelta,
    Message,
    Request,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
)
from boticelli_cli.narrative.media import open_part
from boticelli_cli.narrative.model import TextContent
from boticelli_cli.narrative.saves import save_path
from boticelli_cli.narrative.template import Held
from boticelli_cli.runs.answer import Answer, Answered, write_answer
from boticelli_cli.runs.plan import Plan, PlannedStep, planned_acts
from boticelli_cli.runs.request import request_of
from boticelli_cli.runs.schedule import Schedule

__all__ = ["MAX_PARALLEL", "execute"]

MAX_PARALLEL = 16
"""How many acts run at once unless somebody says otherwise."""

_BACKLOG = 100
"""How many events may wait for a slow reader before the acts wait for it too."""

_OUR_MISTAKE = "this is a bug in boticelli; BOTICELLI_DEBUG=1 shows where it happened; please report it"

_log = logging.getLogger(__name__)


async def execute(
    plan: Plan,
    driver: Driver,
    *,
    run_id: str,
    scope: Mapping[str, Any],
    provider_of: Callable[[str], str],
    cost_of: Callable[[str, Finish], float | None] = lambda model, finish: None,
    expect: Callable[[Request], int] | None = None,
    max_parallel: int = MAX_PARALLEL,
    streaming: bool = True,
    stop: asyncio.Event | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncGenerator[Event, None]:
    """Run a plan: yield its events, from `RunStarted` to one of `RunFinished`, `RunFailed`, `RunInterrupted`.

    `scope` is what templates see beside the acts; `cost_of` says what an answer of a model cost in USD, where
    that is known, and `expect` about how many tokens a request holds. An act that fails ends the run: no further
    act starts, those that still wait for their turn are withdrawn, those that run already may finish. Setting
    `stop` ends it at once: what runs is cancelled, what has arrived has been yielded. Closing the iterator cancels
    everything and waits for it; whoever may leave it early closes it, with `contextlib.aclosing`.

    A reader that is slow slows the acts down: at most 100 events wait for it.
    """
    run = _Run(plan, driver, run_id, scope, provider_of, cost_of, expect, max_parallel, streaming, stop, clock)
    # The acts belong to a TaskGroup inside this one task, rather than around the `yield`: a group there would
    # cancel whatever its reader happens to be doing.
    conductor = asyncio.create_task(run.conduct(), name=f"boticelli run {run_id}")
    try:
        while True:
            event = await run.next_event()
            if event is None:
                break
            yield event
        await conductor
    finally:
        conductor.cancel()
        await asyncio.wait({conductor})


class _Run:
    """One run: which acts are done, which can start, and the events on their way to the reader."""

    def __init__(
        self,
        plan: Plan,
        driver: Driver,
        run_id: str,
        scope: Mapping[str, Any],
        provider_of: Callable[[str], str],
        cost_of: Callable[[str, Finish], float | None],
        expect: Callable[[Request], int] | None,
        max_parallel: int,
        streaming: bool,
        stop: asyncio.Event | None,
        clock: Callable[[], datetime],
    ) -> None:
        self.plan = plan
        self.driver = driver
        self.run_id = run_id
        self.scope = scope
        self.provider_of = provider_of
        self.cost_of = cost_of
        self.expect = expect
        self.max_parallel = max_parallel
        self.streaming = streaming
        self.stop = stop
        self.clock = clock
        self.time = asyncio.get_running_loop().time
        self.answers: dict[str, Answered] = {}
        self.turns: dict[str, tuple[Message, ...]] = {}
        self.usage = Usage()
        self.cost: float | None = None
        self.unpriced: dict[str, None] = {}
        self.failed: tuple[str, ErrorInfo] | None = None
        self.interrupted = False
        self._schedule = Schedule(plan)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._attempts: dict[str, int] = {}
        self._waiting: set[str] = set()
        self._targets: dict[str, str] = {}
        """Who answers an act, where that was told: the provider and its model."""
        self._withdrawn: set[str] = set()
        self._one_ended = asyncio.Event()
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(_BACKLOG)
        self._numbers = itertools.count(1)

    async def next_event(self) -> Event | None:
        event = await self._events.get()
        self._room.release()
        return event

    async def tell(self, kind: Callable[..., Event], **facts: Any) -> None:
        """Put an event on its way. Its number and its place in the queue are taken together, after the wait."""
        await self._room.acquire()
        self._events.put_nowait(kind(run=self.run_id, seq=next(self._numbers), at=self.clock(), **facts))

    # The whole run

    async def conduct(self) -> None:
        try:
            started = self.time()
            narrative = self.plan.narrative
            await self.tell(
                RunStarted,
                narrative=narrative.name,
                plan=planned_acts(self.plan),
                model_default=narrative.model or "",
                output_act=self.plan.output_act,
            )
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(self._watch_for_stop())
                try:
                    await self._start_ready(group)
                    while self._running:
                        await self._one_ended.wait()
                        self._one_ended.clear()
                        await self._start_ready(group)
                finally:
                    watch.cancel()
            await self._close(self.time() - started)
        finally:
            self._events.put_nowait(None)

    async def _watch_for_stop(self) -> None:
        if self.stop is not None:
            await self.stop.wait()
            self.interrupted = True
            for task in self._running.values():
                task.cancel()

    async def _start_ready(self, group: asyncio.TaskGroup) -> None:
        """Start all acts that can be, one at a time: the first are answered while the last are still being asked."""
        while len(self._running) < self.max_parallel and not (self.failed or self.interrupted):
            step = self._schedule.next_ready()
            if step is None:
                return
            name = step.act.name
            self._running[name] = group.create_task(self._perform(step), name=f"act {name}")
            self._running[name].add_done_callback(partial(self._ended, name))
            await asyncio.sleep(0)

    def _ended(self, name: str, _: "asyncio.Task[None]") -> None:
        del self._running[name]
        self._one_ended.set()

    async def _close(self, seconds: float) -> None:
        if self.interrupted:
            await self.tell(RunInterrupted)
        elif self.failed is not None:
            culprit, error = self.failed
            for name in self._schedule.names_of(self._withdrawn.union(self._schedule.never_started())):
                await self.tell(ActSkipped, act=name, reason=f"act '{culprit}' failed")
            await self.tell(RunFailed, error=error)
        else:
            await self._finish(seconds)

    async def _finish(self, seconds: float) -> None:
        try:
            output = self._output()
        except TemplateError as error:
            await self.tell(RunFailed, error=describe_error(TemplateError(f"output: {error.message}")))
        else:
            await self.tell(
                RunFinished,
                output=output,
                usage=self.usage,
                seconds=round(seconds, 6),
                cost_usd=self.cost,
                unpriced=tuple(self.unpriced) or None,
            )

    def _output(self) -> str:
        if self.plan.output_act is not None:
            return self.answers[self.plan.output_act].text
        output = self.plan.narrative.output
        assert output is not None
        return output.render(self._scope(output.acts))

    # One act

    async def _perform(self, step: PlannedStep) -> None:
        name = step.act.name
        try:
            request = await self._request(step)
            answer = await self._ask(step, request)
            await self._settle(step, request, answer)
        except BoticelliError as error:
            await self._fail(name, describe_error(error))
        except Exception as error:
            _log.debug("act '%s' failed unexpectedly", name, exc_info=True)
            await self._fail(name, ErrorInfo("internal", f"{type(error).__name__}: {error}", hint=_OUR_MISTAKE))

    async def _fail(self, name: str, error: ErrorInfo) -> None:
        self._end_with(name, error)
        await self.tell(ActFailed, act=name, error=error)

    def _end_with(self, name: str, error: ErrorInfo) -> None:
        """Have the run end for what happened in an act, unless it ends for something else already."""
        if self.failed is None:
            self.failed = name, replace(error, message=f"act '{name}': {error.message}")
            for other in self._waiting.intersection(self._running) - {name}:
                self._withdraw(other)

    def _withdraw(self, name: str) -> None:
        """Have an act not wait any longer for a run that has failed: it has cost nothing yet."""
        self._withdrawn.add(name)
        self._running[name].cancel()

    async def _request(self, step: PlannedStep) -> Request:
        act, settings = step.act, step.act.settings
        scope = self._scope(act.template_acts, act.previous)
        folder = self.plan.narrative.folder
        if all(isinstance(part.content, TextContent) for part in act.input):
            parts = [open_part(part, folder, scope) for part in act.input]
        else:
            parts = await asyncio.to_thread(lambda: [open_part(part, folder, scope) for part in act.input])
        self.turns[act.name] = (Message("user", tuple(parts)),)
        system = settings.system.render(scope).rstrip("\n") if settings.system is not None else None
        return request_of(settings, (*self._earlier(step), *self.turns[act.name]), system=system)

    def _earlier(self, step: PlannedStep) -> tuple[Message, ...]:
        steps = self.plan.steps[: step.sees_earlier]
        seen = step.sees or [each.act.name for each in steps]
        return tuple(message for name in seen for message in self.turns[name])

    def _scope(self, acts: frozenset[str], previous: str | None = None) -> dict[str, Any]:
        named = {name: self.answers[name].for_templates() for name in acts}
        scope = {**self.scope, **named, "acts": Held(named)}
        if previous in named:
            scope["previous"] = named[previous]
        return scope

    async def _ask(self, step: PlannedStep, request: Request) -> Answer:
        name = step.act.name
        provider = self.provider_of(request.model)
        answer = Answer(self.time)
        expected = self.expect(request) if self.expect is not None else None
        self._attempts[name] = 1
        facts = {"model": request.model, "provider": provider, "attempt": 1, "expected_input": expected}
        await self.tell(ActStarted, act=name, **facts)
        with listening(partial(self._tell_notice, name)):
            if self.streaming and self.driver.supports_streaming(request.model):
                await self._ask_streaming(name, request, answer)
            else:
                await self._ask_whole(name, request, answer)
        return answer

    async def _tell_notice(self, name: str, notice: Notice) -> None:
        match notice:
            case Going():
                self._waiting.discard(name)
                return
            case Routed(model, provider, account, route, reason):
                self._waiting.discard(name)
                self._targets[name] = f"{provider}/{model}"
                facts = {"provider": provider, "account": account, "route": route, "reason": reason}
                await self.tell(ActRouted, act=name, model=model, **facts)
                return
            case FallingBack(origin, target, error):
                self._attempts[name] += 1
                await self.tell(ActFallback, act=name, from_=origin, to=target, error=describe_error(error))
                return
            case Dropped(provider, what):
                message = f"{provider} has no words for {', '.join(what)}; left out"
                await self.tell(ActNotice, act=name, message=message)
                return
            case Fitted():
                return  # the plan's warnings have said it
            case Waiting(reason, seconds):
                await self.tell(ActWaiting, act=name, reason=reason, seconds=round(seconds, 3))
            case Retrying(error, seconds):
                self._attempts[name] += 1
                told = {"error": describe_error(error), "attempt": self._attempts[name], "seconds": round(seconds, 3)}
                await self.tell(ActRetrying, act=name, **told)
        self._waiting.add(name)
        if self.failed is not None:
            self._withdraw(name)

    async def _ask_streaming(self, name: str, request: Request, answer: Answer) -> None:
        async with self.driver.stream(request) as deltas:
            self._waiting.discard(name)
            async for delta in deltas:
                match delta:
                    case TextDelta(text):
                        answer.add_text(text)
                        await self.tell(ActDelta, act=name, text=text)
                    case ThinkingDelta(text):
                        answer.touch()
                        if text:
                            await self.tell(ActDelta, act=name, thinking=text)
                    case MediaDelta(media):
                        answer.add_media(media)
                        await self.tell(ActDelta, act=name, media=media)
                    case ToolCallDelta():
                        answer.touch()  # nobody here runs tools; the act's finish_reason tells
                    case Finish():
                        answer.finish = delta

    async def _ask_whole(self, name: str, request: Request, answer: Answer) -> None:
        response = await self.driver.generate(request)
        answer.finish = response.finish
        if response.thinking:
            await self.tell(ActDelta, act=name, thinking=response.thinking)
        for media in response.media:
            answer.add_media(media)
            await self.tell(ActDelta, act=name, media=media)
        if response.text:
            answer.add_text(response.text)
            await self.tell(ActDelta, act=name, text=response.text)

    async def _settle(self, step: PlannedStep, request: Request, answer: Answer) -> None:
        """Keep an answer for the acts after this one, tell it, and save it where the act says."""
        await asyncio.sleep(0)  # the reader first: to find the first price takes a tenth of a second
        name, finish = step.act.name, answer.finish
        text = answer.take_text()
        target = self._targets.get(name, request.model)
        served = finish.served_model or target
        self.answers[name] = Answered(text, served, finish.usage)
        if spoken := answer.turn(text):
            self.turns[name] += (Message("assistant", spoken),)
        self.usage += finish.usage
        cost = self.cost_of(target, finish)
        if cost is None:
            self.unpriced[served] = None
        else:
            self.cost = round(cost + (self.cost or 0.0), 10)
        await self.tell(
            ActFinished,
            act=name,
            text=text,
            model=request.model,
            served_model=served,
            usage=finish.usage,
            cost_usd=cost,
            finish_reason=finish.reason,
            provider_reason=finish.provider_reason,
            seconds=round(self.time() - answer.started, 6),
            first_token_seconds=answer.first_token_seconds,
        )
        if (path := save_path(self.plan.narrative, step.act)) is not None:
            await self._save(name, path, text)
        self._schedule.done(name)

    async def _save(self, name: str, path: Path, text: str) -> None:
        """Write an answer to its file. One that cannot be written ends the run, but has been told already."""
        try:
            await _to_the_end(asyncio.to_thread(write_answer, path, text))
        except SaveError as error:
            self._end_with(name, describe_error(error))


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Do something that a cancellation waits for: an answer that has been told is saved."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
