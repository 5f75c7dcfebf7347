"""`boticelli new` and `boticelli schema`."""

import json
from pathlib import Path

import pytest

from tests.process import boticelli


@pytest.mark.parametrize(
    "name", ["story", "deep/story", "story.yaml", "story.yml", "a b: c", "007", "yes", "true", "😀x", "a\"b'c", "\x7f"]
)
def test_writes_a_narrative_that_passes_and_runs(folder: Path, name: str) -> None:
    done = boticelli("new", name)
    assert done.code == 0, done.err
    [path] = list(folder.rglob("*.y*ml"))
    assert done.out.startswith("wrote ")
    assert boticelli("check", str(path)).code == 0
    result = json.loads(boticelli("run", str(path), "-m", "rehearsal/fast", "--format", "json").out)
    assert result["narrative"] == path.stem
    assert list(result["acts"]) == ["outline", "draft", "title"]


def test_does_not_overwrite_unless_it_is_told_to(folder: Path) -> None:
    (folder / "story.yaml").write_text("mine")
    done = boticelli("new", "story")
    assert done.code == 2
    assert "is there already; --force replaces it" in done.err
    assert (folder / "story.yaml").read_text() == "mine"
    assert boticelli("new", "story", "--force").code == 0
    assert (folder / "story.yaml").read_text() != "mine"


@pytest.mark.parametrize("name", ["", "/", "..", "/proc/nowhere/x", "x" * 400])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    done = boticelli("new", name)
    assert done.code == 2
    assert "Traceback" not in done.err


def test_schema_is_json_schema() -> None:
    schema = json.loads(boticelli("schema").out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["properties"]) == {"narrative", "variables", "toc", "acts", "output"}
