"""Estimates: near enough for text, by documented figures for media."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boticelli_cli.messages import Media, Message, Part, Request, Text, Thought, Tool, ToolCall, ToolResult
from boticelli_cli.routing.estimate import estimate_tokens


def estimate(*parts: Part, **more: Any) -> int:
    return estimate_tokens(Request("m", (Message("user", parts),), **more)) - 4


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("The quick brown fox jumps over the lazy dog. " * 10, 90, 120),
        ("Der Fuß des großen Gärtners, überall. " * 10, 80, 130),
        ("敏捷的棕色狐狸跳过懒狗" * 10, 110, 165),
        ("素早い茶色の狐がのろまな犬を飛び越える" * 10, 190, 285),
        ("Съешь же ещё этих мягких французских булок" * 10, 120, 230),
        ("🦊" * 10, 10, 30),
        ("“—…”" * 10, 5, 20),
    ],
)
def test_text_is_counted_by_its_script(text: str, least: int, most: int) -> None:
    assert least <= estimate(Text(text)) <= most


@pytest.mark.parametrize(
    ("media", "tokens"),
    [
        (Media("image", "image/png", b"x" * 5_000_000), 258),
        (Media("image", "image/png", url="https://example.org/a.png"), 258),
        (Media("audio", "audio/mp3", b"x" * 80_000), 320),
        (Media("audio", "audio/wav", b"x" * 80_000), 96),
        (Media("video", "video/mp4", b"x" * 1_250_000), 2630),
        (Media("document", "application/pdf", b"x" * 120_000), 774),
        (Media("document", "text/plain", b"x" * 400), 100),
        (Media("video", "video/mp4", url="https://example.org/a.mp4"), 15_780),
    ],
)
def test_media_are_counted_by_kind_and_size(media: Media, tokens: int) -> None:
    assert estimate(media) == tokens


def test_all_that_is_sent_is_counted() -> None:
    long = "x" * 400
    assert estimate(Text("")) == 0
    for more in (
        {"system": long},
        {"schema": {"title": long}},
        {"tools": (Tool("t", long),)},
        {"tools": (Tool("t", None, {"title": long}),)},
    ):
        assert 100 <= estimate(Text(""), **more) <= 120
    parts = (Thought(long), Thought("", long), ToolCall("t", {"a": long}), ToolResult("t", [long]), ToolCall(long, {}))
    for part in parts:
        assert 100 <= estimate(part) <= 105


@given(text=st.text())
def test_any_text_has_an_estimate(text: str) -> None:
    assert estimate_tokens(Request("m", (Message("user", (Text(text),)),))) >= 1
