"""The views that write text."""

import io
import json
from collections.abc import Iterable

import pytest

from boticelli_cli.events import Event
from boticelli_cli.views.format import Format, choose_format
from boticelli_cli.views.make import make_view
from boticelli_cli.views.notes import Notes
from boticelli_cli.views.record import Record
from tests.views.telling import Teller


def shown(name: str, events: Iterable[Event], *, quiet: bool = False, headings: bool = True) -> tuple[str, str]:
    """What a view writes to stdout and to stderr."""
    out, err = io.StringIO(), io.StringIO()
    notes = Notes(err, quiet=quiet)
    view = make_view(Format(name), out, notes, Record(), headings=headings, file=None, to_file=False)
    for event in events:
        view.show(event)
    view.close()
    return out.getvalue(), err.getvalue()


def side_by_side(tell: Teller, end: Event | None = None) -> list[Event]:
    return [
        tell.run("a", "b", output_act="b"),
        tell.started("a"),
        tell.started("b"),
        tell.said("b", "B1 "),
        tell.said("a", "A1 "),
        tell.said("b", "B2"),
        tell.finished("b", "B1 B2"),
        tell.said("a", "A2"),
        tell.finished("a", "A1 A2"),
        end or tell.over("B1 B2"),
    ]


def test_text_writes_the_output_act_as_it_grows_and_ends_the_line() -> None:
    out, err = shown("text", side_by_side(Teller()))
    assert out == "B1 B2\n"
    assert "✓ b · 1.5 s · 2 tokens · $0.5000" in err
    assert "n · 2 acts · 2 tokens in, 4 out · $1.00 · 3.0 s" in err


def test_text_writes_every_delta_at_once() -> None:
    tell = Teller()
    out = io.StringIO()
    view = make_view(Format.text, out, Notes(io.StringIO()), Record(), headings=True, file=None, to_file=False)
    for event in side_by_side(tell)[:4]:
        view.show(event)
    assert out.getvalue() == "B1 "


def test_text_writes_an_output_that_is_no_acts_text_at_the_end() -> None:
    tell = Teller()
    events = [tell.run("a"), tell.started("a"), tell.said("a", "A"), tell.finished("a", "A"), tell.over("made\n")]
    assert shown("text", events)[0] == "made\n"


@pytest.mark.parametrize("text", ["", "x\n", "x\n\n"])
def test_text_adds_nothing_where_nothing_is_missing(text: str) -> None:
    tell = Teller()
    events = [
        tell.run("a", output_act="a"),
        tell.started("a"),
        *([tell.said("a", text)] if text else []),
        tell.over(text),
    ]
    assert shown("text", events)[0] == text


def test_text_tells_what_it_did_not_show_when_a_run_breaks_even_if_quiet() -> None:
    tell = Teller()
    events = [*side_by_side(tell)[:-1], tell.broke()]
    out, err = shown("text", events, quiet=True)
    assert out == "B1 B2\n"
    assert err == "── a ──\nA1 A2\nerror: no\nhint: try this\n"


def test_plain_shows_acts_in_the_narratives_order_each_whole() -> None:
    out, _ = shown("plain", side_by_side(Teller()))
    assert out == "## a\n\nA1 A2\n\n## b\n\nB1 B2\n\n"


def test_plain_shows_an_output_that_is_no_acts_text() -> None:
    tell = Teller()
    events = [tell.run("a"), tell.started("a"), tell.said("a", "A"), tell.finished("a", "A"), tell.over("made")]
    assert shown("plain", events)[0] == "## a\n\nA\n\n## output\n\nmade\n"
    assert shown("plain", events, headings=False)[0] == "A\nmade\n"


def test_plain_shows_what_arrived_before_an_interruption() -> None:
    tell = Teller()
    events = [*side_by_side(tell)[:6], tell.interrupted()]
    out, err = shown("plain", events)
    assert out == "## a\n\nA1 \n\n## b\n\nB1 B2\n\n"
    assert "interrupted: n · 0 of 2 acts" in err


def test_jsonl_writes_a_line_an_event() -> None:
    events = side_by_side(Teller())
    out, err = shown("jsonl", events)
    assert [json.loads(line)["seq"] for line in out.splitlines()] == [event.seq for event in events]
    assert err == ""


def test_json_writes_one_object_however_it_ends() -> None:
    assert json.loads(shown("json", side_by_side(Teller()))[0])["output"] == "B1 B2"
    tell = Teller()
    broken = [*side_by_side(tell)[:6], tell.failed("b"), tell.broke()]
    result = json.loads(shown("json", broken)[0])
    assert result["status"] == "failed"
    assert result["acts"]["b"] == {
        "status": "failed",
        "model": "m",
        "text": "B1 B2",
        "error": {"kind": "provider", "message": "no"},
    }
    tell = Teller()
    stopped = json.loads(shown("json", [*side_by_side(tell)[:6], tell.interrupted()])[0])
    assert (stopped["status"], stopped["acts"]["a"]["status"]) == ("interrupted", "interrupted")


def test_notes_survive_a_reader_that_is_gone() -> None:
    class Gone(io.StringIO):
        tried = 0

        def write(self, text: str) -> int:
            self.tried += 1
            raise BrokenPipeError

    stream = Gone()
    Notes(stream).must_say("words")
    Notes(stream).say("words")
    assert stream.tried == 2


def test_quiet_notes_say_only_what_must_be_said() -> None:
    stream = io.StringIO()
    notes = Notes(stream, quiet=True)
    notes.say("perhaps")
    notes.must_say("certainly")
    assert stream.getvalue() == "certainly\n"


@pytest.mark.parametrize(
    ("asked", "terminal", "dumb", "chosen"),
    [
        ("auto", True, False, "live"),
        ("auto", True, True, "plain"),
        ("auto", False, False, "text"),
        ("live", False, False, "plain"),
        ("live", True, True, "plain"),
        ("text", True, False, "text"),
        ("json", True, False, "json"),
    ],
)
def test_chooses_the_view_by_what_was_asked_and_what_stdout_is(
    asked: str, terminal: bool, dumb: bool, chosen: str
) -> None:
    assert choose_format(Format(asked), terminal=terminal, dumb=dumb) == chosen
