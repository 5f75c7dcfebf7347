"""Thoughts in tags at the start of an answer, told apart however the answer is cut."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from boticelli_cli.messages import (
    Delta,
    Finish,
    Part,
    Text,
    TextDelta,
    ThinkingDelta,
    Thought,
    ToolCall,
    ToolCallDelta,
    parts_of,
)
from boticelli_cli.routing.think_tags import ThinkTags

END = Finish("stop")
CALL = ToolCall("search", {})


def read(*pieces: str | Delta) -> tuple[Part, ...]:
    reader = ThinkTags()
    deltas = [TextDelta(piece) if isinstance(piece, str) else piece for piece in pieces]
    told = [read for delta in [*deltas, END] for read in reader.feed(delta)]
    assert told[-1] == END
    assert all(delta.text for delta in told if isinstance(delta, TextDelta | ThinkingDelta))
    assert reader.rest() == []
    return parts_of(told)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Hello.", (Text("Hello."),)),
        ("<think>Hm.</think>Hello.", (Thought("Hm."), Text("Hello."))),
        ("\n<think>\n Hm.\n\n Ha. \n</think>\n\nHello. \n", (Thought("Hm.\n\n Ha."), Text("Hello. \n"))),
        ("<think></think>\n\nHello.", (Text("Hello."),)),
        ("<think>\n\n</think>\n", ()),
        ("<think>Hm. <b></think", (Thought("Hm. <b></think"),)),
        ("<think>", ()),
        ("<thin", (Text("<thin"),)),
        ("  ", (Text("  "),)),
        (" <thing> is not <think>", (Text(" <thing> is not <think>"),)),
        ("Hello. <think>Hm.</think>", (Text("Hello. <think>Hm.</think>"),)),
        ("<think>a</think>b<think>c</think>d", (Thought("a"), Text("b<think>c</think>d"))),
        ("<think>a</think><think>c</think>d", (Thought("a"), Text("<think>c</think>d"))),
    ],
)
def test_only_what_an_answer_begins_with_is_a_thought(text: str, parts: tuple[Part, ...]) -> None:
    assert read(text) == parts
    assert read(*text) == parts


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "<", "</", "think>", " ", "\n", "a", "b c"]), max_size=12).map(
        "".join
    ),
    st.lists(st.integers(0, 80), max_size=8),
)
@example("<think>\na </think>\n\nb", [7, 8, 9, 10, 15, 18, 19])
def test_it_does_not_matter_where_an_answer_is_cut(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places) if end > start]
    assert read(*pieces) == (read(text) if text else ())


def test_holds_back_no_more_than_it_has_to() -> None:
    reader = ThinkTags()
    assert reader.feed(TextDelta("<think>One </")) == [ThinkingDelta("One")]
    assert reader.feed(TextDelta("b> two")) == [ThinkingDelta(" </b> two")]
    assert reader.feed(TextDelta("</think>Three")) == [TextDelta("Three")]
    assert reader.feed(TextDelta(" <")) == [TextDelta(" <")]


def test_whatever_else_comes_ends_the_thought() -> None:
    assert read("<think>Hm. ", ToolCallDelta(CALL), "Done.</think>") == (Thought("Hm."), CALL, Text("Done.</think>"))
    assert read("<thi", ToolCallDelta(CALL), "nk>") == (Text("<thi"), CALL, Text("nk>"))
    assert read("<think>a</think>\n", ToolCallDelta(CALL)) == (Thought("a"), CALL)


def test_thoughts_that_the_server_tells_apart_stay_what_they_are() -> None:
    assert read(ThinkingDelta("Hm.", "seal"), "Hello.") == (Thought("Hm.", "seal"), Text("Hello."))


def test_gives_up_what_it_holds_when_an_answer_breaks_off() -> None:
    reader = ThinkTags()
    assert reader.feed(TextDelta("<think>One </thin")) == [ThinkingDelta("One")]
    assert reader.rest() == [ThinkingDelta(" </thin")]
    assert reader.rest() == []
