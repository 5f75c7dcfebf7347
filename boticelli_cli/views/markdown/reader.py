"""From lines to leaves, each line read once.

The rules are those of CommonMark 0.31 (https://spec.commonmark.org/0.31.2/#appendix-a-parsing-strategy) with the tables
of GitHub (https://github.github.com/gfm/#tables-extension-), but that definitions of links stay text, and these, which
bound what can still change: a paragraph of more than `SHORT` characters becomes no heading by a line below it; a line
that becomes the header of a table has its first bar within as many; containers are nested at most `DEPTH` deep; long
paragraphs, lines and tables are cut.
"""

import copy
from dataclasses import replace
from typing import Self

from boticelli_cli.views.markdown.leaf import (
    TABLE,
    Block,
    CodeLine,
    Container,
    Empty,
    FenceLine,
    Heading,
    HtmlLine,
    Item,
    Leaf,
    Paragraph,
    Quote,
    Rule,
    Table,
)
from boticelli_cli.views.markdown.line import (
    LONG,
    Bullet,
    bullet_of,
    cells_of,
    columns_of,
    fence_of,
    heading_of,
    html_end_of,
    is_rule,
    underline_of,
)
from boticelli_cli.views.markdown.unfinished import (
    Level,
    OpenCode,
    OpenFence,
    OpenHtml,
    OpenLeaf,
    OpenTable,
    OpenText,
)

__all__ = ["SHORT", "Reader"]

SHORT = 100
DEPTH = 20


