"""Standard streams in every state."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.stories import BROKEN, CHAIN, write
from tests.process import COMMAND, boticelli

PROGRAM = " ".join(COMMAND)


def shell(line: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(each for each in sys.path if each)
    return subprocess.run(
        ["bash", "-c", line.replace("boticelli", PROGRAM, 1)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )


@pytest.fixture(autouse=True)
def stories(folder: Path) -> None:
    write(folder, CHAIN)
    write(folder, BROKEN, "broken.yaml")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("boticelli run story.yaml >&-", 0),
        ("boticelli run story.yaml -o answer.md >&-", 0),
        ("boticelli run story.yaml 2>&-", 0),
        ("boticelli run story.yaml <&-", 0),
        ("boticelli run broken.yaml 2>&-", 2),
        ("boticelli check story.yaml >&-", 0),
        ("boticelli schema >&-", 0),
        ("boticelli --help >&-", 0),
        ("boticelli run story.yaml >/dev/full", 1),
        ("boticelli run story.yaml --format jsonl >/dev/full", 1),
        ("boticelli check story.yaml >/dev/full", 1),
        ("boticelli --version >/dev/full", 1),
        ("boticelli run story.yaml 2>/dev/full", 0),
        ("boticelli run broken.yaml 2>/dev/full", 2),
    ],
)
def test_streams_that_are_closed_or_full_are_no_reason_for_a_traceback(line: str, code: int) -> None:
    done = shell(line)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "Exception ignored" not in done.stderr
    if ">/dev/full" in line and "2>" not in line:
        assert "error: the output cannot be written: No space left on device" in done.stderr
    if "2>&-" in line:
        assert "error" not in done.stdout


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("boticelli check broken.yaml | true", 2),
        ("boticelli check story.yaml | true", 0),
        ("boticelli run broken.yaml --format json | true", 2),
        ("boticelli run broken.yaml 2>&1 >/dev/null | true", 2),
        ("boticelli run story.yaml --format jsonl | head -1 >/dev/null", 0),
        ("boticelli schema | head -1 >/dev/null", 0),
    ],
)
def test_a_reader_that_leaves_does_not_change_how_a_command_ends(line: str, code: int) -> None:
    done = shell(f"set -o pipefail; {line}")
    assert (done.returncode, done.stderr) == (code, "")


def test_what_would_command_a_terminal_is_shown_instead(folder: Path) -> None:
    write(folder, '"\\e]0;title\\a": 1\nnarrative: {name: n}\nacts: {a: hi}\n', "odd.yaml")
    done = boticelli("run", "odd.yaml")
    assert "\x1b" not in done.err
    assert "unknown key '\\x1b]0;title\\x07'" in done.err
    assert "\x1b" not in boticelli("check", "odd.yaml").out


def test_a_pipe_gets_the_answer_as_it_is_and_a_terminal_what_can_be_shown(folder: Path) -> None:
    arguments = ["run", "story.yaml", "--only", "outline", "-q", "--format", "text", "--var", "place=\x1b[31mred"]
    assert "\x1b[31mred" in boticelli(*arguments).out
    leader, follower = pty.openpty()
    subprocess.run([*COMMAND, *arguments], stdout=follower, stdin=subprocess.DEVNULL, check=True, timeout=30)
    os.close(follower)
    shown = os.read(leader, 100_000)
    os.close(leader)
    assert b"\x1b" not in shown
    assert b"\\x1b[31mred" in shown


def test_a_deleted_folder_is_no_reason_for_a_traceback(folder: Path) -> None:
    done = shell(f"mkdir gone; cd gone; rmdir ../gone; boticelli check {folder}/story.yaml")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["dangling", "folder", "fifo"])
def test_a_configuration_that_cannot_be_read_is_told(folder: Path, kind: str) -> None:
    match kind:
        case "dangling":
            (folder / "boticelli.yaml").symlink_to("nowhere")
        case "folder":
            (folder / "boticelli.yaml").mkdir()
        case "fifo":
            os.mkfifo(folder / "boticelli.yaml")
    done = boticelli("run", "story.yaml")
    assert done.code == 2
    assert "boticelli.yaml: this is no file that could be read" in done.err


@pytest.mark.parametrize("number", ["HUP", "INT"])
def test_a_signal_that_was_ignored_from_the_start_stays_ignored(folder: Path, number: str) -> None:
    write(folder, CHAIN.replace("rehearsal/fast", "rehearsal"), "slow.yaml")
    command = f"trap '' {number}; boticelli run slow.yaml -q --only outline & pid=$!; read -t 1.5 <> <(:); kill -{number} $pid; wait $pid"
    done = shell(command)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("This is a rehearsal")


def test_errors_go_to_a_stderr_that_is_no_terminal_also_from_the_live_view(folder: Path) -> None:
    leader, follower = pty.openpty()
    command = [*COMMAND, "run", "story.yaml", "-m", "rehearsal/fail-after-3"]
    done = subprocess.run(
        command,
        stdout=follower,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=30,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(follower)
    os.close(leader)
    assert done.returncode == 1
    assert b"error: act 'outline': the rehearsal broke off after 3 words" in done.stderr


def test_the_live_view_shows_what_would_command_the_terminal(folder: Path) -> None:
    leader, follower = pty.openpty()
    command = [*COMMAND, "run", "story.yaml", "--only", "outline", "--var", "place=\x1b]0;title\x07\x9b31m"]
    subprocess.run(
        command, stdout=follower, stdin=subprocess.DEVNULL, check=True, timeout=30, env={**os.environ, "TERM": "xterm"}
    )
    os.close(follower)
    shown = os.read(leader, 100_000).decode()
    os.close(leader)
    assert "\x1b]0" not in shown
    assert "\x9b" not in shown
