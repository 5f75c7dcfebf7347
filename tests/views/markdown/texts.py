"""Random Markdown, of all the shapes that models write and some that they do not, and ways to cut it."""

from hypothesis import strategies as st

from boticelli_cli.views.rows import Row

__all__ = ["chunkings", "documents", "lines", "styled", "tables"]

_WORDS = [
    *(
        "a",
        "the",
        "lighthouse",
        "snake_case_name",
        "x" * 25,
        "1.",
        "2024",
        "-",
        "—",
        "R&D",
        "5 * 3",
        "a|b",
        "!",
        "#tag",
    ),
    *("**bold**", "*soft*", "_under_", "`code`", "``a ` b``", "~~gone~~", "***both***", "**open", "*", "_x", "`", "~~"),
    *("[link](https://example.org/a_b)", "[1]", "[open", "[x](", "](y)", "![alt](pic.png)", "<https://a.org>", "<b>"),
    *("<br>", "<a href='x", "y'>", "&amp;", "&eacute;_x_", "\\*", "\\", "a@b.cd"),
    *(
        "灯台",
        "灯台守は嵐の夜に嘘をついた。",
        "「風」",
        "中**粗**文",
        "👩‍👩‍👧",
        "☝️",
        "🇮🇪🇮🇪",
        "é̂",
        "שלום",
        "مرحبا",
        "한국어",
        "👍🏽",
    ),
]
_LINES = [
    *(
        "",
        "",
        "",
        "# Title",
        "## Two ##",
        "###### six",
        "#",
        "---",
        "***",
        "===",
        "- ",
        "-",
        "+ plus",
        "* star",
        "1) paren",
    ),
    *(
        "- item",
        "  - nested",
        "    - deeper",
        "1. one",
        "2. two",
        "9. nine",
        "   more",
        "  more",
        "    code",
        "\tcode",
        ">",
    ),
    *("> quote", "> > twice", "> - both", "- > other", "- # Title", "1. - [ ] task", "- [x] done", "-     code", "+"),
    *(
        "```",
        "```python",
        "def f(x): return 'x'  ",
        '"""open',
        "~~~",
        "~~~~ text",
        "   ```",
        "  ```js",
        "<div>",
        "</div>",
    ),
    *(
        "<!-- note",
        "-->",
        "<b>",
        "| a | b |",
        "|---|--:|",
        "| 1 | 2 |",
        "a|b",
        "-|-",
        "    # x",
        "* * *",
        "> ```",
        "- ```",
    ),
    *(
        "> | a | b |",
        "> |---|---|",
        "> | `x` | **y** | z |",
        "x\r",
        "| 灯台 | 👍🏽 |",
        "* a\n\n  b",
        "0. zero",
        "> text\nlazy",
    ),
]

_paragraphs = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=60).map(" ".join)
_prefixes = st.sampled_from(["", "", "", "- ", "  ", "> ", "1. ", "   ", "# ", "> > ", "    "])
_long = st.tuples(
    st.sampled_from(["word ", "Words end. Here ", "字", "x", "`a` *b ", "<a ", "| x ", "- "]), st.integers(300, 2500)
)
_blocks = st.one_of(
    st.sampled_from(_LINES),
    st.lists(st.sampled_from(_LINES), min_size=2, max_size=4).map("\n".join),
    st.tuples(_prefixes, _paragraphs).map("".join),
    st.tuples(_prefixes, _paragraphs).map(lambda x: "".join(x) + "\n"),
    st.text(alphabet="ab *_`~[]()<>#-|\\!&\n灯é", max_size=40),
)


def documents(*, most: int = 12, long: bool = False) -> st.SearchStrategy[str]:
    blocks = _blocks | _long.map(lambda x: x[0] * (x[1] // len(x[0]) + 1)) if long else _blocks
    return st.lists(blocks, min_size=1, max_size=most).map("\n".join)


tables = st.lists(
    st.lists(st.sampled_from(_WORDS), min_size=3, max_size=3).map(lambda x: "| " + " | ".join(x) + " |"), min_size=1
).map(lambda rows: "\n".join(["|a|b|c|", "|-|:-:|-:|", *rows]))


@st.composite
def chunkings(draw: st.DrawFn, text: str) -> list[str]:
    """A text in pieces: small ones, of one character each perhaps, or cut anywhere."""
    if draw(st.booleans()):
        size = draw(st.integers(1, 7)) * (1 + len(text) // 600)
        return [text[n : n + size] for n in range(0, len(text), size)]
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


lines = st.lists(st.sampled_from([line for line in [*_LINES, "text *x*"] if "|" not in line]), min_size=1, max_size=9)
"""Lines without tables, none of them long."""


def styled(row: Row) -> list[tuple[str, str]]:
    """A row as characters with their styles, however it is divided into segments. Blanks count as plain."""
    cells = [(char, str(segment.style or "")) for segment in row for char in segment.text]
    return [(char, "" if char == " " else style) for char, style in cells]
