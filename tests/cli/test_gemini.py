"""The program asking Gemini: real processes, and a fake at the other end."""

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.stories import write
from tests.drivers.asking import closed_port
from tests.fakes.behaviours import Answer, Drop, Fail
from tests.fakes.gemini import FakeGemini
from tests.fakes.serving import serving, until
from tests.process import COMMAND, Finished, Terminal, boticelli, environment, start

KEY = "AIzaSyRecognizable-0123456789abcdefghijk"
FLASH = "gemini-3.8-flash"

PARALLEL = """
narrative: {name: parallel, model: gemini-3.8-flash, context: fresh}
acts:
  one: Speak of the wind.
  two: Speak of the sea.
  three: Speak of the lamp.
  end: {context: [one, two, three], prompt: Weigh what was said.}
"""


@pytest.fixture
def fake() -> Iterator[FakeGemini]:
    with serving(FakeGemini(keys=[KEY])) as fake:
        yield fake


def environ(fake: FakeGemini, **more: str) -> dict[str, str]:
    return {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": fake.url, **more}


def ask(fake: FakeGemini, *arguments: str, **more: str) -> Finished:
    """`boticelli stream`, in which the key is never seen, nor a traceback."""
    return checked(boticelli("stream", *arguments, env=environ(fake, **more)))


def run(fake: FakeGemini, *arguments: str, **more: str) -> Finished:
    return checked(boticelli("run", *arguments, env=environ(fake, **more)))


def checked(done: Finished) -> Finished:
    assert KEY not in done.out + done.err
    assert "Recognizable" not in done.out + done.err
    assert "Traceback" not in done.err
    return done


def events(done: Finished) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out.splitlines()]


def of_type(told: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in told if event["type"] == name]


# Answers


def test_prints_the_answer_alone_and_its_price_beside_it(fake: FakeGemini) -> None:
    done = ask(fake, "Hello there.")
    assert (done.code, done.out) == (0, "You said: Hello there.\n")
    assert "no model is set: 'gemini-3.8-flash' answers" in done.err
    assert "$0.00" in done.err
    assert [asked.model for asked in fake.requests] == [FLASH]


def test_thinking_goes_to_stderr_alone(fake: FakeGemini) -> None:
    done = ask(fake, "Hello there.", "-o", "thinking=low", "-o", 'options={"safetySettings": []}')
    assert done.out == "You said: Hello there.\n"
    assert "Thinking about: Hello there." in done.err
    assert "\x1b" not in done.err
    assert fake.requests[0].config["thinkingConfig"] == {"thinkingLevel": "LOW", "includeThoughts": True}
    assert fake.requests[0].body["safetySettings"] == []
    assert "Thinking" not in ask(fake, "Hello there.", "-o", "thinking=low", "-q").err


