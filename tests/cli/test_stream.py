"""`boticelli stream`, with pipes around it."""

import json
from pathlib import Path

import pytest

from tests.process import boticelli

FAST = ("-m", "rehearsal/fast")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)


def test_prints_the_answer_alone() -> None:
    done = boticelli("stream", "Say hello.", *FAST)
    assert done.code == 0
    assert done.out.startswith("This is a rehearsal; no model was asked. The prompt reads “Say hello.”.")
    assert boticelli("stream", "Say hello.", *FAST, "-q").err == ""


def test_what_is_piped_in_comes_before_the_prompt() -> None:
    out = json.loads(boticelli("stream", "Shorten it.", *FAST, "--format", "json", stdin="A long text.\n").out)
    assert "“A long text.”" in out["output"]
    assert out["usage"]["input"] == 5
    assert "“A long text.”" in boticelli("stream", *FAST, stdin="A long text.").out
    assert "“A long text.”" in boticelli("stream", "-", *FAST, stdin="A long text.").out


def test_a_prompt_is_no_template() -> None:
    assert "“Say {{ this }}.”" in boticelli("stream", "Say {{ this }}.", "-s", "{% if %}", *FAST).out


def test_attaches_files_addresses_and_stdin(folder: Path) -> None:
    (folder / "a.png").write_bytes(PNG)
    out = boticelli("stream", "What is this?", *FAST, "-a", "a.png", "-a", "https://example.com/b.mp3?k=v", "-q").out
    assert "an image, a.png (image/png, 32 bytes) and an audio recording, b.mp3 (audio/mpeg, by its address)" in out
    assert "an image (image/png, 32 bytes)" in boticelli("stream", "What?", *FAST, "-a", "-", stdin=PNG).out


def test_options_and_the_system_instruction_reach_the_model() -> None:
    out = boticelli("stream", "Say hello.", *FAST, "-o", "max_tokens=5", "-s", "Be brief.").out
    assert out == "This is a rehearsal; no\n"
    assert "“Be brief.”" in boticelli("stream", "Say hello.", *FAST, "-s", "Be brief.").out
    assert boticelli("stream", "Hi.", *FAST, "-o", "stop=no model").out == "This is a rehearsal; \n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "there is no prompt; give one"),
        (["  "], "there is no prompt"),
        (["Hi.", "-o", "temprature=1"], "did you mean 'temperature'?"),
        (["Hi.", "-o", "temperature=9"], "'temperature' is 9; it must be between 0 and 2"),
        (["Hi.", "-o", "temperature"], "write NAME=VALUE"),
        (["Hi.", "-o", "max_tokens=many"], "'max_tokens' must be a whole number, not the text 'many'"),
        (["Hi.", "-a", "nowhere.png"], "'nowhere.png' cannot be read"),
        (["Hi.", "-a", "."], "'.' cannot be read"),
        (["Hi.", "-a", "-"], "nothing was piped in to be attached"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], said: str) -> None:
    done = boticelli("stream", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err


def test_stdin_is_attached_once() -> None:
    done = boticelli("stream", "Hi.", "-a", "-", "-a", "-", stdin="Some text.")
    assert (done.code, done.out) == (2, "")
    assert "stdin is read once" in done.err


def test_a_file_with_nothing_in_it_is_not_sent(folder: Path) -> None:
    (folder / "empty.png").touch()
    done = boticelli("stream", "What is this?", "-a", "empty.png")
    assert (done.code, done.out) == (2, "")
    assert "there is nothing in 'empty.png'" in done.err
    story = "narrative: {name: n}\nacts:\n  a: {prompt: Look., input: [{type: image, file: empty.png}]}\n"
    (folder / "story.yaml").write_text(story)
    told = boticelli("check", "story.yaml")
    assert told.code == 2
    assert "story.yaml:3:30: act 'a': input part 1: there is nothing in 'empty.png'" in told.out


def test_arguments_that_are_not_utf8_do_not_stop_it() -> None:
    done = boticelli("stream", b"half \xff".decode("utf-8", "surrogateescape"), *FAST)
    assert done.code == 0
    assert "“half �”" in done.out


def test_stdin_that_is_not_text_is_refused_with_the_remedy() -> None:
    done = boticelli("stream", "What?", *FAST, stdin=b"\xff\x00")
    assert done.code == 2
    assert "stdin is not UTF-8" in done.err
