"""The live view, on an emulated terminal."""

import dataclasses
import io
import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from boticelli_cli.events import ErrorInfo, Event
from boticelli_cli.messages import Usage
from boticelli_cli.views.gauges import Gauges
from boticelli_cli.views.images import ImageProtocol
from boticelli_cli.views.live import LiveView
from boticelli_cli.views.notes import Notes
from boticelli_cli.views.record import KeptMedia, Record
from tests.emulator import stays_in_reach
from tests.pictures import png
from tests.views.telling import Teller
from tests.views.watching import Watched

NARRATIVES = Path(__file__).parents[2] / "narratives"


def shown(events: list[Event], columns: int = 80, lines: int = 24, **options: object) -> Watched:
    """What has been drawn after each of some events."""
    watched = Watched(columns, lines, **options)
    for event in events:
        watched.view.show(event)
        watched.tick()
    return watched


def side_by_side(tell: Teller, count: int = 3) -> list[Event]:
    names = [f"act{number}" for number in range(count)]
    events: list[Event] = [tell.run(*names, output_act=names[-1])]
    events += [tell.started(name) for name in names]
    return events + [tell.said(name, f"{name} speaks. ") for name in names]


def ended(tell: Teller, events: list[Event]) -> list[Event]:
    names = list(dict.fromkeys(event.act for event in events if hasattr(event, "act")))
    return [*events, *(tell.finished(name) for name in names), tell.over("")]


def test_the_heading_names_whoever_is_asked_instead() -> None:
    tell = Teller()
    events = [tell.run("a", output_act="a"), tell.started("a"), tell.falls_back("a")]
    assert "⤳ asks q/n instead: busy" in shown(events).screen
    screen = shown([*events, tell.said("a", "Words.")]).screen.splitlines()
    assert screen[:2] == ["── a · q/n ──", "Words."]


def test_the_first_act_flows_and_the_others_run_in_panels() -> None:
    screen = shown(side_by_side(Teller())).screen.splitlines()
    assert screen[0] == "── act0 · m ──"
    assert screen[1] == "act0 speaks."
    assert screen[3].startswith("╭─ act1 · m ─")
    assert screen[4].split() == ["│", "act1", "speaks.", "│"]
    assert screen[-1] == "0 of 3 acts done · 3 running"


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (40, 10), (200, 60), (20, 4), (12, 3), (4, 2)])
@pytest.mark.parametrize("count", [1, 3, 30])
def test_the_region_is_always_lower_than_the_screen(columns: int, lines: int, count: int) -> None:
    watched = shown(side_by_side(Teller(), count), columns, lines)
    assert watched.terminal.scrollback == []
    assert len(watched.screen.splitlines()) < lines


def test_many_acts_get_a_line_each_and_the_rest_is_counted() -> None:
    screen = shown(side_by_side(Teller(), 30)).screen
    assert re.search(r"^act1 · \d s  act1 speaks\.$", screen, re.MULTILINE)
    assert re.search(r"^… and \d+ more$", screen, re.MULTILINE)
    assert "╭" not in screen


def test_acts_are_printed_whole_in_the_narratives_order_whoever_ends_first() -> None:
    tell = Teller()
    events = side_by_side(tell)
    watched = shown([*events, tell.finished("act2"), tell.finished("act1")])
    assert "✓ act1, act2: to be read after act0" in watched.screen
    assert "act2 speaks" not in watched.screen
    for event in (tell.finished("act0"), tell.over("")):
        watched.view.show(event)
    watched.look()
    spoken = re.findall(r"^── act\d|^act\d speaks\.|^✓ act\d · 1", watched.everything, re.MULTILINE)
    assert spoken == [each.format(n) for n in range(3) for each in ("── act{}", "act{} speaks.", "✓ act{} · 1")]


def test_an_act_that_has_its_turn_shows_what_it_said_before() -> None:
    tell = Teller()
    watched = shown([*side_by_side(tell, 2), tell.said("act1", "\n\nMore."), tell.finished("act0")])
    lines = watched.screen.splitlines()
    assert lines[lines.index("── act1 · m ──") :][:4] == ["── act1 · m ──", "act1 speaks.", "", "More."]