@pytest.mark.parametrize(("more", "dimmed"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_thinking_is_dimmed_on_a_terminal(fake: FakeGemini, more: Mapping[str, str], dimmed: bool) -> None:
    terminal = Terminal("stream", "Hello there.", "-o", "thinking=low", "--format", "plain", env=environ(fake, **more))
    assert terminal.finish() == 0
    assert (b"\x1b[2mThinking about: " in terminal.raw) is dimmed
    assert "Thinking about: Hello there." in terminal.everything
    assert "You said: Hello there." in terminal.everything


def test_events_and_json_tell_usage_and_cost(fake: FakeGemini) -> None:
    told = events(ask(fake, "one two", "--format", "jsonl"))
    [finished] = of_type(told, "act.finished")
    assert finished["usage"] == {"input": 2, "output": 4, "total": 6}
    assert finished["served_model"] == FLASH
    assert finished["cost_usd"] > 0
    assert told[-1]["type"] == "run.finished"
    assert told[-1]["cost_usd"] == finished["cost_usd"]
    whole = json.loads(ask(fake, "one two", "--format", "json", "--no-stream").out)
    assert (whole["cost_usd"], whole["acts"]["answer"]["cost_usd"]) == (finished["cost_usd"], finished["cost_usd"])
    assert fake.requests[-1].action == "generateContent"


def test_a_model_without_a_known_price_is_named(fake: FakeGemini) -> None:
    done = ask(fake, "Hi.", "-m", "gemini-99-unheard-of", "--format", "json")
    assert json.loads(done.out)["unpriced"] == ["gemini-99-unheard-of"]
    assert "cost_usd" not in json.loads(done.out)


def test_runs_acts_side_by_side(fake: FakeGemini, folder: Path) -> None:
    fake.script.append(Answer("x", first_delay=0.2), prompt="Speak", times=3)
    done = run(fake, write(folder, PARALLEL), "--format", "jsonl")
    assert done.code == 0
    assert fake.most_running == 3
    assert len(fake.requests[-1].content["contents"]) == 7
    assert of_type(events(done), "run.finished")[0]["output"] == "You said: Weigh what was said."


def test_many_acts_go_by_the_wide_client(fake: FakeGemini, folder: Path) -> None:
    fake.script.append(Answer("x", first_delay=0.3), prompt="Speak", times=12)
    acts = "".join(f"  a{number}: Speak of {number}.\n" for number in range(12))
    story = write(folder, f"narrative: {{name: many, model: {FLASH}, context: fresh}}\nacts:\n{acts}")
    assert run(fake, story, "-q").code == 0
    assert fake.most_running == 12
    assert fake.connections == 12


def test_unfolds_on_a_terminal(fake: FakeGemini, folder: Path) -> None:
    terminal = Terminal("run", write(folder, PARALLEL), env=environ(fake))
    assert terminal.finish() == 0
    assert terminal.everything.count("You said: Speak of the sea.") == 1
    assert "  4 of 4 " in terminal.everything
    assert KEY not in terminal.everything


# Errors


@pytest.mark.parametrize(
    ("prompt", "code", "said", "hint"),
    [
        ("[[400]]", 1, "Error 400.", "change what is asked"),
        ("[[403]]", 3, "the key may not do this", "GEMINI_API_KEY"),
        ("[[429 quota=PerDay retry=9]]", 4, "requests come back at", "ask another model (--model)"),
        ("[[503 times=9]]", 1, "The model is overloaded.", "try again later, or ask another model"),
        ("[[blocked]]", 1, "the prompt was blocked (PROHIBITED_CONTENT)", "reword it"),
        ("[[html]]", 1, "HTTP 502 Bad Gateway", "try again later"),
        ("[[malformed after=0]]", 1, "what came cannot be read", "run it again"),
        ("[[silence headers=false]]", 1, "no answer came within 1 seconds", "'timeout' gives an act more time"),
    ],
)
def test_an_error_says_what_failed_and_what_to_do(
    fake: FakeGemini, prompt: str, code: int, said: str, hint: str
) -> None:
    done = ask(fake, prompt, "-o", "retries=0", "-o", "timeout=1", BOTICELLI_DEBUG="1")
    assert (done.code, done.out) == (code, "")
    [error] = [line for line in done.err.splitlines() if line.startswith("error: ")]
    hints = [line for line in done.err.splitlines() if line.startswith("hint: ")]
    assert said in error
    assert any(hint in line for line in hints)


def test_a_refused_key_exits_with_3_and_is_never_shown(fake: FakeGemini) -> None:
    fake.keys.clear()
    for shown_as in ("text", "jsonl", "json"):
        done = ask(fake, "Hi.", "--format", shown_as, BOTICELLI_DEBUG="1")
        assert done.code == 3
        assert "the key was refused: API key not valid" in done.err
        assert "set GEMINI_API_KEY to a key from https://aistudio.google.com/apikey" in done.err
    assert len(fake.requests) == 3


@pytest.mark.parametrize("key", [f"{KEY}\nx", f"“{KEY}”"])
def test_what_can_be_no_key_exits_with_3_and_is_never_shown(fake: FakeGemini, key: str) -> None:
    done = ask(fake, "Hi.", GEMINI_API_KEY=key, BOTICELLI_DEBUG="1")
    assert done.code == 3
    assert "the key has characters in it that no key has" in done.err
    assert not fake.requests


def test_without_a_key_it_says_how_to_set_one(fake: FakeGemini) -> None:
    done = boticelli("stream", "Hi.", "-m", FLASH)
    assert (done.code, done.out) == (3, "")
    assert "error: there is no key for gemini" in done.err
    assert "hint: set GEMINI_API_KEY to a key from https://aistudio.google.com/apikey" in done.err


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        ("gemini-3.8-flahs", "hint: boticelli models lists those that there are; did you mean 'gemini-3.8-flash'?"),
        ("gemini-3.5-flash", "hint: not every key has every model; boticelli models lists others"),
    ],
)
def test_an_unknown_model_is_told_with_the_nearest(fake: FakeGemini, model: str, hint: str) -> None:
    fake.models.pop(model, None)
    done = ask(fake, "Hi.", "-m", model)
    assert done.code == 1
    assert f"models/{model} is not found" in done.err
    assert hint in done.err


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://127.0.0.1:x", "127.0.0.1", "http://127.0.0.1/v1"])
def test_a_wrong_address_is_wrong_usage(fake: FakeGemini, url: str) -> None:
    done = ask(fake, "Hi.", GOOGLE_GEMINI_BASE_URL=url)
    assert (done.code, done.out) == (2, "")
    assert f"GOOGLE_GEMINI_BASE_URL is '{url}'" in done.err


def test_says_that_nobody_listens_there(fake: FakeGemini) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    done = ask(fake, "Hi.", "-o", "retries=0", GOOGLE_GEMINI_BASE_URL=url)
    assert done.code == 1
    assert f"{url} could not be reached: Connection refused" in done.err
    assert "hint: does a server run there? is the port right?" in done.err


# Retries, limits, accounts


