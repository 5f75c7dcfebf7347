"""What Markdown costs as it grows, counted in calls of functions, so that no clock is needed."""

import io
import sys
from collections.abc import Callable
from types import FrameType

import pytest
from rich.console import Console

from boticelli_cli.views.markdown.stream import MarkdownStream

CONSOLE = Console(file=io.StringIO(), width=80)


def work(run: Callable[[], object]) -> int:
    """How many functions are called, those that are written in C too."""
    count = 0

    def called(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        run()
    finally:
        sys.setprofile(before)
    return count


def stream(text: str, *, size: int = 16, room: int = 10) -> None:
    markdown = MarkdownStream(CONSOLE)
    for n in range(0, len(text), size):
        markdown.add(text[n : n + size])
        markdown.take(80, room)
        markdown.rest(80, room)
    markdown.end()
    markdown.take(80)


SENTENCE = "The keeper told **nobody** what he had seen in the `night`. "
SHAPES = {
    "paragraphs": lambda n: (SENTENCE * 5 + "\n\n") * n,
    "one paragraph": lambda n: SENTENCE.replace("*", "").replace("`", "") * 40 * n,
    "one paragraph of ideographs": lambda n: "灯台守は嵐の夜に嘘をついた。" * 450 * n,
    "poem": lambda n: "Nobody saw the keeper\nand nobody asked.\n" * 50 * n,
    "list": lambda n: f"1. {SENTENCE}\n" * 8 * n,
    "nested list": lambda n: "- top\n" + f"  - {SENTENCE}\n" * 8 * n,
    "quote": lambda n: f"> {SENTENCE}\n>\n" * 8 * n,
    "code": lambda n: "- in a list\n\n  ```\n" + "  some = code()\n" * 25 * n,
    "table": lambda n: "| a | b |\n|---|---|\n" + "| one | two |\n" * 100 * n,
    "html": lambda n: "<div>\n" + "<p>some</p>\n" * 25 * n,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_costs_no_more_a_word_when_the_text_is_long(shape: str) -> None:
    few, many = (SHAPES[shape](n).replace("keeper", word) for n, word in [(1, "sailor"), (5, "warden")])
    once = work(lambda: stream(few))  # first, so that it does not profit from what the other has left in caches
    assert work(lambda: stream(many)) <= 5.5 * once


def test_costs_the_same_to_show_the_end_of_a_little_and_of_much() -> None:
    markdown = MarkdownStream(CONSOLE)
    markdown.add(SHAPES["paragraphs"](10))
    markdown.rest(80, 20)
    few = work(lambda: markdown.rest(80, 20))
    markdown.add(SHAPES["paragraphs"](1000))
    markdown.rest(80, 20)
    assert work(lambda: markdown.rest(80, 20)) <= 1.1 * few


@pytest.mark.parametrize(
    "text",
    [
        ">" * 10_000,
        "> " * 10_000,
        "- " * 10_000 + "x",
        "".join("  " * n + "- x\n" for n in range(300)),
        "*" * 100_000,
        "[" * 100_000,
        "![" * 50_000,
        "a**" * 30_000,
        "_a " * 30_000,
        "<a " * 30_000,
        "`" * 100_000,
        "x" * 1_000_000,
        "|" * 50_000 + "\n" + "|-" * 50_000,
    ],
    ids=lambda text: text[:6].strip(),
)
def test_takes_what_is_absurd_with_bounded_work(text: str) -> None:
    assert work(lambda: stream(text, size=50_000)) <= 50 * len(text) + 100_000


def test_takes_what_is_absurd_character_by_character() -> None:
    for text in (">" * 150, "- " * 75, "*" * 150, "[" * 150, "|" * 150):
        assert work(lambda text=text: stream(text, size=1)) <= 20_000 * len(text)