def test_nothing_but_the_answer_stays_without_headings() -> None:
    tell = Teller()
    events = [
        tell.run("answer", output_act="answer"),
        tell.started("answer"),
        tell.thought("answer", "Hm."),
        tell.said("answer", "One.\n\nTwo."),
        tell.finished("answer", "One."),
        tell.over("One.\n\nTwo."),
    ]
    watched = shown(events[:-2], headings=False)
    assert watched.screen.splitlines()[3].startswith("── m ─")
    for event in events[-2:]:
        watched.view.show(event)
    watched.look()
    assert watched.everything == "One.\n\nTwo."


def test_a_quiet_view_drops_what_is_said_beside_the_acts() -> None:
    tell = Teller()
    everything = shown(ended(tell, side_by_side(tell)), quiet=True).everything
    assert everything.splitlines()[-1] == "act2 speaks."
    assert "✓" not in everything


def test_thoughts_are_folded_to_their_last_line_with_their_length() -> None:
    tell = Teller()
    events = [
        tell.run("a", output_act="a"),
        tell.started("a"),
        tell.thought("a", "First.\nThen "),
        tell.thought("a", "this"),
    ]
    watched = shown(events)
    assert "✻ Then this (16 characters of thought)" in watched.screen
    assert "First" not in watched.screen
    for event in ended(tell, [tell.said("a", "Yes.")]):
        watched.view.show(event)
    watched.look()
    assert watched.everything.splitlines()[:3] == ["── a · m ──", "✻ Then this (16 characters of thought)", "Yes."]


def test_of_a_long_thought_the_end_is_shown() -> None:
    tell = Teller()
    events = [tell.run("a"), tell.started("a"), tell.thought("a", "a very long thought " * 100 + "that ends here")]
    line = shown(events, columns=60).screen.splitlines()[1]
    assert re.fullmatch(r"✻ ….* that ends here \(2,014 characters of thought\)", line)
    assert len(line) == 57


def test_a_wait_is_counted_down() -> None:
    tell = Teller()
    watched = shown([tell.run("a"), tell.started("a"), tell.waits("a", 34.0)])
    assert "waits 34 s for the minute's 5 requests to m" in watched.screen
    watched.now += 10
    watched.tick()
    assert "waits 24 s for the minute's 5 requests to m" in watched.screen


def test_a_retry_is_told_with_its_reason() -> None:
    tell = Teller()
    watched = shown([tell.run("a"), tell.started("a"), tell.retries("a")])
    assert "↻ asks again in 4 s (attempt 2): busy" in watched.screen


def test_tells_time_tokens_speed_and_cost_so_far() -> None:
    tell = Teller()
    costs: Callable[[str, Usage], float] = lambda model, usage: (usage.output or 0) / 1000  # noqa: E731
    gauges = Gauges(tokens=lambda text: float(len(text)), cost_usd=costs)
    watched = shown([tell.run("a"), tell.started("a"), tell.said("a", "x" * 50)], gauges=gauges)
    watched.now += 2
    watched.view.show(tell.said("a", "x" * 50))
    watched.tick()
    *_, edge, progress = watched.screen.splitlines()
    assert edge.endswith("─ 2 s · ~100 tokens · 48 tokens/s · ~$0.100 ──")
    assert progress == "0 of 1 act done · 1 running · ~$0.100"


def test_numbers_change_no_more_than_twice_a_second() -> None:
    tell = Teller()
    watched = shown([tell.run("a"), tell.started("a"), tell.said("a", "word ")])
    edges = []
    for _ in range(20):  # two seconds
        watched.view.show(tell.said("a", "word "))
        watched.tick()
        edges.append(watched.screen.splitlines()[-2])
    assert 3 <= sum(one != other for one, other in itertools.pairwise(edges)) <= 5


def test_writes_nothing_while_nothing_changes() -> None:
    watched = shown(side_by_side(Teller()))
    written = []
    for _ in range(20):  # two seconds, in which but the time changes
        before = watched.file.tell()
        watched.tick()
        written.append(watched.file.tell() - before)
    assert sum(map(bool, written)) <= 4
    assert max(written) < 150


