"""`boticelli limits`, and `boticelli models --refresh`: what an account may ask, and what there is to ask."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.gemini import FakeGemini
from tests.fakes.serving import serving
from tests.process import Terminal, boticelli

CONFIG = """
model: gemini-3.8-flash
accounts: [{name: main, provider: gemini, api_key: $GEMINI_API_KEY, tier: free, max_concurrent: 4}]
limits: {gemini: {models: {gemini-3.8-flash: {rpm: 100, rpd: 2}}}}
"""


@pytest.fixture
def env() -> Iterator[dict[str, str]]:
    with serving(FakeGemini()) as fake:
        yield {"GEMINI_API_KEY": "test-key", "GOOGLE_GEMINI_BASE_URL": fake.url}


def test_limits_shows_what_is_left_also_of_what_other_processes_have_used(folder: Path, env: dict[str, str]) -> None:
    (folder / "boticelli.yaml").write_text(CONFIG)
    assert "main\tgemini-3.8-flash\t100 of 100\t250,000 of 250,000\t2 of 2\t" in boticelli("limits", env=env).out
    for _ in range(2):
        assert boticelli("stream", "Say hello", env=env).code == 0
    [state] = [
        each
        for each in json.loads(boticelli("limits", "--format", "json", env=env).out)["limits"]
        if each["model"] == "gemini-3.8-flash"
    ]
    assert state["requests_a_day"] == {"used": 2, "limit": 2, "left": 0}
    assert state["requests_a_minute"] == {"used": 2, "limit": 100, "left": 98}
    assert (state["account"], state["day_is_spent"], state["max_concurrent"]) == ("main", True, 4)
    spent = boticelli("stream", "Say hello", env=env)
    assert (spent.code, spent.out) == (4, "")
    assert "the day's 2 requests to gemini-3.8-flash on account 'main' are spent; they come back at" in spent.err


def test_limits_that_cannot_be_kept_are_told_when_the_run_is_over(folder: Path, env: dict[str, str]) -> None:
    (folder / "boticelli.yaml").write_text(CONFIG)
    home = folder / "home"
    (home / "state").mkdir(parents=True)
    (home / "state" / "limits.sqlite3").write_text("This is no database, but somebody's letter.")
    done = boticelli("stream", "Say hello", env={**env, "BOTICELLI_HOME": str(home)})
    assert (done.code, done.out) == (0, "You said: Say hello\n")
    assert "the counts of requests cannot be kept in" in done.err
    assert boticelli("stream", "Hello", "-q", env={**env, "BOTICELLI_HOME": str(home)}).err == ""
    assert boticelli("limits", env={**env, "BOTICELLI_HOME": str(home)}).err.count("cannot be kept") == 1
    assert (home / "state" / "limits.sqlite3").read_text() == "This is no database, but somebody's letter."


def test_limits_is_a_table_on_a_terminal(folder: Path, env: dict[str, str]) -> None:
    (folder / "boticelli.yaml").write_text(CONFIG)
    terminal = Terminal("limits", env=env)
    assert terminal.finish() == 0
    assert "ACCOUNT  MODEL" in terminal.screen
    assert "main     gemini-3.8-flash" in terminal.screen


def test_limits_says_where_none_are_known(env: dict[str, str]) -> None:
    done = boticelli("limits", env=env)
    assert (done.code, done.out) == (0, "")
    assert "of account 'default' no limits are known" in done.err
    assert "there are no accounts; boticelli keys set NAME" in boticelli("limits").err
    assert boticelli("limits", "-q").err == ""


def test_limits_says_so_of_a_tier_too(folder: Path, env: dict[str, str]) -> None:
    (folder / "boticelli.yaml").write_text(CONFIG.partition("limits:")[0].replace("free", "tier_1"))
    done = boticelli("limits", env=env)
    assert (done.code, done.out) == (0, "")
    assert "of account 'main' no limits are known" in done.err


def test_refresh_asks_the_provider_and_remembers(env: dict[str, str]) -> None:
    assert "legacy-live-text" not in boticelli("models", env=env).out
    assert "gemini lists" in boticelli("models", "--refresh", env=env).err
    assert "legacy-live-text\tgemini\tlive" in boticelli("models", "--live").out


def test_refresh_needs_a_key() -> None:
    done = boticelli("models", "--refresh")
    assert (done.code, done.out) == (3, "")
    assert "there is no key for gemini" in done.err
    other = boticelli("models", "--refresh", "--provider", "anthropic")
    assert (other.code, other.out) == (3, "")
    assert "set ANTHROPIC_API_KEY" in other.err
    unknown = boticelli("models", "--refresh", "--provider", "opnai")
    assert (unknown.code, unknown.out) == (2, "")
    assert "did you mean 'openai'?" in unknown.err
