"""The live view of real processes in real terminals."""

import os
import pty
import random
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.jobs import Job, job
from tests.cli.stories import CHAIN, write
from tests.emulator import stays_in_reach
from tests.process import COMMAND, PATIENCE, Terminal, environment

RECITAL = [sys.executable, "-m", "tests.recital"]


def letters(text: str) -> str:
    return "".join(text.split())


def paragraphs(count: int, seed: int = 0) -> str:
    chance = random.Random(seed)
    words = "the lamp 灯台 storm keeper sea night é wind stone door silence light 🙂 שלום".split()
    return "\n\n".join(f"P{n:03}. {' '.join(chance.choices(words, k=chance.randint(5, 60)))}." for n in range(count))


def recital(*arguments: str, **options: Any) -> Terminal:
    return Terminal(*arguments, command=RECITAL, **options)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.integers(0, 1000), st.integers(30, 100), st.integers(6, 40), st.booleans())
def test_every_word_stands_once_in_the_scrollback_through_any_resizes(
    folder: Path, data: st.DataObject, seed: int, columns: int, lines: int, reflow: bool
) -> None:
    text = paragraphs(12, seed)
    (folder / "answer").write_text(text)
    terminal = recital(
        *("answer", "--stream", "--seed", str(seed), "--pause", "0.002"), columns=columns, lines=lines, reflow=reflow
    )
    for number in (3, 6, 9):
        terminal.read_until(lambda seen, number=number: f"P{number:03}." in seen.everything)
        columns, lines = data.draw(st.tuples(st.integers(30, 100), st.integers(6, 40)))
        if not reflow:  # it cuts off what does not fit, for good
            columns = max(columns, terminal.emulator.columns)
        if stays_in_reach(terminal.emulator, columns, lines):
            terminal.resize(columns, lines)
    assert terminal.finish() == 0
    assert letters(terminal.everything) == letters(text)


def test_a_very_long_answer_stands_once_in_the_scrollback(folder: Path) -> None:
    text = paragraphs(240)
    (folder / "answer").write_text(text)
    terminal = recital("answer", "--stream", columns=80, lines=20)
    assert terminal.finish() == 0
    assert letters(terminal.everything) == letters(text)
    assert len(terminal.raw) < 500_000


def test_acts_side_by_side_are_shown_in_order_each_once_and_whole(folder: Path) -> None:
    names = ["one", "two", "three"]
    texts = {name: paragraphs(6, seed) for seed, name in enumerate(names)}
    for name, text in texts.items():
        (folder / name).write_text(text)
    terminal = recital(*names, "--pause", "0.001", "-q")
    assert terminal.finish() == 0
    expected = "".join(f"──{name}·rehearsal──{letters(text)}" for name, text in texts.items())
    assert letters(terminal.everything) == expected


# However it ends

SHOWN = "P002."


@contextmanager
def held(folder: Path, *options: str) -> Any:
    """A recital that has spoken and does not end, in the terminal of a shell."""
    (folder / "answer").write_text(paragraphs(3))
    with job(*RECITAL, "answer", "--hold", *options, columns=60, lines=16, env={}) as each:
        each.until(lambda: SHOWN in each.emulator.screen and not each.emulator.is_synchronizing)
        yield each


def press_ctrl_c(job: Job) -> None:
    job.type(b"\x03")


def send(number: signal.Signals) -> Callable[[Job], None]:
    return lambda job: job.kill(number)


@pytest.mark.parametrize("options", [[], ["--stream"]], ids=["run", "stream"])
@pytest.mark.parametrize(
    ("end", "code"),
    [(press_ctrl_c, 130), (send(signal.SIGTERM), 130), (send(signal.SIGHUP), 130), (send(signal.SIGKILL), -9)],
    ids=["ctrl-c", "SIGTERM", "SIGHUP", "SIGKILL"],
)
def test_leaves_a_sane_terminal_and_nothing_of_the_region(
    folder: Path, options: list[str], end: Callable[[Job], None], code: int
) -> None:
    with held(folder, *options) as job:
        assert not job.emulator.cursor_is_visible
        assert not job.echoes
        end(job)
        assert job.hear() == f"ended {code}"
        job.until(lambda: job.is_as_before and "tokens/s" not in job.emulator.everything)
        assert "1 running" not in job.emulator.everything


@pytest.mark.parametrize("options", [[], ["--stream"]], ids=["run", "stream"])
def test_ctrl_c_keeps_what_has_come_and_says_so(folder: Path, options: list[str]) -> None:
    with held(folder, *options) as job:
        job.type(b"\x03")
        assert job.hear() == "ended 130"
        job.until(lambda: "interrupted: " in job.emulator.everything)
        shown = letters(job.emulator.everything)
        assert letters(paragraphs(3)) in shown
        assert shown.startswith("P000." if options else "──answer·rehearsal──P000.")
        assert shown.count("──") == (0 if options else 2)


def test_keys_pressed_meanwhile_leave_no_trace(folder: Path) -> None:
    with held(folder) as job:
        job.type(b"who\nis\nthere?")
        job.type(b"\x03")
        assert job.hear() == "ended 130"
        job.until(lambda: job.is_as_before)
        assert "there?" not in job.emulator.everything


def test_ctrl_z_clears_the_region_away_and_fg_draws_it_again(folder: Path) -> None:
    with held(folder) as job:
        job.type(b"\x1a")
        assert job.hear() == "stopped"
        job.until(lambda: job.is_as_before)
        assert "1 running" not in job.emulator.everything
        job.order("fg")
        job.until(lambda: "0 of 1 act done · 1 running" in job.emulator.screen and not job.emulator.is_synchronizing)
        assert letters(paragraphs(3)) in letters(job.emulator.everything)
        job.type(b"\x03")
        assert job.hear() == "ended 130"
        job.until(lambda: job.is_as_before)
        assert letters(job.emulator.everything).count("P001.") == 1


def test_a_terminal_that_goes_away_does_not_take_the_answer_with_it(folder: Path) -> None:
    story = write(folder, CHAIN)
    ours, its = pty.openpty()
    program = shlex.join([*COMMAND, "run", story, "-m", "rehearsal", "-o", "answer.md"])
    environ = environment({"TERM": "xterm-256color"})
    command = ["sh", "-c", f"trap '' HUP; exec {program}"]  # as nohup has it
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environ, start_new_session=True) as process:
        os.close(its)
        seen = b""
        while b"rehearsal" not in seen:
            seen += os.read(ours, 65536)
        os.close(ours)
        assert process.wait(PATIENCE) == 0
    assert (folder / "answer.md").read_text().startswith("This is a rehearsal")


def test_an_exception_of_ours_leaves_a_sane_terminal(folder: Path) -> None:
    (folder / "answer").write_text(paragraphs(3))
    with job(*RECITAL, "answer", "--crash", columns=60, lines=24) as each:
        assert each.hear() == "ended 1"
        each.until(lambda: each.is_as_before and "the run failed" in each.emulator.everything)
        assert letters(paragraphs(3)) in letters(each.emulator.everything)
        assert "KeyError" in each.emulator.everything
        assert "Traceback" not in each.emulator.everything


def test_what_is_logged_meanwhile_comes_after_the_view(folder: Path) -> None:
    (folder / "answer").write_text(paragraphs(3))
    terminal = recital("answer", "--crash", env={"BOTICELLI_DEBUG": "1"}, lines=40)
    assert terminal.finish() == 1
    view, _, log = terminal.everything.partition("DEBUG:boticelli_cli")
    assert letters(paragraphs(3)) in letters(view)
    assert "the run failed" in view
    assert "Traceback" in log
