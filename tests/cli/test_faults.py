"""Signals and vanishing readers at every moment of a run. Slow: run by .ci/run."""

import json
import random
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.stories import write
from tests.process import Terminal, start

pytestmark = pytest.mark.slow

STORY = """
narrative: {name: faults, model: rehearsal, context: fresh}
acts:
  one: {prompt: Speak of the wind., save: one.md}
  two: {prompt: Speak of the sea., save: two.md, model: rehearsal/fast}
  three: {context: [one, two], prompt: Weigh what was said.}
"""

MOMENTS = [random.Random(number).uniform(0.0, 2.0) for number in range(24)]


def wait(running: subprocess.Popen[bytes], seconds: float) -> None:
    """Let a run go on for a while, or to its end."""
    with suppress(subprocess.TimeoutExpired):
        running.wait(seconds)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_moment_ends_the_run_cleanly(folder: Path, moment: float, number: signal.Signals) -> None:
    running = start("run", write(folder, STORY), "--format", "jsonl")
    wait(running, moment)
    running.send_signal(number)
    out, err = running.communicate(timeout=30)
    assert running.returncode in (130, -number), err
    assert b"Traceback" not in err
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    if running.returncode == 130:
        assert events[-1]["type"] == "run.interrupted"
    told = {event["act"]: event["text"] for event in events if event["type"] == "act.finished"}
    for act in {"one", "two"} & set(told):
        assert (folder / f"{act}.md").read_text() == told[act] + "\n"
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_reader_that_leaves_at_any_moment_ends_the_run_quietly(folder: Path, moment: float) -> None:
    running = start("run", write(folder, STORY), "--format", "plain", "-q")
    wait(running, moment)
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.wait(30) == 0
    assert running.stderr.read() == b""
    running.stderr.close()


@pytest.mark.parametrize("moment", MOMENTS[:12])
@pytest.mark.parametrize("keys", [b"\x03", b"\x03\x03"])
def test_ctrl_c_at_any_moment_leaves_the_terminal_sane(folder: Path, moment: float, keys: bytes) -> None:
    terminal = Terminal("run", write(folder, STORY))
    terminal.read_for(moment)
    terminal.type(keys)
    assert terminal.finish() in (130, -signal.SIGINT)
    assert terminal.cursor_is_visible
    assert "Traceback" not in terminal.everything


def test_two_thousand_acts_reach_a_slow_reader_whole_and_in_order(folder: Path) -> None:
    acts = "".join(f"  a{number}: Speak of the wind.\n" for number in range(2000))
    story = write(folder, f"narrative: {{name: many, model: rehearsal/fast, context: fresh}}\nacts:\n{acts}")
    running = start("run", story, "-j", "500", "--format", "jsonl", "-q")
    assert running.stdout is not None
    events = 0
    for line in running.stdout:
        events += 1
        assert json.loads(line)["seq"] == events
    running.communicate(timeout=30)
    assert running.returncode == 0
    assert events > 2000 * 60
