"""Live models from the command line: real processes, and the fake of Gemini over TLS."""

import base64
import json
import re
import signal
import subprocess
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.cli.stories import write
from tests.fakes.behaviours import Answer, Close
from tests.fakes.gemini import FakeGemini
from tests.fakes.material import sine
from tests.fakes.serving import serving, until
from tests.process import Finished, Terminal, boticelli, start

LIVE = ("-m", "gemini-3.8-live")
PIECE = sine(0.04)
THREE_ACTS = """\
narrative: {name: talk, model: gemini-3.8-live}
acts:
  one: First.
  two: Second.
  three: Third.
"""


@pytest.fixture
def fake() -> Iterator[FakeGemini]:
    with serving(FakeGemini()) as fake:
        yield fake


@pytest.fixture
def env(fake: FakeGemini) -> dict[str, str]:
    """The environment of a user whose Gemini is the fake."""
    return {"GEMINI_API_KEY": "test-key", "GOOGLE_GEMINI_BASE_URL": fake.tls_url, "SSL_CERT_FILE": fake.ca_file}


def samples_in(path: Path) -> tuple[int, bytes]:
    with wave.open(str(path)) as sound:
        return sound.getframerate(), sound.readframes(sound.getnframes())


def closes(fake: FakeGemini) -> list[tuple[int | None, str]]:
    return [(session.close_code, session.closed_by) for session in fake.live.sessions]


def test_the_answer_alone_goes_through_a_pipe(fake: FakeGemini, env: dict[str, str]) -> None:
    done = boticelli("stream", "-m", "gemini-2.0-flash-live", "Say hello", env=env)
    assert (done.code, done.out) == (0, "You said: Say hello\n")
    assert done.err.startswith("gemini-2.0-flash-live was shut down on 2025-12-09; gemini-3.8-live answers instead\n")
    assert fake.live.sessions[0].model == "gemini-3.8-live"
    assert closes(fake) == [(1000, "client")]


def test_keeps_the_sound(fake: FakeGemini, env: dict[str, str], folder: Path) -> None:
    done = boticelli("stream", *LIVE, "one two three four", "--save-audio", "hello.wav", "-o", "stop=x", env=env)
    assert (done.code, done.out) == (0, "You said: one two three four\n")
    assert "sound of answer written to hello.wav" in done.err
    assert "gemini-3.8-live has no stop sequences in a Live session; 'stop' is left out" in done.err
    assert samples_in(folder / "hello.wav") == (24_000, PIECE * 2)


def test_keeps_the_sound_of_half_an_answer(fake: FakeGemini, env: dict[str, str], folder: Path) -> None:
    fake.script.append(Close(1011, after=2))
    done = boticelli("stream", *LIVE, "Hi.", "--save-audio", "half.wav", env=env)
    assert (done.code, done.out) == (1, "piece 1 piece 2 \n")
    assert "the live session was closed: 1011, an error of its own: Internal error encountered." in done.err
    assert samples_in(folder / "half.wav") == (24_000, PIECE * 2)
    assert len(fake.live.sessions) == 1


def test_a_sound_that_cannot_be_kept_is_told(fake: FakeGemini, env: dict[str, str], folder: Path) -> None:
    done = boticelli("stream", *LIVE, "Hi.", "--save-audio", ".", env=env)
    assert done.code == 2
    assert "--save-audio: '.' cannot be written" in done.err
    assert fake.connections == 0
    done = boticelli("stream", "-m", "gemini-3.8-flash", "Hi.", "--save-audio", "none.wav", env=env)
    assert (done.code, done.out) == (0, "You said: Hi.\n")
    assert "'none.wav' was not written: no act has answered in sound" in done.err
    assert not (folder / "none.wav").exists()


def test_the_acts_of_a_narrative_share_a_session(fake: FakeGemini, env: dict[str, str], folder: Path) -> None:
    done = boticelli("run", write(folder, THREE_ACTS), env=env)
    assert done.code == 0
    [session] = fake.live.sessions
    said = [("user", "First."), ("user", "Second."), ("user", "Third.")]
    assert [turn for turn in session.texts if turn[0] == "user"] == said
    assert len(session.texts) == 6
    assert closes(fake) == [(1000, "client")]


def test_events_hold_the_sound_once(fake: FakeGemini, env: dict[str, str]) -> None:
    done = boticelli("stream", *LIVE, "one two three four", "--format", "jsonl", env=env)
    events = [json.loads(line) for line in done.out.splitlines()]
    deltas = [event for event in events if event["type"] == "act.delta"]
    assert ["text" in delta for delta in deltas] == [True, True, False]
    media = deltas[-1]["media"]
    assert (media["kind"], media["mime"]) == ("audio", "audio/wav")
    assert base64.b64decode(media["data"])[44:] == PIECE * 2
    [finished] = [event for event in events if event["type"] == "act.finished"]
    assert finished["text"] == "You said: one two three four"
    assert finished["served_model"] == "gemini-3.8-live"
    assert finished["usage"] == {"input": 4, "output": 6, "total": 10, "output_audio": 6}
    assert "test-key" not in done.out + done.err


def test_ctrl_c_keeps_what_had_come_and_closes_the_session(fake: FakeGemini, env: dict[str, str]) -> None:
    fake.script.append(Answer(chunks=1000, delay=0.01))
    with start("stream", *LIVE, "Count.", env=env) as process:
        assert process.stdout is not None
        out = _read_until(process.stdout, lambda seen: b" 9 " in seen)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        [session] = fake.live.sessions
        until(session.over.is_set)
        assert time.monotonic() - began < 1
        rest, err = process.communicate(timeout=10)
        assert time.monotonic() - began < 2
    assert process.returncode == 130
    assert re.fullmatch(r"(\d+ )+\n", (out + rest).decode())
    assert b"interrupted" in err
    assert b"Traceback" not in err
    assert closes(fake) == [(1000, "client")]


def test_a_terminal_shows_the_answer(fake: FakeGemini, env: dict[str, str]) -> None:
    terminal = Terminal("stream", *LIVE, "Say **hello** there", env=env)
    assert terminal.finish() == 0
    assert "You said: Say hello there" in terminal.everything
    assert "Traceback" not in terminal.everything


@pytest.mark.parametrize(
    ("name", "value", "code", "said"),
    [
        ("GEMINI_API_KEY", "AIzaSyA-very-secret-key-0123456789", 3, "the key was refused: API key not valid."),
        ("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:1", 1, "the account's address has to begin with https://"),
    ],
)
def test_a_wrong_environment_is_told(env: dict[str, str], name: str, value: str, code: int, said: str) -> None:
    done: Finished = boticelli("stream", *LIVE, "Hi.", env={**env, name: value, "BOTICELLI_DEBUG": "1"})
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "AIza" not in done.err


def _read_until(stream: IO[bytes], seen: Callable[[bytes], bool]) -> bytes:
    data = b""
    while not seen(data):
        piece = stream.read1(100)  # type: ignore[attr-defined]
        assert piece, data
        data += piece
    return data


def test_a_pipe_that_closes_early_ends_the_session(fake: FakeGemini, env: dict[str, str]) -> None:
    fake.script.append(Answer(chunks=1000, delay=0.01))
    with start("stream", *LIVE, "Count.", env=env) as process:
        assert isinstance(process, subprocess.Popen)
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(10) == 0
    assert closes(fake) == [(1000, "client")]
