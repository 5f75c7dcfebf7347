"""The live view in a real terminal emulator that wraps its lines anew, and tells late that it has another size."""

import os
import random
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.test_live import letters, paragraphs
from tests.process import PATIENCE, environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux"),
]


class Tmux:
    """A tmux server of our own, with one window of some size."""

    def __init__(self) -> None:
        self._name = f"boticelli-{os.getpid()}"

    def __call__(self, *command: str) -> str:
        environ = {**environment(None), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        tmux = ["tmux", "-u", "-L", self._name, "-f", os.devnull]
        return subprocess.run([*tmux, *command], capture_output=True, text=True, env=environ, check=False).stdout

    def start(self, command: str, columns: int, lines: int) -> None:
        self("new-session", "-d", "-x", str(columns), "-y", str(lines), command)
        self("set", "-g", "status", "off")

    def everything(self) -> str:
        return self("capture-pane", "-p", "-J", "-S", "-")

    def read_until(self, seen: Callable[[str], bool]) -> str:
        deadline = time.monotonic() + PATIENCE
        while not seen(text := self.everything()):
            assert time.monotonic() < deadline, f"never seen; there is:\n{text}"
        return text


@pytest.fixture
def tmux() -> Iterator[Tmux]:
    server = Tmux()
    yield server
    server("kill-server")


def walk(seed: int, columns: int, lines: int) -> Iterator[tuple[int, int]]:
    """Sizes as they come while somebody drags an edge about."""
    chance = random.Random(seed)
    for _ in range(25):
        columns = max(50, min(100, columns + chance.randint(-3, 3)))
        lines = max(12, min(30, lines + chance.randint(-3, 3)))
        yield columns, lines


SIZES = {
    "lower and higher": [(90, 24 - number % 5) for number in range(25)],
    "much lower and higher": [(90, 10), (90, 24)] * 8,
    "narrower by little": [(90 - number, 24) for number in range(25)],
    "about": list(walk(3, 90, 24)),
}


@pytest.mark.parametrize("sizes", SIZES)
def test_every_word_stands_once_and_nothing_above_is_lost(folder: Path, tmux: Tmux, sizes: str) -> None:
    text = paragraphs(30)
    (folder / "answer").write_text(text)
    recital = shlex.join([sys.executable, "-m", "tests.recital", "answer", "--stream", "--pause", "0.003"])
    tmux.start(f"cd {folder}; seq 20; {recital}; echo THE END; sleep {PATIENCE}", 90, 24)
    tmux.read_until(lambda seen: "P002." in seen)
    for columns, lines in SIZES[sizes]:
        before = tmux.everything()
        tmux("resize-window", "-x", str(columns), "-y", str(lines))
        tmux.read_until(lambda seen, before=before: len(letters(seen)) > len(letters(before)) + 40 or "THE END" in seen)
    seen = tmux.read_until(lambda seen: "THE END" in seen)
    above = "".join(map(str, range(1, 21)))
    assert letters(seen) == f"{above}{letters(text)}THEEND"
