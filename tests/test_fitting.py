"""What a request becomes for a model that does not take all of it."""

import json
from typing import Any

import pytest

from boticelli_cli.catalog import Catalog
from boticelli_cli.catalog_entries import Model
from boticelli_cli.fitting import fit, unreadable
from boticelli_cli.messages import Media, Message, Request, Text, Thinking
from boticelli_cli.wire.gemini import encode_request

BUILTIN = Catalog.builtin()


def request(**settings: Any) -> Request:
    return Request("x", (Message("user", (Text("Hi."),)),), **settings)


@pytest.mark.parametrize(
    ("model", "asked", "sent", "notice"),
    [
        ("gemini-4-argon", 8000, None, "gemini-4-argon takes no thinking budget; 'thinking: 8000' is left out"),
        ("gemini-4-argon", True, True, None),
        ("gemini-4-argon", False, "low", None),
        ("gemini-4-argon", "high", "high", None),
        ("gemini-4-argon", "minimal", "low", "gemini-4-argon has no such effort; 'thinking: minimal' is sent as 'low'"),
        ("gemini-4-carbon", False, "low", None),
        ("gemini-4-carbon", "minimal", "minimal", None),
        ("gemini-3.6-flash", False, "minimal", None),
        ("gemini-3.6-flash", "minimal", "minimal", None),
        ("gemini-2.5-flash", "minimal", 512, None),
        ("gemini-2.5-flash", "low", 1024, None),
        ("gemini-2.5-flash", "medium", 8192, None),
        ("gemini-2.5-flash", "high", 24_576, None),
        ("gemini-2.5-flash", True, True, None),
        ("gemini-2.5-flash", False, 0, None),
        ("gemini-2.5-flash", 0, 0, None),
        ("gemini-2.5-flash", 8000, 8000, None),
        ("gemini-2.5-flash", -1, -1, None),
        (
            "gemini-2.5-flash",
            30_000,
            24_576,
            "gemini-2.5-flash thinks with at most 24576 tokens; 'thinking: 30000' is sent as 24576",
        ),
        ("gemini-2.5-pro", False, 128, None),
        ("gemini-2.5-pro", 0, 128, "gemini-2.5-pro thinks with at least 128 tokens; 'thinking: 0' is sent as 128"),
        ("gemini-2.5-flash-native-audio-latest", 50, 50, None),
        ("gemini-3.8-live", False, None, "gemini-3.8-live takes no thinking setting; 'thinking: false' is left out"),
        ("gemini-3.8-live", "low", None, "gemini-3.8-live takes no thinking setting; 'thinking: low' is left out"),
        ("gemini-flash-latest", 8000, 8000, None),
        ("gemini-9", 8000, 8000, None),
    ],
)
def test_thinking_is_asked_for_as_a_model_takes_it(
    model: str, asked: Thinking, sent: Thinking | None, notice: str | None
) -> None:
    fitted, notices = fit(request(thinking=asked, temperature=0.5), BUILTIN.find(model))
    assert fitted == request(thinking=sent, show_thoughts=bool(asked), temperature=0.5)
    assert type(fitted.thinking) is type(sent)
    assert notices == ((notice,) if notice else ())


def test_an_effort_that_is_missing_becomes_the_next_one() -> None:
    model = Model("m", "gemini", "sse", thinking="level", thinking_levels=("low", "high"))
    assert fit(request(thinking="medium"), model)[0].thinking == "high"
    model = Model("m", "gemini", "sse", thinking="level", thinking_levels=("minimal", "low"))
    assert fit(request(thinking="high"), model)[0].thinking == "low"


def test_a_schema_that_is_refused_is_left_out() -> None:
    asked = request(schema={"type": "object"}, max_tokens=99_999)
    fitted, notices = fit(asked, BUILTIN.find("gemini-3.8-live"))
    assert fitted == request(max_tokens=99_999)
    assert notices == ("gemini-3.8-live cannot be held to a schema; 'schema' is left out",)
    for model in ("gemini-3.8-flash", "gemini-4-carbon", "gemini-9"):
        assert fit(asked, BUILTIN.find(model)) == (asked, ())


def test_what_fits_is_left_alone() -> None:
    asked = request(temperature=2.0, top_p=0.1, options={"a": 1})
    assert fit(asked, BUILTIN.find("gemini-3.8-live")) == (asked, ())


def test_a_live_session_has_no_stop_sequences() -> None:
    asked = request(stop=("x", "y"), max_tokens=5)
    fitted, notices = fit(asked, BUILTIN.find("gemini-3.8-live"), "live")
    assert fitted == request(max_tokens=5)
    assert notices == ("gemini-3.8-live has no stop sequences in a Live session; 'stop' is left out",)
    assert fit(asked, BUILTIN.find("gemini-3.8-flash")) == (asked, ())


def test_a_live_model_that_nobody_knows_has_none_either() -> None:
    fitted, notices = fit(request(stop=("x",), schema={"type": "object"}), None, "live")
    assert fitted == request()
    assert notices == (
        "x cannot be held to a schema; 'schema' is left out",
        "x has no stop sequences in a Live session; 'stop' is left out",
    )


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "gemini-4-argon", "gemini-2.5-pro", "gemini-2.5-flash"])
def test_whoever_wants_no_thoughts_is_shown_none(model: str) -> None:
    fitted, _ = fit(request(thinking=False), BUILTIN.find(model))
    assert "includeThoughts" not in json.loads(encode_request(fitted).body)["generationConfig"]["thinkingConfig"]


def test_tells_each_kind_of_content_that_a_model_does_not_take() -> None:
    picture = Media("image", "image/png", b"x")
    paper = Media("document", "application/pdf", b"x")
    asked = Request("x", (Message("user", (Text("See."), picture, paper)), Message("user", (paper,))))
    assert unreadable(asked, BUILTIN.find("gemini-3.8-flash")) == ()
    assert unreadable(asked, BUILTIN.find("gemini-9")) == ()
    assert unreadable(asked, Model("m", "openai", "sse")) == ()
    assert unreadable(asked, BUILTIN.find("gemini-3.8-live")) == (
        "gemini-3.8-live takes no document, only text, image, audio, video",
    )
    assert unreadable(asked, BUILTIN.find("gemini-3.5-transcribe-live")) == (
        "gemini-3.5-transcribe-live takes no text, only audio",
        "gemini-3.5-transcribe-live takes no image, only audio",
        "gemini-3.5-transcribe-live takes no document, only audio",
    )
