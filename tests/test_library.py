"""The package as other programs use it."""

import asyncio
from pathlib import Path

import pytest

import boticelli_cli
from boticelli_cli.errors import NarrativeError, UsageError
from boticelli_cli.events import ActFinished, RunFinished, RunInterrupted, RunStarted
from tests.clock import run_virtual
from tests.narrative.writing import write
from tests.scripted import Scripted

STORY = """
    narrative: {name: n}
    variables: {place: Skellig}
    acts: {a: "Go to {{ place }}.", b: Come back.}
"""


def test_runs_a_narrative_as_an_async_iterator_of_events() -> None:
    path = write(STORY)

    async def collect() -> list[boticelli_cli.events.Event]:
        return [event async for event in boticelli_cli.run(path, variables={"place": "Malin"})]

    events = run_virtual(collect())
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunFinished)
    assert "“Go to Malin.”" in next(event.text for event in events if isinstance(event, ActFinished))


def test_takes_a_loaded_narrative_and_a_driver_of_ones_own() -> None:
    narrative = boticelli_cli.load(write(STORY))
    driver = Scripted()

    async def output() -> str:
        async for event in boticelli_cli.run(narrative, driver=driver, model="mine"):
            if isinstance(event, RunFinished):
                return event.output
        return ""

    assert run_virtual(output()) == "<Come back.>"
    assert [request.model for request in driver.requests] == ["mine", "mine"]


def test_can_be_stopped() -> None:
    async def last() -> object:
        stop = asyncio.Event()
        async for event in boticelli_cli.run(write(STORY), model="rehearsal/slow", stop=stop):
            stop.set()
            last_one = event
        return last_one

    assert isinstance(run_virtual(last()), RunInterrupted)


def test_says_what_is_wrong_before_anything_is_sent() -> None:
    driver = Scripted()

    async def first(**options: object) -> None:
        async for _ in boticelli_cli.run(write(STORY), driver=driver, **options):  # type: ignore[arg-type]
            pass

    with pytest.raises(UsageError, match="no variable 'plase'"):
        run_virtual(first(variables={"plase": "x"}))
    with pytest.raises(UsageError, match="at least one act"):
        run_virtual(first(max_parallel=0))
    with pytest.raises(NarrativeError, match=r"bad\.yaml:1:1"):
        boticelli_cli.load(write("words", "bad.yaml"))
    assert driver.requests == []


def test_knows_its_names_and_no_others() -> None:
    assert {"run", "load", "Narrative", "events", "errors"} <= set(dir(boticelli_cli))
    assert boticelli_cli.Narrative.__name__ == "Narrative"
    with pytest.raises(AttributeError, match="nothing"):
        boticelli_cli.nothing  # noqa: B018


def test_files_that_variables_name_are_checked_before_anything_is_sent(folder: Path) -> None:
    path = write(
        """
        narrative: {name: n}
        variables: {picture: , target: }
        acts:
          a: {prompt: Look., input: [{type: image, file: "{{ picture }}"}], save: "{{ target }}"}
          b: {prompt: "{{ 10 // (picture | length) }}", save: "{{ target }}/."}
        """
    )
    driver = Scripted()

    async def look(picture: str, target: str = "out.md") -> None:
        async for _ in boticelli_cli.run(path, variables={"picture": picture, "target": target}, driver=driver):
            pass

    (folder / "sub").mkdir()
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(UsageError) as caught:
        run_virtual(look("nowhere.png", "sub"))
    assert [str(problem) for problem in caught.value.problems] == [
        "act 'a': input part 1: there is no file 'nowhere.png'",
        "act 'a': 'save' cannot write 'sub': this is a folder",
        "act 'b': 'save' cannot write 'sub/.': this is a folder",
        "act 'b': act 'a' saves to 'sub/.' already",
    ]
    with pytest.raises(UsageError, match=r"act 'b': act 'a' saves to 'out\.md/\.' already"):
        run_virtual(look("a.png"))
    with pytest.raises(UsageError, match="act 'b': the template cannot be filled in: integer division"):
        run_virtual(look(""))
    assert driver.requests == []
