"""`boticelli doctor`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.inside import boticelli
from tests.fakes.gemini import FakeGemini
from tests.fakes.serving import serving
from tests.process import Terminal

KEY = "AIzaSyRecognizable-0123456789abcdefghijk"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeGemini]:
    with serving(FakeGemini(keys=[KEY])) as fake:
        yield fake


def test_is_content_with_a_fresh_setup() -> None:
    done = boticelli("doctor")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("\nNothing is wrong; 1 to look at.\n")
    assert max(map(len, done.out.splitlines())) <= 100


def test_one_key_that_is_wrong_is_told_among_those_that_are_right(folder: Path, fake: FakeGemini) -> None:
    (folder / "boticelli.yaml").write_text(
        f"""
accounts:
  - {{name: good, provider: gemini, api_key: {KEY}}}
  - {{name: bad, provider: gemini, api_key: AIzaSyNobodys-0123456789}}
"""
    )
    env = {"GOOGLE_GEMINI_BASE_URL": fake.url}
    done = boticelli("doctor", "--online", "--format", "json", env=env)
    found = json.loads(done.out)
    assert (done.code, found["fine"]) == (1, False)
    online = {each["name"]: each for each in found["findings"] if each["section"] == "Online"}
    assert online["gemini/good"]["state"] == "fine"
    assert online["gemini/bad"]["state"] == "wrong"
    assert online["gemini/bad"]["hint"] == "its key came from boticelli.yaml:4; put another one there"
    assert online["clock"]["text"] == "right"
    shown = boticelli("doctor", "-q", env={**env, "BOTICELLI_DOCTOR_ONLINE": "1"})
    assert (shown.code, shown.err) == (1, "")
    assert shown.out.splitlines()[0] == "Online"
    assert shown.out.splitlines()[1].startswith("  ✗ gemini/bad: ")
    assert shown.out.endswith("\n1 thing does not work.\n")
    assert KEY not in done.out + shown.out


def test_a_pipe_gets_the_same_marks() -> None:
    assert "\n  ✓ boticelli: " in boticelli("doctor").out


def test_fits_a_terminal_that_has_ascii_only() -> None:
    terminal = Terminal("doctor", columns=80, lines=60, env={"LC_ALL": "C"})
    assert terminal.finish() == 0
    lines = terminal.everything.splitlines()
    assert lines[0] == "Program"
    assert lines[1].startswith("  ok boticelli: ")
    assert any(line.startswith("  ok size: 80 columns, 60 lines") for line in lines)
    assert terminal.everything.isascii()
