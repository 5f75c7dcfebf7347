"""The emulator beside a real tmux: both are fed the same bytes and resized alike, and have to show the same."""

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from boticelli_cli.views.terminal import ERASE_BELOW
from tests.emulator import Emulator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]

WORDS = ["a", "lamp", "the sea at night", "x" * 30, "語", "日本語のテキスト", "é", "", " ", "-" * 77]
MOVES = ["\x1b[A", "\x1b[3A", "\x1b[B", "\x1b[2B", "\r", "\x1b[H"]
SIDEWAYS = ["\x1b[5C", "\x1b[2D", "\x1b[4;7H", "\x1b[1K", "\x1b[1J"]
ERASURES = ["\x1b[J", "\x1b[K", "\x1b[2K", "\x1b[2J"]
BREAKS = ["\r\n"] * 8 + ["\n"]
MODES = [f"\x1b[?7l{'cut' * 30}\x1b[?7h", "\x1b[?7l語語\x1b[?7h", "\x1b[?2026h", "\x1b[?2026l"]


class Tmux:
    """A tmux server of our own, with one session for each terminal."""

    def __init__(self, folder: Path) -> None:
        self._name = f"emulator-{os.getpid()}"
        self._folder = folder
        self._count = 0

    def run(self, *arguments: str) -> str:
        command = ["tmux", "-u", "-f", "/dev/null", "-L", self._name, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout

    def open(self, columns: int, lines: int) -> "Pane":
        self._count += 1
        pipe = self._folder / f"pipe{self._count}"
        os.mkfifo(pipe)
        command = f"stty raw -echo; exec cat '{pipe}'"
        size = ("-x", str(columns), "-y", str(lines))
        self.run("new-session", "-d", "-s", f"s{self._count}", *size, command, ";", "set", "-g", "status", "off")
        self.run("resize-window", "-t", f"s{self._count}", *size)
        return Pane(self, f"s{self._count}", pipe)

    def close(self) -> None:
        with suppress(subprocess.CalledProcessError):  # it ends by itself after its last session
            self.run("kill-server")


class Pane:
    def __init__(self, tmux: Tmux, name: str, pipe: Path) -> None:
        self._tmux = tmux
        self._name = name
        self._pipe = os.open(pipe, os.O_WRONLY)
        self._fed = 0

    def feed(self, data: bytes) -> None:
        """Write to the terminal, and wait until it has taken all: it is told a new title at the end."""
        self._fed += 1
        os.write(self._pipe, data + f"\x1b]2;fed {self._fed}\x07".encode())
        deadline = time.monotonic() + 20
        while self._ask("#{pane_title}") != f"fed {self._fed}":
            assert time.monotonic() < deadline, "tmux did not take what was written"

    def resize(self, columns: int, lines: int) -> None:
        self._tmux.run("resize-window", "-t", self._name, "-x", str(columns), "-y", str(lines))

    def shown(self) -> tuple[list[str], int, tuple[int, int]]:
        """All lines, how many of them are above the screen, and the cursor."""
        text = self._tmux.run("capture-pane", "-p", "-S", "-", "-t", self._name)
        above, x, y = map(int, self._ask("#{history_size} #{cursor_x} #{cursor_y}").split())
        return [line.rstrip() for line in text.split("\n")[:-1]], above, (x, y)

    def close(self) -> None:
        os.close(self._pipe)

    def _ask(self, what: str) -> str:
        return self._tmux.run("display", "-p", "-t", self._name, what).rstrip("\n")


@pytest.fixture(scope="module")
def tmux(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tmux]:
    server = Tmux(tmp_path_factory.mktemp("tmux"))
    keeper = server.open(20, 5)  # a server without sessions ends
    yield server
    keeper.close()
    server.close()


def script(seed: int) -> list[bytes | tuple[int, int]]:
    """What is done to a terminal: texts written to it, and sizes that it gets.

    No wide character loses one of its halves: tmux itself is not sure what is left then.
    """
    chance = random.Random(seed)
    words, moves = (
        ([word for word in WORDS if word.isascii()], MOVES + SIDEWAYS),
        (WORDS, ["\r"]),
        (["語", "日本語のテキスト"], [f"\r{move}" for move in MOVES]),
    )[seed % 3]
    steps: list[bytes | tuple[int, int]] = []
    for _ in range(5):
        parts = chance.choices(
            [words, BREAKS, moves, ERASURES, MODES], weights=[10, 6, 4, 2, 2], k=chance.randint(3, 40)
        )
        steps.append("".join(chance.choice(part) for part in parts).encode())
        steps.append((chance.randint(4, 60), chance.randint(2, 14)))
    return steps


@pytest.mark.parametrize("seed", range(60))
def test_shows_what_tmux_shows(tmux: Tmux, seed: int) -> None:
    pane, emulator = tmux.open(30, 8), Emulator(30, 8)
    try:
        for number, step in enumerate(script(seed)):
            if isinstance(step, bytes):
                pane.feed(step)
                emulator.feed(step)
            else:
                pane.resize(*step)
                emulator.resize(*step)
            lines, above, cursor = pane.shown()
            assert ([*emulator.scrollback, *emulator.rows], len(emulator.scrollback)) == (lines, above), (number, step)
            assert emulator.cursor == cursor, (number, step)
    finally:
        pane.close()


def test_our_way_of_erasing_leaves_nothing_in_the_scrollback(tmux: Tmux) -> None:
    pane = tmux.open(30, 8)
    pane.feed(f"one\r\ntwo\x1b[H{ERASE_BELOW}x".encode())
    lines, above, _ = pane.shown()
    pane.close()
    assert (lines[:2], above) == (["x", ""], 0)
