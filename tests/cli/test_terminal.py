"""The program in a real terminal."""

import re
import signal
from pathlib import Path

import pytest

from tests.cli.stories import CHAIN, FAILING, PARALLEL, write
from tests.process import Terminal

INTRO = "This is a rehearsal; no model was asked."


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (40, 10), (200, 60)])
def test_shows_every_act_once_and_complete_at_any_size(folder: Path, columns: int, lines: int) -> None:
    terminal = Terminal("run", write(folder, PARALLEL), "-m", "rehearsal/fast", columns=columns, lines=lines)
    assert terminal.finish() == 0
    text = " ".join(terminal.everything.split())
    assert text.count(INTRO) == 4
    assert re.findall(r"── (\w+) · rehearsal/fast ──", text) == ["one", "two", "three", "end"]
    assert "4 of 4" in text
    assert "again: boticelli run story.yaml -m rehearsal/fast" in text
    assert "╭" not in terminal.everything
    assert terminal.cursor_is_visible


def test_shows_a_panel_for_each_running_act_while_it_runs(folder: Path) -> None:
    terminal = Terminal("run", write(folder, PARALLEL))
    terminal.read_until(lambda seen: seen.screen.count("╰") == 2 and "wind" in seen.screen)
    assert "0 of 4 acts done · 3 running · 1 waiting" in terminal.screen
    assert all(f"{name} · rehearsal" in terminal.screen for name in ("one", "two", "three"))
    terminal.signal(signal.SIGINT)
    assert terminal.finish() == 130


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (40, 10)])
def test_the_live_region_is_always_shorter_than_the_screen(folder: Path, columns: int, lines: int) -> None:
    acts = "".join(f"  a{number}: Speak of the wind {number}.\n" for number in range(30))
    story = write(folder, f"narrative: {{name: many, model: rehearsal, context: fresh}}\nacts:\n{acts}")
    terminal = Terminal("run", story, "-j", "30", "-m", "rehearsal/slow", columns=columns, lines=lines)
    terminal.read_until(lambda seen: len(seen.raw) > 6_000 and "30 running" in seen.screen)
    assert not any(line.startswith(("a1 ·", "0 of 30", "──────")) for line in terminal.emulator.scrollback)
    terminal.signal(signal.SIGINT)
    assert terminal.finish() == 130


def test_ctrl_c_keeps_what_has_arrived_and_leaves_the_terminal_sane(folder: Path) -> None:
    terminal = Terminal("run", write(folder, CHAIN), "-m", "rehearsal")
    terminal.read_until(lambda seen: "no model" in seen.screen)
    terminal.type(b"\x03")
    assert terminal.finish() == 130
    assert "This is a rehearsal; no model" in terminal.everything
    assert "(interrupted before its end)" in terminal.everything
    assert "interrupted: chain · 0 of 2 acts" in terminal.everything
    assert terminal.cursor_is_visible
    assert "Traceback" not in terminal.everything


def test_a_second_ctrl_c_ends_at_once(folder: Path) -> None:
    # A template that keeps the run from noticing the first: only the second can end it.
    loops = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}{{ a }}"
    acts = f"  a: {{prompt: Say hello., max_tokens: 40}}\n  b: {{prompt: '{loops}', context: fresh}}\n"
    terminal = Terminal("run", write(folder, f"narrative: {{name: n, model: rehearsal}}\nacts:\n{acts}"))
    terminal.read_until(lambda seen: "rehearsal; no" in seen.screen)
    terminal.read_for(2)
    terminal.type(b"\x03")
    terminal.read_for(0.5)
    terminal.type(b"\x03")
    assert terminal.finish() == 130
    assert terminal.cursor_is_visible


def test_a_failed_run_is_told_in_a_panel(folder: Path) -> None:
    terminal = Terminal("run", write(folder, FAILING))
    assert terminal.finish() == 1
    text = " ".join(terminal.everything.split())
    assert "the run failed" in text
    assert "act 'bad': the rehearsal broke off after 5 words" in text
    assert "not run: act 'bad' failed" in text
    assert "✗ bad · the rehearsal broke off after 5 words" in text


