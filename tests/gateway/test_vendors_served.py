"""`boticelli serve` as a process of its own, and the vendors' quick starts against it."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic
from google import genai
from google.genai.types import GenerateContentConfig, HttpOptions
from openai import OpenAI

from tests.gateway.whole import DIALECTS, MODELS, Whole
from tests.process import start


@contextlib.contextmanager
def served(env: dict[str, str]) -> Iterator[str]:
    """The address of a gateway that runs with this environment."""
    process = start("serve", "--port", "0", env=env)
    try:
        assert process.stderr is not None
        said = ""
        while (found := re.search(r"serves (http://\S+)", said)) is None:
            line = process.stderr.readline().decode()
            assert line, said
            said += line
        yield found[1]
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture(scope="module")
def before_all(whole: Whole, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway before the fakes, configured by its environment alone."""
    with served({**whole.environ, "BOTICELLI_HOME": str(tmp_path_factory.mktemp("home"))}) as url:
        yield url


def quick_starts(url: str, model: str) -> list[str]:
    """What the three vendors' quick starts print, each with its stream."""
    turns: Any = [{"role": "user", "content": "Hello, world"}]
    with Anthropic(api_key="any", base_url=url) as claude:
        message = claude.messages.create(model=model, max_tokens=30, messages=turns)
        with claude.messages.stream(model=model, max_tokens=30, messages=turns) as stream:
            told = [message.content[0].text, "".join(stream.text_stream)]
    with OpenAI(api_key="any", base_url=f"{url}/v1") as gpt:
        done = gpt.chat.completions.create(model=model, messages=turns, max_completion_tokens=30)
        chunks = gpt.chat.completions.create(model=model, messages=turns, max_completion_tokens=30, stream=True)
        told += [str(done.choices[0].message.content)]
        told += ["".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)]
    with genai.Client(api_key="any", http_options=HttpOptions(base_url=url)) as gemini:
        short = GenerateContentConfig(max_output_tokens=30)
        response = gemini.models.generate_content(model=model, contents="Hello, world", config=short)
        pieces = gemini.models.generate_content_stream(model=model, contents="Hello, world", config=short)
        told += [str(response.text), "".join(piece.text or "" for piece in pieces)]
    return told


def test_answers_by_itself_where_there_is_no_key_at_all(tmp_path_factory: pytest.TempPathFactory) -> None:
    with served({"BOTICELLI_HOME": str(tmp_path_factory.mktemp("home"))}) as url:
        told = quick_starts(url, "rehearsal/fast")
        assert len(told) == 6
        assert all(text.startswith("This is a rehearsal; no model was asked.") for text in told)
        turns: Any = [{"role": "user", "content": "Hello, Claude"}]
        with Anthropic(api_key="any", base_url=url) as claude:
            message = claude.messages.create(model="claude-sonnet-5-5", max_tokens=5, messages=turns)
        assert message.content[0].text.startswith("This is a rehearsal")
        assert message.stop_reason == "max_tokens"


@pytest.mark.parametrize("upstream", DIALECTS)
def test_answers_with_models_of_every_dialect(before_all: str, upstream: str) -> None:
    assert quick_starts(before_all, MODELS[upstream]) == ["You said: Hello, world"] * 6
