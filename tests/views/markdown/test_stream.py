"""Markdown as it grows: which rows are final, and when."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from boticelli_cli.views.markdown.stream import MarkdownStream
from boticelli_cli.views.rows import Row, plain
from tests.views.markdown.texts import chunkings, documents, styled, tables

WIDTHS = st.sampled_from([1, 2, 3, 5, 9, 14, 20, 38, 80])
CONSOLE = Console(file=io.StringIO(), width=80)


def whole(text: str, width: int) -> list[Row]:
    """The rows of a text that comes in one piece."""
    stream = MarkdownStream(CONSOLE)
    stream.add(text)
    stream.end()
    return stream.take(width)


def begun(*pieces: str) -> MarkdownStream:
    stream = MarkdownStream(CONSOLE)
    for piece in pieces:
        stream.add(piece)
    return stream


def texts(rows: list[Row]) -> list[str]:
    return [plain(row) for row in rows]


@settings(max_examples=120, deadline=None)
@given(st.data(), documents(), WIDTHS)
def test_gives_the_same_rows_however_the_text_comes_and_whenever_they_are_taken(
    data: st.DataObject, text: str, width: int
) -> None:
    check_streams_like_the_whole(data, text, width)


@settings(max_examples=25, deadline=None)
@given(st.data(), documents(most=4, long=True), WIDTHS)
def test_gives_the_same_rows_of_long_blocks(data: st.DataObject, text: str, width: int) -> None:
    check_streams_like_the_whole(data, text, width)


@settings(max_examples=25, deadline=None)
@given(st.data(), tables, WIDTHS)
def test_gives_the_same_rows_of_tables(data: st.DataObject, text: str, width: int) -> None:
    check_streams_like_the_whole(data, text, width)


def check_streams_like_the_whole(data: st.DataObject, text: str, width: int) -> None:
    stream = MarkdownStream(CONSOLE)
    rows: list[Row] = []
    for piece in data.draw(chunkings(text)):
        stream.add(piece)
        match data.draw(st.sampled_from(["nothing", "take", "settle", "settle", "rest"])):
            case "take":
                rows += stream.take(width)
            case "settle":
                rows += stream.take(width, data.draw(st.integers(0, 6)))
            case "rest":
                rest, height = stream.rest(width), data.draw(st.integers(0, 6))
                assert stream.rest(width, height) == rest[max(len(rest) - height, 0) :]
    stream.end()
    rest = stream.rest(width)
    last = stream.take(width)
    assert rest == last
    assert stream.rest(width) == stream.take(width) == []
    expected = whole(text, width)
    assert texts([*rows, *last]) == texts(expected)
    if "python" not in text and "js" not in text:
        assert list(map(styled, [*rows, *last])) == list(map(styled, expected))


@settings(max_examples=60, deadline=None)
@given(st.data(), documents(most=8))
def test_loses_and_repeats_nothing_when_the_width_changes(data: st.DataObject, text: str) -> None:
    text = text.replace("|", "/")
    stream = MarkdownStream(CONSOLE)
    rows: list[Row] = []
    for piece in data.draw(chunkings(text)):
        stream.add(piece)
        width = data.draw(WIDTHS)
        stream.rest(width)
        rows += stream.take(width, data.draw(st.none() | st.integers(0, 6)))
    stream.end()
    rows += stream.take(data.draw(WIDTHS))
    assert letters(rows) == letters(whole(text, 80))


def letters(rows: list[Row]) -> str:
    """What stands in rows, but for blanks, the bars of quotes, and lines, which depend on the width."""
    return "".join(char for row in rows for char in plain(row) if char not in " ▌─")


@settings(max_examples=100, deadline=None)
@given(documents(), st.sampled_from([2, 3, 5, 9, 14, 20, 38, 80]))
def test_makes_no_row_wider_than_the_screen_or_with_blanks_at_its_end(text: str, width: int) -> None:
    for row in whole(text, width):
        assert cell_len(plain(row)) <= width
        assert plain(row) == plain(row).rstrip(" ")


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("para\n#", []),
        ("para\n# ", []),
        ("para\n# x\n", ["para", "", "x"]),
        ("para\n\n", ["para"]),
        ("para\n***", []),
        ("para\n***\n", ["para", "─" * 40]),
        ("- a\n- b", []),
        ("- a\n- b\n- c\n", ["• a", "• b"]),
        ("- a\n  - b\n", ["• a"]),
        ("```python\nx = 1\ny = ", ["```python", "x = 1"]),
        ("| a |\n|---|\n| b |\n", []),
        ("| a |\n|---|\n| b |\n\n", ["a", "─", "b"]),
        ("text\n| a |\n", []),
        ("    code\n\n", ["code"]),
        ("<div>\n<p>\n", ["<div>", "<p>"]),
        ("# Title\n", ["Title"]),
        ("Title\n===\n", ["Title"]),
    ],
)
def test_takes_for_final_what_complete_lines_have_decided(text: str, final: list[str]) -> None:
    assert texts(begun(text).take(80)) == final


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("para\n#", ["para"]),
        ("para\n-", ["para"]),
        ("para\n#tag", ["para", "#tag"]),
        ("para\n- it", ["para", "• it"]),
        ("**bold", ["**bold"]),
        ("| a | b |\n|---|---|\n| c", ["a │ b", "──┼──", "c │"]),
    ],
)
def test_shows_the_line_that_has_begun_unless_it_may_still_become_anything(text: str, rest: list[str]) -> None:
    assert texts(begun(text).rest(80)) == rest


WORDS = " ".join(f"word{n}" for n in range(120))


@pytest.mark.parametrize(
    "text",
    [
        WORDS,
        "- " + WORDS,
        "> 1. " + WORDS,
        "First line.\n" + WORDS,
        WORDS.replace("word9 ", "**bold** `code_` [link](https://a.org/_x) 5 * 3 < 4 "),
        WORDS.replace("word9 ", "a citation [1], a snake_case, R&D and \\*escaped "),
        "灯台守は嵐の夜に嘘をついた" * 30,
    ],
    ids=["plain", "item", "quote", "two lines", "marks", "harmless signs", "ideographs"],
)
@pytest.mark.parametrize("room", [4, 6])
def test_settles_the_first_rows_of_a_paragraph_that_is_taller_than_the_room(text: str, room: int) -> None:
    stream = begun(text)
    rows = stream.take(40, room)
    assert len(stream.rest(40)) <= room
    stream.end()
    assert texts([*rows, *stream.take(40)]) == texts(whole(text, 40))


@pytest.mark.parametrize("mark", ["**open", "[open", "`open", "<a href", "_open", "~~open"])
def test_settles_nothing_from_a_mark_that_may_still_be_closed(mark: str) -> None:
    stream = begun(WORDS.replace("word20 ", f"word20 {mark} "))
    rows = stream.take(40, 1)
    assert rows
    assert mark not in " ".join(texts(rows))


LINE = "x" * 15 + " "


@pytest.mark.parametrize(
    "pieces",
    [
        (LINE * 8 + "x" * 15 + " **abc more and more and more ", "and** more"),
        (LINE * 8 + "x" * 12 + " foo**abc more and more and more ", "and** more"),
        (LINE * 8 + "some _words " + LINE * 3 + "more;_", "x and more"),
        (LINE * 8 + "x" * 15 + " [abc more and more and more ", "and](y) more"),
        (LINE * 8 + "灯台守は" * 4 + "**灯台 more and more and more ", "and** more"),
        (LINE * 8 + "\nWords and words and words and words | and more and more words", "\n---|---\n"),
        (LINE * 8 + "\nWords and words and words and words | and more and more words\n", "---|---\n"),
        (LINE * 8 + "\nWords and words and words", " | and more\n---|---\n"),
        (LINE * 2 + "Words and words", "\n---\n"),
        (LINE * 8 + "some _words_", "and others, and others, and others"),
        (LINE * 8 + "some words", "\n- and others, and others"),
        (LINE * 8 + "some &am", "p; and others, and others"),
        (LINE * 8 + "some words\\", "* and others, and others"),
        (LINE + "**" + LINE * 6 + "[open and 中**粗 and more and more and more and more ", "**](y)"),
    ],
    ids=lambda pieces: pieces[1],
)
def test_settles_nothing_that_a_later_word_changes(pieces: tuple[str, str]) -> None:
    stream = begun(pieces[0])
    rows = stream.take(20, 0)
    stream.add(pieces[1])
    rest = stream.rest(20)
    stream.end()
    assert texts([*rows, *rest]) == texts([*rows, *stream.take(20)]) == texts(whole("".join(pieces), 20))


def test_settles_nothing_if_there_is_room() -> None:
    assert begun(WORDS).take(40, 100) == []


@pytest.mark.parametrize("text", ["| a", "Words | and", "Short"])
def test_settles_nothing_that_may_become_a_heading_or_a_table(text: str) -> None:
    assert begun(text + " more" * 15).take(8, 1) == []


def test_cuts_a_long_paragraph_at_the_end_of_a_sentence_and_goes_on_without_a_blank_row() -> None:
    text = "Some words here. " * 300
    stream = begun(text)
    rows = texts(stream.take(80))
    assert rows[-1].endswith("here.")
    assert 2000 < len(" ".join(rows)) < 5000
    stream.end()
    assert " ".join([*rows, *texts(stream.take(80))]) == text.strip()


def test_keeps_the_columns_of_a_long_table_without_a_second_header() -> None:
    text = "| name | n |\n|---|--:|\n" + "".join(f"| row number {n} | {n} |\n" for n in range(250))
    stream = begun(text)
    rows = texts(stream.take(80))
    assert rows[0] == "name               │    n"
    assert rows[-1] == "row number 249     │  249"
    assert len(rows) == 252
    assert stream.rest(80) == []


def test_takes_the_lines_of_windows_for_lines() -> None:
    assert texts(whole("# Title\r\n\r\ntext\r\nmore\r\n", 80)) == ["Title", "", "text", "more"]
