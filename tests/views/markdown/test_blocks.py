"""From lines to leaves."""

import re

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from boticelli_cli.views.markdown.blocks import Blocks
from boticelli_cli.views.markdown.leaf import (
    Block,
    CodeLine,
    Empty,
    FenceLine,
    Heading,
    HtmlLine,
    Leaf,
    Paragraph,
    Quote,
    Rule,
    Table,
)
from tests.views.markdown.texts import lines

ORACLE = MarkdownIt("commonmark", {"maxNesting": 200}).enable("table").disable("reference")


@settings(max_examples=300, deadline=None)
@given(lines.map("\n".join))
def test_finds_the_blocks_that_markdown_it_finds(text: str) -> None:
    # Where markdown-it and the specification differ: a lazy line below nested quotes that is indented by four.
    assume(not re.search(r"^ *(>|[-+*] |\d+[.)]).*>|^ {4}.*>", text, re.MULTILINE))
    text = text.replace("\r", "") + "\n"
    assert ours(text) == theirs(text)


TABLE_LINES = ["para", "", "| a | b |", "|---|:-:|", "a|b", "-|-", "| 1 |", "| 1 | 2 |", "# x", "---", "```", "    x"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(TABLE_LINES), min_size=1, max_size=9).map("\n".join))
def test_finds_the_tables_that_markdown_it_finds(text: str) -> None:
    assert ours(text + "\n") == theirs(text + "\n")


Found = tuple[object, ...]


def ours(text: str) -> list[Found]:
    """Each leaf and the containers around it, without fences, blanks at the sides of lines, and cells too many."""
    blocks = Blocks()
    blocks.add(text)
    blocks.end()
    found = [(*named(leaf.block), around(leaf)) for leaf in blocks.take() if not isinstance(leaf.block, FenceLine)]
    return [leaf for leaf in found if leaf[:2] != ("html", "")]


def named(block: Block) -> Found:
    match block:
        case Paragraph(text):
            return "p", text
        case Heading(level, text):
            return f"h{level}", text
        case CodeLine(text):
            return "code", text.rstrip()
        case HtmlLine(text):
            return "html", text.strip(" ")
        case Table() as table:
            return "table", tuple(cell.partition(" | ")[0] for row in table.basis for cell in row)
        case Rule():
            return ("hr",)
        case Empty():
            return ("empty",)
    raise AssertionError(block)


def around(leaf: Leaf) -> Found:
    return tuple(">" if isinstance(item, Quote) else (item.mark, item.number) for item in leaf.containers)


def theirs(text: str) -> list[Found]:
    found: list[Found] = []
    within: list[object] = []
    numbers: list[int | None] = []
    cells: list[str] | None = None
    tokens = ORACLE.parse(text.expandtabs(4))
    for before, token in zip([None, *tokens], tokens, strict=False):
        content = "\n".join(line.strip(" ") for line in token.content.split("\n"))
        match token.type:
            case "ordered_list_open":
                numbers.append(int(token.attrs.get("start", 1)))
            case "bullet_list_open":
                numbers.append(None)
            case "ordered_list_close" | "bullet_list_close":
                numbers.pop()
            case "list_item_open":
                number = numbers[-1]
                within.append((token.markup, number))
                numbers[-1] = None if number is None else number + 1
            case "blockquote_open":
                within.append(">")
            case "list_item_close" | "blockquote_close":
                if before and before.type in ("list_item_open", "blockquote_open"):
                    found.append(("empty", tuple(within)))
                within.pop()
            case "table_open":
                cells = []
            case "table_close":
                found.append(("table", tuple(cells or ()), tuple(within)))
                cells = None
            case "inline" if cells is not None:
                cells.append(token.content)
            case "inline" if before:
                found.append((before.tag, content, tuple(within)))
            case "hr":
                found.append(("hr", tuple(within)))
            case "fence":
                found += [("code", line.rstrip(), tuple(within)) for line in token.content.split("\n")[:-1]]
            case "code_block":
                found += [("code", line.rstrip(), tuple(within)) for line in token.content.rstrip("\n").split("\n")]
            case "html_block":
                found += [("html", line, tuple(within)) for line in content.split("\n") if line]
    return found
