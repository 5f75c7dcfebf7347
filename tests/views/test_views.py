"""The views that write text."""

import dataclasses
import io
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from boticelli_cli.events import ActDelta, Event
from boticelli_cli.messages import Media
from boticelli_cli.views.format import Format, choose_format
from boticelli_cli.views.make import make_view
from boticelli_cli.views.manner import Manner
from boticelli_cli.views.notes import Notes
from boticelli_cli.views.record import KeptMedia, Record
from boticelli_cli.views.report import media_line
from tests.views.telling import Teller


def shown(
    name: str, events: Iterable[Event], *, quiet: bool = False, verbose: bool = False, headings: bool = True
) -> tuple[str, str]:
    """What a view writes to stdout and to stderr."""
    out, err = io.StringIO(), io.StringIO()
    notes = Notes(err, quiet=quiet, verbose=verbose)
    view = make_view(Format(name), out, notes, Record(), Manner(headings=headings))
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
    assert "✓ b · 1.5 s · 2 tokens · $0.500" in err
    assert "n · 2 acts · 2 tokens in, 4 out · $1.00 · 3.0 s" in err


def fallen_back(tell: Teller) -> list[Event]:
    return [
        tell.run("a", output_act="a"),
        tell.started("a"),
        tell.routed("a"),
        tell.falls_back("a"),
        tell.noticed("a"),
        tell.said("a", "A"),
        tell.finished("a", "A"),
        tell.over("A"),
    ]


@pytest.mark.parametrize("name", ["text", "plain"])
def test_says_who_is_asked_instead_and_only_the_curious_why(name: str) -> None:
    quiet, plain, curious = (
        shown(name, fallen_back(Teller()), **how)[1] for how in ({"quiet": True}, {}, {"verbose": True})
    )
    assert quiet == ""
    assert "⤳ a · p/m: busy · q/n is asked instead\n! a · p has no words for video; left out\n" in plain
    assert "→" not in plain
    assert "→ a · p/m, account 'main' · explicit: asked for by name\n⤳" in curious


def test_json_says_who_answered_and_who_did_not() -> None:
    [act] = json.loads(shown("json", fallen_back(Teller()))[0])["acts"].values()
    assert (act["provider"], act["account"]) == ("p", "main")
    assert act["fallbacks"] == [{"from": "p/m", "to": "q/n", "error": {"kind": "provider", "message": "busy"}}]


def test_text_writes_every_delta_at_once() -> None:
    tell = Teller()
    out = io.StringIO()
    view = make_view(Format.text, out, Notes(io.StringIO()), Record(), Manner(headings=True))
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


def one_act(tell: Teller, *events: Event) -> list[Event]:
    return [tell.run("a", output_act="a"), tell.started("a"), *events, tell.finished("a", "A"), tell.over("A")]


def test_thoughts_go_to_stderr_as_they_come_and_step_back() -> None:
    tell = Teller()
    out, err = io.StringIO(), io.StringIO()
    notes = Notes(err, dim=lambda text: f"<{text}>")
    view = make_view(Format.text, out, notes, Record(), Manner(headings=False))
    for event in one_act(tell, tell.thought("a", "Let me "), tell.thought("a", "see."), tell.said("a", "A")):
        view.show(event)
    assert out.getvalue() == "A\n"
    assert "<Let me ><see.><\n>" in err.getvalue()


def test_thoughts_of_several_acts_are_told_line_by_line_under_their_names() -> None:
    tell = Teller()
    events = [
        tell.run("a", "b", output_act="b"),
        tell.started("a"),
        tell.started("b"),
        tell.thought("a", "one\ntw"),
        tell.thought("b", "other"),
        tell.thought("a", "o"),
        tell.said("a", "A"),
        tell.broke(),
    ]
    _, err = shown("text", events)
    assert [line for line in err.splitlines() if " · " in line][2:] == ["a · one", "a · two", "b · other"]


def test_thoughts_are_not_told_when_quiet_and_are_kept_as_json() -> None:
    tell = Teller()
    events = one_act(tell, tell.thought("a", "Let me see."), tell.said("a", "A"))
    assert shown("text", events, quiet=True) == ("A\n", "")
    assert json.loads(shown("json", events)[0])["acts"]["a"]["thinking"] == "Let me see."


