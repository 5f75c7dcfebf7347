"""The modes of the terminal, as a view finds and leaves them: real processes, a real terminal, a leader like a shell."""

import os
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.jobs import Job, job
from tests.process import environment

OWNER = [sys.executable, "-m", "tests.cli.owner"]
LINUX = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc to look at")


@contextmanager
def owner(ending: str, env: Mapping[str, str] | None = None) -> Iterator[Job]:
    """A program that has taken the terminal."""
    with job(*OWNER, ending, env=env) as each:
        if ending not in ("done", "exception"):
            each.until(lambda: "row 2 of drawing 1" in each.emulator.screen and not each.echoes)
            assert not each.emulator.cursor_is_visible
            if ending == "in mid-frame":
                each.until(lambda: "half" in each.emulator.screen)
        yield each


def is_gone(pid: int) -> bool:
    """Whether a process has ended; its entry may wait for a first process that never looks."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return True
    return fields[:2] == ["Z", "1"]


def in_one_go(_: Job) -> None:
    """It ends by itself."""


def press_ctrl_c(job: Job) -> None:
    job.type(b"\x03")


def press_ctrl_c_twice(job: Job) -> None:
    job.type(b"\x03")
    job.until(lambda: "stubborn" in job.emulator.screen)
    job.type(b"\x03")


def killed_with(number: signal.Signals) -> Callable[[Job], None]:
    return lambda job: job.kill(number)


ENDINGS = [
    pytest.param("done", in_one_go, 0, id="done"),
    pytest.param("exception", in_one_go, 1, id="exception"),
    pytest.param("failed", press_ctrl_c, 3, id="ctrl-c"),
    pytest.param("stubborn", press_ctrl_c_twice, 130, id="ctrl-c twice"),
    pytest.param("failed", killed_with(signal.SIGTERM), 3, id="SIGTERM"),
    pytest.param("failed", killed_with(signal.SIGHUP), 3, id="SIGHUP"),
    pytest.param("unprepared", killed_with(signal.SIGHUP), -1, id="SIGHUP, not handled"),
    pytest.param("failed", killed_with(signal.SIGKILL), -9, id="SIGKILL"),
    pytest.param("in mid-frame", killed_with(signal.SIGKILL), -9, id="SIGKILL in mid-frame"),
    pytest.param("in mid-frame", press_ctrl_c, 3, id="ctrl-c in mid-frame"),
]


@pytest.mark.parametrize(("ending", "end", "code"), ENDINGS)
def test_leaves_the_terminal_as_it_was_found(ending: str, end: Callable[[Job], None], code: int) -> None:
    with owner(ending) as job:
        end(job)
        assert job.hear() == f"ended {code}"
        job.until(lambda: job.is_as_before)
        if ending != "exception":  # which leaves where it happened to be drawing
            job.until(lambda: "row" not in job.emulator.screen)


@LINUX
@pytest.mark.parametrize(("ending", "end", "code"), ENDINGS[2:])
def test_leaves_no_process_behind(ending: str, end: Callable[[Job], None], code: int) -> None:
    with owner(ending) as job:
        watchers = job.others()
        assert len(watchers) == 1
        end(job)
        assert job.hear() == f"ended {code}"
        job.until(lambda: all(is_gone(pid) for pid in watchers) and not job.others())


def test_keys_typed_meanwhile_are_not_seen_but_read_by_the_next() -> None:
    with owner("failed") as job:
        job.type(b"ls -l\n")
        job.until(lambda: input_waits(job.terminal))
        job.kill(signal.SIGTERM)
        assert job.hear() == "ended 3"
        job.until(lambda: job.is_as_before)
        assert "ls" not in job.emulator.everything
        job.order("read")
        assert job.hear() == "ls -l"


def test_ctrl_c_throws_nothing_away_that_the_terminal_has_yet_to_show() -> None:
    with owner("frames") as job:
        os.write(job.terminal, b"." * 8000 + b"the end of a frame")
        job.type(b"\x03")
        job.until(lambda: b"the end of a frame" in job.shown)
        assert job.hear() == "ended 3"


def input_waits(terminal: int) -> bool:
    return bool(select.select([terminal], [], [], 0)[0])


def test_the_echo_stays_off_where_it_was_off() -> None:
    with job("sh", "-c", f"stty -echo; {sys.executable} -m tests.cli.owner done; echo over") as each:
        assert each.hear() == "ended 0"
        each.until(lambda: "over" in each.emulator.screen)
        assert not each.echoes
        assert each.emulator.cursor_is_visible


@LINUX
def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again() -> None:
    with owner("failed") as job:
        job.type(b"\x1a")
        assert job.hear() == "stopped"
        job.until(lambda: job.is_as_before and job.emulator.screen == "")
        assert job.others() == set()
        job.order("fg")
        job.until(lambda: "row 2 of drawing 2" in job.emulator.screen and not job.echoes)
        assert not job.emulator.cursor_is_visible
        job.type(b"\x03")
        assert job.hear() == "ended 3"
        job.until(lambda: job.is_as_before and "ended after 2 drawings" in job.emulator.screen)


def test_ctrl_z_works_as_often_as_one_likes() -> None:
    with owner("failed") as job:
        for number in range(2, 5):
            job.type(b"\x1a")
            assert job.hear() == "stopped"
            job.until(lambda: job.is_as_before)
            job.order("fg")
            job.until(lambda number=number: f"row 2 of drawing {number}" in job.emulator.screen and not job.echoes)


def test_in_the_background_it_leaves_the_terminal_alone() -> None:
    with owner("failed") as job:
        job.type(b"\x1a")
        assert job.hear() == "stopped"
        job.order("bg")
        assert job.hear() == "in the background"
        job.kill(signal.SIGTERM)
        job.until(lambda: "ended after 1 drawings" in job.emulator.screen)
        assert job.is_as_before


@LINUX
def test_a_stop_that_cannot_be_heard_of_leaves_nothing_once_it_goes_on_in_the_background() -> None:
    with owner("failed") as job:
        job.kill(signal.SIGSTOP)
        assert job.hear() == "stopped"
        termios.tcsetattr(job.terminal, termios.TCSANOW, job.before)  # as a shell does
        job.order("bg")
        assert job.hear() == "in the background"
        job.until(lambda: job.others() == set())
        assert termios.tcgetattr(job.terminal) == job.before
        job.order("claim")
        job.kill(signal.SIGTERM)
        assert job.hear() == "ended 3"
        job.until(lambda: job.is_as_before)


def test_takes_the_terminal_again_when_it_is_ours_without_a_signal() -> None:
    with owner("frames") as job:
        job.type(b"\x1a")
        assert job.hear() == "stopped"
        job.order("bg")
        assert job.hear() == "in the background"
        assert job.is_as_before
        job.order("claim")
        job.until(lambda: "row 2 of drawing 2" in job.emulator.screen and not job.echoes)
        job.kill(signal.SIGTERM)
        assert job.hear() == "ended 3"
        job.until(lambda: job.is_as_before)


def test_a_kill_while_it_is_stopped_changes_nothing_for_whoever_has_the_terminal() -> None:
    with owner("failed") as job:
        job.type(b"\x1a")
        assert job.hear() == "stopped"
        job.until(lambda: job.is_as_before)
        job.kill(signal.SIGKILL)
        job.order("fg")
        assert job.hear() == "ended -9"
        assert job.is_as_before


@LINUX
def test_a_killed_one_does_not_touch_how_a_shell_reads_keys() -> None:
    with owner("failed") as job:
        raw = termios.tcgetattr(job.terminal)
        raw[3] &= ~(termios.ICANON | termios.ECHO)
        watchers = job.others()
        job.kill(signal.SIGKILL)
        assert job.hear() == "ended -9"
        termios.tcsetattr(job.terminal, termios.TCSANOW, raw)  # as a shell's line editor does
        job.until(lambda: all(is_gone(pid) for pid in watchers))
        assert termios.tcgetattr(job.terminal)[3] == raw[3]
        job.until(lambda: job.emulator.cursor_is_visible)


@LINUX
def test_a_prompt_that_was_written_first_stays() -> None:
    with owner("failed") as job:
        (watcher,) = job.others()
        os.kill(watcher, signal.SIGSTOP)
        job.kill(signal.SIGKILL)
        assert job.hear() == "ended -9"
        os.write(job.terminal, b"$ ")
        job.until(lambda: job.emulator.screen.startswith("$ w 0"))
        os.kill(watcher, signal.SIGCONT)
        job.until(lambda: is_gone(watcher) and job.emulator.cursor_is_visible)
        assert (job.emulator.screen, job.emulator.cursor) == ("$", (2, 0))


@LINUX
def test_works_without_stty(tmp_path: Path) -> None:
    with owner("failed", env={"PATH": str(tmp_path)}) as job:
        job.kill(signal.SIGKILL)
        assert job.hear() == "ended -9"
        job.until(lambda: job.emulator.cursor_is_visible and job.emulator.wraps)
        job.until(lambda: job.others() == set())
        assert job.emulator.screen == ""


def test_works_where_no_process_can_be_started() -> None:
    limited = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9)); sys.argv = ['owner', 'done']; runpy.run_module('tests.cli.owner', run_name='__main__')"
    with job(sys.executable, "-c", limited) as each:
        assert each.hear() == "ended 0"
        each.until(lambda: each.is_as_before and "ended after 1 drawings" in each.emulator.screen)


def test_a_pipe_beside_the_terminal_ends_with_the_program() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{' '.join(OWNER)} done | cat"],
        capture_output=True,
        text=True,
        check=True,
        env=environment(None),
    )
    assert done.stdout.endswith("ended after 1 drawings\n")
    assert "\x1b[?25" not in done.stdout


@LINUX
def test_what_it_has_inherited_is_not_held_open_by_the_watcher(tmp_path: Path) -> None:
    with job("sh", "-c", f"exec {' '.join(OWNER)} failed 9>{tmp_path}/held") as each:
        each.until(lambda: "row 2 of drawing 1" in each.emulator.screen and not each.echoes)
        (watcher,) = each.others()
        assert sorted(fd.name for fd in Path(f"/proc/{watcher}/fd").iterdir()) == ["0", "1", "2"]