class Reader:
    """Reads lines, which have no line feed. `leaves` are those that are final, `open` is what may still go on."""

    def __init__(self) -> None:
        self.leaves: list[Leaf] = []
        self.open: OpenLeaf | None = None
        self._levels = [Level()]
        self._shared = 0
        self._blank = False
        self._begun = False

    def copy(self) -> Self:
        """Another that reads on from here, without the leaves that are final."""
        other = copy.copy(self)
        other.leaves = []
        other._levels = self._levels.copy()
        return other

    def close(self) -> None:
        """End the text."""
        self._close_to(0)
        self._close()

    def break_off(self) -> None:
        """End a paragraph in the middle of its line."""
        if isinstance(self.open, OpenText):
            self._close()

    def feed(self, line: str, *, goes_on: bool = False) -> None:
        """Read a line, or what `goes_on` with a line that was cut."""
        line = line.removesuffix("\r").replace("\r", " ").expandtabs(4)
        if goes_on:
            if line.strip(" "):
                self._feed_text(line, long=True)
            return
        at, matched = self._match(line)
        whole = matched == len(self._levels) - 1
        if whole and isinstance(self.open, OpenFence | OpenHtml):
            self._feed_verbatim(line[at:], self.open)
            return
        while line[at:].strip(" "):
            step = self._begin_block(line, at, matched, whole)
            if step is None:
                break
            if step == 0:
                return
            at += step
            matched = len(self._levels) - 1
            whole = True
        text = line[at:]
        if not text.strip(" "):
            self._feed_blank(matched)
            return
        if not isinstance(self.open, OpenText):
            self._close_to(matched)  # a paragraph goes on lazily
        self._feed_text(text)

    def _match(self, line: str) -> tuple[int, int]:
        """How far a line belongs to the containers that are open: its columns, and their number."""
        at = 0
        for n, level in enumerate(self._levels[1:]):
            blanks = _indent(line, at)
            match level.container:
                case Quote() if blanks < 4 and line.startswith(">", at + blanks):
                    at += blanks + 1
                    at += line.startswith(" ", at)
                case Item() if at + blanks == len(line) and level.filled:
                    pass
                case Item(indent=indent) if blanks >= indent and at + blanks < len(line):
                    at += indent
                case _:
                    return at, n
        return at, len(self._levels) - 1

    def _begin_block(self, line: str, at: int, matched: int, whole: bool) -> int | None:
        """The columns of the container that begins here; 0 if the line is done; None if it is text."""
        blanks = _indent(line, at)
        text = line[at + blanks :]
        paragraph = self.open if isinstance(self.open, OpenText) else None
        if blanks >= 4:
            if paragraph:
                return None
            self._feed_code(line[at + 4 :], matched)
            return 0
        if text[0] == ">" and matched < DEPTH:
            self._open_container(Quote(), matched)
            return blanks + 1 + text.startswith(" ", 1)
        if self._begin_leaf(text, blanks, matched, whole):
            return 0
        bullet = bullet_of(text)
        if bullet is None or matched >= DEPTH:
            return None
        if paragraph and whole and (bullet.bare or bullet.number not in (None, 1)):
            return None
        self._open_item(bullet, blanks, matched)
        return 0 if bullet.bare else blanks + bullet.width

    def _begin_leaf(self, text: str, blanks: int, matched: int, whole: bool) -> bool:
        """Begin what is no paragraph and no container, if this is one, or make it of the paragraph above."""
        if whole and isinstance(self.open, OpenText) and text[0] in "|:-=" and self._make_of(self.open, text):
            return True
        stays = OpenText | OpenTable if whole else OpenText
        if text[0] == "#" and (heading := heading_of(text)):
            self._tell(Heading(*heading), matched)
        elif text[0] in "-*_" and is_rule(text):
            self._tell(Rule(), matched)
        elif text[0] in "`~" and (fence := fence_of(text)):
            place = self._tell(FenceLine(text), matched)
            self.open = OpenFence(place, fence.mark, fence.length, blanks, fence.language)
        elif end := html_end_of(text, interrupts=isinstance(self.open, stays)):
            place = self._tell(HtmlLine(" " * blanks + text), matched)
            self.open = None if end.search(text) else OpenHtml(place, end)
        else:
            return False
        return True

    def _make_of(self, paragraph: OpenText, text: str) -> bool:
        """Whether a line makes a table or a heading of the paragraph above it."""
        *lines, last = paragraph.lines
        aligns = columns_of(text) if "|" in last[:SHORT] else None
        if aligns and len(header := cells_of(last)) == len(aligns):
            place = paragraph.place
            if lines:
                self.leaves.append(replace(place, block=Paragraph("\n".join(lines))))
                place = replace(place, shared=len(place.containers), gap=False)
            self.open = OpenTable(place, aligns, (header,))
            return True
        level = underline_of(text) if paragraph.length <= SHORT else None
        if level:
            gap = paragraph.place.gap or not paragraph.first
            self.leaves.append(replace(paragraph.place, block=Heading(level, "\n".join(paragraph.lines)), gap=gap))
            self.open = None
        return bool(level)

    def _feed_text(self, text: str, *, long: bool = False) -> None:
        """A line, or more of it, for the block that is open; or a new paragraph."""
        match self.open:
            case OpenText(length=length) as paragraph if length < LONG:
                line = text.strip(" ")
                self.open = replace(paragraph, lines=(*paragraph.lines, line), length=length + len(line))
            case OpenText():
                self._close()
                self._begin_paragraph(text, long=True)
            case OpenTable() as table:
                self._feed_row(text, table)
            case OpenFence() | OpenHtml() as verbatim:
                self._feed_verbatim(text, verbatim)
            case OpenCode() if long:
                self._feed_code(text, len(self._levels) - 1)
            case _:
                self._close()
                self._begin_paragraph(text, long=long)

    def _begin_paragraph(self, text: str, *, long: bool) -> None:
        first = not self._begun
        line = text.strip(" ")
        self.open = OpenText(self._place(Empty()), (line,), len(line) + SHORT * long, first)

    def _feed_verbatim(self, text: str, block: OpenFence | OpenHtml) -> None:
        blanks = _indent(text, 0)
        match block:
            case OpenFence():
                fence = fence_of(text[blanks:]) if blanks < 4 else None
                if fence and fence.mark == block.mark and fence.length >= block.length and not fence.language:
                    self.leaves.append(replace(block.place, block=FenceLine(text[blanks:].rstrip(" "))))
                    self.open = None
                    return
                code = CodeLine(text[min(blanks, block.indent) :], block.language, block.number)
                self.leaves.append(replace(block.place, block=code))
                self.open = replace(block, number=block.number + 1)
            case OpenHtml():
                if block.end.search(text.strip(" ")):
                    self.open = None
                if text.strip(" ") or self.open:
                    self.leaves.append(replace(block.place, block=HtmlLine(text)))
                else:
                    self._blank = True

    def _feed_code(self, text: str, matched: int) -> None:
        """A line of code that is indented. Blank lines belong to it only if more of it follows."""
        code = self.open if isinstance(self.open, OpenCode) and matched == len(self._levels) - 1 else None
        if code is None:
            place = self._tell(CodeLine(text, "", 0), matched)
            self.open = OpenCode(place, 1)
            return
        lines = [*[""] * code.blank, text]
        self.leaves += [replace(code.place, block=CodeLine(x, "", code.number + n)) for n, x in enumerate(lines)]
        self.open = replace(code, number=code.number + len(lines), blank=0)
        self._blank = False

    def _feed_row(self, text: str, table: "OpenTable") -> None:
        row = cells_of(text, len(table.aligns))
        if table.cut:
            self.leaves.append(replace(table.place, block=Table((row,), table.aligns, table.rows, False)))
            return
        self.open = replace(table, rows=(*table.rows, row))
        if len(table.rows) == TABLE:
            self._close()
            place = replace(table.place, shared=len(table.place.containers), gap=False)
            self.open = OpenTable(place, table.aligns, (*table.rows, row), cut=True)

    def _feed_blank(self, matched: int) -> None:
        self._close_to(matched)
        match self.open:
            case OpenCode() as code:
                self.open = replace(code, blank=code.blank + 1)
            case _:
                self._close()
        self._blank = True

    def _open_container(self, container: Container, matched: int, after: tuple[str, int] | None = None) -> None:
        self._close_to(matched)
        self._close()
        self._levels[-1] = Level(self._levels[-1].container, filled=True, after=after)
        self._levels.append(Level(container))

    def _open_item(self, bullet: Bullet, blanks: int, matched: int) -> None:
        """Begin an item. It goes on with the list before it if it has the same mark."""
        self._close_to(matched)
        number, after = bullet.number, self._levels[-1].after
        if number is not None and after and after[0] == bullet.mark:
            number = after[1]
        nesting = sum(isinstance(x.container, Item) and x.container.number is None for x in self._levels)
        item = Item(bullet.mark, number, nesting, blanks + bullet.width)
        self._open_container(item, matched, (bullet.mark, (number or 0) + 1))

    def _tell(self, block: Block, matched: int) -> Leaf:
        """Tell a leaf that is final. Gives the place of what follows in it."""
        self._close_to(matched)
        self._close()
        leaf = self._place(block)
        self.leaves.append(leaf)
        return replace(leaf, shared=len(leaf.containers), gap=False)

    def _place(self, block: Block) -> Leaf:
        """A leaf that begins here."""
        gap = self._begun and (self._blank or isinstance(block, Heading))
        containers = tuple(level.container for level in self._levels if level.container)
        leaf = Leaf(block, containers, self._shared, gap)
        self._levels[-1] = Level(self._levels[-1].container, filled=True)
        self._shared = len(containers)
        self._begun, self._blank = True, False
        return leaf

    def _close_to(self, count: int) -> None:
        """Close all but so many containers, and what stands in them."""
        if len(self._levels) - 1 > count:
            self._close()
        while len(self._levels) - 1 > count:
            if not self._levels[-1].filled:
                self.leaves.append(self._place(Empty()))
            self._levels.pop()
            self._shared = min(self._shared, len(self._levels) - 1)

    def _close(self) -> None:
        match self.open:
            case OpenText(place=place, lines=lines):
                self.leaves.append(replace(place, block=Paragraph("\n".join(lines))))
            case OpenTable(cut=False) as table:
                rows = Table(table.rows[1:], table.aligns, table.rows, True)
                self.leaves.append(replace(table.place, block=rows))
        self.open = None


def _indent(line: str, at: int) -> int:
    """How many blanks a line has there."""
    return len(line) - at - len(line[at:].lstrip(" "))
