"""Terminals that do not speak UTF-8, or that somebody else is using."""

import shlex
from pathlib import Path

import pytest

from boticelli_cli.cli.capabilities import in_ascii, speaks_utf8
from tests.cli.jobs import job
from tests.cli.stories import CHAIN, FAILING, write
from tests.process import COMMAND, Terminal, boticelli

ACCENTS = """
narrative: {name: chain, model: rehearsal/fast}
acts:
  outline: Sprich von Möwen…
"""


@pytest.mark.parametrize(
    ("environ", "speaks"),
    [
        ({}, True),
        ({"LANG": ""}, True),
        ({"LANG": "en_US.UTF-8"}, True),
        ({"LANG": "de_DE.utf8@euro"}, True),
        ({"LANG": "de_DE"}, True),
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "C"}, False),
        ({"LANG": "POSIX"}, False),
        ({"LANG": "de_DE.ISO-8859-1"}, False),
        ({"LANG": "de_DE.ISO-8859-15@euro"}, False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, False),
        ({"LANG": "C", "LC_ALL": "en_US.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8", "LC_CTYPE": "C"}, False),
        ({"LANG": "C", "LC_CTYPE": "de_DE.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8", "LC_CTYPE": "de_DE.ISO-8859-1", "LC_ALL": ""}, False),
        ({"LC_CTYPE": "C.UTF-8"}, True),
        ({"LC_CTYPE": "UTF-8"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),
        ({"LANG": "POSIX", "LC_CTYPE": "C.UTF-8"}, False),
        ({"LANG": "de_DE.ISO-8859-1", "LC_CTYPE": "C.UTF-8"}, False),
    ],
)
def test_knows_from_the_locale_whether_a_terminal_speaks_utf_8(environ: dict[str, str], speaks: bool) -> None:
    assert speaks_utf8(environ) is speaks


def test_writes_its_marks_in_ascii_and_leaves_the_words() -> None:
    assert in_ascii("✓ Möwe · 1.5 s") == "ok Möwe - 1.5 s"
    assert in_ascii("── a ──\n… “waits”") == '-- a --\n... "waits"'


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LANG": "de_DE.ISO-8859-1"}, {"LANG": "C"}], ids=str)
def test_is_plain_on_a_terminal_without_utf_8(folder: Path, locale: dict[str, str]) -> None:
    terminal = Terminal("run", write(folder, ACCENTS), env=locale)
    assert terminal.finish() == 0
    assert b"\x1b[?25l" not in terminal.raw
    notes = [line for line in terminal.everything.splitlines() if "outline -" in line]
    assert [line.split()[0] for line in notes] == [">", "ok"]
    assert "## outline" in terminal.everything
    assert "Sprich von Möwen…".encode() in terminal.raw  # the answer is what it is


def test_tells_a_failure_in_ascii_there(folder: Path) -> None:
    terminal = Terminal("run", write(folder, FAILING), env={"LC_ALL": "C"})
    assert terminal.finish() == 1
    assert "failed bad - " in terminal.everything
    assert "✗" not in terminal.everything


@pytest.mark.parametrize("locale", [{}, {"LANG": "en_US.UTF-8"}, {"LC_ALL": "C.UTF-8", "LANG": "C"}], ids=str)
def test_is_live_on_a_terminal_with_utf_8(folder: Path, locale: dict[str, str]) -> None:
    terminal = Terminal("run", write(folder, CHAIN), env=locale)
    assert terminal.finish() == 0
    assert b"\x1b[?25l" in terminal.raw
    assert "✓ edit · " in terminal.everything


def test_a_file_gets_utf_8_whatever_the_locale(folder: Path) -> None:
    assert "✓ edit · " in boticelli("run", write(folder, CHAIN), env={"LC_ALL": "C"}).err


def test_is_plain_in_the_background_of_a_terminal(folder: Path) -> None:
    program = shlex.join([*COMMAND, "run", write(folder, CHAIN)])
    with job("bash", "-mc", f"{program} & wait", columns=80, lines=40) as each:
        assert each.hear() == "ended 0"
        each.until(lambda: "chain · 2 acts" in each.emulator.everything)
        assert "## outline" in each.emulator.everything
        assert each.is_as_before
    with job("bash", "-mc", program, columns=80, lines=40) as each:
        assert each.hear() == "ended 0"
        each.until(lambda: "  2 of 2 " in each.emulator.everything)
        assert "## outline" not in each.emulator.everything


def test_draws_the_graph_in_ascii_there(folder: Path) -> None:
    terminal = Terminal("graph", write(folder, CHAIN), env={"LC_ALL": "C"})
    assert terminal.finish() == 0
    assert terminal.everything.isascii()
    assert terminal.everything.splitlines()[1:3] == [
        "`-- outline - rehearsal/fast",
        "  v edit - rehearsal/fast * answers",
    ]