def test_a_failure_is_told_in_a_panel_with_what_was_kept_and_what_to_type_next() -> None:
    tell = Teller()
    events = [*side_by_side(tell, 2), tell.finished("act0"), tell.failed("act1"), tell.broke()]
    text = shown(events, again="boticelli run story.yaml").everything
    assert "╭─ the run failed ─" in text
    assert "│ no " in text
    assert "│ hint: try this " in text
    assert "│ kept: all of act0, above; what had come of act1, above " in text
    assert "│ next: boticelli run story.yaml " in text


def test_what_was_written_before_an_exception_stays() -> None:
    watched = shown(side_by_side(Teller()))
    watched.view.close()
    watched.look()
    assert [line for line in watched.everything.splitlines() if "speaks" in line] == [
        f"act{n} speaks." for n in range(3)
    ]
    assert "╭" not in watched.everything


def test_text_that_would_command_the_terminal_is_shown_instead() -> None:
    tell = Teller()
    watched = shown(
        ended(tell, [tell.run("a\x1b[2J"), tell.started("a\x1b[2J"), tell.said("a\x1b[2J", "\x1b]0;x\x07")])
    )
    assert "── a\\x1b[2J · m ──" in watched.everything
    assert "\\x1b]0;x\\x07" in watched.everything


@pytest.mark.parametrize("headings", [True, False])
def test_media_is_named_with_its_path_and_shown_where_the_terminal_can(headings: bool) -> None:
    tell = Teller()
    made = tell.made("a", png(200, 100))
    assert made.media is not None
    kept = KeptMedia("a", made.media, Path("/tmp/a-1.png"), "/tmp/a-1.png")
    for pictures, sequences in ((None, 0), (ImageProtocol.iterm, 1)):
        watched = shown([tell.run("a", output_act="a"), tell.started("a")], headings=headings, pictures=pictures)
        watched.record.keep(kept)
        for event in (made, tell.said("a", "Here."), tell.finished("a"), tell.over("Here.")):
            watched.view.show(event)
            watched.tick()
        assert watched.file.getvalue().count("\x1b]1337;File=") == sequences
        lines = watched.everything.splitlines()
        assert lines.index("▣ a · image/png, 98 bytes → /tmp/a-1.png") - lines.index("Here.") == (6 if pictures else 1)


def test_counts_the_cost_of_acts_that_are_not_shown() -> None:
    tell = Teller()
    gauges = Gauges(cost_usd=lambda model, usage: 1.0)
    watched = shown(side_by_side(tell, 20), lines=10, gauges=gauges)
    watched.now += 1
    watched.tick()
    assert watched.screen.splitlines()[-1] == "0 of 20 acts done · 20 running · ~$20.00"


def test_what_is_told_in_one_row_stays_in_one_row() -> None:
    tell = Teller()
    events = side_by_side(tell, 3)[:4]
    retries = [
        dataclasses.replace(tell.retries(act), error=ErrorInfo("provider", "a\nb\tc")) for act in ("act0", "act1")
    ]
    watched = shown([*events, *retries], lines=10)
    assert "act1 · 0 s  ↻ asks again in 4 s (attempt 2): a b c" in watched.screen.splitlines()
    assert len(watched.screen.splitlines()) < 10


def test_an_answer_that_is_cut_says_so_also_without_headings() -> None:
    tell = Teller()
    cut = dataclasses.replace(tell.finished("a", "One."), finish_reason="length")
    watched = shown([tell.run("a", output_act="a"), tell.started("a"), tell.said("a", "One."), cut], headings=False)
    assert watched.screen.splitlines() == ["One.", "cut off by max_tokens"]


def test_acts_that_were_not_run_say_why() -> None:
    tell = Teller()
    events = [
        tell.run("a", "b"),
        tell.started("a"),
        tell.failed("a"),
        tell.skipped("b", "act 'a' failed"),
        tell.broke(),
    ]
    assert "── b · m ──\nnot run: act 'a' failed" in shown(events).everything


def test_a_picture_never_fills_the_screen() -> None:
    tell = Teller()
    made = tell.made("a", png(200, 4000))
    assert made.media is not None
    watched = shown([tell.run("a", output_act="a"), tell.started("a")], lines=12, pictures=ImageProtocol.iterm)
    watched.record.keep(KeptMedia("a", made.media, Path("/tmp/a.png"), "/tmp/a.png"))
    for event in (made, tell.finished("a", "x")):
        watched.view.show(event)
        watched.tick()
    assert ";height=10;" in watched.file.getvalue()


