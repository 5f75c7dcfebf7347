"""Narratives, variables and arguments gone wrong in every way: a clear error, never anything else."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from boticelli_cli import app
from boticelli_cli.cli.main import app as commands
from boticelli_cli.errors import InputError
from boticelli_cli.events import RunFailed, RunFinished
from boticelli_cli.narrative.load import Loaded, parse
from tests.clock import run_virtual

STORY: dict[str, Any] = {
    "narrative": {
        "name": "n",
        "description": "d",
        "model": "rehearsal/fast",
        "system": "Be {{ mood }}.",
        "temperature": 0.5,
    },
    "variables": {
        "mood": {"default": "calm", "description": "how"},
        "count": 3,
        "loud": {"type": "boolean", "default": True},
    },
    "toc": ["a", "b", "c"],
    "acts": {
        "a": "Say {{ count }} things.",
        "b": {
            "prompt": "And {{ a.text | upper }}.",
            "input": [
                {"type": "text", "content": "more"},
                "words",
                {"type": "image", "url": "https://example.com/a.png"},
            ],
            "max_tokens": 20,
            "stop": ["END"],
            "context": ["a"],
        },
        "c": {"prompt": "{{ previous }}", "context": "fresh", "needs": ["a"], "top_p": 0.9},
    },
    "output": "{{ b }} {{ c }}",
}

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        [
            "{{ a }}",
            "{{",
            "{% if %}",
            "{{ x.y.z }}",
            "{{ env }}",
            "a",
            "b",
            "\x00",
            "\u202e",
            "é" * 50,
            "~",
            "yes",
            "12:30",
            "1e999",
            "-",
        ]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.one_of(
    st.sampled_from(
        [
            "prompt",
            "promt",
            "input",
            "acts",
            "toc",
            "model",
            "name",
            "type",
            "file",
            "url",
            "base64",
            "a",
            "b",
            "<<",
            "",
            "env",
        ]
    ),
    st.text(max_size=8),
)


def paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        found += paths(value, (*path, key))
    return found


@st.composite
def changed_stories(draw: st.DrawFn) -> bytes:
    """A story with some of its values replaced, keys renamed, and parts taken out."""
    data = copy.deepcopy(STORY)
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(paths(data) or [("narrative",)]))
        parent: Any = data
        for key in path[:-1]:
            parent = parent[key]
        match draw(st.sampled_from(["replace", "remove", "rename", "add"])):
            case "replace":
                parent[path[-1]] = draw(VALUES)
            case "remove":
                del parent[path[-1]]
            case "rename" if isinstance(parent, dict):
                parent[draw(KEYS)] = parent.pop(path[-1])
            case "add" if isinstance(parent, dict):
                parent[draw(KEYS)] = draw(VALUES)
    return yaml.safe_dump(data, allow_unicode=draw(st.booleans()), sort_keys=False).encode()


@st.composite
def changed_texts(draw: st.DrawFn) -> bytes:
    """A story's text with stretches cut out, doubled, or written over."""
    text = yaml.safe_dump(STORY, sort_keys=False)
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        filling = draw(
            st.sampled_from(
                [
                    "",
                    text[start:end] * 2,
                    "\t",
                    "\n",
                    ": ",
                    "&x ",
                    "*x",
                    "{",
                    "[",
                    "'",
                    '"',
                    "|",
                    "!!int ",
                    "? ",
                    "<<: ",
                    "%",
                    "---\n",
                    "😀",
                ]
            )
        )
        text = text[:start] + filling + text[end:]
    return text.encode()


def judge(loaded: Loaded) -> None:
    """Whatever a file is, it is either sound, and then it runs, or told what is wrong with it, and where."""
    for problem in loaded.problems:
        assert problem.message
        assert problem.file == "story.yaml"
        assert problem.line is None or problem.line >= 1
        assert problem.column is None or problem.column >= 1
    if loaded.narrative is None:
        assert any(problem.severity == "error" for problem in loaded.problems)
        return

    async def last() -> Any:
        assert loaded.narrative is not None
        return [event async for event in app.run(loaded.narrative, model="rehearsal/fast")][-1]

    try:
        end = run_virtual(last())
    except InputError as error:
        assert error.problems  # a variable that has no value, say
    else:
        assert isinstance(end, RunFinished) or (isinstance(end, RunFailed) and end.error.kind != "internal"), end


FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(changed_stories())
def test_a_changed_narrative_is_sound_or_told_what_is_wrong(data: bytes) -> None:
    judge(parse(data, "story.yaml", Path()))


@FUZZ
@given(changed_texts())
def test_a_mangled_text_is_sound_or_told_what_is_wrong(data: bytes) -> None:
    judge(parse(data, "story.yaml", Path()))


@FUZZ
@given(st.binary(max_size=200))
def test_any_bytes_are_told_what_is_wrong(data: bytes) -> None:
    assert parse(data, "story.yaml", Path()).narrative is None
    assert parse(data, "story.toml", Path()).narrative is None


@FUZZ
@given(st.dictionaries(st.sampled_from(["mood", "count", "loud", "zebra"]), VALUES | st.text(), max_size=4))
def test_any_variables_are_taken_or_told_what_is_wrong(variables: dict[str, Any]) -> None:
    story = parse(yaml.safe_dump(STORY, sort_keys=False).encode(), "story.yaml", Path()).or_raise()
    try:
        prepared = app.prepare(story, variables=variables)
    except InputError as error:
        assert error.problems
    else:
        assert prepared.scope["count"] == int(prepared.scope["count"])


WORDS = st.one_of(
    st.sampled_from(
        [
            "run",
            "stream",
            "check",
            "new",
            "story.yaml",
            "-m",
            "rehearsal/fast",
            "--var",
            "mood=x",
            "count=y",
            "--only",
            "a",
            "--from",
            "c",
            "-o",
            "-j",
            "0",
            "3",
            "--format",
            "json",
            "jsonl",
            "text",
            "-q",
            "--dry-run",
            "-",
            "--",
            "@x",
            "--help",
            "max_tokens=3",
            "-s",
            "-a",
            ".",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=10),
)


@pytest.mark.filterwarnings("ignore")
@settings(FUZZ, max_examples=120)
@given(st.lists(WORDS, max_size=7))
def test_any_arguments_run_or_are_told_what_is_wrong(folder: Path, words: list[str]) -> None:
    (folder / "story.yaml").write_text(yaml.safe_dump(STORY, sort_keys=False))
    result = CliRunner().invoke(commands, words, input="", env={"COLUMNS": "80"})
    assert result.exit_code in (0, 1, 2), (words, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exception)
