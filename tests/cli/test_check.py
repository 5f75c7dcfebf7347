"""`boticelli check` and its like."""

import json
from pathlib import Path

import pytest

from tests.cli.stories import BROKEN, CHAIN, write
from tests.process import boticelli


@pytest.mark.parametrize("command", ["check", "validate"])
def test_says_ok_of_what_is_right(folder: Path, command: str) -> None:
    done = boticelli(command, write(folder, CHAIN))
    assert (done.code, done.out, done.err) == (0, "story.yaml: ok, 2 acts\n", "")


def test_tells_every_mistake_of_every_file(folder: Path) -> None:
    done = boticelli("check", write(folder, CHAIN, "good.yaml"), write(folder, BROKEN, "bad.yaml"), "nowhere.yaml")
    assert done.code == 2
    assert "good.yaml: ok, 2 acts" in done.out
    assert "bad.yaml:3:3: unknown key 'temprature'; did you mean 'temperature'?" in done.out
    assert "there is no file 'nowhere.yaml'" in done.out


def test_tells_them_in_json(folder: Path) -> None:
    done = boticelli("check", write(folder, CHAIN, "good.yaml"), write(folder, BROKEN, "bad.yaml"), "--format", "json")
    good, bad = json.loads(done.out)["files"]
    assert good == {"file": "good.yaml", "ok": True, "narrative": "chain", "acts": ["outline", "edit"], "problems": []}
    assert (done.code, bad["ok"]) == (2, False)
    assert bad["problems"][0] == {
        "message": "unknown key 'temprature'; did you mean 'temperature'?",
        "file": "bad.yaml",
        "line": 3,
        "column": 3,
        "severity": "error",
    }


def test_reads_stdin() -> None:
    assert boticelli("check", "-", stdin=CHAIN).out == "stdin: ok, 2 acts\n"


def test_needs_no_keys_and_no_drivers(folder: Path) -> None:
    assert boticelli("check", write(folder, CHAIN.replace("rehearsal/fast", "gpt-99"))).code == 0