def test_draws_whole_again_when_asked_to() -> None:
    watched = shown(side_by_side(Teller()))
    before = watched.screen
    watched.terminal.feed(b"garbage\r\n\x1b[A\x1b[A\r" if watched.terminal.cursor[1] else b"garbage\r")
    watched.view.redraw()
    watched.tick()
    assert watched.screen == before


def test_a_mistake_in_drawing_is_raised_once_and_what_was_said_goes_to_the_notes() -> None:
    tell, err, gauges = Teller(), io.StringIO(), Gauges(cost_usd=lambda model, usage: 1 / 0)
    notes = Notes(err)
    view = LiveView(
        io.StringIO(),
        Console(file=io.StringIO()),
        Record(),
        notes,
        gauges,
        size=lambda: (80, 24),
        now=itertools.count().__next__,
    )
    view.show(tell.run("a", output_act="a"))
    view.show(tell.started("a"))
    with pytest.raises(ZeroDivisionError):
        view.show(tell.said("a", "It was paid for."))
    view.tick()
    view.close()
    assert "It was paid for." in err.getvalue()


# Whatever is said, in whatever pieces, on whatever screen

WORD = st.text(alphabet="abcdefghijklmnop漢字éש🙂", min_size=1, max_size=9)
PARAGRAPHS = st.lists(st.lists(WORD, min_size=1, max_size=30).map(" ".join), min_size=1, max_size=6)
SIZES = st.tuples(st.integers(24, 100), st.integers(6, 40))


def letters(text: str) -> str:
    return "".join(text.split())


@st.composite
def pieces(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.sets(st.integers(1, max(len(text) - 1, 1)), max_size=12)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True) if text[start:end]]


@settings(max_examples=60, deadline=None)
@given(st.data(), PARAGRAPHS, SIZES, st.booleans())
def test_every_word_stands_once_in_the_scrollback_through_any_resizes(
    data: st.DataObject, paragraphs: list[str], size: tuple[int, int], reflow: bool
) -> None:
    text = "\n\n".join(paragraphs)
    tell = Teller()
    watched = Watched(*size, reflow=reflow, headings=False)
    watched.terminal.feed(b"\n" * data.draw(st.integers(0, size[1])))
    watched.view.show(tell.run("a", output_act="a"))
    watched.view.show(tell.started("a"))
    for piece in data.draw(pieces(text)):
        watched.view.show(tell.said("a", piece))
        watched.tick()
        if data.draw(st.booleans()):
            columns, lines = data.draw(SIZES)
            if not reflow:  # it cuts off what does not fit, for good
                columns = max(columns, watched.terminal.columns)
            if stays_in_reach(watched.terminal, columns, lines):
                watched.terminal.resize(columns, lines)
    watched.view.show(tell.finished("a", text))
    watched.view.show(tell.over(text))
    watched.look()
    assert letters(watched.everything) == letters(text)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.lists(PARAGRAPHS, min_size=1, max_size=4), SIZES)
def test_every_act_is_shown_once_and_complete_whatever_runs_beside_it(
    data: st.DataObject, acts: list[list[str]], size: tuple[int, int]
) -> None:
    tell = Teller()
    names = [f"act{number}" for number in range(len(acts))]
    left = {name: data.draw(pieces("\n\n".join(text))) for name, text in zip(names, acts, strict=True)}
    watched = Watched(*size, quiet=True)
    watched.view.show(tell.run(*names, output_act=names[-1]))
    for name in names:
        watched.view.show(tell.started(name))
    while left:
        name = data.draw(st.sampled_from(sorted(left)))
        if not left[name]:
            del left[name]
            watched.view.show(tell.finished(name))
        else:
            watched.view.show(tell.said(name, left[name].pop(0)))
        if data.draw(st.booleans()):
            watched.tick()
    watched.view.show(tell.over(""))
    watched.look()
    expected = "".join(f"──{name}·m──{letters(' '.join(text))}" for name, text in zip(names, acts, strict=True))
    assert letters(watched.everything) == expected
