"""Running a plan: what is asked, in what order, and what is told of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from boticelli_cli.drivers.base import Dropped, FallingBack, Fitted, Going, Notice, Retrying, Routed, Waiting, notify
from boticelli_cli.errors import ProviderError, QuotaError, StreamError
from boticelli_cli.events import (
    ActFailed,
    ActFinished,
    ActRetrying,
    ActSkipped,
    ActWaiting,
    Event,
    RunFailed,
    RunFinished,
    RunInterrupted,
    as_json,
)
from boticelli_cli.messages import (
    Delta,
    Finish,
    Media,
    MediaDelta,
    Message,
    Request,
    Text,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from boticelli_cli.narrative.saves import with_save_paths
from boticelli_cli.narrative.variables import bind
from boticelli_cli.runs.executor import execute
from boticelli_cli.runs.plan import make_plan
from tests.clock import run_virtual
from tests.narrative.writing import narrative
from tests.scripted import Scripted, prompt_of

Watch = Callable[[Event, asyncio.Event], None]


def perform(story: str, driver: Scripted, *, watch: Watch = lambda event, stop: None, **options: Any) -> list[Event]:
    """Run a narrative to its end, in virtual time. `watch` sees each event, and may stop the run."""

    async def collect() -> list[Event]:
        stop = asyncio.Event()
        told = narrative(story)
        scope = bind(told, {}, {})
        events = []
        run = execute(
            make_plan(with_save_paths(told, scope)),
            driver,
            run_id="r",
            scope=scope,
            provider_of=lambda model: "test",
            stop=stop,
            **options,
        )
        async with aclosing(run):
            async for event in run:
                events.append(event)
                watch(event, stop)
        return events

    return run_virtual(collect())


def types(events: list[Event]) -> list[str]:
    return [f"{event.type} {event.act}" if hasattr(event, "act") else event.type for event in events]


CHAIN = """
    narrative: {name: n, model: m, system: "Be {{ mood }}."}
    variables: {mood: brief}
    acts:
      a: One.
      b: Two.