def test_tells_that_it_tries_again(fake: FakeGemini) -> None:
    done = ask(fake, "[[503 retry=0.1 times=2]]", "--format", "jsonl")
    assert done.code == 0
    retries = of_type(events(done), "act.retrying")
    assert [(each["attempt"], each["error"]["status"]) for each in retries] == [(2, 503), (3, 503)]
    assert all(0.1 <= each["seconds"] <= 0.35 for each in retries)
    assert len(fake.requests) == 3


def test_tells_that_it_waits_and_that_the_day_is_spent(fake: FakeGemini, folder: Path) -> None:
    (folder / "boticelli.yaml").write_text(
        f"limits: {{gemini: {{models: {{{FLASH}: {{rpd: 2}}, gemini-3.8-pro: {{max_concurrent: 1}}}}}}}}\n"
    )
    acts = "".join(f"  {name}: Speak of {name}.\n" for name in ("one", "two"))
    story = write(folder, f"narrative: {{name: two, model: gemini-3.8-pro, context: fresh}}\nacts:\n{acts}")
    fake.script.append(Answer("x", first_delay=0.3), prompt="Speak", times=2)
    told = events(run(fake, story, "--format", "jsonl"))
    [waiting] = of_type(told, "act.waiting")
    assert waiting["reason"] == "for the request under way to end"
    assert fake.most_running == 1
    assert [ask(fake, "Hi.").code for _ in range(2)] == [0, 0]
    for _ in range(2):
        done = ask(fake, "Hi.")
        assert (done.code, done.out) == (4, "")
        assert f"the day's 2 requests to {FLASH} on account 'default' are spent; they come back at" in done.err
        assert "hint: ask another model" in done.err
    assert len(fake.requests) == 4


def test_a_day_that_the_provider_calls_spent_is_not_asked_for_again(fake: FakeGemini, folder: Path) -> None:
    (folder / "boticelli.yaml").write_text(f"limits: {{gemini: {{models: {{{FLASH}: {{rpd: 200}}}}}}}}\n")
    fake.script.append(Fail(429, quota="PerDay"))
    done = ask(fake, "Hi.")
    assert done.code == 4
    assert "the day's quota is spent: GenerateRequestsPerDayPerProjectPerModel-FreeTier (20)" in done.err
    assert ask(fake, "Hi.").code == 4
    assert len(fake.requests) == 1


def test_of_two_accounts_the_one_that_comes_first_asks(fake: FakeGemini, folder: Path) -> None:
    fake.keys |= {"first-key"}
    (folder / "boticelli.yaml").write_text(
        "accounts:\n"
        "  - {name: second, provider: gemini, api_key: $GEMINI_API_KEY, priority: 20}\n"
        "  - {name: first, provider: gemini, api_key: $FIRST_KEY, priority: 10}\n"
    )
    assert ask(fake, "Hi.", FIRST_KEY="first-key").code == 0
    assert ask(fake, "Hi.").code == 0
    assert [asked.key for asked in fake.requests] == ["first-key", KEY]


# Endings


@pytest.mark.parametrize("shown_as", ["text", "plain", "jsonl", "json"])
def test_what_had_come_of_a_dropped_stream_is_kept(fake: FakeGemini, shown_as: str) -> None:
    fake.script.append(Drop(after=5))
    done = ask(fake, "Hi.", "--format", shown_as)
    text = "piece 1 piece 2 piece 3 piece 4 piece 5"
    assert done.code == 1
    told = "".join(event.get("text", "") for event in events(done)) if shown_as == "jsonl" else done.out + done.err
    assert told.count(text) == 1
    assert "the stream broke off before its end: it was closed from the other side" in done.err
    assert "hint: what had come is kept; run it again" in done.err
    assert len(fake.requests) == 1


def test_ctrl_c_keeps_what_had_come_and_closes_the_connection(fake: FakeGemini) -> None:
    fake.script.append(Answer(chunks=1000, delay=0.02))
    running = start("stream", "Hi.", "--format", "jsonl", env=environ(fake))
    assert running.stdout is not None
    while b"act.delta" not in running.stdout.readline():
        pass
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=10)
    assert running.returncode == 130
    assert json.loads(out.splitlines()[-1])["type"] == "run.interrupted"
    assert KEY.encode() not in out + err
    until(lambda: fake.gone and not fake.running)


def test_ctrl_c_while_nothing_has_come_ends_it_at_once(fake: FakeGemini) -> None:
    running = start("stream", "[[silence headers=false]]", env=environ(fake))
    until(lambda: fake.running)
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=10)
    assert (running.returncode, out) == (130, b"")
    until(lambda: fake.gone)


def test_a_reader_that_goes_away_ends_it_quietly(fake: FakeGemini) -> None:
    fake.script.append(Answer(chunks=tuple(f"line {number}\n" for number in range(2000)), delay=0.001))
    command = [*COMMAND, "stream", "Hi.", "-q"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(environ(fake))
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline() == b"line 0\n"
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(timeout=10) == 0
    until(lambda: fake.gone and not fake.running)
