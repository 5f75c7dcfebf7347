"""The summary at the end of a run."""

import dataclasses
import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from boticelli_cli.events import ActFinished, Event, PlannedAct
from boticelli_cli.messages import Usage
from boticelli_cli.views.layout import Layout
from boticelli_cli.views.record import Record
from boticelli_cli.views.rows import plain
from boticelli_cli.views.summary import summary
from tests.views.telling import Teller


def lines(events: list[Event], columns: int = 80, **options: object) -> list[str]:
    record = Record()
    for event in events:
        record.add(event)
    layout = Layout(Console(file=io.StringIO(), width=columns), columns, 24)
    return [plain(row) for row in summary(record, layout, **options)]


def finished(tell: Teller, act: str, **facts: object) -> ActFinished:
    return dataclasses.replace(tell.finished(act, "Text."), **facts)


def two_acts(tell: Teller) -> list[Event]:
    cached = Usage(input=1200, output=20, cached_input=1000)
    return [
        tell.run("draft", "edit", output_act="edit"),
        tell.started("draft"),
        finished(tell, "draft", usage=cached, first_token_seconds=0.25, served_model="gemini-3.8-flash"),
        tell.started("edit"),
        finished(tell, "edit", usage=Usage(input=10, output=5), cost_usd=0.25),
        tell.over("Text."),
    ]


def test_has_a_row_an_act_and_what_they_come_to() -> None:
    assert lines(two_acts(Teller())) == [
        "act       model                in  out  cached   time  first    cost",
        "✓ draft   gemini-3.8-flash  1,200   20   1,000  1.5 s  0.2 s  $0.500",
        "✓ edit    m                    10    5          1.5 s         $0.250",
        "  2 of 2                    1,210   25   1,000  3.0 s         $0.750",
    ]


def test_says_who_did_not_answer_and_with_verbose_who_was_asked_why() -> None:
    tell = Teller()
    events = [tell.run("a"), tell.started("a"), tell.routed("a"), tell.falls_back("a"), tell.noticed("a")]
    events += [tell.finished("a", "A"), tell.over("A")]
    told = ["⤳ a · p/m: busy · q/n is asked instead", "! a · p has no words for video; left out"]
    assert lines(events)[2:] == told
    assert lines(events, verbose=True)[2:] == ["→ a · p/m, account 'main' · explicit: asked for by name", *told]


@pytest.mark.parametrize("columns", range(1, 100, 3))
def test_fits_any_screen(columns: int) -> None:
    assert all(
        cell_len(line) <= columns for line in lines(two_acts(Teller()), columns, again="boticelli run story.yaml")
    )


def test_a_narrow_screen_has_fewer_columns() -> None:
    assert lines(two_acts(Teller()), 40)[0].split() == ["act", "in", "out", "time", "cost"]
    assert lines(two_acts(Teller()), 26)[0].split() == ["act", "time", "cost"]


def test_leaves_out_what_no_act_has() -> None:
    tell = Teller()
    events = [tell.run("a"), finished(tell, "a", cost_usd=0.0), tell.over("")]
    assert lines(events)[0].split() == ["act", "model", "in", "out", "time"]
    assert len(lines(events)) == 2


def test_names_the_models_whose_price_is_not_known() -> None:
    tell = Teller()
    told = lines(
        [tell.run("a", "b"), finished(tell, "a", cost_usd=None, served_model="x"), tell.finished("b"), tell.over("")]
    )
    assert told[1].endswith(" ?")
    assert told[-1] == "price not known: x"


def test_says_how_acts_ended_that_have_not_finished() -> None:
    tell = Teller()
    events = [tell.run("a", "b", "c"), tell.finished("a"), tell.started("b"), tell.failed("b"), tell.broke()]
    assert [line[0] for line in lines(events)[1:4]] == ["✓", "✗", "-"]


def test_says_where_answers_were_saved_and_how_to_run_it_again() -> None:
    tell = Teller()
    started = dataclasses.replace(tell.run("a"), plan=(PlannedAct("a", "m", (), "out/a.md"),))
    told = lines([started, tell.finished("a"), tell.over("")], again="boticelli run x.yaml")
    assert told[-2:] == ["saved: a → out/a.md", "again: boticelli run x.yaml"]
    assert not any(line.startswith("saved") for line in lines([started, tell.failed("a"), tell.broke()]))


def test_verbose_tells_what_acts_waited_for_and_when_they_were_asked_again() -> None:
    tell = Teller()
    events = [
        tell.run("a"),
        tell.started("a"),
        tell.waits("a", 3.0),
        tell.retries("a"),
        tell.finished("a"),
        tell.over(""),
    ]
    assert lines(events)[2:] == []
    assert lines(events, verbose=True)[2:] == [
        "… a · waits 3.0 s for the minute's 5 requests to m",
        "↻ a · busy · attempt 2 in 4.0 s",
    ]