"""


def test_tells_everything_from_start_to_end_without_gaps() -> None:
    events = perform(CHAIN, Scripted())
    assert types(events) == [
        "run.started",
        "act.started a",
        "act.delta a",
        "act.finished a",
        "act.started b",
        "act.delta b",
        "act.finished b",
        "run.finished",
    ]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert all(event.at.tzinfo is not None for event in events)


def test_the_conversation_is_sent_turn_by_turn() -> None:
    driver = Scripted()
    perform(CHAIN, driver)
    assert driver.requests[1].messages == (
        Message("user", (Text("One."),)),
        Message("assistant", (Text("<One.>"),)),
        Message("user", (Text("Two."),)),
    )
    assert driver.requests[1].system == "Be brief."
    assert driver.requests[1].model == "m"


def test_each_context_sees_what_it_names() -> None:
    driver = Scripted()
    perform(
        """
        narrative: {name: n}
        acts:
          a: One.
          b: {prompt: Two., context: fresh}
          c: {prompt: Three., context: [b, a]}
          d: {prompt: "Four of {{ a }} and {{ previous }}", context: fresh}
        """,
        driver,
    )
    assert driver.request_for("Two").messages == (Message("user", (Text("Two."),)),)
    assert [message.parts[0] for message in driver.request_for("Three").messages] == [
        Text("Two."),
        Text("<Two.>"),
        Text("One."),
        Text("<One.>"),
        Text("Three."),
    ]
    assert driver.request_for("Four").messages == (Message("user", (Text("Four of <One.> and <Three.>"),)),)


def test_settings_reach_the_request() -> None:
    driver = Scripted()
    perform(
        "narrative: {name: n}\nacts: {a: {prompt: One., temperature: 0.2, top_p: 0.9, max_tokens: 9, stop: END}}",
        driver,
    )
    request = driver.requests[0]
    assert (request.temperature, request.top_p, request.max_tokens, request.stop) == (0.2, 0.9, 9, ("END",))


def test_media_are_read_when_the_act_starts_and_stay_in_the_conversation(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    driver = Scripted()
    perform(
        "narrative: {name: n}\nacts: {a: {prompt: Look., input: [{type: image, file: a.png}]}, b: Again.}",
        driver,
    )
    picture = Media("image", "image/png", b"\x89PNG\r\n\x1a\n", None, "a.png")
    assert driver.requests[0].messages[0].parts == (Text("Look."), picture)
    assert driver.requests[1].messages[0].parts == (Text("Look."), picture)


def independent(count: int) -> str:
    return "narrative: {name: n, context: fresh}\nacts:\n" + "".join(f"  a{n}: Do {n}.\n" for n in range(count))


@pytest.mark.parametrize(("bound", "most"), [(1, 1), (3, 3), (100, 10)])
def test_independent_acts_run_side_by_side_up_to_the_bound(bound: int, most: int) -> None:
    driver = Scripted(seconds=1.0)
    events = perform(independent(10), driver, max_parallel=bound)
    assert driver.most_running == most
    assert isinstance(events[-1], RunFinished)
    assert events[-1].seconds == pytest.approx(-(-10 // most))


def test_what_is_ordered_does_not_overlap() -> None:
    driver = Scripted(seconds=1.0)
    events = perform(CHAIN, driver)
    assert driver.most_running == 1
    assert isinstance(events[-1], RunFinished)
    assert events[-1].seconds == pytest.approx(2.0)


def test_a_model_that_does_not_stream_is_asked_for_the_whole() -> None:
    driver = Scripted(streams=False)
    events = perform(CHAIN, driver)
    assert driver.generated == 2
    assert types(events)[1:4] == ["act.started a", "act.delta a", "act.finished a"]


def test_a_model_that_streams_is_streamed_unless_nobody_wants_it() -> None:
    driver = Scripted()
    perform(CHAIN, driver)
    assert driver.generated == 0
    perform(CHAIN, driver, streaming=False)
    assert driver.generated == 2


def test_finished_acts_carry_the_facts() -> None:
    def answer(prompt: str) -> list[Delta | Exception]:
        finish = Finish("length", Usage(input=3, output=2, thinking=1), served_model="m-2")
        return [ThinkingDelta("hm"), TextDelta("wo"), TextDelta("rds"), finish]

    events = perform(CHAIN, Scripted(answer, seconds=4.0))
    finished = [event for event in events if isinstance(event, ActFinished)]
    assert (finished[0].text, finished[0].model, finished[0].served_model) == ("words", "m", "m-2")
    assert (finished[0].finish_reason, finished[0].seconds, finished[0].first_token_seconds) == ("length", 4.0, 1.0)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].usage == Usage(input=6, output=4, thinking=2)


def test_media_that_a_model_makes_are_told_and_become_part_of_its_turn() -> None:
    picture = Media("image", "image/png", b"x")
    driver = Scripted(lambda prompt: [MediaDelta(picture)])
    events = perform(CHAIN, driver)
    assert "act.delta a" in types(events)
    assert driver.requests[1].messages[1] == Message("assistant", (picture,))


def test_an_empty_answer_is_no_turn() -> None:
    driver = Scripted(lambda prompt: [])
    events = perform(CHAIN, driver)
    assert [message.role for message in driver.requests[1].messages] == ["user", "user"]
    assert isinstance(events[-1], RunFinished)
    assert events[-1].output == ""


FAILING = """
    narrative: {name: n, context: fresh}
    acts:
      bad: Fail.
      good: Succeed slowly.
      later: {prompt: "{{ good }}"}
      never: {prompt: "{{ bad }}"}