@pytest.mark.parametrize("view", ["text", "plain"])
def test_waits_and_retries_are_told_beside_the_answer(view: str) -> None:
    tell = Teller()
    _, err = shown(view, one_act(tell, tell.waits("a", 34.0), tell.waits("a", 0.0), tell.retries("a")))
    assert "… a · waits 34.0 s for the minute's 5 requests to m" in err
    assert "… a · waits for the minute's 5 requests to m" in err
    assert "↻ a · busy · attempt 2 in 4.0 s" in err


def kept(made: ActDelta, place: str | None, problem: str | None = None) -> KeptMedia:
    assert made.media is not None
    return KeptMedia(made.act, made.media, Path(place) if place else None, place, problem)


def test_an_act_that_spoke_says_so() -> None:
    tell = Teller()
    _, err = shown("text", one_act(tell, tell.said("a", "A"), tell.spoke("a", b"RIFF")))
    assert "✓ a · 1.5 s · 2 tokens · $0.500 · spoken\n" in err


@pytest.mark.parametrize(
    ("size", "words"), [(999, "999 bytes"), (47_900, "48 kB"), (999_499, "999 kB"), (1_250_000, "1.2 MB")]
)
def test_a_piece_of_media_is_told_with_its_size_and_place(size: int, words: str) -> None:
    made = Teller().made("a", bytes(size))
    assert media_line(kept(made, "~/a-1.png")) == f"▣ a · image/png, {words} → ~/a-1.png"
    assert media_line(kept(made, None, "no room")) == f"▣ a · image/png, {words} · no room"
    assert media_line(kept(made, "~/a-1.png", "no room")) == f"▣ a · image/png, {words} → ~/a-1.png · no room"


def test_a_piece_of_media_that_is_elsewhere_is_told_by_its_address() -> None:
    media = Media("video", "video/mp4", url="https://example.com/v")
    assert media_line(KeptMedia("a", media)) == "▣ a · video/mp4 → https://example.com/v"


@pytest.mark.parametrize("view", ["text", "plain", "json", "jsonl"])
def test_a_picture_that_is_not_where_it_should_be_is_told_even_if_quiet(view: str) -> None:
    tell, err, record = Teller(), io.StringIO(), Record()
    notes = Notes(err, quiet=True)
    shower = make_view(Format(view), io.StringIO(), notes, record)
    for event in one_act(tell, tell.made("a", b"one"), tell.made("a", b"two")):
        if isinstance(event, ActDelta):
            record.keep(kept(event, "/a-1.png", "no room" if len(record.acts["a"].media) else None))
        shower.show(event)
    assert err.getvalue() == "▣ a · image/png, 3 bytes → /a-1.png · no room\n"


def test_json_carries_the_bytes_of_what_is_nowhere_else() -> None:
    tell, out, record = Teller(), io.StringIO(), Record()
    view = make_view(Format.json, out, Notes(io.StringIO()), record)
    for event in one_act(tell, tell.made("a", b"one"), tell.made("a", b"two")):
        if isinstance(event, ActDelta):
            record.keep(kept(event, None, "no room") if record.acts["a"].media else kept(event, "/a-1.png"))
        view.show(event)
    assert json.loads(out.getvalue())["acts"]["a"]["media"] == [
        {"mime": "image/png", "path": "/a-1.png", "bytes": 3},
        {"mime": "image/png", "bytes": 3, "data": "dHdv", "problem": "no room"},
    ]


def test_plain_tells_of_a_picture_between_lines_of_the_answer() -> None:
    tell = Teller()
    both = io.StringIO()
    record = Record()
    view = make_view(Format.plain, both, Notes(both), record, Manner(headings=False))
    events = [tell.run("a", output_act="a"), tell.started("a"), tell.said("a", "half a ")]
    made = tell.made("a", b"png")
    for event in (*events, made, tell.said("a", "line\n"), tell.finished("a"), tell.over("half a line\n")):
        if event is made:
            record.keep(kept(made, "~/a-1.png"))
        view.show(event)
    assert "half a line\n▣ a · image/png, 3 bytes → ~/a-1.png\n" in both.getvalue()


def test_models_without_a_price_are_named() -> None:
    tell = Teller()
    finished = dataclasses.replace(tell.finished("a", "A"), cost_usd=None)
    events = [tell.run("a", output_act="a"), tell.started("a"), finished, tell.over("A")]
    _, err = shown("text", events)
    assert "price not known: m" in err
    data = json.loads(shown("json", events)[0])
    assert data["unpriced"] == ["m"]
    assert "cost_usd" not in data
