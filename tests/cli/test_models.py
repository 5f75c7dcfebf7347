"""`boticelli models`."""

import json
import os

import pytest

from tests.process import Terminal, boticelli


def test_a_pipe_gets_a_line_a_model_with_tabs_and_no_heading() -> None:
    done = boticelli("models")
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert (done.code, done.err) == (0, "")
    assert {len(row) for row in rows} == {6}
    assert ["gemini-4-argon", "gemini", "sse", "1M", "level", "ga"] in rows
    assert ["gemini-3.8-live", "gemini", "live", "128k", "none", "ga"] in rows
    assert ["gemini-3.7-flash", "gemini", "sse", "1M", "level", "deprecated → gemini-3.8-flash"] in rows
    assert ["rehearsal", "rehearsal", "sse", "", "", ""] in rows
    assert not any(line != line.rstrip(" ") for line in done.out.splitlines())


def test_retired_models_are_listed_when_asked_for() -> None:
    retired = "gemini-2.0-flash-live\tgemini\tlive\t\t\tshut down 2025-12-09 → gemini-3.8-live\n"
    assert retired not in boticelli("models").out
    assert retired in boticelli("models", "--all").out


def test_picks_by_provider_and_by_call() -> None:
    live = [line.split("\t") for line in boticelli("models", "--live").out.splitlines()]
    assert {row[2] for row in live} == {"live"}
    mine = boticelli("models", "--provider", "rehearsal").out
    assert {line.split("\t")[1] for line in mine.splitlines()} == {"rehearsal"}
    assert boticelli("models", env={"BOTICELLI_MODELS_PROVIDER": "rehearsal"}).out == mine


def test_gives_all_fields_as_json() -> None:
    models = {
        model["id"]: model for model in json.loads(boticelli("models", "--all", "--format", "json").out)["models"]
    }
    retired = models["gemini-2.0-flash-live"]
    assert retired.pop("source")
    assert retired == {
        "id": "gemini-2.0-flash-live",
        "provider": "gemini",
        "call": "live",
        "input": ["text", "audio", "video"],
        "output": ["text", "audio"],
        "live_text": True,
        "live_turns": "content",
        "status": "shutdown",
        "shutdown": "2025-12-09",
        "replaced_by": "gemini-3.8-live",
    }
    assert models["gemini-2.5-pro"]["thinking_budget"] == [128, 32768]
    assert models["gemini-4-carbon"]["price"][1] == {"input": 4.0, "output": 20.0, "since": "2026-12-01"}
    assert models["rehearsal"] == {"id": "rehearsal", "provider": "rehearsal", "call": "sse"}


def test_an_unknown_provider_is_told_with_the_nearest() -> None:
    done = boticelli("models", "--provider", "gemni")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: unknown provider 'gemni'; did you mean 'gemini'?\n"
    assert "there are gemini, anthropic" in boticelli("models", "--provider", "x").err
    assert json.loads(boticelli("models", "--provider", "gemni", "--format", "json").out)


def test_a_provider_without_known_models_is_no_failure() -> None:
    done = boticelli("models", "--provider", "openai", "--live")
    assert (done.code, done.out) == (0, "")
    assert done.err == (
        "no such model is known here; --refresh asks the providers; "
        "any other name that a provider has can be asked as PROVIDER/NAME\n"
    )
    assert boticelli("models", "--provider", "openai", "-q").err == ""


def test_says_how_many_when_asked_to_say_more() -> None:
    done = boticelli("models", "-v")
    assert done.err.startswith(f"{len(done.out.splitlines())} models that answer, ")
    assert boticelli("models", "-v", "-q").err == ""


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_a_terminal_shows_a_table_that_does_not_wrap(columns: int) -> None:
    terminal = Terminal("models", "--all", columns=columns, lines=24)
    assert terminal.finish() == 0
    lines = terminal.everything.splitlines()
    expected = boticelli("models", "--all").out.splitlines()
    assert lines[0].split()[0] == "MODEL"
    assert [line.split()[0] for line in lines[1:]] == [line.split("\t")[0] for line in expected]
    start = lines[0].index("STATUS")
    assert all(len(line) <= start or line[start - 1] == " " for line in lines)


def test_a_narrow_terminal_does_without_columns_and_not_without_names() -> None:
    shown = {}
    for columns in (140, 80):
        terminal = Terminal("models", "--provider", "gemini", columns=columns, lines=24)
        assert terminal.finish() == 0
        shown[columns] = terminal.everything.splitlines()
    assert shown[140][0].split() == ["MODEL", "PROVIDER", "CALL", "CONTEXT", "THINKING", "STATUS"]
    assert shown[80][0].split() == ["MODEL", "CALL", "CONTEXT", "STATUS"]
    assert any(line.endswith("deprecated → gemini-3.8-flash") for line in shown[140])
    assert any(line.endswith("deprecated …") for line in shown[80])


def test_a_table_that_fits_is_shown_whole() -> None:
    terminal = Terminal("models", "--provider", "rehearsal")
    assert terminal.finish() == 0
    assert terminal.screen.splitlines()[0].split() == ["MODEL", "PROVIDER", "CALL", "CONTEXT", "THINKING", "STATUS"]


def test_completes_models_of_the_catalogue() -> None:
    words = "boticelli run story.yaml -m gemini-"
    env = {"_BOTICELLI_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    offered = boticelli(env={**os.environ, **env}).out.split()
    assert "gemini-3.8-live" in offered
    assert "gemini-2.0-flash-live" not in offered