"""


def fail(prompt: str) -> Any:
    if prompt == "Fail.":
        return [TextDelta("half "), StreamError("it broke", provider="test", hint="try again")]
    return [TextDelta("a "), TextDelta("b "), TextDelta("c")]


def test_a_failing_act_ends_the_run_and_its_siblings_finish() -> None:
    events = perform(FAILING, Scripted(fail, seconds=2.0))
    by_type = {
        kind: [event for event in events if isinstance(event, kind)] for kind in (ActFailed, ActFinished, ActSkipped)
    }
    assert [event.act for event in by_type[ActFailed]] == ["bad"]
    assert [event.act for event in by_type[ActFinished]] == ["good"]
    assert [(event.act, event.reason) for event in by_type[ActSkipped]] == [
        ("later", "act 'bad' failed"),
        ("never", "act 'bad' failed"),
    ]
    end = events[-1]
    assert isinstance(end, RunFailed)
    assert (end.error.kind, end.error.provider, end.error.hint) == ("stream", "test", "try again")
    assert end.error.message == "act 'bad': it broke"
    assert [event.text for event in events if event.type == "act.delta" and event.act == "bad"] == ["half "]


def test_an_error_before_the_first_delta_is_told_with_its_facts() -> None:
    driver = Scripted(lambda prompt: ProviderError("slow down", provider="p", status=429, retry_after=3.5))
    end = perform(CHAIN, driver)[-1]
    assert isinstance(end, RunFailed)
    assert (end.error.status, end.error.retry_after) == (429, 3.5)


def test_a_driver_that_is_broken_fails_its_act_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    end = perform(CHAIN, Scripted(lambda prompt: ZeroDivisionError("oops")))[-1]
    assert isinstance(end, RunFailed)
    assert (end.error.kind, end.error.message) == ("internal", "act 'a': ZeroDivisionError: oops")
    assert capsys.readouterr().err == ""


def test_a_file_that_vanishes_fails_its_act(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    story = "narrative: {name: n}\nacts: {a: One., b: {prompt: Look., input: [{type: image, file: a.png}]}}"

    def remove(event: Event, stop: asyncio.Event) -> None:
        if isinstance(event, ActFinished):
            (folder / "a.png").unlink()

    end = perform(story, Scripted(), watch=remove)[-1]
    assert isinstance(end, RunFailed)
    assert "'a.png' cannot be read" in end.error.message


def test_an_answer_that_a_template_cannot_use_fails_the_act_that_uses_it() -> None:
    end = perform("narrative: {name: n}\nacts: {a: One., b: '{{ a.json.x }}'}", Scripted())[-1]
    assert isinstance(end, RunFailed)
    assert end.error.message.startswith("act 'b': this answer is not JSON")


def test_the_output_can_be_made_of_several_answers() -> None:
    events = perform(f"{CHAIN}\n    output: '{{{{ a }}}} and {{{{ b }}}}'", Scripted())
    assert isinstance(events[-1], RunFinished)
    assert events[-1].output == "<One.> and <Two.>"


def test_an_output_that_cannot_be_made_fails_the_run_after_its_acts() -> None:
    events = perform(f"{CHAIN}\n    output: '{{{{ a.json }}}}'", Scripted())
    assert types(events)[-2:] == ["act.finished b", "run.failed"]


def test_answers_are_saved_as_soon_as_they_are_there(folder: Path) -> None:
    story = """
        narrative: {name: n}
        variables: {place: skellig}
        acts:
          a: {prompt: One., save: "out/{{ place }}.md"}
          b: Fail.
    """
    events = perform(story, Scripted(lambda prompt: ProviderError("no") if prompt == "Fail." else "kept"))
    assert isinstance(events[-1], RunFailed)
    assert (folder / "out" / "skellig.md").read_text() == "kept\n"


def test_an_answer_that_cannot_be_saved_is_told_before_the_run_fails(folder: Path) -> None:
    def get_in_the_way(event: Event, stop: asyncio.Event) -> None:
        (folder / "taken").write_text("a file where a folder should be")

    story = "narrative: {name: n}\nacts: {a: {prompt: One., save: taken/a.md}, b: Two.}"
    events = perform(story, Scripted(seconds=1.0), watch=get_in_the_way)
    assert types(events)[-3:] == ["act.finished a", "act.skipped b", "run.failed"]
    assert isinstance(events[-1], RunFailed)
    assert events[-1].error.kind == "save"


def test_stopping_keeps_what_has_arrived_and_cancels_the_rest() -> None:
    driver = Scripted(lambda prompt: [TextDelta(f"{n} ") for n in range(100)], seconds=100.0)

    def stop_soon(event: Event, stop: asyncio.Event) -> None:
        if event.seq == 10:
            stop.set()

    events = perform(independent(3), driver, watch=stop_soon)
    assert isinstance(events[-1], RunInterrupted)
    assert len(events) < 20
    assert driver.running == 0
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_stopping_waits_for_an_answer_that_is_being_saved(folder: Path) -> None:
    def stop_when_told(event: Event, stop: asyncio.Event) -> None:
        if isinstance(event, ActFinished):
            stop.set()

    story = "narrative: {name: n}\nacts: {a: {prompt: One., save: a.md}, b: Two.}"
    events = perform(story, Scripted(seconds=1.0), watch=stop_when_told)
    assert isinstance(events[-1], RunInterrupted)
    assert (folder / "a.md").read_text() == "<One.>\n"


def test_stopping_before_the_start_asks_nothing() -> None:
    driver = Scripted()
    events = perform(CHAIN, driver, watch=lambda event, stop: stop.set())
    assert isinstance(events[-1], RunInterrupted)
    assert driver.requests == []


def test_leaving_early_cancels_everything_and_waits_for_it() -> None:
    driver = Scripted(lambda prompt: [TextDelta(f"{n} ") for n in range(100)], seconds=100.0)

    async def leave() -> int:
        told = narrative(independent(5))
        run = execute(make_plan(told), driver, run_id="r", scope={}, provider_of=str)
        async with aclosing(run):
            async for event in run:
                if event.seq > 20:
                    break
        return len(asyncio.all_tasks())

    assert run_virtual(leave()) == 1
    assert driver.running == 0


def test_cancelling_the_reader_cancels_the_acts() -> None:
    driver = Scripted(lambda prompt: [TextDelta(f"{n} ") for n in range(100)], seconds=100.0)

    async def read() -> None:
        run = execute(make_plan(narrative(independent(5))), driver, run_id="r", scope={}, provider_of=str)
        async with aclosing(run):
            async for _ in run:
                pass

    async def cancel() -> int:
        reader = asyncio.create_task(read())
        await asyncio.sleep(30)
        reader.cancel()
        await asyncio.wait({reader})
        return len(asyncio.all_tasks())

    assert run_virtual(cancel()) == 1
    assert driver.running == 0


def test_a_slow_reader_slows_the_acts_down() -> None:
    produced = 0

    def answer(prompt: str) -> Any:
        nonlocal produced

        class Counting(list):  # type: ignore[type-arg]
            def __iter__(self) -> Any:
                nonlocal produced
                for index in range(10_000):
                    produced += 1
                    yield TextDelta(str(index))

        return Counting([TextDelta("x")])

    async def read() -> int:
        run = execute(
            make_plan(narrative("narrative: {name: n}\nacts: {a: One.}")),
            Scripted(answer),
            run_id="r",
            scope={},
            provider_of=str,
        )
        async with aclosing(run):
            async for event in run:
                if event.seq == 5:
                    await asyncio.sleep(60)
                    return produced
        return 0

    assert run_virtual(read()) < 120


def test_a_thousand_acts_side_by_side_and_in_a_row_all_finish() -> None:
    driver = Scripted()
    assert isinstance(perform(independent(1000), driver, max_parallel=1000)[-1], RunFinished)
    row = "narrative: {name: n}\nacts:\n  a0: Do 0.\n" + "".join(
        f"  a{n}: {{prompt: Do {n}., context: [a{n - 1}]}}\n" for n in range(1, 1000)
    )
    assert isinstance(perform(row, driver)[-1], RunFinished)
    assert len(driver.requests) == 2000
    assert len(driver.requests[-1].messages) == 3


class Telling(Scripted):
    """A driver that tells notices before it answers, and then takes its time."""

    def __init__(self, *notices: Notice, fails: str = "", seconds: float = 0.0) -> None:
        super().__init__()
        self._notices = notices
        self._fails = fails
        self._wait = seconds

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[AsyncIterator[Delta]]:
        if prompt_of(request) == self._fails:
            await asyncio.sleep(1)
            raise QuotaError("the day is spent")
        for notice in self._notices:
            await notify(notice)
        await asyncio.sleep(self._wait)
        async with super().stream(request) as deltas:
            yield deltas


def test_waits_and_retries_of_an_act_are_told_before_its_first_word() -> None:
    error = ProviderError("busy", status=503)
    events = perform(CHAIN, Telling(Waiting("for a turn", 2.0), Retrying(error, 0.5)))
    assert types(events)[1:5] == ["act.started a", "act.waiting a", "act.retrying a", "act.delta a"]
    waiting, retrying = events[2:4]
    assert isinstance(waiting, ActWaiting)
    assert isinstance(retrying, ActRetrying)
    assert (waiting.reason, waiting.seconds) == ("for a turn", 2.0)
    assert (retrying.error.message, retrying.error.status, retrying.attempt, retrying.seconds) == ("busy", 503, 2, 0.5)


def test_tells_who_is_asked_and_prices_the_answer_of_whoever_gave_it() -> None:
    error = ProviderError("busy", status=503)
    asked = Routed("m", "p", "main", "explicit", "asked for by name")
    driver = Telling(
        asked,
        FallingBack("p/m", "q/n", error),
        replace(asked, model="n", provider="q"),
        Fitted("n", ("told by the plan",)),
        Dropped("q", ("video",)),
    )
    priced: list[str] = []

    def cost(model: str, finish: Finish) -> float:
        priced.append(model)
        return 0.5

    events = perform("narrative: {name: n, model: m}\nacts: {a: Ask.}\n", driver, cost_of=cost)
    assert "told by the plan" not in str(events)
    assert types(events)[1:6] == ["act.started a", "act.routed a", "act.fallback a", "act.routed a", "act.notice a"]
    assert priced == ["q/n"]
    told = as_json(events[3])
    assert (told["from"], told["to"], told["error"]) == (
        "p/m",
        "q/n",
        {"kind": "provider", "message": "busy", "status": 503},
    )
    assert as_json(events[5])["message"] == "q has no words for video; left out"


def test_asks_with_the_fallback_that_an_act_or_else_its_narrative_names() -> None:
    story = """
        narrative: {name: n, model: m, fallback: [x, y]}
        acts: {a: Ask., b: {prompt: Ask., fallback: z}, c: {prompt: Ask., fallback: []}}
    """
    driver = Scripted()
    perform(story, driver)
    assert [request.fallback for request in driver.requests] == [("x", "y"), ("z",), ()]


def test_the_attempts_of_each_act_are_counted() -> None:
    error = ProviderError("busy", status=503)
    events = perform(CHAIN, Telling(Retrying(error, 0.0), Going(), Retrying(error, 2.0), Going()))
    told = [(event.act, event.attempt, event.seconds) for event in events if isinstance(event, ActRetrying)]
    acts = dict.fromkeys(act for act, _, _ in told)
    assert told == [(act, *facts) for act in acts for facts in ((2, 0.0), (3, 2.0))]
    assert len(acts) > 1


def test_an_act_that_waits_for_its_turn_is_withdrawn_when_another_fails() -> None:
    story = """
        narrative: {name: n, model: m, context: fresh}
        acts: {a: Fail., b: Wait.}
    """
    events = perform(story, Telling(Waiting("for a turn", 55.0), fails="Fail.", seconds=55.0))
    assert types(events)[-3:] == ["act.failed a", "act.skipped b", "run.failed"]
    assert isinstance(events[-1], RunFailed)
    assert events[-1].error.kind == "quota"


def test_an_act_whose_wait_is_over_is_not_withdrawn() -> None:
    story = """
        narrative: {name: n, model: m, context: fresh}
        acts: {a: Fail., b: Ask.}
    """
    events = perform(story, Telling(Waiting("for a turn", 60.5), Going(), fails="Fail.", seconds=5.0))
    assert "act.finished b" in types(events)


def test_an_act_that_waits_nobody_knows_how_long_is_withdrawn_too() -> None:
    story = """
        narrative: {name: n, model: m, context: fresh}
        acts: {a: Fail., b: Wait.}
    """
    events = perform(story, Telling(Waiting("for a turn", 0.0), fails="Fail.", seconds=55.0))
    assert types(events)[-3:] == ["act.failed a", "act.skipped b", "run.failed"]


def test_what_acts_cost_is_told_and_added_up() -> None:
    def cost_of(model: str, finish: Finish) -> float | None:
        return 0.25 if model == "m" else None

    story = """
        narrative: {name: n, model: m, context: fresh}
        acts: {a: One., b: Two., c: {prompt: Three., model: other}}
    """
    events = perform(story, Scripted(), cost_of=cost_of)
    costs = {event.act: event.cost_usd for event in events if isinstance(event, ActFinished)}
    assert costs == {"a": 0.25, "b": 0.25, "c": None}
    end = events[-1]
    assert isinstance(end, RunFinished)
    assert (end.cost_usd, end.unpriced) == (0.5, ("other",))


def test_settings_reach_the_driver_as_they_are_written() -> None:
    driver = Scripted()
    story = """
        narrative: {name: n, model: m, timeout: 30, options: {generationConfig: {topK: 1, seed: 2}}}
        acts:
          a: {prompt: One., thinking: high, retries: 0, options: {generationConfig: {topK: 3}, labels: null}}
    """
    perform(story, driver)
    [request] = driver.requests
    assert (request.timeout, request.thinking, request.retries) == (30, "high", 0)
    assert request.options == {"generationConfig": {"topK": 3, "seed": 2}, "labels": None}


def test_later_acts_are_told_the_words_of_an_answer_and_not_its_sound() -> None:
    sound = Media("audio", "audio/wav", data=b"RIFF")
    picture = Media("image", "image/png", data=b"PNG")
    driver = Scripted(lambda prompt: [TextDelta("Hello."), MediaDelta(sound), MediaDelta(picture)])
    perform(CHAIN, driver)
    assert driver.requests[1].messages[1] == Message("assistant", (Text("Hello."), picture))


def test_tells_what_has_arrived_before_it_looks_for_its_price() -> None:
    seen: list[str] = []

    def cost_of(model: str, finish: Finish) -> float:
        assert seen[-1] == "act.delta"
        return 1.0

    events = perform(
        "narrative: {name: n, model: m}\nacts: {a: Say.}\n",
        Scripted(),
        watch=lambda event, stop: seen.append(event.type),
        cost_of=cost_of,
    )
    assert isinstance(events[-1], RunFinished)
    assert events[-1].cost_usd == 1.0


def test_keeps_a_text_of_very_many_pieces_whole() -> None:
    pieces = [f"é{number} \ud83d" for number in range(2500)]
    events = perform(
        "narrative: {name: n, model: m}\nacts: {a: Say.}\n",
        Scripted(lambda prompt: [TextDelta(each) for each in pieces]),
    )
    assert isinstance(events[-1], RunFinished)
    assert events[-1].output == "".join(pieces)
