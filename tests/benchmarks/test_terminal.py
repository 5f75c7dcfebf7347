"""What the live view costs in a terminal, against `plain` in the same run. Prints; fails only on errors.

python -m pytest -m benchmark -s tests/benchmarks/test_terminal.py
"""

import fcntl
import os
import pty
import random
import struct
import sys
import termios
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.emulator import Emulator
from tests.process import environment

pytestmark = pytest.mark.benchmark

COLUMNS, LINES = 80, 20
WORDS = "the lamp storm keeper sea night wind stone door silence light and".split()
ROUNDS = 3


@dataclass(frozen=True)
class Performed:
    """CPU seconds of our process, and all that it wrote to the terminal."""

    seconds: float
    written: bytes


def paragraphs(count: int) -> str:
    chance = random.Random(1)
    return "".join(f"P{number:05} {' '.join(chance.choices(WORDS, k=60))}.\n\n" for number in range(count))


def perform(text: Path, shown_as: str, *, pause: float = 0.0) -> Performed:
    """A recital of a text, word by word, in a terminal of its own."""
    arguments = [text.name, "--stream", "--format", shown_as, "--pause", str(pause)]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(text.parent)
        env = environment({"TERM": "xterm-256color"})
        os.execvpe(sys.executable, [sys.executable, "-m", "tests.recital", *arguments], env)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    written = bytearray()
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        written += data
    os.close(terminal)
    _, status, used = os.wait4(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return Performed(used.ru_utime + used.ru_stime, bytes(written))


def best(text: Path, shown_as: str, **options: float) -> Performed:
    return min((perform(text, shown_as, **options) for _ in range(ROUNDS)), key=lambda each: each.seconds)


def compare(name: str, text: Path, **options: float) -> None:
    plain, live = best(text, "plain", **options), best(text, "live", **options)
    more = live.seconds - plain.seconds
    print(
        f"{name:44} plain {plain.seconds:6.2f} s  live {live.seconds:6.2f} s  {more:+6.2f} s  "
        f"{live.seconds / plain.seconds:5.2f} x  {len(live.written) / 1e6:5.3f} MB written"
    )


def test_long_answers(folder: Path) -> None:
    print()
    for count in (24, 240, 2400):
        text = folder / f"paragraphs{count}"
        text.write_text(paragraphs(count))
        compare(f"{count} paragraphs, as fast as they come", text)
        emulator = Emulator(COLUMNS, LINES)
        emulator.feed(perform(text, "live").written)
        assert "".join(emulator.everything.split()) == "".join(text.read_text().split())


def test_a_long_answer_at_the_pace_of_a_model(folder: Path) -> None:
    print()
    text = folder / "paragraphs240"
    text.write_text(paragraphs(240))
    compare("240 paragraphs, a word a millisecond", text, pause=0.001)