def test_stream_shows_the_answer_and_nothing_but_the_answer(folder: Path) -> None:
    terminal = Terminal("stream", "Say hello.", "-m", "rehearsal/fast")
    assert terminal.finish() == 0
    lines = terminal.everything.splitlines()
    assert lines[0].startswith("This is a rehearsal; no model was asked. The prompt reads “Say hello.”.")
    assert "───" not in terminal.everything
    assert "✓" not in terminal.everything


def test_a_dumb_terminal_gets_plain_text(folder: Path) -> None:
    terminal = Terminal("run", write(folder, CHAIN), env={"TERM": "dumb"})
    assert terminal.finish() == 0
    assert b"\x1b" not in terminal.raw
    assert "## outline" in terminal.everything


def test_no_color_is_honoured(folder: Path) -> None:
    coloured = Terminal("run", write(folder, FAILING))
    assert coloured.finish() == 1
    assert re.search(rb"\x1b\[[0-9;]*3[0-7]", coloured.raw)
    terminal = Terminal("run", write(folder, FAILING), env={"NO_COLOR": "1"})
    assert terminal.finish() == 1
    assert not re.search(rb"\x1b\[[0-9;]*3[0-7]", terminal.raw)


def test_text_in_a_terminal_is_the_answer_alone_on_stdout(folder: Path) -> None:
    terminal = Terminal("run", write(folder, CHAIN), "--format", "text", "-q")
    assert terminal.finish() == 0
    assert terminal.everything.startswith("This is a rehearsal")
    assert b"\x1b" not in terminal.raw


def test_a_variable_from_stdin_is_asked_for_when_nothing_is_piped_in(folder: Path) -> None:
    story = write(folder, "narrative: {name: n}\nvariables: {notes: {stdin: true}}\nacts: {a: '{{ notes }}'}")
    terminal = Terminal("run", story)
    assert terminal.finish() == 2
    assert "variable 'notes' has no value" in terminal.everything
    assert "pipe it in" in " ".join(terminal.everything.split())


def test_narrow_and_short_terminals_do_not_break_it(folder: Path) -> None:
    terminal = Terminal("run", write(folder, PARALLEL), "-m", "rehearsal/fast", columns=12, lines=3)
    assert terminal.finish() == 0
    assert "Traceback" not in terminal.everything


def test_output_to_a_file_is_watched_live_all_the_same(folder: Path) -> None:
    terminal = Terminal("run", write(folder, CHAIN), "-o", "answer.md")
    assert terminal.finish() == 0
    assert (folder / "answer.md").read_text().startswith(INTRO)
    assert "answer written to answer.md" in terminal.everything


@pytest.mark.parametrize(
    ("arguments", "code", "shown"),
    [
        (["check", "story.yaml"], 0, "story.yaml: ok, 2 acts"),
        (["check", "nowhere.yaml"], 2, "there is no file 'nowhere.yaml'"),
        (["new", "other"], 0, "wrote other.yaml; try: boticelli run other.yaml"),
        (["schema"], 0, '"$schema": "https://json-schema.org/draft/2020-12/schema"'),
        (["run", "story.yaml", "--dry-run"], 0, "2. edit · rehearsal/fast · waits for outline"),
        (["run", "story.yaml", "--format", "jsonl"], 0, '"type": "run.finished"'),
        (["--version"], 0, "boticelli 0."),
        (["run", "--help"], 0, "Examples:"),
        (["stream"], 2, "there is no prompt"),
    ],
)
def test_every_command_says_on_a_terminal_what_it_says_in_a_pipe(
    folder: Path, arguments: list[str], code: int, shown: str
) -> None:
    write(folder, CHAIN)
    terminal = Terminal(*arguments, columns=200)
    assert terminal.finish() == code
    assert shown in terminal.everything
    assert "Traceback" not in terminal.everything
