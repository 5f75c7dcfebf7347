"""What Markdown looks like."""

import io

import pytest
from hypothesis import given, settings
from rich.color import ColorType
from rich.console import Console

from boticelli_cli.views.markdown.stream import MarkdownStream
from boticelli_cli.views.rows import Row, plain
from tests.views.markdown.texts import documents

CONSOLE = Console(file=io.StringIO(), width=80)


def rows_of(text: str, width: int = 80, console: Console = CONSOLE) -> list[Row]:
    stream = MarkdownStream(console)
    stream.add(text)
    stream.end()
    return stream.take(width)


def shown(text: str, width: int = 80, console: Console = CONSOLE) -> str:
    return "\n".join(plain(row) for row in rows_of(text, width, console))


def styles(text: str) -> dict[str, str]:
    return {segment.text: str(segment.style or "") for row in rows_of(text) for segment in row}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n\na\n\n\n\nb\n", "a\n\nb"),
        ("a\n# b\nc", "a\n\nb\nc"),
        ("# a\n## b ##", "a\n\nb"),
        ("a\nb  \nc\\\nd<br>e", "a\nb\nc\nd\ne"),
        ("- a\n  - b\n    - c\n      - d", "• a\n  ◦ b\n    ▪ c\n      ▪ d"),
        ("- [ ] a\n- [x] b", "• [ ] a\n• [x] b"),
        ("9. a\n10. b\n1. c", " 9. a\n10. b\n11. c"),
        ("1) a\n\n2) b", " 1) a\n\n 2) b"),
        ("- a\n\n  b\n\n      c", "• a\n\n  b\n\n  c"),
        ("- # a\n- > b\n- ```\n  c\n  ```", "• a\n• ▌ b\n• ```\n  c\n  ```"),
        ("-\n- a", "•\n• a"),
        ("> a\n>\n> b\nlazy", "▌ a\n▌\n▌ b\n▌ lazy"),
        ("> - a\n>\n>   b", "▌ • a\n▌\n▌   b"),
        ("```python\n\tx = 1\n\n```\nb", "```python\n    x = 1\n\n```\nb"),
        ("```\nopen", "```\nopen"),
        ("    code\n\n      more\n\ntext", "code\n\n  more\n\ntext"),
        ("<p>a\n  <b>\n\nb", "<p>a\n  <b>\n\nb"),
        ("a <b>c</b> &amp; \\*d\\*", "a <b>c</b> & *d*"),
        (
            "[a](https://a.org) <https://b.org> [c@d.e](mailto:c@d.e) <f@g.h>",
            "a (https://a.org) https://b.org c@d.e f@g.h",
        ),
        ("![a](b.png) ![](c.png)", "[image: a] (b.png) [image] (c.png)"),
        ("[a]: b\n[a]", "[a]: b\n[a]"),
        ("a\n***\nb", f"a\n{'─' * 40}\nb"),
        (
            "|a|b|c|\n|:-|:-:|-:|\n|long|long|long|\n|1|2|3|",
            "a    │  b   │    c\n─────┼──────┼─────\nlong │ long │ long\n1    │  2   │    3",
        ),
        ("|a|b|\n|-|-|\n|`x\\|y`|**z**|", "a   │ b\n────┼──\nx|y │ z"),
    ],
)
def test_looks_like_this(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("- some words that wrap", 12, "• some words\n  that wrap"),
        ("> 1. some words", 14, "▌  1. some\n▌     words"),
        ("aaa " + "b" * 14, 8, "aaa\nbbbbbbbb\nbbbbbb"),
        ("灯台守は嵐の夜に。", 8, "灯台守は\n嵐の夜\nに。"),
        ("ab 灯台守は", 8, "ab 灯台\n守は"),
        ("```\n0123456789\n```", 8, "```\n01234567\n89\n```"),
        ("12. words", 6, "12.\nwords"),
        ("> words that wrap", 6, "words\nthat\nwrap"),
        ("***", 9, "─────────"),
        ("|a|b|\n|-|-|\n|some words here|x|", 14, "a          │ b\n───────────┼──\nsome words │ x\nhere       │"),
        ("|a|b|c|\n|-|-|-|\n|one|two|three|\n|four|||", 8, "a\nb\nc\n────────\none\ntwo\nthree\n────────\nfour"),
        ("👩‍👩‍👧👩‍👩‍👧🇮🇪🇮🇪", 4, "👩‍👩‍👧👩‍👩‍👧\n🇮🇪🇮🇪"),
    ],
)
def test_fits_the_width(text: str, width: int, expected: str) -> None:
    assert shown(text, width) == expected


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("# x", "bold underline"),
        ("## x", "bold"),
        ("### x", "bold italic"),
        ("**x**", "bold"),
        ("*x*", "italic"),
        ("~~x~~", "strike"),
        ("`x`", "cyan"),
        ("***x***", "bold italic"),
        ("~~~\n~~~", "dim"),
        ("<p>", "dim"),
        ("---", "dim"),
        ("```python\n'x'\n```", "green"),
        ("```nonesuch\n'x'\n```", ""),
        ("    'x'", ""),
        ("|x|\n|-|", "bold"),
        ("> y", "dim"),
        ("[x](y)", "dim"),
    ],
)
def test_has_this_style(text: str, style: str) -> None:
    found = styles(text)
    wanted = next(name for name in ("x", "'x'", "(y)", "▌ ", "~~~", "<p>", "─" * 40) if name in found)
    assert set(found.get("(y)", found[wanted]).split()) == set(style.split())


def test_colours_a_string_over_several_lines() -> None:
    rows = rows_of('```python\nx = """a\nb for c\n"""\n```')
    assert {str(segment.style) for segment in rows[2]} == {"green"}


def test_colours_the_line_that_has_begun_like_the_string_it_stands_in() -> None:
    stream = MarkdownStream(CONSOLE)
    stream.add('```python\nx = """a\nb for')
    assert {str(segment.style) for segment in stream.rest(80)[-1]} == {"green"}


@settings(max_examples=60, deadline=None)
@given(documents())
def test_uses_the_terminals_own_colours_and_no_background(text: str) -> None:
    for row in rows_of(text + "\n```python\ndef f(x): return 'x' # y\n"):
        for segment in row:
            if segment.style:
                assert segment.style.bgcolor is None
                assert segment.style.color is None or segment.style.color.type is ColorType.STANDARD


def test_keeps_to_ascii_where_the_screen_does() -> None:
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="ascii"), width=80)
    text = "- a\n  - b\n\n> c\n\n***\n\n|d|e|\n|-|-|\n|f|g|\n\n1. h"
    assert shown(text, 80, console).isascii()
    assert shown("- a\n  - b\n> c", 80, console) == "* a\n  - b\n| c"
